"""ARCHITECTURE.md names every module, and marks those that the import contract calls pure."""

import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "ARCHITECTURE.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
]


def rows_of(package: str) -> str:
    """The table of a package."""
    found = re.search(rf"^\| `{package}/`.*?\n\n", PAGE, re.DOTALL | re.MULTILINE)
    assert found, package
    return found[0]


@pytest.mark.parametrize("package", ["daemon", "drivers", "protocols", "simulators"])
def test_every_module_is_in_its_table(package):
    folder = REPOSITORY / package
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    folders = [f"{path.parent.name}/" for path in folder.glob("*/__init__.py")]
    assert [name for name in sorted(modules + folders) if f"`{name}`" not in rows_of(package)] == []


def places_in(package: str) -> set[str]:
    """Modules and folders that its table names; in a row, what comes after a folder lies in that folder."""
    found = set[str]()
    for row in rows_of(package).strip().splitlines()[2:]:
        folder = ""
        for name in re.findall(r"`(\w+(?:\.py|/))`", row.split("|")[1]):
            folder = name if name.endswith("/") else folder
            found.add(name if name == folder else f"{folder}{name}")
    return found


@pytest.mark.parametrize("package", ["daemon", "drivers", "protocols", "simulators"])
def test_no_module_is_named_that_is_not_there(package):
    assert [name for name in sorted(places_in(package)) if not (REPOSITORY / package / name).exists()] == []


@pytest.mark.parametrize("package", ["daemon", "drivers", "protocols", "simulators"])
def test_folder_of_which_one_module_is_named_has_all_of_them_named(package):
    named = places_in(package)
    folders = sorted({name.partition("/")[0] for name in named if re.fullmatch(r"\w+/\w+\.py", name)})
    modules = [
        f"{folder}/{path.name}" for folder in folders for path in sorted((REPOSITORY / package / folder).glob("*.py"))
    ]
    assert [name for name in modules if not name.endswith("__init__.py") and name not in named] == []


def test_the_pure_ones_are_marked():
    [pure] = [contract for contract in CONTRACTS if contract["name"].startswith("What decides")]
    modules = [name.split(".") for name in pure["source_modules"] if re.fullmatch(r"(daemon|drivers)\.\w+", name)]
    pure_ones = {
        (package, f"{name}.py" if (REPOSITORY / package / f"{name}.py").exists() else f"{name}/")
        for package, name in modules
    }
    marked = {
        (package, name)
        for package in ("daemon", "drivers")
        for name in re.findall(r"`(\w+(?:\.py|/))` ○", rows_of(package))
    }
    assert marked == pure_ones
