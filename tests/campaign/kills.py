"""One long 2 C cycling run, killed again and again at seeded instants, against the same run that nobody disturbed."""

import math
import random
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from daemon.clock import real_second
from tests.campaign.checker import Expected, texts_of, violations
from tests.campaign.evidence import Evidence, read_evidence
from tests.campaign.laboratory import Laboratory
from tests.campaign.processes import Child, fork
from tests.campaign.protocols import WINDOW

BETWEEN_SECOND = 14.0
"""Bench time between the start of a daemon and its end, on average."""
AWAY_SECOND = 40.0
"""Bench time that goes on at most while no daemon is there, on a bench that runs on."""
JITTER_SECOND = 0.025
CYCLE_SECOND = 440.0
REST_SECOND = 20
SUPERVISE_SECOND = 1.0
TOLERANCE_SECOND = 1e-6
TELL_EVERY = 100
LEAVE_WITHIN_SECOND = 60.0


@dataclass(frozen=True)
class Outage:
    """From when to when nobody was there, in bench time."""

    began_second: float
    ended_second: float


def run_kills(kills: int, seed: int, *, is_running: bool, tell: Callable[[str], None]) -> list[str]:
    """Carry both runs out and compare them. Answers what is wrong; the folder is kept then."""
    rng = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="presscell-kills-"))
    away_second = AWAY_SECOND / 2 if is_running else 0.0
    cycles = max(1, math.ceil(kills * (BETWEEN_SECOND + away_second) / CYCLE_SECOND))
    protocol = (
        f"{WINDOW}method:\n  - {{step: open_circuit_voltage, id: rest, until_time: {REST_SECOND} s}}\n"
        f"  - {{step: cycle, id: fast, rate_C: 2, cycle_count: {cycles}}}\n"
    )
    expected = Expected(frozenset({"completed"}), ("rest", *["fast/charge", "fast/discharge"] * cycles))
    killed, calm = folder / "killed", folder / "calm"
    killed.mkdir()
    calm.mkdir()
    undisturbed = _begin_undisturbed(calm, seed, protocol)
    began_second = real_second()
    laboratory = Laboratory(killed, seed)
    try:
        outages = _kill(laboratory, rng, protocol, kills, is_running=is_running, tell=tell)
        _to_the_end(laboratory)
    finally:
        laboratory.close()
    took_second = real_second() - began_second
    told = [f"{outage.began_second} {outage.ended_second}" for outage in outages]
    (folder / "outages.txt").write_text("\n".join(told) + "\n")
    code = undisturbed.wait(3600.0)
    found = [] if code == 0 else [f"the undisturbed run ended with {code}"]
    evidence = read_evidence(laboratory.run_folder, laboratory.bench_log)
    reference = read_evidence(next((calm / "data").glob("*/")), calm / "bench.jsonl")
    found += violations(evidence, expected)
    found += _gaps(evidence, len(outages))
    found += _later(evidence, outages) if is_running else ()
    found += _same(evidence, reference, outages if is_running else [])
    tell(_summary(evidence, outages, took_second))
    if found:
        tell(f"see {folder}")
    else:
        shutil.rmtree(folder)
    return found


def _begin_undisturbed(folder: Path, seed: int, protocol: str) -> Child:
    def work() -> None:
        laboratory = Laboratory(folder, seed)
        try:
            laboratory.start_bench()
            laboratory.serve()
            assert laboratory.wait_ready()
            laboratory.run(protocol)
            _to_the_end(laboratory)
        finally:
            laboratory.close()

    with (folder / "undisturbed.log").open("w") as output:
        return fork(work, folder=folder, output=output.fileno())


def _kill(
    laboratory: Laboratory,
    rng: random.Random,
    protocol: str,
    kills: int,
    *,
    is_running: bool,
    tell: Callable[[str], None],
) -> list[Outage]:
    laboratory.start_bench()
    laboratory.serve()
    assert laboratory.wait_ready(), "no daemon"
    assert laboratory.run(protocol), "no run"
    outages: list[Outage] = []
    while len(outages) < kills:
        assert laboratory.daemon is not None
        at_second = laboratory.bench_second + rng.uniform(0.02, 2 * BETWEEN_SECOND)
        state = laboratory.wait(float(round(at_second + 0.5)) if rng.random() < 0.3 else at_second)
        if state != "held":
            tell(f"after {len(outages)} kills the daemon {state}, its exit code {laboratory.daemon.exit_code}")
            break
        if rng.random() < 0.5:
            laboratory.release()
            laboratory.daemon.wait(rng.uniform(0.0, JITTER_SECOND))
        laboratory.daemon.kill()
        laboratory.bury()
        began_second = laboratory.bench_second
        if is_running and rng.random() < 0.8:
            laboratory.bury(rng.uniform(0.0, AWAY_SECOND))
        outages.append(Outage(began_second, laboratory.bench_second))
        laboratory.serve()
        if len(outages) % TELL_EVERY == 0:
            tell(f"{len(outages)} kills, bench time {laboratory.bench_second:.0f} s")
    return outages


def _to_the_end(laboratory: Laboratory) -> None:
    if laboratory.wait(None) == "idle":
        laboratory.stop_daemon(signal.SIGTERM, LEAVE_WITHIN_SECOND)


def _gaps(evidence: Evidence, outages: int) -> Iterator[str]:
    """Time passed in every life, so every life resumed the run: one gap row and one count each."""
    resumed = evidence.run.resume_count if evidence.run is not None else 0
    if resumed != outages:
        yield f"P5 resume_count is {resumed} after {outages} kills"
    for stream, column in (("pressure", "displayed_load"), ("temperature", "jig_temperature_celsius")):
        gaps = int(evidence.streams[stream][column].isna().sum())
        if gaps != outages:
            yield f"P4 {stream} has {gaps} gap rows after {outages} kills"


def _same(evidence: Evidence, reference: Evidence, outages: list[Outage]) -> Iterator[str]:
    """Rows of the cell as in the undisturbed run: all, or to the end of the segment in which the first outage was."""
    first_second = next((outage.began_second for outage in outages if outage.ended_second > outage.began_second), None)
    records, wanted = evidence.segments, reference.segments
    if first_second is not None:
        first = [record for record in wanted if record.start_run_time_second <= first_second]
        records, wanted = records[: len(first)], wanted[: len(first)]
    differing = [
        f"segment {theirs.segment} {name}: {getattr(ours, name)!r}, not {getattr(theirs, name)!r}"
        for ours, theirs in zip(records, wanted, strict=True)
        for name in theirs.__struct_fields__
        if not _alike(getattr(ours, name), getattr(theirs, name))
    ]
    yield from (f"P3 P5 unlike the undisturbed run: {said}" for said in differing)
    for number in range(1, len(wanted) + 1):
        ours, theirs = (
            both.streams["cell"][both.streams["cell"]["segment"] == number] for both in (evidence, reference)
        )
        same_times = np.array_equal(ours["test_time_second"], theirs["test_time_second"])
        if texts_of(ours) != texts_of(theirs) or not same_times:
            yield f"P3 segment {number} differs from the undisturbed run's"
    if outages:
        return
    for stream in ("pressure", "temperature"):
        ours, theirs = (
            set(map(tuple, both.streams[stream].dropna().drop(columns="seq").to_numpy().tolist()))
            for both in (evidence, reference)
        )
        if not ours <= theirs:
            yield f"P3 {stream}: {len(ours - theirs)} rows that the undisturbed run has not"


def _later(evidence: Evidence, outages: list[Outage]) -> Iterator[str]:
    """A segment starts at most the downtime and one interval after the end of the one before, in bench time."""
    ended_second = {line["buffer"]: line["bench_second"] for line in evidence.lines("readings")}
    for before, after in pairwise(evidence.segments):
        end_second = ended_second[evidence.tokens[before.segment - 1]]
        start_second = after.start_run_time_second + evidence.zero_second
        away_second = sum(
            max(0.0, min(start_second, outage.ended_second) - max(end_second, outage.began_second))
            for outage in outages
        )
        late_second = start_second - end_second - away_second
        if late_second > SUPERVISE_SECOND + TOLERANCE_SECOND:
            yield f"P5 segment {after.segment} started {late_second:.3f} s later than it might"


def _alike(ours: object, theirs: object) -> bool:
    """Equal; sums over rows, which were fetched in other blocks, to the last digits."""
    if isinstance(ours, float) and isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)
    return ours == theirs


def _summary(evidence: Evidence, outages: list[Outage], took_second: float) -> str:
    away_second = sum(outage.ended_second - outage.began_second for outage in outages)
    rows = {stream: len(table) for stream, table in evidence.streams.items()}
    return (
        f"{len(outages)} kills, {evidence.outcome}, {len(evidence.segments)} segments, rows {rows},"
        f" {away_second:.0f} s away, {len(evidence.lines('excursion_begin'))} excursions, {took_second:.0f} s real"
    )
