"""Feeling what a load cell shows: how long a window must be for an indicator that shows a value a second."""

import numpy as np
import pytest

from daemon.before_runs.calibrating import FEWEST_READINGS, Feeler, check_window
from daemon.rig import Rig
from protocols.errors import BadValueError
from tests.support.instruments import JumpingClock, ScriptedLoadCell

MOVES_PER_SECOND = 0.011
"""The scripted cell shows 0.01 more each second; a window may have that here."""


def feeler(clock: JumpingClock) -> Feeler:
    return Feeler(Rig("rig1", None, {}, load_cell=ScriptedLoadCell(clock)), clock)


async def test_a_window_that_never_holds_enough_readings_is_refused_at_once() -> None:
    clock = JumpingClock(1000.0)
    with pytest.raises(BadValueError, match=r"every 1 s: 3 s hold fewer than 8; write --window-s 9"):
        await feeler(clock).steady(3.0, most_drift_per_second=MOVES_PER_SECOND)
    assert clock.now_second() <= 1004.0


async def test_the_window_that_was_advised_holds_enough() -> None:
    felt = await feeler(JumpingClock(1000.0)).steady(9.0, most_drift_per_second=MOVES_PER_SECOND)
    assert felt.readings >= FEWEST_READINGS


@pytest.mark.parametrize(
    ("second", "window_second"),
    [([], 3.0), ([0.0, 2.0], 3.0), (np.arange(0.0, 3.0, 0.1), 3.0), ([0.0, 0.1, 2.9], 12.0), (np.arange(10.0), 8.0)],
    ids=["nothing yet", "too few to say", "ten a second", "one silence", "just enough"],
)
def test_a_window_that_may_do_is_tried(second: list[float], window_second: float) -> None:
    check_window(np.asarray(second, dtype=np.float64), window_second)
