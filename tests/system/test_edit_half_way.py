"""Edits that meet trouble half way, with real processes: refused by the run, or an instrument falls silent."""

import asyncio
from contextlib import closing
from typing import Any

import pytest

from daemon.deciding.resuming import RECOVERY
from daemon.service.asking import SOCKET_NAME, RefusedByDaemonError, ask_daemon
from daemon.sharing import wish_of
from daemon.store.reading import read_header
from daemon.store.sharing_store import SharingStore
from daemon.store.station_tables import STATION_FILE_NAME
from daemon.stored import plan_in_force
from tests.support.host import Host
from tests.support.station import CELL

HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
LINES_OF_A_CONNECTION = 3
"""That a potentiostat is sent before a rig is connected."""
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


def asked(host: Host, verb: str, **words: Any) -> Any:
    """What the daemon answers, asked as the command line asks it. Raises `RefusedByDaemonError`."""
    return asyncio.run(ask_daemon(host.data / SOCKET_NAME, verb, **words))


def begun(host: Host, text: str) -> str:
    sources = {"protocol_name": "p.yaml", "cell_name": "c.yaml", "cell_text": CELL.read_text()}
    return asked(host, "run", rig="rig1", protocol_text=text, **sources)


async def both_at_once(host: Host, run_id: str, *texts: str) -> list[Any]:
    """The answers to edits that several people have agreed to while the run was as it is."""
    socket = host.data / SOCKET_NAME

    def edit(text: str, **words: Any) -> Any:
        return ask_daemon(socket, "edit", run_id=run_id, protocol_name="p.yaml", protocol_text=text, **words)

    agreed = [(await edit(text))["agreement"] for text in texts]
    waiting = [edit(text, agreement=one, limits=True) for text, one in zip(texts, agreed, strict=True)]
    return await asyncio.gather(*waiting, return_exceptions=True)


def test_an_edit_that_the_run_refuses_leaves_the_lease_as_the_plan_has_it(host):
    host.serve()
    run_id = begun(host, at(40))
    answers = asyncio.run(both_at_once(host, run_id, at(40, 55), at(40, 25)))
    assert sum(isinstance(answer, RefusedByDaemonError) for answer in answers) == 1, answers
    run_path = host.data / run_id / "run.sqlite"
    plan = plan_in_force(run_path, read_header(run_path))
    with closing(SharingStore(host.data / STATION_FILE_NAME)) as store:
        [lease] = store.leases()
    assert lease.wish == wish_of(plan, "oven1")


def test_a_run_with_steps_appended_goes_on_though_its_instrument_was_silent_as_it_was_taken_up(host):
    """The instrument answers while the file is opened again, and no more when the run is put on its rig."""
    host.rigs = {"rig1": ("potentiostat",)}
    host.write_station()
    host.serve()
    rest = "  - {step: open_circuit_voltage, until_time: 60 s}\n"
    run_id = begun(host, HEAD + rest)
    host.wait_for(lambda: host.is_over and asked(host, "status")[0]["state"] == "free")
    words = {"run_id": run_id, "protocol_name": "p.yaml", "protocol_text": HEAD + rest + rest}
    agreement = asked(host, "edit", **words)["agreement"]
    host.ask_bench("fault", cable="potentiostat", kind="cut", at_line=LINES_OF_A_CONNECTION + 1)
    with pytest.raises(RefusedByDaemonError, match=r"the steps are appended; .* goes on by itself once it is taken up"):
        asked(host, "edit", agreement=agreement, **words)
    host.ask_bench("fault", cable="potentiostat", kind="heal")
    host.wait_for(lambda: host.is_over)
    executed = [segment.step_id for segment in host.result().segments]
    assert [step_id for step_id in executed if not step_id.endswith(RECOVERY)] == ["1-rest", "2-rest"]
