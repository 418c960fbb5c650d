"""Protocol and cell to a plan: currents, ends, guards, intervals, interlocks."""

import dataclasses
from pathlib import Path

import msgspec
import pytest

from daemon.compile import load_plan
from daemon.plan import CurrentStep, Equilibration, LoopStep, Plan, RestStep
from daemon.plans.walk import steps_to_come
from daemon.rig import program_for
from drivers.keithley.limits import LIMITS_2450
from drivers.keithley.programs import check_program
from drivers.roles import PotentiostatLimits
from protocols.cell import read_cell
from protocols.errors import Problem, ProblemsFound
from protocols.inputs import give_inputs
from protocols.protocol import read_protocol

REPOSITORY = Path(__file__).parents[2]
LIBRARY = REPOSITORY / "protocols" / "library"
CELLS = REPOSITORY / "config" / "cells"
BM05 = (CELLS / "bm05.yaml").read_text()
WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
NO_CAPACITY = """
cell: {name: dummy}
composite: {mass_mg: 10, active_fraction_percent: 75}
reference: {name: Li-In, offset_V: 0.62}
"""


def compiled(
    *steps: str, top: str = WINDOW, cell: str = BM05, limits: PotentiostatLimits = LIMITS_2450
) -> tuple[Plan, list[Problem]]:
    text = top + "method:\n" + "".join(f"  - {{step: {step}}}\n" for step in steps)
    return load_plan(text, "folder/x.yaml", cell, "cell.yaml", limits)


def plan_of(*steps: str, top: str = WINDOW, cell: str = BM05) -> Plan:
    plan, warnings = compiled(*steps, top=top, cell=cell)
    assert warnings == []
    return plan


def currents(plan: Plan) -> list[CurrentStep]:
    return [step for step in plan.steps if isinstance(step, CurrentStep)]


def bound(plan: Plan, name: str) -> tuple[float | None, float | None, str, str]:
    (row,) = (row for row in plan.interlocks if row.name == name)
    return row.low, row.high, row.action, row.origin


@pytest.mark.parametrize("cell", sorted(CELLS.glob("*.yaml")), ids=lambda path: path.stem)
@pytest.mark.parametrize("protocol", sorted(LIBRARY.glob("*.yaml")), ids=lambda path: path.stem)
def test_what_is_shipped_compiles_without_a_word(protocol: Path, cell: Path) -> None:
    text = protocol.read_text()
    asked = read_protocol(text, protocol.name).missing_inputs
    text = give_inputs(text, protocol.name, dict.fromkeys(asked, "25"))
    plan, warnings = load_plan(text, protocol.name, cell.read_text(), cell.name, LIMITS_2450)
    assert warnings == []
    assert plan.protocol_name == protocol.stem
    if any(isinstance(step, CurrentStep) for step in plan.steps):
        assert (plan.lower_voltage_volt, plan.upper_voltage_volt) == (2.0, 3.7)
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_rate_capability_is_five_cycles_at_each_rate() -> None:
    text = (LIBRARY / "rate_capability.yaml").read_text()
    plan, _ = load_plan(text, "rate_capability.yaml", BM05, "bm05.yaml", LIMITS_2450)
    warm, rest, *halves = steps_to_come(plan, 0, {})
    assert isinstance(warm, RestStep)
    assert warm.until_equilibrated == Equilibration(temperature_celsius=55, within_kelvin=0.5, for_second=7200)
    assert isinstance(rest, RestStep)
    assert rest.until_time_second == 36_000
    assert len(halves) == 60
    assert all(isinstance(half, CurrentStep) for half in halves)
    milliamperes = [current for current in (0.15, 0.3, 0.45, 0.75, 1.5, 3.0) for _ in range(5)]
    assert [half.current_ampere * 1000 for half in halves[0::2]] == milliamperes
    assert [half.current_ampere * 1000 for half in halves[1::2]] == [-current for current in milliamperes]
    assert {half.until_voltage_volt for half in halves[0::2]} == {3.7}
    assert {half.until_voltage_volt for half in halves[1::2]} == {2.0}
    assert [half.rate_C for half in halves[0::20]] == [0.1, 0.3, 1.0]
    assert [half.block for half in halves[0::10]] == [
        f"rate {rate} C" for rate in ("0.1", "0.2", "0.3", "0.5", "1", "2")
    ]
    assert halves[0].step_id == "rate/0.1C/charge"
    assert halves[-1].step_id == "rate/2C/discharge"


def test_steps_know_their_line() -> None:
    plan = plan_of("open_circuit_voltage, until_time: 1 h", "cycle, rate_C: 1")
    assert [step.line for step in plan.steps] == [3, 4, 4, 4]


def test_a_cycle_at_one_rate_is_a_block_of_its_name() -> None:
    plan = plan_of("cycle, id: life, rate_C: 2C, cycle_count: 1000")
    assert [step.step_id for step in plan.steps] == ["life/charge", "life/discharge", "life/loop"]
    assert {step.block for step in plan.steps} == {"life"}
    assert isinstance(plan.steps[2], LoopStep)
    assert (plan.steps[2].first, plan.steps[2].passes) == (0, 1000)


def test_a_cycle_may_start_with_its_discharge() -> None:
    plan = plan_of("cycle, rate_C: 1", top=WINDOW + "cycle_starts_with: discharge\n")
    assert plan.cycle_starts_with == "discharge"
    assert [step.half for step in currents(plan)] == ["discharge", "charge"]


def test_a_rate_that_comes_again_has_its_own_ids() -> None:
    plan = plan_of("cycle, id: rate, rate_C: [0.1, 1, 0.1]")
    assert [step.step_id for step in currents(plan)][::2] == [
        "rate/0.1C/charge",
        "rate/1C/charge",
        "rate/0.1C-2/charge",
    ]
    assert [step.block for step in currents(plan)][::2] == ["rate 0.1 C", "rate 1 C", "rate 0.1 C (2)"]


def test_blocks_of_single_steps_are_named_by_tags() -> None:
    plan = plan_of(
        "constant_current, rate_C: C/10, until_voltage_V: 3.7",
        "tag, tag: life",
        "constant_current, rate_C: D/2, until_voltage_V: 2.0",
    )
    assert [(step.block, step.half, step.rate_C) for step in currents(plan)] == [
        ("main", "charge", 0.1),
        ("life", "discharge", 0.5),
    ]


def test_guards_and_intervals_follow_the_rate() -> None:
    plan = plan_of("cycle, rate_C: 0.5", "cycle, rate_C: 1", "open_circuit_voltage, until_time: 1 h")
    slow, _, fast, _ = currents(plan)
    assert (slow.guard_time_second, slow.cutoff_second, slow.sampling_second) == (10_800, 1, 1)
    assert (fast.guard_time_second, fast.cutoff_second, fast.sampling_second) == (5400, 0.2, 1)
    assert {(step.lower_guard_volt, step.upper_guard_volt) for step in currents(plan)} == {(1.8, 3.8)}
    rest = plan.steps[-1]
    assert isinstance(rest, RestStep)
    assert (rest.lower_guard_volt, rest.upper_guard_volt, rest.cutoff_second) == (1.5, 3.8, 1)


@pytest.mark.parametrize(
    ("rate_C", "sampling_s", "cutoff_second"),
    [
        (1, 0.5, 0.5 / 3),
        (2, 0.1, 0.1),
        (1, 10, 0.2),
        (0.1, 0.5, 0.5),
        (0.1, 10, 1),
        (0.1, 2.5, 2.5 / 3),
        (1, 0.06, 0.06),
    ],
)
def test_a_default_cutoff_divides_the_sampling(rate_C: float, sampling_s: float, cutoff_second: float) -> None:
    plan = plan_of(f"cycle, rate_C: {rate_C}, sampling_s: {sampling_s}")
    assert currents(plan)[0].cutoff_second == pytest.approx(cutoff_second)


def test_a_step_has_its_own_intervals_before_those_of_the_top() -> None:
    top = WINDOW + "sampling_s: 2\ncutoff_s: 0.5\nrecord: {time_s: 60, current_mA: 0.1}\n"
    plan = plan_of(
        "open_circuit_voltage, until_time: 1 h",
        "cycle, rate_C: 0.1, sampling_s: 5, cutoff_s: 1, record: {voltage_V: 0.01}",
        top=top,
    )
    rest, charge, *_ = plan.steps
    assert isinstance(rest, RestStep)
    assert isinstance(charge, CurrentStep)
    assert (rest.sampling_second, rest.cutoff_second, rest.record) == (
        2,
        0.5,
        {"time_second": 60, "current_ampere": 0.0001},
    )
    assert (charge.sampling_second, charge.cutoff_second, charge.record) == (5, 1, {"voltage_volt": 0.01})
    assert plan.record == {"time_second": 60, "current_ampere": 0.0001}


def test_records_are_thinned_by_the_rate_unless_written() -> None:
    plan = plan_of("cycle, rate_C: [0.1, 0.2, 0.3, 1]", "open_circuit_voltage, until_time: 1 h")
    slow, fast = {"time_second": 10, "voltage_volt": 0.002}, {"time_second": 1, "voltage_volt": 0.005}
    assert [step.record for step in currents(plan)][::2] == [slow, slow, fast, fast]
    rest = plan.steps[-1]
    assert isinstance(rest, RestStep)
    assert rest.record == {"time_second": 10, "voltage_volt": 0.001}


def test_the_smallest_range_that_holds_the_current() -> None:
    plan = plan_of("cycle, rate_C: [0.1, 0.5, 0.7, 0.71, 2]")
    assert [step.current_range_ampere for step in currents(plan)][::2] == [1e-3, 1e-3, 1e-3, 1e-2, 1e-2]


def test_a_written_time_is_kept_beside_the_guard() -> None:
    plan = plan_of("constant_current, rate_C: 0.1, until_voltage_V: 3.7, until_time_s: 54000")
    assert (currents(plan)[0].until_time_second, currents(plan)[0].guard_time_second) == (54_000, 54_000)


def test_a_time_beyond_the_guard_is_odd() -> None:
    _, (odd,) = compiled("constant_current, rate_C: 1, until_time: 2 h")
    assert "held after 1.5 h" in odd.what
    assert (odd.line, odd.path) == (3, "method[1].until_time")


def test_without_a_capacity_a_current_in_milliampere_still_runs() -> None:
    plan, (odd,) = compiled(
        "constant_current, current_mA: 0.15, until_voltage_V: 3.7, until_time: 20 h",
        "constant_current, current_mA: -0.15, until_voltage_V: 2.0",
        cell=NO_CAPACITY,
    )
    charge, discharge = currents(plan)
    assert (charge.current_ampere, charge.rate_C, charge.guard_time_second) == (0.000_15, None, 72_000)
    assert (discharge.current_ampere, discharge.guard_time_second) == (-0.000_15, 86_400)
    assert plan.cell.one_C_ampere is None
    assert (odd.line, odd.path) == (4, "method[2].current_mA")


def test_unicyclers_sample_defines_the_rate_where_the_cell_file_does_not() -> None:
    plan = plan_of("cycle, rate_C: 1", top=WINDOW + "sample: {name: $NAME, capacity_mAh: 2}\n", cell=NO_CAPACITY)
    assert plan.cell.one_C_ampere == 0.002
    assert currents(plan)[0].current_ampere == 0.002


def test_the_cell_file_wins_over_the_sample_and_says_so() -> None:
    plan, odd = compiled("cycle, rate_C: 1", top=WINDOW + "sample: {name: other, capacity_mAh: 2}\n")
    assert currents(plan)[0].current_ampere == 0.0015
    assert [problem.path for problem in odd] == ["sample.name", "sample.capacity_mAh"]
    assert "1 C would be 2 mA here; the cell file says 1.5 mA" in odd[1].what


def test_default_interlocks() -> None:
    plan = plan_of("cycle, rate_C: [0.1, 2]")
    assert bound(plan, "start_voltage") == (1.5, 3.6, "trip", "default")
    assert bound(plan, "voltage_low") == (1.8, None, "trip", "default")
    assert bound(plan, "voltage_high") == (None, 3.8, "trip", "default")
    assert bound(plan, "current_low") == (pytest.approx(-0.0036), None, "trip", "default")
    assert bound(plan, "current_high") == (None, pytest.approx(0.0036), "trip", "default")
    assert bound(plan, "nothing_read") == (None, 0.5, "hold", "default")
    assert bound(plan, "charge_passed") == (None, 0.0021, "hold", "default")
    assert bound(plan, "jig_temperature_high") == (None, 65, "trip", "default")
    assert bound(plan, "pressure_low") == (2e6, None, "trip", "default")
    assert bound(plan, "pressure_high") == (None, 20e6, "trip", "default")
    assert bound(plan, "jig_temperature_off") == (-5, 5, "hold", "default")
    assert bound(plan, "jig_temperature_drifts") == (-2, 2, "warn", "default")
    assert bound(plan, "jig_temperature_silent") == (None, 60, "warn", "default")
    assert bound(plan, "jig_temperature_unknown") == (None, 600, "hold_after_half", "default")
    assert bound(plan, "pressure_lost") == (-30, None, "hold", "default")
    assert bound(plan, "pressure_changed") == (-15, 15, "warn", "default")
    assert bound(plan, "pressure_crack") == (None, 1e6, "hold", "default")
    assert bound(plan, "voltage_drop") == (None, 0.05, "hold", "default")
    assert bound(plan, "first_efficiency_low") == (70, None, "hold", "default")
    assert bound(plan, "efficiency_low") == (80, None, "hold", "default")
    rows_needed = {row.name: row.rows_needed for row in plan.interlocks}
    at_once = ("voltage_low", "voltage_high", "current_low", "current_high", "start_voltage", "pressure_crack")
    assert {rows_needed[name] for name in at_once} == {1}
    assert {rows_needed[name] for name in ("jig_temperature_high", "pressure_low", "pressure_high")} == {3}
    assert plan.needs == ("potentiostat",)


def test_a_rest_alone_lets_no_current_pass() -> None:
    plan = plan_of("open_circuit_voltage, until_time: 10 h")
    assert bound(plan, "current_high") == (None, 1e-5, "trip", "default")


def test_a_protocol_tightens_without_a_word() -> None:
    safety = "max_voltage_V: 3.75, min_voltage_V: 1.9, max_current_mA: 1.6, min_current_mA: -1.6, max_capacity_mAh: 2"
    plan = plan_of("cycle, rate_C: 1", top=WINDOW + f"safety: {{{safety}}}\n")
    assert bound(plan, "voltage_low") == (1.9, None, "trip", "protocol")
    assert bound(plan, "voltage_high") == (None, 3.75, "trip", "protocol")
    assert bound(plan, "current_low") == (-0.0016, None, "trip", "protocol")
    assert bound(plan, "current_high") == (None, 0.0016, "trip", "protocol")
    assert bound(plan, "charge_passed") == (None, 0.002, "hold", "protocol")
    assert bound(plan, "start_voltage") == (1.5, 3.6, "trip", "default")
    assert {(step.lower_guard_volt, step.upper_guard_volt) for step in currents(plan)} == {(1.9, 3.75)}


def test_a_protocol_loosens_only_with_a_warning() -> None:
    safety = "max_voltage_V: 3.9, min_voltage_V: 1.7, max_current_mA: 4, min_current_mA: -4, max_capacity_mAh: 3"
    plan, odd = compiled("cycle, rate_C: 2", top=WINDOW + f"safety: {{{safety}, delay_s: 2}}\n")
    assert [problem.path.removeprefix("safety.") for problem in odd] == [
        *("max_voltage_V", "min_voltage_V", "max_current_mA", "min_current_mA", "max_capacity_mAh", "delay_s")
    ]
    assert all("looser than the default" in problem.what for problem in odd)
    assert bound(plan, "voltage_high") == (None, 3.9, "trip", "protocol")
    assert [row.rows_needed for row in plan.interlocks if row.quantity == "voltage_under_current_volt"] == [3, 3]


def test_a_delay_shorter_than_a_row_loosens_nothing() -> None:
    plan = plan_of("cycle, rate_C: 1, sampling_s: 10", top=WINDOW + "safety: {delay_s: 9}\n")
    delayed = ("voltage_low", "voltage_high", "current_low", "current_high")
    assert {row.rows_needed for row in plan.interlocks if row.name in delayed} == {1}


def test_without_a_window_the_ends_of_the_steps_are_the_window() -> None:
    steps = ("constant_current, rate_C: 1, until_voltage_V: 3.5", "constant_current, rate_C: -1, until_voltage_V: 2.5")
    plan = plan_of(*steps, top="")
    assert (plan.lower_voltage_volt, plan.upper_voltage_volt) == (2.5, 3.5)
    plan = plan_of("open_circuit_voltage, until_time: 1 h", top="")
    assert (plan.lower_voltage_volt, plan.upper_voltage_volt) == (1.8, 3.8)
    assert plan.protocol_name == "x"


@pytest.mark.parametrize(
    ("definition", "one_C_ampere"),
    [
        ("{mode: mass, specific_capacity_mAh_g: 180}", 0.001_35),
        ("{specific_capacity_mAh_g: 200}", 0.0015),
        ("{mode: nominal, capacity_mAh: 1.4}", 0.0014),
        ("{mode: areal, areal_capacity_mAh_cm2: 2}", 0.001_570_796),
    ],
)
def test_what_a_rate_may_mean(definition: str, one_C_ampere: float) -> None:
    cell = BM05.replace("{mode: mass, specific_capacity_mAh_g: 200}", definition)
    assert plan_of("cycle, rate_C: 1", cell=cell).cell.one_C_ampere == pytest.approx(one_C_ampere)


def test_the_basis_of_the_mass() -> None:
    as_paper = plan_of("cycle, rate_C: 1").cell
    assert as_paper.active_mass_gram == pytest.approx(0.0075)
    assert as_paper.active_mass_uncertainty_gram == pytest.approx(0.000_075)
    as_powder = plan_of(
        "cycle, rate_C: 1", cell=BM05.replace("cam_basis: bare_nmc", "cam_basis: coated_powder\n  core_fraction: 0.95")
    ).cell
    assert as_powder.active_mass_gram == pytest.approx(0.007_125)
    assert as_powder.one_C_ampere == pytest.approx(0.001_425)
    as_fraction = plan_of(
        "cycle, rate_C: 1", cell=BM05.replace("active_fraction_percent: 75", "cam_fraction: 0.75")
    ).cell
    assert as_fraction == as_paper


def test_bm05_carries_the_papers_table() -> None:
    cell = read_cell(BM05, "bm05.yaml").cell
    assert cell is not None
    assert cell.published is not None
    assert cell.published.by_rate == {0.1: 197, 0.3: 176, 0.5: 167, 1: 144, 2: 112}


def test_too_many_rows_for_the_buffer() -> None:
    limits = dataclasses.replace(LIMITS_2450, rows_per_segment=1003)
    plan, _ = compiled("open_circuit_voltage, until_time: 1000 s", limits=limits)
    (rest,) = plan.steps
    assert isinstance(rest, RestStep)
    check_program(program_for(rest), limits)
    with pytest.raises(ProblemsFound) as found:
        compiled("open_circuit_voltage, until_time: 1001 s", limits=limits)
    assert "1004 rows in one step are too many" in str(found.value)


SHORT, LONG = "open_circuit_voltage, until_time: 400 s", "open_circuit_voltage, until_time: 700 s"


@pytest.mark.parametrize(
    ("steps", "found"),
    [
        ((SHORT, SHORT), None),
        ((SHORT, LONG), "x.yaml:4:5  method[2].sampling_s  703 rows, and 403 of the step of line 3 before it"),
        ((LONG, "set, temperature_C: 25", SHORT), "403 rows, and 703 of the step of line 3 before it"),
        ((LONG,), None),
        ((LONG, "loop, loop_to: 1, cycle_count: 2"), "703 rows, and 703 of the step of line 3 before it"),
        ((LONG, "loop, loop_to: 1, cycle_count: 1"), None),
    ],
)
def test_neighbours_are_in_the_instrument_together(steps: tuple[str, ...], found: str | None) -> None:
    limits = dataclasses.replace(LIMITS_2450, rows_per_segment=1003)
    if found is None:
        assert compiled(*steps, limits=limits)
        return
    with pytest.raises(ProblemsFound) as problems:
        compiled(*steps, limits=limits)
    assert len(problems.value.problems) == 1
    assert found in str(problems.value)
    assert "do not fit into the 2450: 1003 at most" in str(problems.value)


@pytest.mark.parametrize(
    ("step", "path"),
    [
        ("open_circuit_voltage, until_time: 5 s, sampling_s: 10", "method[1].until_time"),
        ("open_circuit_voltage, until_time_s: 0.5", "method[1].until_time_s"),
        ("constant_current, rate_C: 1, until_time: 0.5 s", "method[1].until_time"),
        ("constant_current, rate_C: 1, until_voltage_V: 3.6, sampling_s: 1 h, cutoff_s: 1", None),
        ("constant_current, rate_C: 1, until_voltage_V: 3.6, sampling_s: 6000, cutoff_s: 1", "method[1].rate_C"),
        ("equilibrate, temperature_C: 40, for: 1 s, timeout: 5 s, sampling_s: 10", "method[1].timeout"),
        ("open_circuit_voltage, until_time: 10 s, sampling_s: 10", None),
    ],
)
def test_a_step_that_ends_before_its_second_row(step: str, path: str | None) -> None:
    step = step.replace("sampling_s: 1 h", "sampling_s: 3600")
    if path is None:
        assert compiled(step)
        return
    with pytest.raises(ProblemsFound) as found:
        compiled(step)
    assert [problem.path for problem in found.value.problems] == [path]
    assert "before its second row" in str(found.value)


def test_voltages_the_instrument_cannot_measure() -> None:
    limits = dataclasses.replace(LIMITS_2450, voltage_volt=3.75)
    with pytest.raises(ProblemsFound) as found:
        compiled("cycle, rate_C: 1", limits=limits)
    assert "safety.max_voltage_V  3.8 V is more than the 2450 measures  write 3.75 at most" in str(found.value)
    assert compiled("cycle, rate_C: 1", top=WINDOW + "safety: {max_voltage_V: 3.72}\n", limits=limits)
