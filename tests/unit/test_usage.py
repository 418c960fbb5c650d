"""What relays and jigs have been used, counted from the journals of runs."""

import math
from contextlib import closing

import pytest

from daemon.events import SegmentRecord
from daemon.service.usage_book import UsageBook
from daemon.station.instruments import load_station
from daemon.store.station_tables import STATION_FILE_NAME
from daemon.store.usage_store import UsageStore
from daemon.usage import Total, Used, uses_of_run, uses_of_segment
from tests.support.stand_in_run import StandInRun

USED = Used(run_id="run-1", potentiostat="Keithley 2450 04451117", jig="jig J1", mill=None, cell="BM-05")


def record(segment=1, **changed):
    said = {
        "segment": segment,
        "step_id": "life",
        "step_type": "constant_current",
        "block": "life",
        "half": "charge",
        "rate_C": 1.0,
        "ended_by": "voltage",
        "abnormal": False,
        "start_run_time_second": 100.0,
        "end_run_time_second": 100.0 + 1800.0,
        "rows": 10,
        "charge_ampere_hour": 0.0,
        "energy_watt_hour": 0.0,
        "first_voltage_volt": None,
        "last_voltage_volt": None,
        "overshoot_volt": None,
    }
    return SegmentRecord(**{**said, **changed})


def amounts(uses):
    return {use.counter: use.amount for use in uses}


def test_a_segment_is_two_operations_of_the_relay_and_half_a_cycle():
    assert amounts(uses_of_segment(USED, record())) == {
        "relay_operations": 2.0,
        "output_hours": 0.5,
        "jig_cycles": 0.5,
    }


def test_a_half_that_was_cut_short_counts_once_and_its_relay_twice():
    uses = [*uses_of_segment(USED, record()), *uses_of_segment(USED, record(2, continues=True))]
    assert math.fsum(use.amount for use in uses if use.counter == "jig_cycles") == 0.5
    assert math.fsum(use.amount for use in uses if use.counter == "relay_operations") == 4.0
    assert len({(use.counter, use.part) for use in uses}) == len(uses)


def test_a_cell_left_alone_and_a_rig_without_a_potentiostat_use_no_relay():
    assert amounts(uses_of_segment(USED, record(step_type="wait_for", half=None))) == {}
    alone = Used(run_id="run-1", potentiostat=None, jig="jig J1", mill=None, cell="BM-05")
    assert amounts(uses_of_segment(alone, record(half=None))) == {}


def test_a_mill_has_starts_and_hours_and_no_jig():
    mill = Used(run_id="run-1", potentiostat=None, jig=None, mill="LS iG5A of mill1", cell="")
    turned = record(step_type="mill", half=None, milled_second=90.0)
    assert amounts(uses_of_segment(mill, turned)) == {"mill_starts": 1.0, "mill_hours": 0.025}
    assert amounts(uses_of_segment(mill, record(step_type="open_circuit_voltage", half=None))) == {}
    assert amounts(uses_of_run(mill, 3600.0)) == {}


def test_two_runs_of_one_cell_are_one_pressing_and_two_times_under_load():
    again = Used(run_id="run-2", potentiostat=None, jig="jig J1", mill=None, cell="BM-05")
    uses = [*uses_of_run(USED, 3600.0), *uses_of_run(again, 7200.0)]
    parts = {(use.counter, use.part): use.amount for use in uses}
    assert sum(amount for (counter, _), amount in parts.items() if counter == "jig_pressings") == 1.0
    assert sum(amount for (counter, _), amount in parts.items() if counter == "jig_hours") == 3.0


@pytest.mark.parametrize(("amount", "warns"), [(99.0, False), (100.0, True)])
def test_it_warns_from_the_stated_use_on(amount, warns):
    total = Total(subject="jig J1", counter="jig_pressings", amount=amount, rig="rig1", warn_at=100.0)
    assert bool(total.warning) == warns
    assert Total(subject="jig J1", counter="jig_pressings", amount=amount, rig="rig1").warning == ""


STATION = """\
site: lab
station: tested
data: /data
rigs:
  rig1:
    potentiostat: {driver: keithley.2450, address: "192.168.1.20:5025", serial_number: "1"}
    warn_at: {jig_pressings: 1}
"""


async def test_journals_are_counted_by_cursor_and_never_twice(tmp_path):
    rigs = load_station(STATION, "station.yaml").rigs

    async def counted(*leave_out):
        with closing(UsageStore(tmp_path / STATION_FILE_NAME)) as store:
            book = UsageBook(store, tmp_path, rigs)
            totals = {total.counter: total.amount for total in await book.catch_up(leave_out)}
            return totals, book.warnings("rig1")

    smu = {"maker": "Keithley", "model": "2450", "serial_number": "1", "firmware": "1"}
    with closing(StandInRun(tmp_path, instruments={"potentiostat": smu})) as run:
        run.commit(30)
        run.end_segment()
        assert await counted(run.path.parent.name) == ({}, [])
        totals, warnings = await counted()
        assert totals["relay_operations"] == 2.0
        assert "jig_pressings 1, to warn from 1" in warnings[0]
        assert await counted() == (totals, warnings)
        run.commit(30)
        run.end_segment()
        more, _ = await counted()
        assert more["relay_operations"] == 4.0
        assert more["output_hours"] > totals["output_hours"]
        assert more["jig_pressings"] == 1.0


async def test_steps_appended_to_a_run_that_had_ended_are_counted(tmp_path):
    path = tmp_path / STATION_FILE_NAME
    smu = {"maker": "Keithley", "model": "2450", "serial_number": "1", "firmware": "1"}
    with closing(StandInRun(tmp_path, instruments={"potentiostat": smu})) as run, closing(UsageStore(path)) as store:
        book = UsageBook(store, tmp_path, {})
        run.end_segment()
        await book.catch_up()
        seq, _ = store.counted(run.header.run_id)
        store.add(run.header.run_id, "rig1", (), up_to=seq, is_done=True)
        await book.reopened(run.header.run_id)
        run.end_segment()
        totals = {total.counter: total.amount for total in await book.catch_up()}
        assert totals["relay_operations"] == 4.0
