"""One seed of the mill: a powder milled by daemons that die, and what the checker says of what is left."""

import contextlib
import json
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from daemon.clock import real_second
from daemon.store.errors import StoreError
from tests.campaign.control import RefusedError
from tests.campaign.evidence import read_evidence
from tests.campaign.laboratory import Laboratory
from tests.campaign.mill_checker import Allowed, Outage, violations
from tests.campaign.mill_schedule import CELL, LOSS_STOP_SECOND, RUN_SECOND, RUNS, Blow, MillSchedule, draw
from tests.campaign.seed_run import LEAVE_WITHIN_SECOND, Verdict

STRIDE_SECOND = 2.0
FAR_STRIDE_SECOND = 25.0
"""Bench time between two looks of who aims, and between those of who waits for the last run."""
LOOK_EVERY_SECOND = 100.0
"""Bench time between two looks of who waits for the end."""
LONGEST_SECOND = 40_000.0
LIVES_AT_MOST = 120
PERSON_AT_MOST = 12
AFTER_POWER_SECOND = 5.0
"""A drive that was switched off and on listens again by then."""


def run_mill_seed(seed: int, only: tuple[str, ...] = (), *, keep: bool = False, below: Path | None = None) -> Verdict:
    """Carry one seed out in a folder of its own below another; it is kept when the seed failed."""
    schedule = draw(seed, only)
    folder = Path(tempfile.mkdtemp(prefix=f"presscell-mill-{seed}-", dir=below))
    began_second = real_second()
    laboratory = Laboratory(folder, seed=seed, bench_text=schedule.bench, safe_celsius=schedule.safe_celsius, cell=CELL)
    milling = _Milling(laboratory, schedule)
    outcome, found = "nothing", list[str]()
    try:
        found += milling.carry_out()
    except Exception as error:  # noqa: BLE001  (one seed more or less)
        found.append(f"the campaign itself failed: {type(error).__name__}: {error}")
    finally:
        laboratory.close()
        notes = [f"{schedule.kinds} {schedule.blows} {schedule.faults}", *laboratory.notes]
        (folder / "notes.txt").write_text("\n".join(notes) + "\n")
    try:
        evidence = read_evidence(laboratory.run_folder, laboratory.bench_log, ("mill",))
        outcome = f"{evidence.outcome}, {milling.deaths} deaths"
        found += violations(evidence, Allowed.by(schedule, milling.outages))
    except (StoreError, OSError, ValueError, KeyError) as error:
        found.append(f"P2 what is left cannot be read: {type(error).__name__}: {error}")
    if not found and not keep:
        shutil.rmtree(folder)
    return Verdict(seed, schedule.kinds, outcome, tuple(found), real_second() - began_second, str(folder))


class _Milling:
    """A recipe on its way through the deaths of its daemons."""

    def __init__(self, laboratory: Laboratory, schedule: MillSchedule) -> None:
        self.laboratory = laboratory
        self.schedule = schedule
        self.outages: list[Outage] = []
        self.deaths = 0
        self._resumed = 0
        self._log_offset = 0
        self._blade: list[dict[str, Any]] = []

    def carry_out(self) -> Iterator[str]:
        """From the first daemon to a run that is over, or waits for a person; says what goes wrong with a daemon."""
        laboratory, blows = self.laboratory, self.schedule.blows
        laboratory.start_bench()
        assert laboratory.control is not None
        for fault in self.schedule.faults:
            laboratory.control.ask("fault", **fault)
        laboratory.serve(crash_at=blows[0].crash_at)
        if laboratory.wait_ready():
            laboratory.run(self.schedule.recipe)
        for place, blow in enumerate(blows):
            if not self._await(blow):
                break
            self._die(blow.away_second, blows[place + 1].crash_at if place + 1 < len(blows) else None)
        yield from self._to_the_end()

    def _die(self, away_second: float, crash_at: str | None) -> None:
        """The daemon's end, if it still lives, some time without one, and the next."""
        laboratory = self.laboratory
        assert laboratory.daemon is not None
        laboratory.daemon.kill()
        self.deaths += 1
        laboratory.find_run()
        laboratory.bury()
        began_second = laboratory.bench_second
        laboratory.bury(away_second)
        self.outages.append(Outage(began_second, laboratory.bench_second))
        laboratory.note(f"daemon {laboratory.daemons} died at {began_second}, away {away_second}, phase {self._phase}")
        laboratory.serve(crash_at=crash_at)

    @property
    def _phase(self) -> str:
        return self.laboratory.phase()

    def _await(self, blow: Blow) -> bool:
        """Bring time to a blow; false when the run is over before."""
        laboratory = self.laboratory
        assert laboratory.daemon is not None
        if blow.young_real_second is not None:
            laboratory.daemon.wait(blow.young_real_second)
            return True
        from_second = laboratory.bench_second
        if blow.aim_second is None:
            state = self._go_to(from_second + blow.after_second)
        else:
            state = self._aim(blow, from_second)
        if state == "held" and blow.jitter_real_second is not None:
            laboratory.release()
            laboratory.daemon.wait(blow.jitter_real_second)
        return state in {"held", "died"}

    def _aim(self, blow: Blow, from_second: float) -> str:
        """To a moment of the next run of the blade, or of the last one; not where a hold keeps it from coming."""
        assert blow.aim_second is not None
        second = from_second
        while (begun := self._begun_after(from_second, at_last_run=blow.at_last_run)) is None:
            is_far = blow.at_last_run and self._counted_second < (RUNS - 2) * (RUN_SECOND - 1.0)
            second += FAR_STRIDE_SECOND if is_far else STRIDE_SECOND
            if (state := self._go_to(second)) != "held":
                return state
            if self._phase == "holding" and not self._person_comes():
                return state
        return self._go_to(begun["bench_second"] + begun["ramp_second"] + blow.aim_second)

    @property
    def _counted_second(self) -> float:
        return self._blade[-1]["at_speed_second"] if self._blade else 0.0

    def _begun_after(self, second: float, *, at_last_run: bool) -> dict[str, Any] | None:
        """The line of the bench's log with which the blade has begun to turn since, if it has."""
        with self.laboratory.bench_log.open("rb") as log:
            log.seek(self._log_offset)
            lines = log.read().split(b"\n")
        self._log_offset += sum(len(line) + 1 for line in lines[:-1])
        self._blade += [json.loads(line) for line in lines[:-1] if b'"event": "blade"' in line]
        least_second = (RUNS - 1) * (RUN_SECOND - 1.0 - 2 * LOSS_STOP_SECOND) if at_last_run else -1.0
        turned = [line for line in self._blade if line["goal_rpm"] > 0 and line["at_speed_second"] > least_second]
        return turned[-1] if turned and turned[-1]["bench_second"] >= second else None

    def _go_to(self, second: float) -> str:
        """Let time go on; a run that a person is to let go on is waited for there, if one comes."""
        laboratory = self.laboratory
        while True:
            state = laboratory.wait(second, through_holds=True)
            if state != "held" or not self._person_comes():
                return state
            after_second = self.schedule.person_after_second
            assert after_second is not None
            self._resumed += 1
            state = laboratory.wait(laboratory.bench_second + after_second, through_holds=True)
            if state == "held":
                state = self._put_right()
            if state != "held":
                return state
            second = max(second, laboratory.bench_second)

    def _person_comes(self) -> bool:
        is_due = self.schedule.person_after_second is not None and self._resumed < PERSON_AT_MOST
        return is_due and self._phase == "holding"

    def _put_right(self) -> str:
        """Somebody heals what is wrong, resets the drive, and lets the run go on."""
        laboratory = self.laboratory
        assert laboratory.control is not None
        for cable in ("chiller", "mill_drive"):
            laboratory.control.ask("fault", cable=cable, kind="heal")
        laboratory.control.ask("fault", cable="mill_drive", kind="power_cycle")
        state = laboratory.wait(laboratory.bench_second + AFTER_POWER_SECOND, through_holds=True)
        if state == "held":
            with contextlib.suppress(OSError):
                try:
                    laboratory.ask("resume", rig="rig1", by="campaign")
                    laboratory.note(f"resumed at {laboratory.bench_second}")
                except RefusedError as error:
                    laboratory.note(f"not resumed at {laboratory.bench_second}: {error}")
        return state

    def _to_the_end(self) -> Iterator[str]:
        """Wait for the end of the run, with as many daemons as it takes; a hold that nobody ends is one."""
        laboratory = self.laboratory
        while laboratory.daemons < LIVES_AT_MOST and laboratory.bench_second < LONGEST_SECOND:
            state = self._go_to(laboratory.bench_second + LOOK_EVERY_SECOND)
            if state == "died":
                self._die(0.0, None)
                continue
            laboratory.find_run()
            if state == "idle" or (self._phase == "holding" and not self._person_comes()):
                break
        else:
            yield f"P5 it comes to no end: {laboratory.bench_second:.0f} s, {laboratory.daemons} daemons"
        laboratory.release()
        laboratory.wait_ready()
        code = laboratory.stop_daemon(signal.SIGTERM, LEAVE_WITHIN_SECOND)
        if code != 0:
            yield f"P1 a daemon with nothing to do left with {code}"
