"""The lease of a shared chamber when a run on it is edited, with real processes: it names what the run's plan names."""

import asyncio
from contextlib import closing
from typing import Any

import pytest

from daemon.service.asking import SOCKET_NAME, RefusedByDaemonError, ask_daemon
from daemon.sharing import wish_of
from daemon.store.reading import read_header
from daemon.store.sharing_store import SharingStore
from daemon.store.station_tables import STATION_FILE_NAME
from daemon.stored import plan_in_force
from tests.support.host import Host
from tests.support.station import CELL

HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
REST = "  - {step: open_circuit_voltage, until_time: 480 h}\n"


def at(*celsius: float) -> str:
    """Days at rest at each of these temperatures."""
    return HEAD + "".join(f"  - {{step: set, temperature_C: {one:g}}}\n{REST}" for one in celsius)


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path, pace=60.0, bench_file="single.yaml", rigs={})
    made.start_bench()
    made.write_station_with_oven({"rig1": "thermometer"})
    yield made
    made.close()


async def both_at_once(host: Host, run_id: str, *texts: str) -> list[Any]:
    """The answers to edits that several people have agreed to while the run was as it is."""
    socket = host.data / SOCKET_NAME

    def asked(text: str, **words: Any) -> Any:
        return ask_daemon(socket, "edit", run_id=run_id, protocol_name="p.yaml", protocol_text=text, **words)

    agreed = [(await asked(text))["agreement"] for text in texts]
    waiting = [asked(text, agreement=one, limits=True) for text, one in zip(texts, agreed, strict=True)]
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_an_edit_that_the_run_refuses_leaves_the_lease_as_the_plan_has_it(host):
    host.serve()
    path = host.command_line.write("p.yaml", at(40))
    run_id = asyncio.run(
        ask_daemon(
            host.data / SOCKET_NAME,
            "run",
            rig="rig1",
            protocol_name="p.yaml",
            protocol_text=path.read_text(),
            cell_name="c.yaml",
            cell_text=CELL.read_text(),
        )
    )
    answers = asyncio.run(both_at_once(host, run_id, at(40, 55), at(40, 25)))
    assert sum(isinstance(answer, RefusedByDaemonError) for answer in answers) == 1, answers
    run_path = host.data / run_id / "run.sqlite"
    plan = plan_in_force(run_path, read_header(run_path))
    with closing(SharingStore(host.data / STATION_FILE_NAME)) as store:
        [lease] = store.leases()
    assert lease.wish == wish_of(plan, "oven1")
