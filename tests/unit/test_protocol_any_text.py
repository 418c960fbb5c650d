"""Whatever is in a file, it is read or refused with problems that have a place."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.compile import load_plan
from daemon.plan import Plan
from drivers.keithley.limits import LIMITS_2450
from drivers.roles import PotentiostatLimits
from protocols.errors import Problem, ProblemsFound, errors_in

REPOSITORY = Path(__file__).parents[2]
CELL = (REPOSITORY / "config" / "cells" / "bm05.yaml").read_text()
PROTOCOL = (REPOSITORY / "protocols" / "library" / "rate_capability.yaml").read_text()
SYNTAX = "{}[],:?-&*!|>'\"%@`#\n \t~<=\\0123456789abnxyU.eE+/_$\ufeff\x85\u2028\x00é\r"

KEYS = (
    *("step", "rate_C", "current_mA", "until_voltage_V", "until_time_s", "until_time", "cycle_count", "loop_to"),
    *("tag", "id", "sampling_s", "cutoff_s", "record", "voltage_V", "time_s", "temperature_C", "within_C", "for"),
    *("for_s", "timeout", "on_timeout", "role", "voltage_V", "power_mW", "until_rate_C", "until_current_mA"),
    *("until_capacity_mAh", "until_dVdt_mV_h", "until_max_pressure_MPa", "until_pressure_change_MPa", "limits"),
    *("stop_if", "c_rate_basis", "window", "safety", "on_resume", "on_link_loss", "current_density_mA_cm2", "text"),
    *("start_voltage_V", "end_voltage_V", "scan_rate_mV_per_s", "amplitude_V", "start_frequency_Hz", "unbounded"),
    *("end_frequency_Hz", "settle", "quality", "speed_rpm"),
)
WORDS = (
    *("constant_current", "open_circuit_voltage", "cycle", "tag", "loop", "C/10", "10 h", "3,7", "a", "1e400", ".nan"),
    *("set", "equilibrate", "hold", "chamber", "55", "2 h", "constant_voltage", "constant_power", "voltage_scan"),
    *("impedance_spectroscopy", "wait_for", "mill", "pause", "advance_cycle", "cell_file", "first", "$x", "$NAME"),
    *("[{when: [{var: voltage_V, op: '<', value: 3}], goto: a}]", "[{when: [], goto: next}]", "[kk]", "[{}]", "[$x]"),
    *("[{when: [{var: cycle_count, op: '>', value: 3, relative_to: first}], goto: end, at_most: 2}]", "{block: a}"),
    *(
        "{retention_percent: '< 60', relative_to: first}",
        "{retention_percent: 60}",
        "{max_dVdt_mV_h: 1}",
        "[1 s for 1 h]",
    ),
    *("{mask: 5 s, fail: 1 s}", "{verify: {max_dV_mV: 1}}", "{lower_voltage_V: 1, upper_voltage_V: 2}"),
    *(
        "1",
        "2",
        "-1",
        "0",
        "3.7",
        "2.0",
        "0.1",
        "-0.1",
        "1e-9",
        "1e9",
        "-1e-9",
        "true",
        "~",
        "[1, 2]",
        "{}",
        "[0.1,2, 3]",
    ),
)


def outcome(protocol: str, cell: str, limits: PotentiostatLimits | None = LIMITS_2450) -> str:
    problems: tuple[Problem, ...] = ()
    try:
        plan, warnings = load_plan(protocol, "protocol.yaml", cell, "cell.yaml", limits)
        assert isinstance(plan, Plan)
        assert errors_in(warnings) == []
    except ProblemsFound as found:
        problems = found.problems
    assert all(problem.line >= 1 and problem.column >= 1 and problem.what for problem in problems)
    assert {problem.file for problem in problems} <= {"protocol.yaml", "cell.yaml"}
    assert bool(problems) == bool(errors_in(problems))
    return "refused" if problems else "compiled"


@settings(max_examples=100)
@given(st.text(), st.text(alphabet=SYNTAX))
def test_any_text(protocol: str, cell: str) -> None:
    assert outcome(protocol, cell) == "refused"


@settings(max_examples=100)
@given(st.data())
def test_a_sound_file_with_characters_changed(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([PROTOCOL, CELL]))
    changed = list(text)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed) - 1))
        changed[at] = data.draw(st.sampled_from(["", *SYNTAX]))
    damaged = "".join(changed)
    assert outcome(*((damaged, CELL) if text is PROTOCOL else (PROTOCOL, damaged))) in ("refused", "compiled")


@settings(max_examples=200)
@given(
    st.lists(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(WORDS), min_size=1), min_size=1, max_size=6),
    st.booleans(),
    st.sampled_from([LIMITS_2450, None]),
)
def test_any_words_in_the_places_of_the_language(
    steps: list[dict[str, str]], has_window: bool, limits: PotentiostatLimits | None
) -> None:
    window = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7}\n" if has_window else ""
    lines = ("  - {" + ", ".join(f"{key}: {word}" for key, word in step.items()) + "}\n" for step in steps)
    assert outcome(window + "method:\n" + "".join(lines), CELL, limits) in ("refused", "compiled")
