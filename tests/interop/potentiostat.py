"""PyMeasure's Keithley 2450, unchanged and in an environment of its own, on our simulator: socket and VXI-11.

Usage: python -m tests.interop.potentiostat FOLDER_OF_ENVIRONMENTS
"""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BENCH = """\
name: potentiostat
speed: 1
cell: {{sample: BM-05}}
instruments:
  - name: potentiostat
    role: potentiostat
    model: "2450"
    serial_number: "04451117"
    firmware: 1.7.12b
    transport: {{kind: tcp, vxi11_port: {vxi11_port}}}
"""
PATIENCE_REAL_SECOND = 120
CHARGE_AMPERE, LIMIT_AMPERE = 0.15e-3, 1e-3


def main(environments: Path) -> int:
    failures = 0
    for said, in_order in checks(environments):
        failures += not in_order
        sys.stdout.write(f"{'ok  ' if in_order else 'FAIL'}  {said}\n")
        sys.stdout.flush()
    return min(failures, 1)


def checks(environments: Path) -> Iterator[tuple[str, bool]]:
    """What PyMeasure saw over each of the two ways, and whether it is what it should see."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        vxi11_port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        bench_file = Path(folder) / "bench.yaml"
        bench_file.write_text(BENCH.format(vxi11_port=vxi11_port))
        serving = [sys.executable, "-m", "simulators", str(bench_file)]
        with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as bench:
            try:
                assert bench.stdout is not None
                address = json.loads(bench.stdout.readline())["cables"]["potentiostat"]["address"]
                host, port = address.split(":")
                yield _met(environments, "socket", f"TCPIP0::{host}::{port}::SOCKET")
                yield _met(environments, "VXI-11", f"TCPIP::{host},{vxi11_port}::inst0::INSTR")
            finally:
                bench.terminate()


def _met(environments: Path, way: str, resource: str) -> tuple[str, bool]:
    program = [environments / "pymeasure" / "bin" / "python", Path(__file__).with_name("client_pymeasure.py"), resource]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=PATIENCE_REAL_SECOND)
    if done.returncode:
        return f"PyMeasure over {way}: {done.stderr}", False
    seen = json.loads(done.stdout.splitlines()[-1])
    amiss = [name for name, in_order in _judged(seen).items() if not in_order]
    buffer, held = seen["buffer"], seen["held"]
    text = f"{buffer['count']} rows, {buffer['mean']:.4f} V; {held['ampere'] * 1e6:.1f} µA at {held['volt']:.3f} V"
    return f"PyMeasure {seen['version']} over {way}: {text}, amiss: {amiss}", not amiss


def _judged(seen: dict[str, Any]) -> dict[str, bool]:
    charge, buffer, held = seen["charge"], seen["buffer"], seen["held"]
    rows = buffer["data"]
    return {
        "identity": seen["identity"] == "KEITHLEY INSTRUMENTS,MODEL 2450,04451117,1.7.12b",
        "no errors": seen["errors"] == [],
        "settings": (charge["source"], charge["range_ampere"], charge["level_ampere"], charge["compliance_volt"])
        == ("current", 1e-3, CHARGE_AMPERE, 4),
        "the current raises the voltage": 0.002 < charge["first_volt"] - charge["rest_volt"] < 0.1,
        "and goes on to": charge["first_volt"] < charge["later_volt"] < charge["first_volt"] + 0.1,
        "buffer": buffer["count"] == buffer["points"] == len(rows) == 10 and buffer["enabled"] == "0",
        "rows rise with the charge": rows[-1] > rows[0] > charge["rest_volt"],
        "statistics": abs(buffer["mean"] - sum(rows) / 10) < 1e-6
        and (buffer["min"], buffer["max"]) == (min(rows), max(rows)),
        "a held voltage charges, ever less": LIMIT_AMPERE >= held["first_ampere"] > held["ampere"] > 0,
    }


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
