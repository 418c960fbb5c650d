"""The command line as people use it, for tests over real processes."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHORT_PROTOCOL = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: fast, rate_C: 2, cycle_count: 2}
"""


@dataclass
class CommandLine:
    """`presscell` with a data directory of its own."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def arguments(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "daemon", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.arguments(*words),
            cwd=self.folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=110,
            check=False,
        )

    def simulate(self, protocol: str = SHORT_PROTOCOL, *words: str) -> dict[str, Any]:
        """Run a protocol to its end and answer the object of `--json`."""
        done = self.run(
            "simulate", str(self.write("protocol.yaml", protocol)), "--data", str(self.data), "--json", *words
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, protocol: str, *words: str) -> subprocess.Popen[str]:
        path = self.write("protocol.yaml", protocol)
        return subprocess.Popen(
            self.arguments("simulate", str(path), "--data", str(self.data), *words),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
        )

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path


def children_of(pid: int) -> list[int]:
    """The processes a process has started and that still run."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]
