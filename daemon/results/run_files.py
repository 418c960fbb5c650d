"""Finding a run by what people call it: its folder, its file, or the last characters of its id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.store.records import RUN_FILE_NAME

DATA_DIRECTORY = Path("data")


@dataclass(eq=False)
class NoSuchRunError(LookupError):
    """There is no such run, or more than one. `runs` are the folders it could be, newest last."""

    wanted: str
    data_directory: Path
    runs: tuple[Path, ...]

    def __str__(self) -> str:
        if self.runs:
            names = ", ".join(run.name for run in self.runs)
            return f"{self.wanted} could be any of {names}; write more of the end of its name"
        return f"{self.wanted}: no run file, and no run of {self.data_directory} ends so; `presscell runs` lists them"


def find_run_file(run: str | Path, data_directory: str | Path = DATA_DIRECTORY) -> Path:
    """The file of a run.

    Args:
        run: the file itself, the run's folder, or the end of its id.
        data_directory: where the folders of runs are, when `run` is the end of an id.

    Raises:
        NoSuchRunError: none, or several, fit.
    """
    path, folder = Path(run), Path(data_directory)
    if path.is_file():
        return path
    if (path / RUN_FILE_NAME).is_file():
        return path / RUN_FILE_NAME
    found = [file for file in sorted(folder.glob(f"*/{RUN_FILE_NAME}")) if file.parent.name.endswith(str(run))]
    if len(found) != 1 or not str(run):
        raise NoSuchRunError(str(run), folder, tuple(file.parent for file in found))
    return found[0]
