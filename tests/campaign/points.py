"""Every crash point in turn: daemon after daemon of one run dies at the next of them, and the run is none the worse."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from daemon.crash_points import EXIT_CODE, NAMES
from tests.campaign.checker import Expected, violations
from tests.campaign.evidence import read_evidence
from tests.campaign.laboratory import Laboratory
from tests.campaign.protocols import WINDOW

PROTOCOL = f"""\
{WINDOW}method:
  - {{step: open_circuit_voltage, id: rest, until_time: 8 s}}
  - {{step: set, id: warm, temperature_C: 26}}
  - {{step: constant_current, id: in, rate_C: 2, until_time: 40 s}}
  - {{step: open_circuit_voltage, id: pause, until_time: 8 s}}
"""
STEPS = ("rest", "in", "pause")
LAST = "after_seal"
"""Nobody comes there a second time: the run has ended, as it has at the point before."""


def run_points(tell: Callable[[str], None]) -> list[str]:
    """Die at every point of one run but the last, and at that in another. Answers what is wrong."""
    points = [name for name in NAMES if name != LAST]
    return [*_run(points, tell), *_run([LAST], tell)]


def _run(points: list[str], tell: Callable[[str], None]) -> list[str]:
    folder = Path(tempfile.mkdtemp(prefix="presscell-points-"))
    laboratory = Laboratory(folder, seed=1)
    found = []
    try:
        laboratory.start_bench()
        for index, name in enumerate(points):
            laboratory.serve(crash_at=name)
            if index == 0 and laboratory.wait_ready():
                laboratory.run(PROTOCOL)
            state = laboratory.wait(None)
            assert laboratory.daemon is not None
            if laboratory.daemon.exit_code != EXIT_CODE:
                found.append(f"{name} was not passed: the daemon {state}, exit code {laboratory.daemon.exit_code}")
                laboratory.daemon.kill()
            tell(f"{name} at {laboratory.bench_second:g} s")
            laboratory.find_run()
            laboratory.bury()
    finally:
        laboratory.close()
    evidence = read_evidence(laboratory.run_folder, laboratory.bench_log)
    found += violations(evidence, Expected(frozenset({"completed"}), STEPS))
    if not found:
        shutil.rmtree(folder)
    return found
