"""Finding a run by what people call it: its folder, its file, or the last characters of its id."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from daemon.result import RUN_FILE_NAME

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
        return f"{self.wanted}: no run file, and no run of that name in {self.data_directory}; `presscell runs` lists them"


def find_run(run: str | Path, data_directory: Path | str = DATA_DIRECTORY) -> Path:
    """The folder of a run.

    Args:
        run: its folder, its run file, or the end of its id.
        data_directory: where the folders of runs are, when `run` is the end of an id.

    Raises:
        NoSuchRunError: none, or several, fit.
    """
    path = Path(run)
    if path.is_file():
        return path.parent
    if (path / RUN_FILE_NAME).is_file():
        return path
    folder = Path(data_directory)
    fitting = [found.parent for found in sorted(folder.glob(f"*/{RUN_FILE_NAME}")) if found.parent.name.endswith(str(run))]
    if len(fitting) != 1 or not str(run):
        raise NoSuchRunError(str(run), folder, tuple(fitting))
    return fitting[0]
