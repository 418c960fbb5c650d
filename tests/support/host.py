"""A station whose host fails in every way a host can: its disk, its clock, its processes. Words go to a file."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from daemon.recover import unfinished_runs
from daemon.results.result import Result, read_result
from daemon.service.asking import SOCKET_NAME, ask_daemon
from daemon.store.reading import last_seq, read_header
from daemon.store.records import RunHeader
from tests.support.small_disk import SmallDisk
from tests.support.station import CELL, REPOSITORY, Station, first_line

ALONE = "potentiostat_only.yaml"
LOOK_EVERY_SECOND, LOOKS = 0.02, 2000

ROLES = {
    "potentiostat": 'driver: keithley.2450, serial_number: "04451117"',
    "load_cell": "driver: and.indicator, unit: kg, nominal_newton: 5000, "
    "calibration: {gain: 1, certificate: C-1, calibrated_on: 2026-03-02}",
    "thermometer": "driver: advantech.adam_4015, channels: {jig: 0, air: 1}",
    "chamber": "driver: espec.chamber",
}


@dataclass
class Host(Station):
    """A bench and the daemons that use it, started under whatever spoils them.

    `rigs` are roles by rig, `before` the words that come before a daemon's command, `more` is added to its environment;
    `disk` is its data directory, if that is a volume of its own. With `own_clock` the daemon knows of no bench: its
    instruments run in real time, or so many times faster (`speed`), and its clock is the machine's.
    """

    bench_file: str = ALONE
    rigs: dict[str, tuple[str, ...]] = field(default_factory=lambda: {"rig1": ("potentiostat",)})
    own_clock: bool = False
    speed: float = 1.0
    before: Sequence[str] = ()
    disk: SmallDisk | None = None
    more: dict[str, str] = field(default_factory=dict)
    hello: dict[str, Any] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """All that daemons have said."""
        path = self.folder / "daemon.log"
        return path.read_text() if path.exists() else ""

    @property
    def run_path(self) -> Path:
        """The file of the only run; of one on a `disk` a copy, since SQLite finds no file of another namespace."""
        (path,) = (self.disk.seen if self.disk else self.data).glob("*/run.sqlite")
        if self.disk is None:
            return path
        copy = self.folder / "copies" / path.parent.name / path.name
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir(parents=True)
        for name in (path.name, path.name + "-wal"):
            if path.with_name(name).exists():
                shutil.copy(path.with_name(name), copy.with_name(name))
        return copy

    def header(self, run_id: str) -> RunHeader:
        return read_header(self.data / run_id / "run.sqlite")

    @property
    def is_over(self) -> bool:
        """Whether every run has ended, its last word stored."""
        return not unfinished_runs(self.data).left

    def result(self) -> Result:
        return read_result(self.run_path.parent)

    def rows(self, stream: str) -> int:
        """How many rows of a stream are durable."""
        return last_seq(self.run_path, stream)

    def start_bench(self, seed: int = 1) -> None:
        self.bench = subprocess.Popen(
            [
                *(sys.executable, "-m", "simulators", str(REPOSITORY / "config" / "bench" / self.bench_file)),
                *("--log", str(self.log), "--seed", str(seed), "--speed", f"{self.speed:g}" if self.own_clock else "0"),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.hello = json.loads(first_line(self.bench))
        self.write_station()

    def ask_bench(self, verb: str, **said: object) -> dict[str, Any]:
        """One question to the bench's control port, beside its owner's."""
        host, _, port = self.hello["control"].rpartition(":")
        with socket.create_connection((host, int(port))) as connection, connection.makefile("rw") as lines:
            lines.write(json.dumps({"id": 1, "do": verb, **said}) + "\n")
            lines.flush()
            answer = json.loads(lines.readline())
        assert answer["ok"], answer
        return answer

    def write_station(self, more: str = "") -> None:
        pace = f", pace: {self.pace:g}" if self.pace else ""
        bench = f'bench: {{control: "{self.hello["control"]}", on_owner_lost: {self.on_owner_lost}{pace}}}\n'
        rigs = "".join(f"  {name}:\n" + "".join(map(self._instrument, roles)) for name, roles in self.rigs.items())
        (self.folder / "station.yaml").write_text(
            "site: lab\nstation: tested\n"
            f"data: {self.data}\nsupervise_every_s: {self.supervise_every_s:g}\n"
            + ("" if self.own_clock else bench)
            + (f'mqtt: {{broker: "{self.mqtt}"}}\n' if self.mqtt else "")
            + f"{more}rigs:\n{rigs}"
        )

    def write_station_with_oven(self, beside: dict[str, str], more: str = "") -> None:
        """A station whose rigs share the bench's chamber as `oven1`; `beside` says what else each has, by rig."""
        address = {name: cable["address"] for name, cable in self.hello["cables"].items()}
        rigs = "".join(
            f'  {rig}:\n    {role}: {{{ROLES[role]}, address: "{address[role]}"}}\n    chamber: {{shared: oven1}}\n'
            for rig, role in beside.items()
        )
        oven = f'shared:\n  oven1:\n    chamber: {{{ROLES["chamber"]}, address: "{address["chamber"]}"}}\n'
        self.write_station(more=oven)
        with (self.folder / "station.yaml").open("a") as station:
            station.write(rigs + more)

    def launch(self, *words: str) -> subprocess.Popen[str]:
        """A daemon that has only just begun."""
        with (self.folder / "daemon.log").open("ab") as log:
            daemon = subprocess.Popen(
                [*self.before, *self.arguments("serve", str(self.folder / "station.yaml"), *words)],
                cwd=self.folder,
                env={**os.environ, **self.more},
                stdin=subprocess.DEVNULL,
                stderr=log,
                text=True,
            )
        self.daemons.append(daemon)
        return daemon

    def arguments(self, *words: str) -> list[str]:
        """A command, where the data directory is to be seen."""
        return [*(self.disk.within if self.disk else ()), *self.command_line.arguments(*words)]

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A verb of the command line, with the station's data directory."""
        command = self.arguments(*words, "--data", str(self.data))
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60, check=False
        )

    def run(self, protocol: str, *words: str, rig: str = "rig1") -> str:
        path = self.command_line.write("protocol.yaml", protocol)
        done = self.ask("run", str(path), "--rig", rig, "--cell", str(CELL), *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def asked(self, verb: str, **words: object) -> Any:
        """What the daemon answers, asked as the command line asks it. Raises `RefusedByDaemonError`."""
        return asyncio.run(ask_daemon(self.data / SOCKET_NAME, verb, **words))

    def status(self) -> list[dict[str, Any]]:
        """What the daemon says of its rigs."""
        if self.disk is not None:
            # Its socket is on the volume that only processes within see.
            return json.loads(self.ask("status", "--json").stdout)
        return self.asked("status")

    def serve(self, *words: str) -> subprocess.Popen[str]:
        said = self.words.count(" serves ")
        daemon = self.launch(*words)
        wait_until(daemon, lambda: self.words.count(" serves ") > said, lambda: self.words)
        return daemon

    def ended(self, daemon: subprocess.Popen[str], within_second: float = 60.0) -> int:
        """A daemon's exit code, once it has ended."""
        return daemon.wait(within_second)

    def wait_for(self, seen: Callable[[], object]) -> None:
        """Until something is seen; fails when the newest daemon ends before."""
        wait_until(self.daemons[-1], seen, lambda: self.words)

    def wait_on_bench(self, second: float) -> None:
        """Until it is that time on the bench."""
        self.wait_beside(lambda: self.ask_bench("hello")["now_second"] >= second)

    def wait_beside(self, seen: Callable[[], object]) -> None:
        """Until something is seen, whatever becomes of daemons; fails when the bench ends before."""
        assert self.bench is not None
        wait_until(self.bench, seen, lambda: self.words)

    def _instrument(self, role: str) -> str:
        return f'    {role}: {{{ROLES[role]}, address: "{self.hello["cables"][role]["address"]}"}}\n'


def wait_until(process: subprocess.Popen[str], seen: Callable[[], object], words: Callable[[], str]) -> None:
    """Let a process run until something is seen."""
    for _ in range(LOOKS):
        if seen():
            return
        try:
            process.wait(LOOK_EVERY_SECOND)
        except subprocess.TimeoutExpired:
            continue
        if seen():
            return
        pytest.fail(f"it ended first, with {process.returncode}:\n{words()}")
    pytest.fail(f"what is waited for does not come:\n{words()}")


def stopped(process: subprocess.Popen[str]) -> None:
    """SIGSTOP, and it has stopped."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
