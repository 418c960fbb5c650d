"""What may end a step, as one list; and branches that are right, or only odd."""

import pytest

from protocols.ends import ends_of
from protocols.protocol import read_protocol, step_path
from protocols.settings import Interval
from protocols.structure import check_protocol, read_structure

WINDOW = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
CHARGE = "constant_current, rate_C: 0.1, until_voltage_V: 3.7"


def text_of(*steps: str, top: str = WINDOW) -> str:
    return top + "method:\n" + "".join(f"  - {{step: {step}}}\n" for step in steps)


def said_of(*steps: str, top: str = WINDOW) -> list[str]:
    return [
        f"{problem.severity}: {problem.line}: {problem.what}"
        for problem in check_protocol(text_of(*steps, top=top), "x")
    ]


def ends(step: str) -> list[tuple[str, str, str, float]]:
    file = read_protocol(text_of(step), "x.yaml")
    assert file.problems == ()
    return [
        (end.key, test.variable.name, test.operator, test.value)
        for end in ends_of(file.steps[0], step_path(0))
        for test in end.when
    ]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (CHARGE, [("until_voltage_V", "voltage_V", ">=", 3.7)]),
        ("constant_current, rate_C: D/2, until_voltage_V: 0", [("until_voltage_V", "voltage_V", "<=", 0)]),
        ("constant_power, power_mW: -1, until_voltage_V: 2", [("until_voltage_V", "voltage_V", "<=", 2)]),
        ("constant_voltage, voltage_V: 2, until_rate_C: -C/20", [("until_rate_C", "rate_C", "<=", 0.05)]),
        ("constant_voltage, voltage_V: 2, until_current_mA: -0.1", [("until_current_mA", "current_mA", "<=", 0.1)]),
        ("open_circuit_voltage, until_time: 1 h", [("until_time", "time_s", ">=", 3600)]),
        (
            "open_circuit_voltage, until_time_s: 60, until_dVdt_mV_h: 1, until_pressure_change_MPa: -2",
            [
                ("until_dVdt_mV_h", "dVdt_mV_h", "<=", 1),
                ("until_pressure_change_MPa", "pressure_change_MPa", "<=", -2),
                ("until_time_s", "time_s", ">=", 60),
            ],
        ),
        (
            "wait_for, until_pressure_MPa: 12, unbounded: true",
            [("until_pressure_MPa", "pressure_MPa", "reaches", 12)],
        ),
        ("pause, text: look", []),
        ("voltage_scan, start_voltage_V: 2, end_voltage_V: 3, scan_rate_mV_per_s: 1", []),
    ],
)
def test_ends_are_one_list(step: str, expected: list[tuple[str, str, str, float]]) -> None:
    assert ends(step) == expected


def test_a_limit_keeps_its_conditions_together() -> None:
    when = "[{var: voltage_V, op: '>', value: 3}, {var: step_capacity_mAh, op: '>=', value: 1}]"
    file = read_protocol(text_of(f"{CHARGE}, limits: [{{when: {when}, goto: end}}]"), "x.yaml")
    voltage, limit = ends_of(file.steps[0], step_path(0))
    assert (voltage.key, voltage.goto) == ("until_voltage_V", "next")
    assert (limit.path, limit.goto, limit.consecutive, limit.at_most) == (("method", 0, "limits", 0), "end", 1, None)
    assert [test.si_value for test in limit.when] == [3, 0.001]


def test_stop_if_is_a_limit_on_the_last_cycle() -> None:
    stop = 'stop_if: {retention_percent: "< 60", coulombic_efficiency_percent: "<= 99", relative_to: {block: cycle_1}}'
    file = read_protocol(text_of("cycle, rate_C: 1", f"cycle, rate_C: 2, {stop}"), "x.yaml")
    assert file.problems == ()
    (end,) = ends_of(file.steps[1], step_path(1))
    retention, efficiency = end.when
    assert (end.key, end.goto, end.consecutive) == ("stop_if", "next", 3)
    assert (retention.variable.name, retention.operator, retention.value) == ("cycle_retention_percent", "<", 60)
    assert retention.si_value == 0.6
    assert retention.relative_to is not None
    assert (retention.relative_to.block, retention.relative_to.cycle) == ("cycle_1", 1)
    assert (efficiency.variable.name, efficiency.operator, efficiency.relative_to) == (
        "coulombic_efficiency_percent",
        "<=",
        None,
    )


@pytest.mark.parametrize(("written", "cycles"), [("", 3), (", consecutive: 1", 1), (", consecutive: 5", 5)])
def test_a_branch_on_retention_needs_three_cycles(written: str, cycles: int) -> None:
    stop = f'stop_if: {{retention_percent: "< 60", relative_to: first{written}}}'
    file = read_protocol(text_of(f"cycle, rate_C: 2, {stop}"), "x.yaml")
    (end,) = ends_of(file.steps[0], step_path(0))
    assert end.consecutive == cycles


@pytest.mark.parametrize(
    ("written", "intervals"),
    [
        ("10 s", [(10, None)]),
        ("[0.1 s for 2 min, 1 s for 1 h, 10 s]", [(0.1, 120), (1, 3600), (10, None)]),
        ("[PT10S]", [(10, None)]),
    ],
)
def test_times_of_recording(written: str, intervals: list[tuple[float, float | None]]) -> None:
    file = read_protocol(text_of("open_circuit_voltage, until_time: 10 h", top=f"record: {{time: {written}}}\n"), "x")
    assert file.problems == ()
    assert file.top is not None
    assert file.top.record is not None
    expected = [Interval(every_second=every, for_second=lasting) for every, lasting in intervals]
    assert file.top.record.time == expected


@pytest.mark.parametrize(
    "steps",
    [
        (CHARGE, "constant_voltage, voltage_V: 3.7, until_rate_C: C/20"),
        (CHARGE, "tag, tag: hold", "constant_voltage, voltage_V: 3.7, until_rate_C: C/20"),
        (CHARGE, "open_circuit_voltage, until_time: 1 h", "constant_voltage, voltage_V: 3.6, until_rate_C: C/20"),
        ("constant_voltage, voltage_V: 3.0, until_time: 1 h", CHARGE),
        ("constant_voltage, voltage_V: 3.0, until_time: 1 h", "constant_current, rate_C: -1, until_voltage_V: 2.5"),
        (f"{CHARGE}, until_capacity_mAh: 1", "constant_current, rate_C: 1, until_voltage_V: 3.5"),
        ("open_circuit_voltage, until_dVdt_mV_h: 1, unbounded: true",),
        ("wait_for, until_time: 90 s",),
    ],
)
def test_nothing_is_said_against(steps: tuple[str, ...]) -> None:
    assert said_of(*steps) == []


@pytest.mark.parametrize(("volt", "line"), [(3.65, 4), (0, 4)])
def test_a_hold_at_another_voltage_is_odd(volt: float, line: int) -> None:
    (odd,) = said_of(
        CHARGE,
        f"constant_voltage, voltage_V: {volt}, until_rate_C: C/20",
        top="window: {lower_voltage_V: 0, upper_voltage_V: 3.7}\n",
    )
    assert odd == f"warning: {line}: holds {volt:g} V, and the current on line 3 ends at 3.7 V"


def test_where_a_goto_leads_is_known() -> None:
    steps = (
        "tag, tag: begin",
        f"{CHARGE}, limits: [{{when: [{{var: pressure_MPa, op: '>', value: 15}}], goto: begin, at_most: 2}}]",
        "constant_current, rate_C: -0.1, until_voltage_V: 2.0",
        "tag, tag: final",
    )
    file = read_protocol(text_of(*steps), "x.yaml")
    structure = read_structure(file)
    assert structure.problems == ()
    assert structure.tags == {"begin": 0, "final": 3}


def test_a_step_has_a_window_of_its_own() -> None:
    own = "window: {lower_voltage_V: 2.5, upper_voltage_V: 3.6}"
    assert said_of(f"cycle, rate_C: 1, {own}", top="") == []
    assert said_of(f"constant_current, rate_C: 1, until_voltage_V: 3.55, {own}") == []
    (wrong,) = said_of(f"constant_current, rate_C: 1, until_voltage_V: 3.7, {own}")
    assert "outside the window, 2.5 to 3.6 V" in wrong
