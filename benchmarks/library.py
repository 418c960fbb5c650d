"""Runs the library's long protocols at full length on a simulated bench, and counts: `make library`.

The capacities of rate_capability are held against those the cell was fitted to.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from statistics import mean
from typing import Any

LENGTHS = {
    "formation": {("formation", 0.1): 1},
    "cycle_life": {("formation", 0.1): 1, ("life", 2.0): 1000},
    "pressure_cycling": {("pressure", 2.0): 90},
    "rate_capability": {(f"rate {rate:g} C", rate): 5 for rate in (0.1, 0.2, 0.3, 0.5, 1.0, 2.0)},
}
"""Whole cycles by block and C-rate."""
PAPER_MAH_G = {"rate_capability": {0.1: 197.0, 0.3: 176.0, 0.5: 167.0, 1.0: 144.0, 2.0: 112.0}}
"""Discharge capacity by C-rate, doi 10.1039/d4ta04063e."""
AGREES_WITHIN = 0.03


def executed(name: str, data: str) -> tuple[list[dict[str, Any]], float]:
    """The whole cycles of a run of a protocol of the library, and how many seconds that took."""
    words = [sys.executable, "-m", "daemon", "simulate", name, "--data", data, "--json"]
    result = json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout)
    whole = [cycle for cycle in result["cycles"] if "unfinished" not in cycle["flags"]]
    return whole, result["wall_second"]


def off_the_paper(name: str, cycles: list[dict[str, Any]]) -> dict[float, float]:
    """The mean capacities that are not the paper's, by C-rate."""
    measured = {
        rate_C: mean(cycle["discharge_capacity_mAh_g"] for cycle in cycles if cycle["rate_C"] == rate_C)
        for rate_C in PAPER_MAH_G.get(name, {})
    }
    return {
        rate_C: round(mAh_g, 1)
        for rate_C, mAh_g in measured.items()
        if abs(mAh_g / PAPER_MAH_G[name][rate_C] - 1) > AGREES_WITHIN
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(LENGTHS), help="only these")
    wrong = 0
    for name in parser.parse_args().names:
        with tempfile.TemporaryDirectory() as data:
            cycles, wall_second = executed(name, data)
        found = dict(Counter((cycle["block"], cycle["rate_C"]) for cycle in cycles))
        as_written = found == LENGTHS[name]
        if off := off_the_paper(name, cycles):
            print(f"{name}: not the paper's capacities, in mAh/g by C-rate: {off}")
            wrong += 1
        wrong += not as_written
        print(f"{name}: {found} in {wall_second:.0f} s: {'as written' if as_written else 'NOT as written'}", flush=True)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
