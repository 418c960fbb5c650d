"""A station on a bench of its own, for tests that kill its daemon: real processes, real sockets, real SIGKILL."""

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.crash_points import VARIABLE
from daemon.results.result import read_result
from tests.support.command_line import CommandLine

REPOSITORY = Path(__file__).parents[2]
CELL = REPOSITORY / "config" / "cells" / "bm05.yaml"
START_WITHIN_SECOND = 30.0
ROLES = {
    "potentiostat": 'potentiostat: {{driver: keithley.2450, address: "{address}", serial_number: "04451117"}}',
}


@dataclass
class Station:
    """One bench process and, one after the other, the daemons that own it."""

    folder: Path
    pace: float | None = None
    on_owner_lost: str = "freeze"
    supervise_every_s: float = 10.0
    mqtt: str | None = None
    control: str = ""
    bench: subprocess.Popen[str] | None = None
    daemons: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "bench.jsonl"

    @property
    def command_line(self) -> CommandLine:
        return CommandLine(self.folder)

    def start_bench(self, seed: int = 1) -> None:
        bench_file = REPOSITORY / "config" / "bench" / "potentiostat_only.yaml"
        self.bench = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators", str(bench_file)),
                *("--log", str(self.log), "--seed", str(seed), "--speed", "0"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        hello = json.loads(first_line(self.bench))
        self.control = hello["control"]
        pace = f", pace: {self.pace:g}" if self.pace else ""
        rig = "\n".join(
            f"    {ROLES[name].format(address=cable['address'])}" for name, cable in hello["cables"].items()
        )
        (self.folder / "station.yaml").write_text(
            "site: lab\nstation: tested\n"
            f"data: {self.data}\nsupervise_every_s: {self.supervise_every_s:g}\n"
            f'bench: {{control: "{hello["control"]}", on_owner_lost: {self.on_owner_lost}{pace}}}\n'
            + (f'mqtt: {{broker: "{self.mqtt}"}}\n' if self.mqtt else "")
            + f"rigs:\n  rig1:\n{rig}\n"
        )

    def as_fast_as_it_goes(self) -> None:
        """From the next daemon on."""
        path = self.folder / "station.yaml"
        path.write_text(path.read_text().replace(f", pace: {self.pace:g}" if self.pace else "", ""))
        self.pace = None

    def serve(self, *words: str, crash_at: str | None = None) -> subprocess.Popen[str]:
        """A daemon that is ready to be asked; with `crash_at` it dies there, see `daemon.crash_points`."""
        daemon = subprocess.Popen(
            self.command_line.arguments("serve", "station.yaml", *words),
            cwd=self.folder,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **({VARIABLE: crash_at} if crash_at else {})},
        )
        self.daemons.append(daemon)
        line = first_line(daemon, "stderr")
        assert "serves" in line, line + (daemon.stderr.read() if daemon.stderr else "")
        return daemon

    def run(self, protocol: str, cell: Path | None = CELL) -> str:
        path = self.command_line.write("protocol.yaml", protocol)
        named = ("--cell", str(cell)) if cell is not None else ()
        done = self.command_line.run("run", str(path), "--rig", "rig1", *named, "--data", str(self.data))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def result(self) -> Any:
        (directory,) = (path for path in self.data.glob("*/") if path.is_dir())
        return read_result(directory)

    def bench_log(self, event: str) -> list[dict[str, Any]]:
        lines = (json.loads(line) for line in self.log.read_text().splitlines())
        return [line for line in lines if line["event"] == event]

    def close(self) -> None:
        for process in (*self.daemons, *([self.bench] if self.bench else [])):
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()


def first_line(process: subprocess.Popen[str], name: str = "stdout") -> str:
    """The first line a process writes."""
    stream = getattr(process, name)
    ready, _, _ = select.select([stream], [], [], START_WITHIN_SECOND)
    assert ready, "the process said nothing"
    return stream.readline()


def kill_after(process: subprocess.Popen[str], second: float) -> bool:
    """Let a process run for a real time, then kill -9 it; false when it had ended before."""
    try:
        process.wait(second)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False
