"""The safety table: what each bound does, when, and that it does not matter how rows are cut into blocks."""

from collections.abc import Callable, Iterable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.deciding.run_state import Outcome, Phase
from daemon.plan import PlanStep
from daemon.settling import Settled
from daemon.watching import Tail
from tests.support.plans import charge, discharge, rest
from tests.support.watched_run import NAN, WatchedRun, resting_before, table

SETTLED = Settled(celsius=55.0, pascal=13e6)
QUICK = tuple(
    msgspec.structs.replace(lock, rows_needed=3) if lock.name.endswith("_stuck") else lock for lock in table()
)
"""The table with fewer rows needed for a frozen sensor, so that short histories meet it."""
Feed = Callable[[WatchedRun], WatchedRun]


def temperature(*celsius: float, **named: Iterable[float]) -> Feed:
    return lambda run: run.temperature(celsius, **named)


def pressure(*megapascal: float, **named: Iterable[float]) -> Feed:
    return lambda run: run.pressure(megapascal, **named)


def cell(volt: Iterable[float], ampere: float | Iterable[float] = 0.0004, rested_volt: float | None = None) -> Feed:
    def feed(run: WatchedRun) -> WatchedRun:
        return (run if rested_volt is None else resting_before(run, rested_volt)).cell(volt, ampere)

    return feed


def rising(rows: int, from_volt: float = 2.5) -> list[float]:
    return [from_volt + 0.001 * row for row in range(rows)]


FED: dict[str, tuple[Feed, list[str]]] = {
    "jig 2 K away": (temperature(57.0, 57.0, 57.0, 53.0, 53.0, 53.0), []),
    "jig more than 2 K away for two rows": (temperature(57.1, 57.1, 57.0, 57.1, 57.1), []),
    "jig more than 2 K away": (temperature(57.1, 57.1, 57.1), ["jig_temperature_drifts"]),
    "jig more than 2 K below": (temperature(52.9, 52.9, 52.9), ["jig_temperature_drifts"]),
    "jig more than 5 K away": (temperature(60.1, 60.1, 60.1), ["jig_temperature_off", "jig_temperature_drifts"]),
    "jig more than 5 K below": (temperature(49.9, 49.9, 49.9), ["jig_temperature_off", "jig_temperature_drifts"]),
    "jig too hot for two rows": (temperature(65.1, 65.1, 55.0), []),
    "jig too hot": (
        temperature(65.1, 65.1, 65.1),
        ["jig_temperature_high", "jig_temperature_off", "jig_temperature_drifts"],
    ),
    "thermometer silent for 5 s": (temperature(55.0, 55.1, second=[1, 6]), []),
    "thermometer silent for longer": (temperature(55.0, 55.1, second=[1, 7]), ["jig_temperature_stale"]),
    "thermometer without a reading for a minute": (
        temperature(*[55.0] + [NAN] * 60, second=range(61)),
        ["jig_temperature_stale"],
    ),
    "thermometer silent for a minute": (
        temperature(55.0, 55.1, second=[0, 61]),
        ["jig_temperature_silent", "jig_temperature_stale"],
    ),
    "thermometer silent for ten minutes": (
        temperature(55.0, 55.1, second=[0, 601]),
        ["jig_temperature_unknown", "jig_temperature_silent", "jig_temperature_stale"],
    ),
    "thermometer frozen for an hour": (temperature(*[55.0] * 3601), ["jig_temperature_stuck"]),
    "thermometer nearly frozen": (temperature(*([55.0] * 3600 + [55.01]) * 2), []),
    "pressure 14 % above": (pressure(14.9, 14.9, 14.9), []),
    "pressure 14 % below": (pressure(11.1, 11.1, 11.1), []),
    "pressure more than 15 % above": (pressure(14.96, 14.96, 14.96), ["pressure_changed"]),
    "pressure more than 15 % below": (pressure(11.04, 11.04, 11.04), ["pressure_changed"]),
    "pressure 29 % below": (pressure(9.2, 9.2, 9.2), ["pressure_changed"]),
    "pressure more than 30 % below": (pressure(9.09, 9.09, 9.09), ["pressure_lost", "pressure_changed"]),
    "pressure 30 % above": (pressure(17.0, 17.0, 17.0), ["pressure_changed"]),
    "pressure too high": (pressure(20.1, 20.1, 20.1), ["pressure_high", "pressure_changed"]),
    "pressure gone": (pressure(1.9, 1.9, 1.9), ["pressure_low", "pressure_lost", "pressure_changed"]),
    "crack": (pressure(*[13.0] * 5, *[11.9] * 2), ["pressure_crack"]),
    "one wild reading of pressure": (pressure(*[13.0] * 5, 19.0, *[13.0] * 5, 3.0, *[13.0] * 5), []),
    "a megapascal in twenty seconds": (pressure(*[13.0 - 0.055 * row for row in range(20)]), []),
    "crack while nobody listened": (
        pressure(*[13.0] * 3, *[11.9] * 3, second=[1, 2, 3, 40, 41, 42]),
        ["pressure_stale"],
    ),
    "load cell silent for a minute": (
        pressure(13.0, 13.1, second=[0, 61]),
        ["pressure_silent", "pressure_stale"],
    ),
    "load cell silent for a day": (
        pressure(13.0, 13.1, second=[0, 86400]),
        ["pressure_silent", "pressure_stale"],
    ),
    "load cell frozen": (pressure(*[13.0] * 601), ["pressure_stuck"]),
    "voltage above its bound": (cell([3.0, 3.81]), ["voltage_high"]),
    "voltage below its bound": (cell([1.79, 3.0]), ["voltage_low"]),
    "current above its bound": (cell([3.0, 3.0], [0.0004, 0.00049]), ["current_high"]),
    "current of the other sign for two rows": (cell(rising(5), [0.0004, -0.0004, -0.0004, 0.0004, 0.0004]), []),
    "current of the other sign": (cell(rising(5), [0.0004, *[-0.0004] * 3, 0.0004]), ["current_reversed"]),
    "current off": (cell(rising(5), [0.0004, *[-2e-5] * 4]), []),
    "voltage frozen": (cell([3.0] * 61), ["voltage_stuck"]),
    "voltage nearly frozen": (cell(([3.0] * 60 + [3.0001]) * 3), []),
    "voltage rises on charge": (cell(rising(70), rested_volt=2.5), []),
    "voltage falls on charge": (cell(rising(70), rested_volt=2.6), ["voltage_wrong_way"]),
    "voltage falls at first": (cell([2.4] * 30 + rising(40), rested_volt=2.5), []),
    "voltage falls, not rested before": (cell(rising(70)), []),
    "voltage drops on charge": (cell([3.0, 3.0, 3.0, 2.949, 2.949]), ["voltage_drop"]),
    "one wild voltage": (cell([*rising(5, 3.0), 3.2, *rising(5, 3.01), 2.8, *rising(5, 3.02)]), []),
    "charge that never ends": (cell([2.5 + 1e-5 * row for row in range(18910)]), ["charge_passed"]),
    "no readings under way": (cell([NAN] * 60), ["nothing_read"]),
}


@pytest.mark.parametrize(("feed", "names"), FED.values(), ids=FED)
def test_what_fires(feed: Feed, names: list[str]) -> None:
    run = feed(WatchedRun.of(settled=SETTLED))
    assert run.names == names


@pytest.mark.parametrize("feed", [feed for feed, _ in FED.values()], ids=FED)
def test_the_gravest_decides(feed: Feed) -> None:
    run = feed(WatchedRun.of(settled=SETTLED))
    by_name = {interlock.name: interlock.action for interlock in run.run.plan.interlocks}
    actions = {by_name[name] for name in run.names}
    if "trip" in actions:
        assert (run.run.phase, run.run.outcome) == (Phase.STOPPING, Outcome.TRIPPED)
    elif "hold" in actions:
        assert (run.run.phase, run.run.held_as) == (Phase.HALTING, Outcome.HELD)
    else:
        assert run.run.phase is Phase.MEASURING
    assert bool(run.run.fold.hold_after_half) == ("hold_after_half" in actions)
    warned = [warning.partition(":")[0] for warning in run.run.warnings]
    assert sorted(warned) == sorted(name for name in run.names if by_name[name] == "warn")


@pytest.mark.parametrize(
    ("steps", "feed", "names"),
    [
        ((discharge(),), cell([3.0, 3.0, 3.0, 2.9, 2.9], -0.0004), []),
        ((discharge(),), cell([3.0, 2.9, 2.8, 2.9, 3.0], -0.0004), []),
        ((discharge(),), cell([2.6] * 30 + [2.5] * 40, -0.0004, rested_volt=2.6), []),
        ((discharge(),), cell([2.601] * 30 + [2.602] * 40, -0.0004, rested_volt=2.6), ["voltage_wrong_way"]),
        ((discharge(),), cell([3.0] * 3, 0.0004), ["current_reversed"]),
        ((rest(),), cell([-0.01] * 3, 0.0), ["start_voltage", "voltage_reversed"]),
        ((rest(),), cell([3.5, 2.5, 2.5, 2.5], 0.0), []),
        ((rest(),), cell([3.0] * 100, 0.0), []),
        ((rest(),), cell([1.49], 0.0), ["start_voltage"]),
    ],
    ids=[
        *("voltage drops on discharge", "voltage rises on discharge", "voltage falls on discharge"),
        *("voltage rises, against the current", "charge in place of a discharge", "cell the wrong way round"),
        *("voltage drops at rest", "voltage frozen at rest", "start too low"),
    ],
)
def test_other_steps(steps: tuple[PlanStep, ...], feed: Feed, names: list[str]) -> None:
    run = feed(WatchedRun.of(*steps, settled=SETTLED))
    assert [name for name in run.names if name != "voltage_stuck"] == names


def test_nothing_deviates_from_nothing() -> None:
    run = WatchedRun.of().temperature([20.0] * 5).pressure([5.0] * 5)
    assert run.names == []


def test_baseline_is_taken_from_the_rows_and_bounds_those_that_follow() -> None:
    run = WatchedRun.of(settled=Settled(celsius=55.0, is_due=True))
    run.pressure([*[13.0] * 11, *[9.0] * 3])
    assert run.run.watch.settled == Settled(celsius=55.0, pascal=13e6)
    assert run.names == ["pressure_lost", "pressure_crack", "pressure_changed"]


@pytest.mark.parametrize(("shown", "names"), [([100.0], ["pressure_stuck"]), ([100.0, 100.1], [])])
def test_load_cell_is_frozen_when_what_it_shows_is(shown: list[float], names: list[str]) -> None:
    """Whatever the temperature of the sensor makes of it."""
    rows = 700
    columns = {
        "elapsed_second": range(1, rows + 1),
        "displayed_load": (shown * rows)[:rows],
        "surface_pressure_pa": [13e6 + row % 7 for row in range(rows)],
    }
    assert WatchedRun.of(settled=SETTLED).beside("pressure", columns, range(0, rows, 50)).names == names


def test_silence_counts_from_when_somebody_listens() -> None:
    run = WatchedRun.of(settled=SETTLED, tails={"surface_pressure_pa": Tail(read_second=1000.0)})
    run.pressure([13.0], second=[1004.0])
    assert run.names == []


def test_numbers_of_a_protocol_are_in_force() -> None:
    run = WatchedRun.of(interlocks=table(max_temperature_deviation_C=1.0), settled=SETTLED)
    assert run.temperature([56.1] * 3).names == ["jig_temperature_off"]


beside = st.lists(
    st.tuples(
        st.sampled_from([0.5, 1.0, 1.0, 4.0, 30.0, 400.0]),
        st.sampled_from([13.0, 13.0, 14.96, 11.9, 10.0, 9.0, 20.5, 1.0, NAN]),
        st.sampled_from([55.0, 55.0, 57.5, 52.5, 49.0, 66.0, NAN]),
    ),
    min_size=1,
    max_size=40,
)
cell_volts = st.lists(
    st.sampled_from([2.4, 2.5, 2.5, 2.6, 3.0, 3.9, 1.7, NAN]) | st.floats(2, 3), min_size=1, max_size=30
)
cuts = st.sets(st.integers(0, 40) | st.integers(55, 88))


def assert_same_firings(by_row: WatchedRun, by_block: WatchedRun, rows: int, cuts: set[int]) -> None:
    """Each interlock fires first in the block with the row at which it fires first when rows come one by one."""
    edges = sorted({0, rows} | {cut for cut in cuts if cut < rows})
    block_of = [sum(row >= edge for edge in edges) - 1 for row in range(rows)]
    expected = {name: block_of[first] for name, first in first_in(by_row).items()}
    assert first_in(by_block) == expected


def first_in(run: WatchedRun) -> dict[str, int]:
    found: dict[str, int] = {}
    for at, names in enumerate(run.fired):
        for name in names:
            found.setdefault(name, at)
    return found


@given(rows=beside, cuts=cuts, is_due=st.booleans())
def test_beside_the_cell_cutting_changes_nothing(
    rows: list[tuple[float, float, float]], cuts: set[int], is_due: bool
) -> None:
    second = [sum(step for step, _, _ in rows[: row + 1]) for row in range(len(rows))]
    settled = Settled(celsius=55.0, is_due=True) if is_due else SETTLED
    everywhere, watch = range(len(rows)), {"settled": settled}
    for column in (1, 2):
        values = [row[column] for row in rows]
        pair = [WatchedRun.of(interlocks=QUICK, **watch) for _ in range(2)]
        for run, where in zip(pair, (everywhere, cuts), strict=True):
            feed = run.pressure if column == 1 else run.temperature
            feed(values, where, second)
        assert_same_firings(*pair, len(rows), cuts)
        assert pair[0].run.watch == pair[1].run.watch
        by_row, by_block = ({text.partition(":")[0] for text in run.run.warnings} for run in pair)
        assert by_row == by_block


@given(volts=cell_volts, cuts=cuts, rested_volt=st.none() | st.just(2.5), half=st.sampled_from([charge, discharge]))
def test_of_the_cell_cutting_changes_nothing(
    volts: list[float], cuts: set[int], rested_volt: float | None, half: Callable[[], PlanStep]
) -> None:
    volts, pair = [*rising(58), *volts], []
    for where in (range(len(volts)), cuts):
        run = WatchedRun.of(half(), interlocks=QUICK)
        if rested_volt is not None:
            resting_before(run, rested_volt)
        pair.append(run.cell(volts, run.run.step.current_ampere, where))
    assert_same_firings(*pair, len(volts), cuts)
