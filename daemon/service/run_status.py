"""A run that is carried out, as `presscell status` shows it: plain values."""

from __future__ import annotations

from typing import Any

from daemon.deciding.run_state import Phase, Run
from daemon.deciding.silence import flag_texts, fresh
from daemon.runner import Runner
from daemon.running.progress import Progress


def run_status(runner: Runner, progress: Progress | None) -> dict[str, Any]:
    """Where a run is, its last values and what is not as it should be; `progress` is the last it told."""
    run, last = runner.run, progress.last if progress else None
    return {
        "state": _state_of(run),
        "reason": run.why,
        "phase": str(run.phase),
        "step_id": run.step_id,
        "pause_after": run.pause_after,
        "pause_ends": run.pause_ends,
        "links": list(run.links.values()),
        "segment": run.segment,
        "rows": run.rows,
        "resume_count": run.resume_count,
        "run_time_second": runner.run_time_second,
        "voltage_volt": last.voltage_volt if last else None,
        "current_ampere": last.current_ampere if last else None,
        **(fresh(run, progress.readings, runner.listened_second) if progress else {}),
        "flags": flag_texts(run, runner.listened_second),
        "warnings": list(run.warnings_on),
    }


def _state_of(run: Run) -> str:
    if run.phase in (Phase.HALTING, Phase.HOLDING):
        return "holding"
    return "ending" if run.phase is Phase.FINISHED else "running"
