"""A mill and its chiller taken up by a daemon after another."""

from __future__ import annotations

from daemon.deciding.mill_resuming import known_of
from daemon.deciding.run_state import Phase, Run
from daemon.mill.bay import MillProgram
from daemon.plan import MillStep, SetStep
from daemon.rig import Rig, program_for


def take_up_mill(run: Run, rig: Rig, token: str, zero_second: float) -> bool:
    """Tell mill and chiller of a rig what the run they are in knows; whether the present segment is one of the blade.

    Args:
        run: as it was left.
        rig: connected.
        token: of the present segment.
        zero_second: the clock's second at which run time is 0.
    """
    before = run.plan.steps[: run.position]
    if rig.cooling is not None:
        rig.cooling.is_wanted = any(isinstance(step, SetStep) and step.role == "chiller" for step in before)
    if rig.mill is None or run.segment_ended or run.phase is Phase.SETTING or not run.segment or run.recovery:
        return False
    if not isinstance(run.plan.steps[run.position], MillStep):
        return False
    program = program_for(run.step)
    if not isinstance(program, MillProgram):
        raise TypeError(f"{run.step_id} is no program of a mill")
    started_second = run.start_due_second if run.segment_started_second is None else run.segment_started_second
    known_second, counted_second = known_of(run)
    rig.mill.take_up_milling(token, program, zero_second + started_second, zero_second + known_second, counted_second)
    return True
