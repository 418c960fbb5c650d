"""A function fits one screen, a file has one subject."""

import ast
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("daemon", "drivers", "protocols", "simulators")
FUNCTION_LINES = 70
FILE_LINES = 600


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        yield from sorted((REPOSITORY / package).rglob("*.py"))


def long_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno} {node.name}: {lines} lines"


def test_every_package_is_counted() -> None:
    assert {path.relative_to(REPOSITORY).parts[0] for path in sources()} == set(PACKAGES)


def test_functions_fit_one_screen() -> None:
    assert [found for path in sources() for found in long_functions(path)] == []


def test_files_have_one_subject() -> None:
    lengths = {path.relative_to(REPOSITORY): len(path.read_text(encoding="utf-8").splitlines()) for path in sources()}
    assert {str(path): lines for path, lines in lengths.items() if lines > FILE_LINES} == {}


def test_long_function_is_found(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(globals(), "REPOSITORY", tmp_path)
    module = tmp_path / "module.py"
    for body_lines, found in ((FUNCTION_LINES - 1, []), (FUNCTION_LINES, ["module.py:2 f: 71 lines"])):
        module.write_text("class C:\n    async def f():\n" + "        pass\n" * body_lines)
        assert list(long_functions(module)) == found
