"""Captures every simulated instrument anew: `python -m tests.wire [DRIVER…]`, in the folder of the repository."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support.station import first_line
from tests.support.wire import BENCH, TRANSCRIPTS, UNITS, role_of, station_text


def capture(driver: str, out: Path, *words: str) -> str:
    """Serve an instrument, capture it with the command line; what that said on stderr."""
    said, transport, _ = UNITS[driver]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bench.yaml").write_text(BENCH.format(said=said, transport=transport), encoding="utf-8")
        bench = subprocess.Popen(
            [sys.executable, "-m", "simulators", str(folder / "bench.yaml")], stdout=subprocess.PIPE, text=True
        )
        try:
            address = json.loads(first_line(bench))["cables"]["unit"]["address"]
            station = folder / "station.yaml"
            station.write_text(station_text(driver, address, folder / "data"), encoding="utf-8")
            instrument = f"rig1.{role_of(said)}"
            program = [sys.executable, "-m", "daemon", "capture", str(station), instrument, "--out", str(out)]
            return subprocess.run([*program, *words], stderr=subprocess.PIPE, text=True, check=False).stderr
        finally:
            bench.terminate()
            bench.wait()
            bench.stdout.close()


if __name__ == "__main__":
    for each in sys.argv[1:] or UNITS:
        sys.stdout.write(f"{each}: {capture(each, TRANSCRIPTS / f'{each}.jsonl').splitlines()[-1]}\n")
        sys.stdout.flush()
