"""Real processes that start fast: forked from one that has imported everything, so that a daemon is there in moments.

Only a process without threads may fork. A child dies with its parent.
"""

import ctypes
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path

KILLED = -signal.SIGKILL
_PR_SET_PDEATHSIG = 1


def own_standard_streams() -> None:
    """Let nothing else get the numbers of stdin, stdout and stderr, where whoever started us has closed them."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


class Child:
    """A process of ours."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.descriptor = os.pidfd_open(pid)
        self.exit_code: int | None = None

    def wait(self, real_second: float) -> int | None:
        """Its exit code, below 0 the signal that ended it; None when it still runs after a real time."""
        if self.exit_code is None:
            ready, _, _ = select.select([self.descriptor], [], [], real_second)
            if ready:
                _, status = os.waitpid(self.pid, 0)
                self.exit_code = os.waitstatus_to_exitcode(status)
                os.close(self.descriptor)
        return self.exit_code

    def send(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs."""
        if self.wait(0.0) is None:
            os.kill(self.pid, number)

    def kill(self) -> int:
        """kill -9, and wait for its end."""
        self.send(signal.SIGKILL)
        while self.wait(60.0) is None:
            pass
        assert self.exit_code is not None
        return self.exit_code


def fork(
    work: Callable[[], object],
    *,
    folder: Path,
    output: int,
    environment: Mapping[str, str] | None = None,
) -> Child:
    """Do work in a process of its own, in a folder, with stdout and stderr in a file descriptor."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return Child(pid)
    code = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == parent:
            _move_in(folder, output)
            os.environ.update(environment or {})
            code = _code_of(work)
    except BaseException:  # noqa: BLE001  (the process ends here)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _move_in(folder: Path, output: int) -> None:
    os.setpgid(0, 0)
    os.chdir(folder)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)


def _code_of(work: Callable[[], object]) -> int:
    try:
        work()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0
