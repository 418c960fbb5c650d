"""Disks that refuse: nothing acknowledged is lost, the cell rests, people are told, and what waits is fetched later."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from daemon.deciding.run_state import Phase
from daemon.store.rows import read_rows
from tests.support.host import Host
from tests.support.small_disk import SmallDisk

PACE = 400.0
CYCLING = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
method:
  - {step: open_circuit_voltage, id: rest, until_time: 60 s}
  - {step: cycle, id: fast, rate_C: 2, cycle_count: 1}
"""


@dataclass(frozen=True)
class Trouble:
    """How the volume of a running daemon is spoilt, and mended for the next one."""

    says: str
    spoil: Callable[[Host], None]
    mend: Callable[[Host], None] = lambda host: None
    before: tuple[str, ...] = ()
    needs_disk: bool = False


def refuse(point: str, number: int) -> Callable[[Host], None]:
    def spoil(host: Host) -> None:
        command = f"enable name={point},failinfo={number}"
        subprocess.run(["fiu-ctrl", "-f", "fiu", "-c", command, str(host.daemons[-1].pid)], cwd=host.folder, check=True)

    return spoil


FAULTY = ("fiu-run", "-x", "-f", "fiu")
FIU_NEEDS = {"JE_ARROW_MALLOC_CONF": "background_thread:false", "OPENBLAS_NUM_THREADS": "1"}
"""libfiu 1.1 looks functions up when they are first called, and locks up when a thread does so during an import."""
TROUBLES = {
    "full volume": Trouble(
        "the disk is full while storing rows", lambda host: host.disk.fill(), lambda host: host.disk.empty(), (), True
    ),
    "no write": Trouble("the disk is full while storing rows", refuse("posix/io/rw/pwrite*", 28), before=FAULTY),
    "no sync": Trouble("the disk failed or a size limit was met", refuse("posix/io/sync/*", 5), before=FAULTY),
}


@pytest.fixture
def make_host(tmp_path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(size: str = "", **settings) -> Host:
        disk = SmallDisk.mount(tmp_path / "data", size) if size else None
        host = Host(tmp_path, pace=PACE, on_owner_lost="run_on", disk=disk, **settings)
        hosts.append(host)
        host.start_bench()
        return host

    yield make
    for host in hosts:
        host.close()
        if host.disk is not None:
            host.disk.unmount()


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES)
def test_the_disk_refuses_in_a_charge(make_host, trouble):
    host = make_host("16m" if trouble.needs_disk else "", before=trouble.before, more=FIU_NEEDS)
    daemon = host.serve()
    host.run(CYCLING)
    host.wait_for(lambda: host.rows("cell") > 200)
    if trouble.needs_disk:
        host.wait_for(lambda: any(warning.startswith("disk_low: ") for warning in host.status()[0]["warnings"]))
    trouble.spoil(host)
    acknowledged = read_rows(host.run_path, "cell")
    host.wait_for(lambda: trouble.says in host.words)
    host.wait_for(lambda: "ended by an error" in host.words)
    closed, opened = host.bench_log("output")[-2:]
    assert (closed["relay"], opened["relay"]) == ("closed", "open"), "the cell is driven on"
    host.wait_for(lambda: host.status()[0]["state"] == "held")
    (rig,) = host.status()
    assert trouble.says in rig["reason"]
    daemon.send_signal(signal.SIGTERM)
    assert host.ended(daemon) == 0

    trouble.mend(host)
    host.before = ()
    assert host.ended(host.serve("--until-idle")) == 0
    result, rows = host.result(), read_rows(host.run_path, "cell")
    assert result.run.phase is Phase.HOLDING, "somebody must say how it goes on"
    assert rows["seq"].tolist() == list(range(1, len(rows) + 1))
    assert rows.head(len(acknowledged)).equals(acknowledged)
    charge = rows[rows["segment"] == 2]
    assert np.diff(charge["elapsed_second"]) == pytest.approx(1.0, abs=0.21)
    lasted_second = opened["bench_second"] - closed["bench_second"]
    assert charge["elapsed_second"].iloc[-1] == pytest.approx(lasted_second, abs=1.1), "rows that waited are lost"
    assert host.bench_log("excursion_begin") == []


def test_a_full_volume_of_exports_does_not_disturb_the_run(make_host):
    host = make_host()
    exports = SmallDisk.mount(host.folder / "exports", "64k")
    try:
        daemon = host.serve()
        run_id = host.run(CYCLING)
        host.wait_for(lambda: host.rows("cell") > 200)
        before = host.rows("cell")
        command = host.command_line.arguments("export", run_id, "--to", str(exports.folder), "--data", str(host.data))
        done = subprocess.run([*exports.within, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert "No space left on device" in done.stderr
        assert "Traceback" not in done.stderr
        assert [path.name for path in exports.seen.iterdir() if not path.name.startswith(".")] == []
        host.wait_for(lambda: host.rows("cell") > before + 100)
        assert host.status()[0]["state"] == "running"
        daemon.send_signal(signal.SIGTERM)
        assert host.ended(daemon) == 0
    finally:
        exports.unmount()
