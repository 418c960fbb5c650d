"""Eight cells on one bench, in one chamber that their rigs share: what goes wrong at one leaves the others alone."""

import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from daemon.events import ChamberSet, decode_event
from daemon.store.reading import read_journal
from daemon.store.rows import read_rows
from tests.support.host import ROLES, Host
from tests.support.station import CELL

HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n  - {step: set, temperature_C: 40}\n"
AMPERE, CHARGE_SECOND = 0.75e-3, 360
CHARGED = f"{HEAD}  - {{step: constant_current, id: in, current_mA: 0.75, until_time: {CHARGE_SECOND} s}}\n" + (
    "  - {step: open_circuit_voltage, id: rest, until_time: 30 s}\n"
)
START_SECOND, MIDDLE_SECOND = 5, 100
JIGS = ("jig1", "jig2", "jig3")


@pytest.fixture
def host(tmp_path) -> Iterator[Host]:
    """A daemon for three of the eight jigs; its rigs are called as the cells are."""
    made = Host(tmp_path, pace=180.0, bench_file="eight_jigs.yaml", rigs={})
    made.start_bench()
    oven = made.hello["cables"]["chamber"]["address"]
    made.write_station(more=f'shared:\n  oven1:\n    chamber: {{{ROLES["chamber"]}, address: "{oven}"}}\n')
    with (tmp_path / "station.yaml").open("a") as station:
        station.write("".join(rig_of(made, jig) for jig in JIGS))
    made.serve()
    yield made
    made.close()


@contextmanager
def held_at(host: Host, second: float) -> Iterator[None]:
    """Until all this is done the bench's time goes no farther."""
    place, _, port = host.hello["control"].rpartition(":")
    with socket.create_connection((place, int(port))) as connection, connection.makefile("rw") as lines:
        lines.write(json.dumps({"id": 1, "do": "hold_at", "at_second": second}) + "\n")
        lines.flush()
        yield
        assert json.loads(lines.readline())["ok"]
    host.ask_bench("release")


def rig_of(host: Host, jig: str) -> str:
    """A rig of all that a jig has to itself, and the oven."""
    lines = [f"  {jig}:\n    chamber: {{shared: oven1}}\n"]
    for name, cable in host.hello["cables"].items():
        if cable.get("cell") == jig:
            role = name.removeprefix(f"{jig}.")
            driver = ROLES[role].replace("04451117", f"0445111{jig[-1]}")
            lines.append(f'    {role}: {{{driver}, address: "{cable["address"]}"}}\n')
    return "".join(lines)


def begun(host: Host, jig: str) -> str:
    sources = {"protocol_name": "p.yaml", "cell_name": "c.yaml", "cell_text": CELL.read_text()}
    return str(host.asked("run", rig=jig, protocol_text=CHARGED, **sources))


def said(host: Host, jig: str) -> dict[str, Any]:
    """What the daemon says of a rig."""
    return next(said for said in host.asked("status") if said["rig"] == jig)


def is_free(host: Host, jig: str) -> bool:
    return said(host, jig)["state"] == "free"


@pytest.fixture
def seen(bench_log, tmp_path) -> Callable[..., list[dict[str, Any]]]:
    """What the bench itself saw of a cell."""

    def read(jig: str, event: str | None = None) -> list[dict[str, Any]]:
        return [line for line in bench_log(tmp_path, event) if line.get("cell") == jig]

    return read


def switched(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(line["output"], line["relay"]) for line in lines]


def endings(lines: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(line["state"], line["reason"], line["block"]) for line in lines]


def is_charging(models: list[dict[str, Any]]) -> bool:
    """The look at open circuit before the first current is over."""
    return [line["state"] for line in models] == ["started", "ended", "started"]


def setpoints(host: Host, run_id: str) -> list[float]:
    events = (decode_event(entry.body) for entry in read_journal(host.data / run_id / "run.sqlite"))
    return [event.temperature_celsius for event in events if isinstance(event, ChamberSet)]


def test_a_cut_cable_and_kill_9_leave_the_other_cells_alone(host, seen, bench_log, tmp_path):
    with held_at(host, START_SECOND):
        runs = {jig: begun(host, jig) for jig in JIGS}
    host.ask_bench("hold_at", at_second=MIDDLE_SECOND)
    assert all(is_charging(seen(jig, "model")) for jig in JIGS)
    host.daemons[-1].send_signal(signal.SIGKILL)
    host.daemons[-1].wait()
    host.ask_bench("fault", cable="jig2.potentiostat", kind="cut")
    host.serve()
    host.wait_for(lambda: is_free(host, "jig1") and is_free(host, "jig3"))
    assert said(host, "jig2")["state"] != "free"
    host.ask_bench("fault", cable="jig2.potentiostat", kind="heal")
    host.wait_for(lambda: is_free(host, "jig2"))
    for jig in JIGS:
        output = seen(jig, "output")
        assert switched(output) == switched(seen("jig1", "output"))
        assert output[-1]["charge_in_coulomb"] == pytest.approx(AMPERE * CHARGE_SECOND, rel=0.01)
        assert endings(seen(jig, "model")) == endings(seen("jig1", "model"))
        assert setpoints(host, runs[jig]) == [40.0]
    rows = {jig: len(read_rows(host.data / run_id / "run.sqlite", "cell")) for jig, run_id in runs.items()}
    assert len(set(rows.values())) == 1, "the row a second of who was cut off waited in its instrument"
    assert rows["jig2"] > CHARGE_SECOND
    for jig in ("jig1", "jig3"):
        pressure = read_rows(host.data / runs[jig] / "run.sqlite", "pressure")["surface_pressure_pa"]
        assert pressure.isna().sum() == 1, "nobody listened while there was no daemon"
    for jig in ("jig4", "jig8"):
        assert [line["event"] for line in seen(jig)] == ["output"], "nobody has touched it"
    assert bench_log(tmp_path, "excursion_begin") == []


def test_an_output_that_stays_on_is_the_trouble_of_its_own_rig(host, seen):
    with held_at(host, START_SECOND):
        for jig in ("jig1", "jig2"):
            begun(host, jig)
    host.ask_bench("hold_at", at_second=MIDDLE_SECOND)
    assert all(is_charging(seen(jig, "model")) for jig in ("jig1", "jig2"))
    host.ask_bench("fault", cable="jig2.potentiostat", kind="ignore_output_off")
    host.asked("stop", rig="jig2")
    host.ask_bench("release")
    host.wait_for(lambda: is_free(host, "jig1"))
    assert said(host, "jig2")["phase"] == "stopping"
    assert seen("jig2", "output")[-1]["output"] == "on"
    assert seen("jig1", "output")[-1]["charge_in_coulomb"] == pytest.approx(AMPERE * CHARGE_SECOND, rel=5e-3)
    host.ask_bench("fault", cable="jig2.potentiostat", kind="heal")
    host.wait_for(lambda: is_free(host, "jig2"))
    assert seen("jig2", "output")[-1]["relay"] == "open"
