"""Exports of a simulated run, read by other people's programs in environments of their own. Run by `make interop`.

Usage: python -m tests.interop.check FOLDER_OF_ENVIRONMENTS
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.command_line import CommandLine

PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 10 min}
  - {step: cycle, id: slow, rate_C: 0.2, cycle_count: 1}
  - {step: cycle, id: fast, rate_C: [1, 2], cycle_count: 2}
"""
LARGEST_DIFFERENCE = 1e-4
VALIDATORS = {"batterydf-0.1": "batterydf-0.1", "batterydf-0.2": "ontology-1.3"}
"""Environment, and the labels it is to find in order."""


def main(environments: Path) -> int:
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        command_line = CommandLine(Path(folder))
        result = command_line.simulate(PROTOCOL)
        for said, in_order in _checks(command_line, result, environments):
            failures += not in_order
            sys.stdout.write(f"{'ok  ' if in_order else 'FAIL'}  {said}\n")
            sys.stdout.flush()
    return min(failures, 1)


def _checks(command_line: CommandLine, result: dict[str, Any], environments: Path) -> Iterator[tuple[str, bool]]:
    for rows in ("record", "all"):
        for labels in ("ontology-1.3", "batterydf-0.1"):
            folder = command_line.folder / f"{rows} {labels}"
            words = ("--to", str(folder), "--rows", rows, "--labels", labels)
            done = command_line.run("export", result["run_directory"], *words)
            yield f"export {' '.join(words[2:])} {done.stderr.strip()}", done.returncode == 0
            [csv_file], [parquet_file] = folder.glob("*.bdf.csv"), folder.glob("*.bdf.parquet")
            yield _pyprobe(environments, csv_file, result)
            for environment, known in VALIDATORS.items():
                if labels == known or environment == "batterydf-0.2":
                    yield _validated(environments / environment, csv_file)
                    yield _validated(environments / environment, parquet_file)


def _pyprobe(environments: Path, file: Path, result: dict[str, Any]) -> tuple[str, bool]:
    script = Path(__file__).with_name("pyprobe_capacities.py")
    python = environments / "pyprobe" / "bin" / "python"
    done = subprocess.run([python, script, file], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"PyProBE: {done.stderr}", False
    seen = json.loads(done.stdout.splitlines()[-1])
    differences = []
    for segment in result["segments"]:
        if segment["half"] is not None:
            ours = abs(segment["charge_ampere_hour"])
            differences.append(abs(seen["capacities_ampere_hour"][str(segment["segment"])] / ours - 1))
    text = (
        f"PyProBE {seen['version']}: {len(differences)} half-cycles, largest difference {100 * max(differences):.2g} %"
    )
    return text, max(differences) <= LARGEST_DIFFERENCE and len(differences) == 2 * len(result["cycles"])


def _validated(environment: Path, file: Path) -> tuple[str, bool]:
    done = subprocess.run(
        [environment / "bin" / "bdf", "validate", "--json", file], capture_output=True, text=True, check=False
    )
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:
        return f"{environment.name} {file.suffix}: {done.stdout}{done.stderr}", False
    issues = [*found["missing"], *found["extras"], *found["legacy_labels"], *found.get("derived", {}).get("issues", [])]
    in_order = found["ok"] and not issues and found["time_stats"]["monotonic"] and found["n_rows"] > 0
    return (
        f"{environment.name} {file.suffix}: {found['n_rows']} rows, {found['n_cols']} labels, amiss: {issues}",
        in_order,
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
