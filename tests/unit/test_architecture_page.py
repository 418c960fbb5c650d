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


def test_no_module_is_named_that_is_not_there():
    named = [
        (package, name)
        for package in ("daemon", "drivers", "protocols", "simulators")
        for name in re.findall(r"`(\w+(?:\.py|/))`", rows_of(package).partition("\n")[2])
    ]
    assert [f"{package}/{name}" for package, name in named if not (REPOSITORY / package / name).exists()] == []


def test_the_pure_ones_are_marked():
    [pure] = [contract for contract in CONTRACTS if contract["name"].startswith("What decides")]
    modules = [name.split(".") for name in pure["source_modules"] if re.fullmatch(r"(daemon|drivers)\.\w+", name)]
    assert [name for package, name in modules if f"`{name}.py` ○" not in rows_of(package)] == []
    marked = [
        (package, name) for package in ("daemon", "drivers") for name in re.findall(r"`(\w+)\.py` ○", rows_of(package))
    ]
    assert [name for package, name in marked if [package, name] not in modules] == []
