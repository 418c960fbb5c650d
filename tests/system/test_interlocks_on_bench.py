"""The safety table on the simulated laboratory: sensors and leads go wrong at a known second, and the cell is safe."""

import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from daemon.bench_process import BenchProcess
from daemon.bench_rig import wiring_of
from daemon.deciding.run_state import Outcome
from daemon.service.sources import Sources
from daemon.station.wiring import RigWiring
from drivers.registry import potentiostat
from tests.support.bench_runs import Carried, Fault, carried_out, on

REPOSITORY = Path(__file__).parents[2]
CELL = (REPOSITORY / "config/cells/bm05.yaml").read_text()
BENCH = REPOSITORY / "config/bench/warm.yaml"
DRIVER = "keithley.2450"
EVERY_SECOND, RARELY_SECOND, SAFE_WITHIN_SECOND = 10.0, 60.0, 3.0
"""How often the runner looks, and where no second counts; a trip is safe within an interval and this."""
THERMOMETER_EVERY_SECOND = 30.0
REST_SECOND = 660.0
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\nmethod:\n"
REST = f"  - {{step: open_circuit_voltage, id: rest, until_time_s: {REST_SECOND:g}}}\n"
CHARGE = "  - {step: constant_current, id: charge, rate_C: 1, until_time: 30 min}\n"
POWER = "  - {step: constant_power, id: charge, power_mW: 4.5, until_time: 30 min}\n"
AFTER = "  - {step: open_circuit_voltage, id: after, until_time: 1 min}\n"


CarryOut = Callable[..., Awaitable[Carried]]


def wired(bench: BenchProcess) -> RigWiring:
    """The rig of a bench, its thermometer asked as rarely as a slow one."""
    wiring = wiring_of(bench, DRIVER)
    assert wiring.thermometer is not None
    asked = dataclasses.replace(wiring.thermometer, every_second=THERMOMETER_EVERY_SECOND)
    return dataclasses.replace(wiring, thermometer=asked)


@pytest.fixture
def carry_out(tmp_path: Path) -> CarryOut:
    async def carry_out(method: str, *faults: Fault, every_second: float = EVERY_SECOND) -> Carried:
        return await carried_out(
            BENCH,
            tmp_path,
            wired,
            Sources(protocol_name="p.yaml", protocol_text=WINDOW + method, cell_name="c.yaml", cell_text=CELL),
            potentiostat(DRIVER).limits,
            every_second=every_second,
            faults=faults,
        )

    return carry_out


BROKEN_SECOND = 900.0


@pytest.mark.parametrize(
    ("charge", "fault", "reasons"),
    [
        (CHARGE, on("load_cell", "step", BROKEN_SECOND, newton=-100.0), {"pressure_crack"}),
        (CHARGE, on("load_cell", "step", BROKEN_SECOND, newton=-400.0), {"pressure_crack", "pressure_lost"}),
        (POWER, on("load_cell", "step", BROKEN_SECOND, newton=-400.0), {"pressure_crack", "pressure_lost"}),
    ],
    ids=["crack", "jig opened", "jig opened under a power"],
)
async def test_pressure_that_drops_holds_the_cell_within_an_interval(
    carry_out: CarryOut, charge: str, fault: dict[str, Any], reasons: set[str]
) -> None:
    carried = await carry_out(REST + charge, fault)
    assert carried.run.outcome is Outcome.HELD
    assert carried.run.reason.partition(":")[0] in reasons
    assert carried.records[-1].end_run_time_second <= BROKEN_SECOND + 3 + EVERY_SECOND + SAFE_WITHIN_SECOND
    assert carried.records[-1].ended_by == "interlock"


async def test_trip_is_safe_within_an_interval_and_three_seconds_though_the_output_refuses(
    carry_out: CarryOut,
) -> None:
    """What has gone into the cell says how long current flowed, whatever the instrument says."""
    carried = await carry_out(
        REST + CHARGE,
        on("potentiostat", "ignore_output_off", REST_SECOND + 60),
        on("load_cell", "step", BROKEN_SECOND, newton=800.0),
    )
    assert carried.run.reason.startswith("pressure_high: ")
    assert "NOT verified safe" in carried.run.reason or carried.run.unsafe
    started = carried.records[0].end_run_time_second
    charge_ampere = carried.run.plan.steps[1].current_ampere
    flowed_second = carried.charge_coulomb() / charge_ampere
    turnaround_second = 1.0 + EVERY_SECOND
    broken = BROKEN_SECOND + 3
    assert broken - started - turnaround_second <= flowed_second
    assert flowed_second <= broken - started + EVERY_SECOND + SAFE_WITHIN_SECOND


@pytest.mark.parametrize(("kind", "warned"), [("silent", ["pressure_silent"]), ("stuck", ["pressure_stuck"])])
async def test_load_cell_that_says_nothing_new_is_told_and_stops_nothing(
    carry_out: CarryOut, kind: str, warned: list[str]
) -> None:
    carried = await carry_out(REST + CHARGE, on("load_cell", kind, BROKEN_SECOND), every_second=RARELY_SECOND)
    assert carried.run.outcome is Outcome.COMPLETED, carried.run.reason
    assert carried.warned == warned
    assert [record.ended_by for record in carried.records] == ["time", "time"]


async def test_broken_wire_of_the_jigs_thermometer_holds_the_run_after_its_half_cycle(carry_out: CarryOut) -> None:
    carried = await carry_out(
        REST + CHARGE + AFTER,
        on("thermometer", "break_wire", BROKEN_SECOND, channel=0),
        every_second=RARELY_SECOND,
    )
    assert carried.run.outcome is Outcome.HELD
    assert carried.run.reason.startswith("jig_temperature_unknown: ")
    assert carried.warned == ["jig_temperature_silent"]
    assert [(record.step_id, record.ended_by) for record in carried.records] == [("rest", "time"), ("charge", "time")]


async def test_chamber_that_is_switched_off_warns_and_then_holds(carry_out: CarryOut) -> None:
    equilibrate = "  - {step: equilibrate, temperature_C: 55, for: 5 min, timeout: 1 h}\n"
    long_rest = "  - {step: open_circuit_voltage, id: long, until_time: 3 h, sampling_s: 10}\n"
    carried = await carry_out(equilibrate + long_rest, on("chamber", "off", 600.0), every_second=RARELY_SECOND)
    assert carried.run.outcome is Outcome.HELD
    assert carried.run.reason.startswith("jig_temperature_off: jig_temperature_deviation_kelvin -5.")
    assert carried.warned == ["jig_temperature_drifts"]
    assert carried.ended_second < 2 * 3600


@pytest.mark.parametrize("slow", ["constant_current, rate_C: 0.1", "constant_power, power_mW: 0.45"])
async def test_leads_that_were_exchanged_hold_the_run_after_a_minute(carry_out: CarryOut, slow: str) -> None:
    half_full = "  - {step: constant_current, id: fill, rate_C: 1, until_time: 15 min}\n"
    exchanged = on("potentiostat", "reverse_current", 900.0 + REST_SECOND - 60)
    carried = await carry_out(half_full + REST + f"  - {{step: {slow}, id: charge, until_time: 30 min}}\n", exchanged)
    assert carried.run.outcome is Outcome.HELD
    assert carried.run.reason.startswith("voltage_wrong_way: voltage_response_volt -0.0")
    charge = carried.records[-1]
    lasted_second = charge.end_run_time_second - charge.start_run_time_second
    assert 60 <= lasted_second <= 60 + EVERY_SECOND + SAFE_WITHIN_SECOND


async def test_a_cell_the_wrong_way_round_is_held_before_any_current(carry_out: CarryOut) -> None:
    carried = await carry_out(CHARGE, on("potentiostat", "reverse_leads", 0.0))
    assert carried.run.outcome is Outcome.HELD
    assert carried.run.reason.startswith("voltage_before_current: -2.")
    assert "all leads are exchanged at the cell" in carried.run.reason
    assert [(record.step_id, record.ended_by) for record in carried.records] == [("charge/preflight", "time")]
    assert abs(carried.charge_coulomb()) < 1e-6


async def test_a_method_that_begins_with_a_current_looks_at_the_cell_first(carry_out: CarryOut) -> None:
    carried = await carry_out(CHARGE + AFTER)
    assert carried.run.outcome is Outcome.COMPLETED
    assert [record.step_id for record in carried.records] == ["charge/preflight", "charge", "after"]
    assert carried.records[0].rows == 11
    assert carried.run.warnings == ()
