"""Which sensors have fallen silent: what is no longer shown, and what a run must be told. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from daemon.deciding.run_state import Phase, Run
from daemon.deciding.verdicts import judged, silence
from daemon.events import Silent
from daemon.interlocks import tripped
from daemon.rows.readings import WATCHED
from daemon.rows.streams import STREAMS
from daemon.watching import Tail

UNDER_WAY = (Phase.SETTING, Phase.STARTING, Phase.MEASURING)
_COLUMNS = {schema.name: schema.columns for schema in STREAMS}


def newly_silent(run: Run, streams: Collection[str], now_second: float) -> Iterator[Silent]:
    """What a run is to be told of sensors that have said nothing up to now, each thing once.

    Args:
        run: the run, all rows up to now in it.
        streams: those that are listened to.
        now_second: run time.
    """
    if run.phase not in (*UNDER_WAY, Phase.HOLDING):
        return
    for stream, quantity in WATCHED.items():
        if stream not in streams:
            continue
        age_second = _age_second(run, quantity, now_second)
        after, verdict = judged(run, silence(run, quantity, age_second))
        if after != run or (verdict is not None and run.phase in UNDER_WAY):
            yield Silent(quantity=quantity, age_second=age_second)


def flagged(run: Run, now_second: float) -> dict[str, float]:
    """The watched quantities whose last reading is too old to be shown: for how many seconds none came, by name."""
    found = {}
    for stream, quantity in WATCHED.items():
        age_second = _age_second(run, quantity, now_second)
        fired = tripped(run.interlocks, silence(run, quantity, age_second))
        if stream in run.stream_rows and any(interlock.action == "flag" for interlock, _ in fired):
            found[quantity] = age_second
    return found


def fresh(run: Run, readings: Mapping[str, float], now_second: float) -> dict[str, float]:
    """The last readings beside the cell, without those of a sensor that has fallen silent."""
    too_old = flagged(run, now_second)
    silent = {name for stream, quantity in WATCHED.items() if quantity in too_old for name in _COLUMNS[stream]}
    return {name: value for name, value in readings.items() if name not in silent}


def flag_texts(run: Run, now_second: float) -> list[str]:
    """What a person should see at a glance: readings that are too old to be shown, and a hold that is to come."""
    texts = [f"no {name} for {age_second:.0f} s" for name, age_second in flagged(run, now_second).items()]
    to_come = run.fold.hold_after_half
    return [*texts, f"to be held after this half-cycle: {to_come}"] if to_come else texts


def _age_second(run: Run, quantity: str, now_second: float) -> float:
    return now_second - run.watch.tails.get(quantity, Tail()).read_second
