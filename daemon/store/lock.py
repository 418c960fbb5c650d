"""Who owns a run file: at most one process writes it, said by a lock that dies with its owner."""

import fcntl
import os
from pathlib import Path

from daemon.store.errors import StoreError


class OwnerLock:
    """An exclusive `flock` on `<file>.lock`.

    It isn't on the file itself: closing any descriptor of that would drop SQLite's own locks in this process.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock of the file at `path`. Raises `StoreError` when it is taken or can't be made."""
        self.path = path.with_name(path.name + ".lock")
        try:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            advice = "check that the folder exists and who may write to it"
            raise StoreError(path, f"its lock can't be made: {error.strerror}", advice) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise StoreError(path, f"process {owner or 'unknown'} is writing it", "stop that daemon first") from error
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let the next owner in."""
        os.close(self._descriptor)
