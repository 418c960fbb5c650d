"""What can go wrong with a store: one class, since the caller's next move is always the same."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(eq=False)
class StoreError(Exception):
    """A store could not be read or written and is as it was before. Next: stop draining, hold the cell, raise an alarm.

    `advice` is one sentence for the person at the bench. The failed call may be repeated when its cause is gone.
    """

    path: Path
    what: str
    advice: str
    is_locked: bool = False
    """Another program holds the file; waiting may be all that is needed."""

    def __str__(self) -> str:
        return f"{self.path}: {self.what}; {self.advice}"

    @classmethod
    def from_sqlite(cls, path: Path, doing: str, error: sqlite3.Error) -> Self:
        """Say what SQLite meant. `doing` finishes the sentence "while …"."""
        name = getattr(error, "sqlite_errorname", "")
        for prefix, what, advice in _MEANINGS:
            if name.startswith(prefix):
                return cls(path, f"{what} while {doing} ({error})", advice, is_locked=prefix == "SQLITE_BUSY")
        return cls(path, f"{error} while {doing}", "keep a copy of it, and repeat")


_DAMAGED = "keep a copy before anything else touches it; what is whole can still be exported"

_MEANINGS = (
    ("SQLITE_FULL", "the disk is full", "free space on its volume, then repeat"),
    ("SQLITE_IOERR", "the disk failed or a size limit was met", "check the volume, its quota and cable, then repeat"),
    ("SQLITE_BUSY", "another program holds it locked", "close the program (a sqlite3 shell, a backup), then repeat"),
    ("SQLITE_READONLY", "it may not be written", "check the owner and mode of the file and its folder"),
    ("SQLITE_CANTOPEN", "it can't be opened", "check that it exists and may be read, and its folder too"),
    ("SQLITE_CORRUPT", "it is damaged", _DAMAGED),
    ("SQLITE_NOTADB", "it is no run file, or its first page is damaged", _DAMAGED),
)


@contextmanager
def sqlite_told_as_store_error(path: Path, doing: str) -> Iterator[None]:
    """Turn any `sqlite3.Error`, or text that is none, inside into a `StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError.from_sqlite(path, doing, error) from error
    except UnicodeDecodeError as error:
        raise damaged(path, f"it is damaged: text in it is no text, while {doing}") from error


def damaged(path: Path, what: str) -> StoreError:
    """The error for content that is there but wrong."""
    return StoreError(path, what, _DAMAGED)
