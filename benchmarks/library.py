"""Runs the library's long protocols at full length on a simulated bench, and counts: `make library`."""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter

LENGTHS = {
    "formation": {("formation", 0.1): 1},
    "cycle_life": {("formation", 0.1): 1, ("life", 2.0): 1000},
    "pressure_cycling": {("pressure", 2.0): 90},
    "rate_capability": {(f"rate {rate:g} C", rate): 5 for rate in (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)},
}
"""Whole cycles by block and C-rate."""


def whole_cycles(name: str, data: str) -> tuple[dict[tuple[str, float], int], float]:
    """What a run of a protocol of the library has executed, and how many seconds that took."""
    words = [sys.executable, "-m", "daemon", "simulate", name, "--data", data, "--json"]
    result = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    whole = [cycle for cycle in result["cycles"] if "unfinished" not in cycle["flags"]]
    return dict(Counter((cycle["block"], cycle["rate_C"]) for cycle in whole)), result["wall_second"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(LENGTHS), help="only these")
    wrong = 0
    for name in parser.parse_args().names:
        with tempfile.TemporaryDirectory() as data:
            found, wall_second = whole_cycles(name, data)
        as_written = found == LENGTHS[name]
        wrong += not as_written
        print(f"{name}: {found} in {wall_second:.0f} s: {'as written' if as_written else 'NOT as written'}", flush=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
