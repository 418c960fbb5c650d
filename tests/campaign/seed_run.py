"""One seed: a run, all that goes wrong in it, and what the checker says of what is left."""

import contextlib
import random
import resource
import select
import shutil
import signal
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from daemon.clock import real_second
from daemon.store.errors import StoreError
from daemon.store.records import RUN_FILE_NAME
from tests.campaign import kinds, protocols
from tests.campaign.checker import Expected, violations
from tests.campaign.evidence import read_evidence
from tests.campaign.kinds import Deed, Schedule
from tests.campaign.laboratory import Laboratory

LEAVE_WITHIN_SECOND = 30.0
LEAVES_AT_MOST = 12
"""Daemons started at most after all has gone wrong."""
REST_OF_SEGMENT_SECOND = 2000.0
ENDED = ("finished", "holding")


@dataclass(frozen=True)
class Verdict:
    """What one seed came to."""

    seed: int
    kinds: tuple[str, ...]
    outcome: str
    violations: tuple[str, ...]
    real_second: float
    folder: str = ""

    def line(self) -> str:
        said = "ok" if not self.violations else f"VIOLATED {'; '.join(self.violations)}  see {self.folder}"
        return f"seed {self.seed}  {', '.join(self.kinds)}  {self.outcome}  {said}  {self.real_second:.1f} s"


def run_seed(seed: int, only: tuple[str, ...] = (), *, keep: bool = False, below: Path | None = None) -> Verdict:
    """Carry one seed out in a folder of its own below another; it is kept when the seed failed."""
    rng = random.Random(seed)
    protocol = protocols.draw(rng)
    names, schedule = kinds.draw(rng, protocol.about_second, only)
    folder = Path(tempfile.mkdtemp(prefix=f"presscell-campaign-{seed}-", dir=below))
    began_second = real_second()
    laboratory = Laboratory(folder, seed=rng.randrange(1 << 16))
    outcome, found = "nothing", list[str]()
    try:
        found += _carry_out(laboratory, protocol.text, schedule)
    except Exception as error:  # noqa: BLE001  (one seed more or less)
        found.append(f"the campaign itself failed: {type(error).__name__}: {error}")
    finally:
        laboratory.close()
        (folder / "notes.txt").write_text("\n".join([f"{names} {schedule}", *laboratory.notes]) + "\n")
    try:
        evidence = read_evidence(laboratory.run_folder, laboratory.bench_log)
        expected = Expected(
            schedule.outcomes,
            protocol.steps,
            may_excurse=schedule.may_excurse,
            is_reversed=any(fault["kind"] == "reverse_current" for fault in schedule.faults),
            may_stay_on=schedule.may_stay_on,
            longest_hole_second=schedule.longest_hole_second,
        )
        outcome = evidence.outcome
        found += violations(evidence, expected)
    except (StoreError, OSError, ValueError, KeyError) as error:
        found.append(f"P2 what is left cannot be read: {type(error).__name__}: {error}")
    if not found and not keep:
        shutil.rmtree(folder)
    return Verdict(seed, names, outcome, tuple(found), real_second() - began_second, str(folder))


def _carry_out(laboratory: Laboratory, protocol: str, schedule: Schedule) -> Iterator[str]:
    if schedule.broker:
        laboratory.start_broker(is_there=schedule.broker == "real")
    laboratory.start_bench()
    assert laboratory.control is not None
    for fault in schedule.faults:
        laboratory.control.ask("fault", **fault)
    crashes = iter(schedule.crashes)
    before = partial(_limit_files, schedule.file_size_byte) if schedule.file_size_byte else None
    laboratory.serve(crash_at=next(crashes, None), before=before)
    if laboratory.wait_ready():
        laboratory.run(protocol)
    for deed in schedule.deeds:
        if _await(laboratory, deed, crashes):
            yield from _do(laboratory, deed)
    # A hold for a deed that was not done any more would end the next wait.
    laboratory.release()
    before_second = -1.0
    for _ in range(LEAVES_AT_MOST):
        state = laboratory.wait(None)
        if state == "idle":
            code = laboratory.stop_daemon(signal.SIGTERM, LEAVE_WITHIN_SECOND)
            if code != 0:
                yield f"P1 a daemon with nothing to do left with {code}"
        again = next(crashes, None)
        ended = laboratory.phase() in ENDED and again is None
        is_stuck = state == "idle" and again is None and laboratory.bench_second == before_second
        if ended or is_stuck or (not laboratory.run_id and again is None):
            break
        before_second = laboratory.bench_second
        laboratory.find_run()
        laboratory.bury()
        laboratory.serve("--until-idle", crash_at=again)
        laboratory.note(f"daemon {laboratory.daemons} at {laboratory.bench_second}, {again}")
    laboratory.bury(REST_OF_SEGMENT_SECOND)


def _await(laboratory: Laboratory, deed: Deed, crashes: Iterator[str]) -> bool:
    """Bring time to a deed, restarting daemons that die of themselves; false when the run is over before."""
    for _ in range(LEAVES_AT_MOST):
        match laboratory.wait(deed.at_second):
            case "held":
                return True
            case "idle":
                return False
        laboratory.note(f"daemon {laboratory.daemons} died with {laboratory.daemon.exit_code}")
        laboratory.find_run()
        if laboratory.phase() in ENDED or not laboratory.run_id:
            return False
        laboratory.bury()
        laboratory.serve(crash_at=next(crashes, None))
        if deed.do == "kill_young":
            return True
    return False


def _do(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    assert laboratory.daemon is not None
    laboratory.note(f"{deed} at {laboratory.bench_second}")
    if deed.jitter_second is not None:
        laboratory.release()
        laboratory.daemon.wait(deed.jitter_second)
    yield from DEEDS[deed.do](laboratory, deed)
    if deed.jitter_second is None and laboratory.daemon.wait(0.0) is None:
        laboratory.release()


def _replace(laboratory: Laboratory, deed: Deed) -> None:
    laboratory.find_run()
    laboratory.bury(deed.away_second)
    laboratory.serve()
    laboratory.note(f"daemon {laboratory.daemons} at {laboratory.bench_second}")


def _kill(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    assert laboratory.daemon is not None
    laboratory.daemon.kill()
    _replace(laboratory, deed)
    yield from ()


def _kill_young(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    """The daemon has begun moments ago."""
    assert laboratory.daemon is not None
    laboratory.daemon.wait(deed.real_second)
    yield from _kill(laboratory, deed)


def _leave(laboratory: Laboratory, deed: Deed, *, times: int = 1) -> Iterator[str]:
    assert laboratory.daemon is not None
    laboratory.release()
    for _ in range(times - 1):
        laboratory.daemon.send(signal.Signals(deed.number))
        laboratory.daemon.wait(0.01)
    code = laboratory.stop_daemon(signal.Signals(deed.number), LEAVE_WITHIN_SECOND)
    if code not in {0, -deed.number} or (times == 1 and code != 0):
        yield f"P1 {signal.Signals(deed.number).name}: the daemon left with {code}"
    if code is None:
        laboratory.daemon.kill()
    _replace(laboratory, deed)


def _freeze(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    assert laboratory.daemon is not None
    laboratory.daemon.send(signal.SIGSTOP)
    laboratory.daemon.wait(deed.real_second)
    laboratory.daemon.send(signal.SIGCONT)
    yield from ()


def _stop(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    with contextlib.suppress(OSError, RuntimeError):
        laboratory.ask("stop", rig="rig1", by="campaign")
    yield from ()


def _second_daemon(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    first = laboratory.daemon
    second = laboratory.serve("--until-idle")
    code = second.wait(LEAVE_WITHIN_SECOND)
    laboratory.daemon = first
    if code in {0, None}:
        second.kill()
        yield f"P1 a second daemon was let in: {code}"


def _lock(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    path = laboratory.run_folder / RUN_FILE_NAME
    with contextlib.closing(sqlite3.connect(path, timeout=5, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        select.select([laboratory.daemon.descriptor], [], [], deed.real_second)
        connection.execute("ROLLBACK")
    yield from ()


def _broker(laboratory: Laboratory, deed: Deed) -> Iterator[str]:
    assert laboratory.broker is not None
    match deed.do.removeprefix("broker_"):
        case "stop":
            laboratory.broker.end()
        case "wipe":
            laboratory.broker.lose_memory()
        case "start":
            laboratory.broker.start()
        case "freeze":
            laboratory.broker.freeze()
        case "thaw":
            laboratory.broker.thaw()
    yield from ()


def _limit_files(size_byte: int) -> None:
    """In the daemon's process: no file may grow beyond this, and writing tells so."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_byte, resource.RLIM_INFINITY))


DEEDS: dict[str, Callable[[Laboratory, Deed], Iterator[str]]] = {
    "kill": _kill,
    "kill_young": _kill_young,
    "leave": _leave,
    "leave_twice": partial(_leave, times=2),
    "freeze": _freeze,
    "stop": _stop,
    "second_daemon": _second_daemon,
    "lock": _lock,
    **dict.fromkeys(("broker_stop", "broker_wipe", "broker_start", "broker_freeze", "broker_thaw"), _broker),
}
