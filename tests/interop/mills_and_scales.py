"""Other people's clients of Modbus and MT-SICS, unchanged and each in an environment of its own, on our simulators."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.interop.chillers import Client, _met

BENCH = """\
name: mills
speed: 1
noise: false
cell: {{sample: BM-05}}
instruments: [{{name: unit, {said}, transport: {{kind: {transport}}}}}]
"""
DRIVE = "role: mill_drive, accel_s: 1, decel_s: 1"
LS = f"model: ls_ig5a, {DRIVE}"
LS_SEES = {
    "model": [10, 2, 0, 34],
    "locked": 0x14,
    "running": [5000, 0x42],
    "input registers": [3000],
    "standing": [0, 1],
    "no such register": 2,
}
SCALE = "model: mettler_sics, role: load_cell"

MEETINGS = (
    ("pymodbus", Client(LS, "tcp", LS_SEES)),
    ("pymodbus", Client(LS, "pty", LS_SEES)),
    (
        "minimalmodbus",
        Client(
            f"model: delta_vfd, {DRIVE}, bus_address: 3",
            "pty",
            {
                "firmware": 1.16,
                "running": [3, 50.0, 3000],
                "standing": [0, 0x0500, 0, 0],
                "no such register": ...,
            },
        ),
    ),
    (
        "mettler_toledo_device",
        Client(
            SCALE,
            "pty",
            {
                "serial": "B012345678",
                "balance": ["IND690", "500.00", "kg"],
                "software": ...,
                "unit": "kg",
                "letter": "S",
                "stable": "kg",
                "zeroed": False,
            },
        ),
    ),
    (
        "labmcp_mettler_toledo",
        Client(
            SCALE,
            "pty",
            {
                "who": ...,
                "weight": ...,
                "unit": "kg",
                "tared": ...,
                "after": ...,
                "refused": ...,
                "reset": "B012345678",
            },
        ),
    ),
)
"""Environment, and what the program `client_<environment>.py` beside this file meets there."""


def checks(environments: Path) -> Iterator[tuple[str, bool]]:
    """What each client saw, and whether it is what it should see."""
    for name, client in MEETINGS:
        with tempfile.TemporaryDirectory() as folder:
            bench_file = Path(folder) / "bench.yaml"
            bench_file.write_text(BENCH.format(said=client.said, transport=client.transport))
            serving = [sys.executable, "-m", "simulators", str(bench_file)]
            with subprocess.Popen(serving, stdout=subprocess.PIPE, text=True) as bench:
                try:
                    assert bench.stdout is not None
                    address = json.loads(bench.stdout.readline())["cables"]["unit"]["address"]
                    yield _met(environments, name, client, address)
                finally:
                    bench.terminate()


if __name__ == "__main__":
    found = list(checks(Path(sys.argv[1])))
    for said, in_order in found:
        sys.stdout.write(f"{'ok  ' if in_order else 'FAIL'}  {said}\n")
    sys.exit(not all(in_order for _, in_order in found))
