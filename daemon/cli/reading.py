"""Reading a run that was named on the command line."""

from __future__ import annotations

from pathlib import Path

from daemon.cli.files import refuse
from daemon.reader import RunData, read_run
from daemon.results.run_files import NoSuchRunError
from daemon.store.errors import StoreError


def read_or_refuse(run: str, data_directory: Path) -> RunData:
    """The run; ends the command with a sentence when it can't be read."""
    try:
        return read_run(run, data=data_directory)
    except (NoSuchRunError, StoreError) as error:
        refuse(f"{error}.")
