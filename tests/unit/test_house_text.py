"""The repository names no path of one machine and no package index."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NOT_OURS = re.compile(
    r"""(?<![\w.~-])/(?:root|home|work|Users)/(?=\w)   # somebody's machine
    | (?:index-url|registry)\s*=?\s*"?https?:               # where packages come from
    | https?://[^\s/]+/(?:simple|packages)/
    | "resolved":\s*"https?:
    | \b(?:p[y]pi|files\.python[h]osted|registry\.np[m]js)\.(?:org|python\.org)
    """,
    re.VERBOSE,
)


def our_files() -> Iterator[Path]:
    """Every file of the repository; of a copy without git, all that git would not ignore by its first letter."""
    if (REPOSITORY / ".git").exists():
        list_files = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(list_files, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        names = [name for name in listed.split("\0") if name]
        yield from (path for path in (REPOSITORY / name for name in names) if path.is_file())
        return
    for path in REPOSITORY.rglob("*"):
        if path.is_file() and not any(
            part.startswith((".", "__pycache__")) for part in path.relative_to(REPOSITORY).parts
        ):
            yield path


def lines_of(path: Path) -> list[str]:
    """The lines of a text file; none for a file that is not text."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        return []


def test_no_machine_and_no_package_index_is_named() -> None:
    files = list(our_files())
    assert REPOSITORY / "pyproject.toml" in files
    found = [
        f"{path.relative_to(REPOSITORY)}:{number}: {line.strip()[:120]}"
        for path in files
        for number, line in enumerate(lines_of(path), start=1)
        if NOT_OURS.search(line)
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "see " + "/home" + "/ada/cell.yaml",
        "'" + "/root" + "/x'",
        "index-url" + " = https://example.org",
        "https://example.org" + "/simple/numpy",
        '"resolved"' + ': "https://example.org/x.tgz"',
        "https://py" + "pi.org/project/x",
    ],
)
def test_what_is_not_ours_is_found(line: str) -> None:
    assert NOT_OURS.search(line)


@pytest.mark.parametrize(
    "line",
    ["docs/how-to/work/x", "presscell/home/x", "~/" + "work/x", "https://docs.python.org/3/", "/var/lib/presscell"],
)
def test_what_may_be_written_is_not(line: str) -> None:
    assert not NOT_OURS.search(line)
