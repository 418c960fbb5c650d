"""Other people's drivers of chillers, unchanged and each in an environment of its own, on our simulators."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = """\
name: chillers
speed: 1
cell: {{sample: BM-05}}
instruments: [{{name: chiller, role: chiller, external_probe: true, {said}, transport: {{kind: {transport}}}}}]
"""
PATIENCE_REAL_SECOND = 120


@dataclass(frozen=True)
class Client:
    """A program, what it is to meet at which cable, and what it must have seen; `...` is anything."""

    said: str
    transport: str
    sees: dict[str, Any]


CLIENTS = {
    "hvl_ccb": Client(
        "model: lauda, device_type: PRO",
        "tcp",
        {"type": "PRO", "run": "", "pause": "", "bath": ..., "external": ..., "refused": ...},
    ),
    "pylauda": Client(
        "model: lauda", "pty", {"setpoint": 15.0, "external": ..., "healthy": True, "diagnosis": "0000000"}
    ),
    "julabo": Client(
        "model: julabo",
        "tcp",
        {
            "identification": "JULABO CF41 VERSION 1.30",
            "before": "02 REMOTE STOP",
            "setpoint": 15.0,
            "bath": ...,
            "external": ...,
            "started": True,
            "refused": "-11 VALUE TOO LARGE",
            "running": "03 REMOTE START",
            "stopped": True,
        },
    ),
    "labmcp_julabo": Client(
        "model: julabo",
        "pty",
        {
            "version": "JULABO CF41 VERSION 1.30",
            "limits": [100.0, -30.0],
            "external": ...,
            "set": "02 REMOTE STOP",
            "start": "03 REMOTE START",
            "setpoint": 15.0,
            "bath": ...,
            "running": True,
            "refused": ...,
            "stopped": True,
        },
    ),
    "huber": Client(
        "model: huber",
        "tcp",
        {
            "on": True,
            "temperature": {"bath": ..., "setpoint": 15.0},
            "pump": {"pressure": 4.5, "speed": 2800, "setpoint": 2800},
            "fill": 0.75,
            "maintenance": 180,
            "status": {"controlling": True, "circulating": True, "pumping": True, "error": False, "warning": False},
            "process": ...,
            "refused": ...,
            "stopped": True,
        },
    ),
}
"""By environment; the program is `client_<environment>.py` beside this file."""


def checks(environments: Path) -> Iterator[tuple[str, bool]]:
    """What each client saw, and whether it is what it should see."""
    for name, client in CLIENTS.items():
        with tempfile.TemporaryDirectory() as folder:
            bench_file = Path(folder) / "bench.yaml"
            bench_file.write_text(BENCH.format(said=client.said, transport=client.transport))
            serving = [sys.executable, "-m", "simulators", str(bench_file)]
            with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as bench:
                try:
                    assert bench.stdout is not None
                    address = json.loads(bench.stdout.readline())["cables"]["chiller"]["address"]
                    yield _met(environments, name, client, address)
                finally:
                    bench.terminate()


def _met(environments: Path, name: str, client: Client, address: str) -> tuple[str, bool]:
    program = [environments / name / "bin" / "python", Path(__file__).with_name(f"client_{name}.py"), address]
    done = subprocess.run(program, capture_output=True, text=True, check=False, timeout=PATIENCE_REAL_SECOND)
    text = f"{name} on {client.said}, {client.transport}"
    if done.returncode:
        return f"{text}: {done.stderr}", False
    seen = json.loads(done.stdout.splitlines()[-1])
    return f"{text}: {seen}", _is_like(seen, client.sees)


def _is_like(seen: Any, expected: Any) -> bool:
    if expected is ...:
        return seen is not None
    if isinstance(expected, dict):
        return (
            isinstance(seen, dict)
            and seen.keys() == expected.keys()
            and all(_is_like(seen[key], value) for key, value in expected.items())
        )
    return bool(seen == expected)


if __name__ == "__main__":
    found = list(checks(Path(sys.argv[1])))
    for said, in_order in found:
        sys.stdout.write(f"{'ok  ' if in_order else 'FAIL'}  {said}\n")
    sys.exit(not all(in_order for _, in_order in found))
