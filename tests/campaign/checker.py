"""The promises, checked over what is left. Pure: evidence in, sentences out; each names the promise it breaks.

P1 safe · P2 no lost row · P3 no false row · P4 honest gap · P5 resume right · P6 isolation.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from daemon.deciding.run_state import Run
from daemon.engine import advance
from drivers.roles import LoadStatus
from tests.campaign.evidence import Evidence

TIME_TOLERANCE_SECOND = 1e-5
LONGEST_STEP_SECOND = 1.6
"""Between two rows of a stream of one a second, unless there is a gap row."""
CHARGE_ROWS = 3
"""The charge of a segment from its rows may miss what flowed during so many of them."""


@dataclass(frozen=True)
class Expected:
    """What a schedule allows.

    `steps` are the ids of the plan's steps in the order in which they are to be executed. `may_excurse`: a fault itself
    drives the cell out of its window. `is_reversed`: its leads are exchanged, so that what is asked to go in goes out.
    `may_stay_on`: the output cannot be switched off, and the run must say so.
    `longest_hole_second`: between two rows of pressure without a gap row between them.
    """

    outcomes: frozenset[str]
    steps: tuple[str, ...]
    may_excurse: bool = False
    is_reversed: bool = False
    may_stay_on: bool = False
    longest_hole_second: float = LONGEST_STEP_SECOND


def violations(evidence: Evidence, expected: Expected) -> list[str]:
    """All that is wrong."""
    return [said for check in CHECKS for said in check(evidence, expected)]


def outcome(evidence: Evidence, expected: Expected) -> Iterator[str]:
    if evidence.outcome not in expected.outcomes:
        wanted = " or ".join(sorted(expected.outcomes))
        yield f"P5 it ended as {evidence.outcome} ({evidence.reason}), not {wanted}"
    abnormal = [record.step_id for record in evidence.segments if record.abnormal]
    if evidence.outcome == "completed" and (abnormal or evidence.done != expected.steps):
        yield f"P5 completed with abnormal {abnormal} and steps {evidence.done}"
    if evidence.run is not None and str(evidence.run.phase) == "finished" and evidence.run.outcome is None:
        yield "P5 it has finished without an outcome"


def safe(evidence: Evidence, expected: Expected) -> Iterator[str]:
    excursions = evidence.lines("excursion_begin")
    if excursions and not expected.may_excurse:
        yield f"P1 {len(excursions)} excursions, the first at {excursions[0]['bench_second']} s"
    ends = evidence.lines("end")
    state = ends[-1]["instruments"]["potentiostat"] if ends else {"output": "unknown", "relay": "unknown"}
    switched = [line for line in evidence.bench if line["event"] in {"output", "power_cycle"}]
    back_second = max((line["bench_second"] for line in switched if line["event"] == "power_cycle"), default=math.inf)
    nobody_came = bool(switched) and switched[-1]["bench_second"] == back_second
    # Back from a power failure a 0 V source is at the cell until somebody connects: the run was over, or held, by then.
    is_back = state["output"] == "off" and nobody_came and evidence.outcome != "unfinished"
    if (state["output"], state["relay"]) != ("off", "open") and not is_back:
        if not expected.may_stay_on:
            yield f"P1 in the end the output is {state['output']} and the relay {state['relay']}"
        elif "NOT verified" not in evidence.reason:
            yield f"P1 the output is {state['output']} and the run only says {evidence.reason!r}"


def order(evidence: Evidence, expected: Expected) -> Iterator[str]:
    numbers = [record.segment for record in evidence.segments]
    started = {entry.event.segment for entry in evidence.events("segment_started")}
    # A run that is held before its next segment has begun leaves a number out.
    unended = started.intersection(range(1, max(numbers, default=0))).difference(numbers)
    if numbers != sorted(set(numbers)) or unended:
        yield f"P5 segments are {numbers}"
    if evidence.done != expected.steps[: len(evidence.done)]:
        yield f"P5 steps were {evidence.done}"
    times = [entry.run_time_second for entry in evidence.journal]
    if any(after < before - TIME_TOLERANCE_SECOND for before, after in pairwise(times)):
        yield "P5 the journal's time goes back"
    resumed = len(evidence.events("resumed"))
    if evidence.run is not None and evidence.run.resume_count != resumed:
        yield f"P5 resume_count is {evidence.run.resume_count} after {resumed} resumed"


def replay(evidence: Evidence, expected: Expected) -> Iterator[str]:
    if evidence.run is None:
        return
    run = Run(plan=evidence.plan)
    for entry in evidence.journal:
        run, _ = advance(run, entry.event, entry.run_time_second)
    if run != evidence.run:
        yield "P5 the journal, replayed, leads to another state than the one stored"


def cell_rows(evidence: Evidence, expected: Expected) -> Iterator[str]:
    """Each segment's rows are what the bench says the instrument held, text by text."""
    rows = evidence.streams["cell"]
    yield from numbered(rows, "cell")
    held = held_rows(evidence)
    ended = {record.segment: record for record in evidence.segments}
    stored = {int(number): part for number, part in rows.groupby("segment")}
    for segment in sorted({*stored, *ended}):
        token = evidence.tokens[segment - 1]
        passes = [texts for texts in held.get(token, []) if texts]
        if len(passes) > 1:
            yield f"P5 segment {segment} ran {len(passes)} times"
        truth = passes[-1] if passes else []
        kept = texts_of(stored[segment]) if segment in stored else []
        whole = segment in ended and ended[segment].ended_by != "power_lost"
        yield from compare(segment, kept, truth, whole=whole)
        if segment in ended and ended[segment].rows != len(kept):
            yield f"P2 segment {segment} has {len(kept)} rows and says {ended[segment].rows}"


def compare(segment: int, kept: list[str], truth: list[str], *, whole: bool) -> Iterator[str]:
    """Rows as stored against rows as they were held; one that is not whole may lack its end."""
    if kept == truth or (not whole and kept == truth[: len(kept)]):
        return
    lost, made = Counter(truth) - Counter(kept), Counter(kept) - Counter(truth)
    twice = sum(count - 1 for count in Counter(kept).values())
    yield (
        f"P2 P3 segment {segment}: {len(kept)} rows of {len(truth)}: {sum(lost.values())} missing,"
        f" {twice} duplicated, {sum(made.values())} falsified"
    )


def held_rows(evidence: Evidence) -> dict[str, list[list[str]]]:
    """By the buffer's name, the rows of each pass a trigger model made."""
    held: dict[str, list[list[str]]] = {}
    for line in evidence.lines("readings"):
        held.setdefault(line["buffer"], []).append(line["rows"])
    return held


def texts_of(rows: pd.DataFrame) -> list[str]:
    """Rows as the instrument sends them: time, voltage, current, ten digits each."""
    columns = (rows[name].tolist() for name in ("elapsed_second", "voltage_volt", "current_ampere"))
    return [f"{second:.9E},{volt:.9E},{ampere:.9E}" for second, volt, ampere in zip(*columns, strict=True)]


def charge(evidence: Evidence, expected: Expected) -> Iterator[str]:
    """What the segments say that they charged is what went through the cell: none of it twice, none beside them."""
    ends = evidence.lines("end")
    if not ends or evidence.outcome != "completed":
        return
    ways = {"in": (1,), "out": (-1,)} if not expected.is_reversed else {"in or out": (1, -1)}
    for word, signs in ways.items():
        true_coulomb = sum(ends[-1][f"charge_{way}_coulomb"] for way in word.split(" or "))
        said = [record for record in evidence.segments if np.sign(record.charge_ampere_hour) in signs]
        said_coulomb = 3600 * sum(abs(record.charge_ampere_hour) for record in said)
        rows = evidence.streams["cell"]
        most = float(np.nanmax(np.abs(rows["current_ampere"]))) if len(rows) else 0.0
        if abs(true_coulomb - said_coulomb) > CHARGE_ROWS * most * max(1, len(said)) + 1e-3:
            yield f"P5 {true_coulomb:.4f} C went {word}, the segments say {said_coulomb:.4f} C"


def pressure_rows(evidence: Evidence, expected: Expected) -> Iterator[str]:
    rows = evidence.streams["pressure"]
    yield from numbered(rows, "pressure")
    said = {
        (round(second, 5), number)
        for line in evidence.lines("sent", "load_cell")
        for second, text in line["frames"]
        if (number := _displayed(text)) is not None
    }
    is_gap = rows["load_status"].to_numpy() == int(LoadStatus.LOST)
    longest_second = expected.longest_hole_second
    yield from _beside(evidence, rows, "pressure", "displayed_load", is_gap, said, longest_second)


def temperature_rows(evidence: Evidence, expected: Expected) -> Iterator[str]:
    rows = evidence.streams["temperature"]
    yield from numbered(rows, "temperature")
    said = {
        (round(line["bench_second"], 5), float(number))
        for line in evidence.lines("reply", "thermometer")
        for number in re.findall(r"[+-]\d+\.\d+", line["text"])[:1]
    }
    is_gap = rows[[name for name in rows if name.endswith("_celsius")]].isna().all(axis=1).to_numpy()
    yield from _beside(evidence, rows, "temperature", "jig_temperature_celsius", is_gap, said)


def _displayed(frame: str) -> float | None:
    found = re.match(r"(?:ST|US),GS,\s*([+-]\d+\.\d+)", frame)
    return float(found[1]) if found else None


def _beside(  # noqa: PLR0917
    evidence: Evidence,
    rows: pd.DataFrame,
    stream: str,
    column: str,
    is_gap: np.ndarray,
    said: set[tuple[float, float]],
    longest_second: float = LONGEST_STEP_SECOND,
) -> Iterator[str]:
    """No number that the instrument did not say just then, none twice, and a gap row in every hole."""
    if rows.empty:
        return
    second = rows["test_time_second"].to_numpy()
    value = rows[column].to_numpy()
    is_read = np.isfinite(value)
    bench_second = np.round(second + evidence.zero_second, 5)
    read = list(zip(bench_second[is_read].tolist(), value[is_read].tolist(), strict=True))
    false = [row for row in read if not _was_said(row, said)]
    if false:
        yield f"P3 {stream}: {len(false)} rows that were not said, the first {false[0]}"
    if len(set(read)) != len(read):
        yield f"P3 {stream}: {len(read) - len(set(read))} rows twice"
    if np.any(np.diff(second[is_read]) <= 0):
        yield f"P3 {stream}: times do not rise"
    hole = np.diff(second) > longest_second
    silent = hole & is_read[:-1] & is_read[1:]
    if silent.any():
        at = int(np.flatnonzero(silent)[0])
        yield f"P4 {stream}: {int(silent.sum())} holes without a gap row, the first after {second[at]:.3f} s"
    yield from _gap_rows(evidence, stream, is_gap)


def _was_said(row: tuple[float, float], said: set[tuple[float, float]]) -> bool:
    second, value = row
    return any((round(second + nudge, 5), value) in said for nudge in (0.0, 1e-5, -1e-5))


def _gap_rows(evidence: Evidence, stream: str, is_gap: np.ndarray) -> Iterator[str]:
    """One row for an outage: two without a row between them are two lives of the daemon, or a fault after one."""
    lives = len(gap_notes(evidence, stream)) + 1
    running = int((is_gap[1:] & is_gap[:-1]).sum())
    if running > lives:
        yield f"P4 {stream}: {running} gap rows follow on one another in {lives} lives"


def gap_notes(evidence: Evidence, stream: str) -> list[int]:
    """Where in the journal a gap row of a stream came as the first thing of a daemon's life."""
    found = []
    for index, entry in enumerate(evidence.journal):
        if entry.kind != "readings_stored" or entry.event.summary.stream != stream:
            continue
        after = next((later.kind for later in evidence.journal[index + 1 :] if later.kind != "readings_stored"), "")
        if entry.event.summary.rows_without_reading == 1 and after == "resumed":
            found.append(index)
    return found


def numbered(rows: pd.DataFrame, stream: str) -> Iterator[str]:
    if rows["seq"].tolist() != list(range(1, len(rows) + 1)):
        yield f"P2 {stream}: rows are not numbered from 1 on"


Check = Callable[[Evidence, Expected], Iterator[str]]
CHECKS: tuple[Check, ...] = (
    outcome,
    safe,
    order,
    replay,
    cell_rows,
    charge,
    pressure_rows,
    temperature_rows,
)
