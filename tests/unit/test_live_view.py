"""What is drawn of a running simulation never holds the run up."""

import os
import sys
import termios
import threading

import pytest

from daemon.cli.live import LiveView
from daemon.deciding.run_state import Run
from daemon.running.progress import Progress
from tests.support.plans import charge, plan

DRAWINGS = 500
"""More than a terminal's buffer takes, were they written."""


@pytest.fixture
def terminal(monkeypatch):
    """A terminal that nobody reads."""
    ours, theirs = os.openpty()
    stream = os.fdopen(theirs, "w", encoding="utf-8")
    monkeypatch.setenv("TERM", "xterm")
    yield stream
    os.set_blocking(ours, False)
    termios.tcflow(theirs, termios.TCOON)
    termios.tcflush(theirs, termios.TCIOFLUSH)
    os.close(ours)
    stream.close()


def progress(second: float) -> Progress:
    return Progress(run_time_second=second, run=Run(plan=plan(charge())), last=None, readings={}, ended=None)


def test_a_terminal_stopped_with_ctrl_s_does_not_stop_the_run(terminal, monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("daemon.cli.live.REDRAW_EVERY_REAL_SECOND", 0.0)
    view = LiveView("title")
    view.__enter__()
    termios.tcflow(terminal.fileno(), termios.TCOOFF)

    def draw() -> None:
        for second in range(1, DRAWINGS):
            view.show(progress(float(second)))

    drawing = threading.Thread(target=draw, daemon=True)
    drawing.start()
    drawing.join(20.0)
    is_held_up = drawing.is_alive()
    termios.tcflow(terminal.fileno(), termios.TCOON)
    assert not is_held_up
