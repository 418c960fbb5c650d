"""A bench and, one after the other, the daemons of its station, for whoever lets things go wrong between them."""

import contextlib
import json
import os
import select
import signal
import socket
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from daemon.cli import presscell
from daemon.crash_points import VARIABLE
from daemon.service.asking import SOCKET_NAME
from daemon.store.records import RUN_FILE_NAME
from simulators.__main__ import main as presscell_bench
from tests.campaign.control import BenchControl, RefusedError
from tests.campaign.processes import Child, fork
from tests.support.broker import Mosquitto

REPOSITORY = Path(__file__).parents[2]
CELL = REPOSITORY / "config" / "cells" / "bm05.yaml"
START_WITHIN_SECOND = 20.0
LOOK_EVERY_SECOND = 0.05
RETRY_SECOND = 0.002

BENCH = """\
name: campaign
speed: 0
utc_start: 2026-01-01T00:00:00Z
log_readings: true
cell: {sample: BM-05, chamber_temperature_C: 25, torque_Nm: 5}
window: {lower_voltage_V: 1.95, upper_voltage_V: 3.75}
instruments:
  - {name: potentiostat, model: "2450", role: potentiostat, serial_number: "04451117", firmware: 1.7.12b,
      transport: {kind: tcp, port: 0}}
"""
BESIDE = """\
  - name: load_cell
    model: and_indicator
    role: load_cell
    sensor: {nominal_N: 5000, zero_drift_per_K: 5e-5, span_drift_per_K: 5e-5, reference_temperature_C: 25}
    setup: {unit: kg, capacity: 500, decimals: 2, division: 2, display_Hz: 1}
    transport: {kind: pty}
  - name: thermometer
    model: adam_4015
    role: thermometer
    probes: [{channel: 0, place: jig}, {channel: 1, place: air}]
    transport: {kind: tcp, port: 0}
  - {name: chamber, model: espec, role: chamber, transport: {kind: tcp, port: 0}}
"""
STATION = """\
site: lab
station: campaign
data: {data}
supervise_every_s: {supervise:g}
bench: {{control: "{control}", on_owner_lost: freeze}}
{more}rigs:
  rig1:
"""
ROLES = {
    "potentiostat": '{{driver: keithley.2450, address: "{address}", serial_number: "04451117", timeout_s: 0.4}}',
    "load_cell": (
        '{{driver: and.indicator, address: "{address}", unit: kg, nominal_newton: 5000,'
        " calibration: {{gain: 1.0, certificate: simulated, calibrated_on: 2026-01-01}}}}"
    ),
    "thermometer": (
        '{{driver: advantech.adam_4015, address: "{address}", channels: {{jig: 0, air: 1}}, every_s: 1,'
        " timeout_s: 0.4}}"
    ),
    "chamber": '{{driver: espec.chamber, address: "{address}", timeout_s: 0.4}}',
    "mill_drive": '{{driver: ls.ig5a, address: "{address}", highest_rpm: 4200, loss_stop_s: 3, timeout_s: 0.4}}',
    "chiller": (
        '{{driver: lauda.chiller, address: "{address}", timeout_s: 0.4,'
        " host_loss: {{timeout_s: 30, safe_temperature_C: {safe:g}, safe_mode: true}}}}"
    ),
}
"""By the bench's names of its instruments."""


@dataclass
class Laboratory:
    """One bench and the daemons of its station; `notes` say what was done to them, with bench times.

    `bench_text` is its bench file, `safe_celsius` what a chiller is to go to when nobody speaks to it.
    """

    folder: Path
    seed: int
    bench_text: str = BENCH + BESIDE
    safe_celsius: float = 15.0
    cell: Path = CELL
    supervise_every_s: float = 1.0
    mqtt: str | None = None
    broker: Mosquitto | None = None
    bench: Child | None = None
    daemon: Child | None = None
    control: BenchControl | None = None
    daemons: int = 0
    notes: list[str] = field(default_factory=list)
    run_id: str = ""
    _holding: int | None = None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def bench_log(self) -> Path:
        return self.folder / "bench.jsonl"

    @property
    def run_folder(self) -> Path:
        return self.data / self.run_id

    @property
    def bench_second(self) -> float:
        assert self.control is not None
        return float(self.control.ask("hello")["now_second"])

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start_broker(self, *, is_there: bool) -> None:
        """Let the station publish; to nobody, when the broker is not there. Before the bench is started."""
        self.broker = Mosquitto(self.folder)
        self.mqtt = f"127.0.0.1:{self.broker.port}"
        if is_there:
            self.broker.start()

    def start_bench(self) -> None:
        (self.folder / "bench.yaml").write_text(self.bench_text)
        ours, theirs = os.pipe()

        def work() -> None:
            presscell_bench(["bench.yaml", "--log", str(self.bench_log), "--seed", str(self.seed), "--speed", "0"])

        self.bench = fork(work, folder=self.folder, output=theirs)
        os.close(theirs)
        with os.fdopen(ours) as output:
            assert select.select([output], [], [], START_WITHIN_SECOND)[0], "the bench says nothing"
            hello = json.loads(output.readline())
        self.control = BenchControl(hello["control"])
        rig = "".join(
            f"    {name}: {ROLES[name].format(address=cable['address'], safe=self.safe_celsius)}\n"
            for name, cable in hello["cables"].items()
        )
        more = f'mqtt: {{broker: "{self.mqtt}"}}\n' if self.mqtt else ""
        station = STATION.format(data=self.data, supervise=self.supervise_every_s, control=hello["control"], more=more)
        (self.folder / "station.yaml").write_text(station + rig)

    def serve(self, *words: str, crash_at: str | None = None, before: Any = None) -> Child:
        """A new daemon, which need not be ready yet. `before` is done in its process before it begins."""
        self.daemons += 1
        environment = {VARIABLE: crash_at} if crash_at else {}

        def work() -> None:
            if before is not None:
                before()
            presscell(["serve", "station.yaml", *words], prog_name="presscell")

        with (self.folder / f"daemon{self.daemons}.log").open("w") as output:
            self.daemon = fork(work, folder=self.folder, output=output.fileno(), environment=environment)
        return self.daemon

    def ask(self, verb: str, **arguments: object) -> Any:
        """Ask the daemon. Raises `OSError` when there is none, `RefusedError`."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(START_WITHIN_SECOND)
            link.connect(str(self.data / SOCKET_NAME))
            link.sendall(json.dumps({"do": verb, **arguments}).encode() + b"\n")
            line = link.makefile("rb").readline()
        if not line:
            raise ConnectionResetError("the daemon hung up")
        answer = json.loads(line)
        if not answer["ok"]:
            raise RefusedError(answer["error"])
        return answer["answer"]

    def wait_ready(self) -> bool:
        """Wait until the daemon answers; false when it ended before."""
        assert self.daemon is not None
        while self.daemon.wait(RETRY_SECOND) is None:
            with contextlib.suppress(OSError):
                self.ask("status")
                return True
        return False

    def run(self, protocol: str) -> bool:
        """Begin the run; false when the daemon died of it."""
        sources = {"protocol_text": protocol, "cell_text": self.cell.read_text()}
        names = {"protocol_name": "protocol.yaml", "cell_name": self.cell.name}
        try:
            self.run_id = self.ask("run", rig="rig1", **sources, **names)
        except OSError:
            self.find_run()
            return False
        return True

    def find_run(self) -> None:
        found = [path.parent.name for path in self.data.glob(f"*/{RUN_FILE_NAME}")]
        self.run_id = found[0] if found else ""

    def wait(self, until_second: float | None, *, through_holds: bool = False) -> str:
        """Let time go on to a bench time, where it is then held: "held", "died" (the daemon) or "idle" (the run).

        A run that waits for a person is idle, unless `through_holds`; then time may also be held already.
        """
        going_on = {"running", "ending", "holding"} if through_holds else {"running", "ending"}
        assert self.control is not None
        assert self.daemon is not None
        if until_second is not None:
            after = "release" if through_holds else None
            self._holding = self._holding or self.control.tell("hold_at", after=after, at_second=until_second)
        while self.daemon.wait(0.0) is None:
            waited = [self.daemon.descriptor, self.control.socket]
            select.select(waited, [], [], LOOK_EVERY_SECOND)
            if self._holding is not None and self.control.answer(self._holding, 0.0) is not None:
                self._holding = None
                return "held"
            with contextlib.suppress(OSError):
                rig = self.ask("status")[0]
                if rig["state"] not in going_on and not rig.get("is_tried_again"):
                    return "idle"
        return "died"

    def release(self) -> None:
        assert self.control is not None
        self.control.ask("release")
        self._holding = None

    def bury(self, away_second: float = 0.0) -> None:
        """After a daemon's death: wait until the bench has noticed, and let its time go on without one."""
        assert self.control is not None
        self.release()
        while True:
            try:
                self.control.ask("own", speed="max", on_owner_lost="freeze")
                break
            except RefusedError:
                select.select([], [], [], RETRY_SECOND)
        if away_second:
            self.control.ask("advance", to_second=self.bench_second + away_second)
        self.control.ask("disown")

    def stop_daemon(self, number: signal.Signals, within_second: float) -> int | None:
        """Ask the daemon to leave; its exit code, None when it did not in time."""
        assert self.daemon is not None
        self.daemon.send(number)
        return self.daemon.wait(within_second)

    def phase(self) -> str:
        """What the run's file says of where it is; "" when there is nothing."""
        path = self.run_folder / RUN_FILE_NAME
        if not self.run_id or not path.exists():
            return ""
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT body FROM snapshot").fetchone()
        return "" if row is None else str(json.loads(row[0])["phase"])

    def close(self) -> None:
        """End the bench as it ends, and whatever daemon is left."""
        if self.broker is not None:
            self.broker.end()
        if self.daemon is not None and self.daemon.wait(0.0) is None:
            self.daemon.kill()
        if self.control is not None and self.bench is not None and self.bench.wait(0.0) is None:
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                self.control.ask("end")
            self.control.close()
        if self.bench is not None and self.bench.wait(START_WITHIN_SECOND) is None:
            self.bench.kill()
