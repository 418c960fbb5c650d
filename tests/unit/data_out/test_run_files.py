"""Runs found by what people call them."""

from pathlib import Path

import pytest

from daemon.results.run_files import NoSuchRunError, find_run_file


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in ("lab-20261101T120000Z-aa11bb", "lab-20261102T120000Z-cc22bb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.sqlite").touch()
    (tmp_path / "no-run").mkdir()
    return tmp_path


def test_by_folder_file_and_end_of_its_id(data: Path) -> None:
    file = data / "lab-20261101T120000Z-aa11bb" / "run.sqlite"
    assert find_run_file(file) == file
    assert find_run_file(str(file.parent)) == file
    assert find_run_file("11bb", data) == file
    assert find_run_file(file.parent.name, str(data)) == file


@pytest.mark.parametrize("wanted", ["nothing", "no-run", "", "bb"])
def test_none_or_several_are_refused(data: Path, wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data)
    with pytest.raises(NoSuchRunError) as caught:
        find_run_file(wanted, data)
    if wanted == "bb":
        assert "could be any of lab-20261101T120000Z-aa11bb, lab-20261102T120000Z-cc22bb" in str(caught.value)
    else:
        assert "presscell runs" in str(caught.value) or wanted == ""
