"""What a run warns of: when a warning begins, when it is over, what is said of it."""

import msgspec
import numpy as np
import pytest

from daemon.deciding.run_state import Phase, Run, decode_run, encode_run
from daemon.deciding.telling import CLEARED_AFTER_SECOND, eased, on, warned, with_disk, words
from daemon.events import DISK_LOW, PAUSE_TIMED_OUT, Breach, Cleared, Noticed, Warned
from daemon.interlocks import intact
from daemon.plan import TEMPERATURE_STREAM
from daemon.publish.payloads import alarms
from daemon.rows.readings import AIR_TEMPERATURE, JIG_TEMPERATURE, TEMPERATURE_AGE, summarise_readings
from daemon.watching import Tail
from tests.support.plans import interlock, plan, rest

DRIFTS = interlock("drifts", "warn", quantity="jig", low=-2.0, high=2.0, rows_needed=3)
RUN = Run(plan=plan(rest(), interlocks=(DRIFTS,)), phase=Phase.MEASURING, warnings=("away: for 9 s",))
WARNS = warned(RUN, DRIFTS, "drifts: jig 2.5")
BROKEN = (Breach(interlock="drifts", worst_value=2.1, longest_rows=1, trailing_rows=1),)


def after(run: Run, *looks: tuple[float, str]) -> Run:
    """The run after rows at these seconds, in which the bound was broken, kept or not read."""
    for second, said in looks:
        run = eased(run, ("drifts",) if said == "kept" else (), BROKEN if said == "broken" else (), second)
    return run


def test_a_warning_is_on_until_a_whole_minute_was_well() -> None:
    late = 10 + CLEARED_AFTER_SECOND
    assert on(after(WARNS, (10, "kept"), (late - 1, "kept"))) == {"drifts"}
    assert on(after(WARNS, (10, "kept"), (late, "kept"))) == set()
    assert on(after(WARNS, (10, "kept"), (late, "not read"))) == {"drifts"}, "silence is no reading within the bound"
    assert on(after(WARNS, (late, "kept"))) == {"drifts"}, "one look is no minute"


def test_a_single_row_beyond_begins_the_minute_anew() -> None:
    assert on(after(WARNS, (10, "kept"), (60, "broken"), (80, "kept"), (139, "kept"))) == {"drifts"}
    assert on(after(WARNS, (10, "kept"), (60, "broken"), (80, "kept"), (140, "kept"))) == set()


def test_what_was_over_may_come_again_and_is_kept_once_in_its_last_words() -> None:
    over = after(WARNS, (10, "kept"), (100, "kept"))
    assert over.warnings == WARNS.warnings
    assert over.warnings_on == ("away: for 9 s",)
    again = warned(over, DRIFTS, "drifts: jig -3")
    assert again.warnings == again.warnings_on == ("away: for 9 s", "drifts: jig -3")
    assert warned(again, DRIFTS, "drifts: jig 9") == again
    assert [*words(RUN, WARNS)] == [Warned(text="drifts: jig 2.5")]
    assert [*words(WARNS, over)] == [Cleared(text="drifts: jig 2.5")]
    assert [*words(over, again)] == [Warned(text="drifts: jig -3")]
    assert [*words(again, again)] == []
    assert decode_run(encode_run(again)) == again


def test_an_interlock_that_an_edit_took_away_warns_no_more() -> None:
    edited = msgspec.structs.replace(WARNS, plan=plan(rest()))
    assert on(after(edited, (10, "not read"))) == set()


def test_the_alarm_is_there_while_the_warning_is_on() -> None:
    assert "interlock-drifts" in alarms(WARNS)
    assert "interlock-drifts" not in alarms(after(WARNS, (10, "kept"), (100, "kept")))
    assert "interlock-away" in alarms(after(WARNS, (10, "kept"), (100, "kept")))


def test_a_pause_that_timed_out_is_alarming_while_it_waits() -> None:
    waits = msgspec.structs.replace(RUN, phase=Phase.HOLDING, warnings=(f"{PAUSE_TIMED_OUT}: nobody came",))
    assert "interlock-pause-timed-out" in alarms(waits)
    assert "interlock-pause-timed-out" not in alarms(msgspec.structs.replace(waits, phase=Phase.MEASURING))


@pytest.mark.parametrize(
    ("values", "names"),
    [([0.0, 1.9], ("drifts",)), ([0.0, 2.1], ()), ([np.nan, 1.0], ("drifts",)), ([np.nan], ()), ([], ())],
)
def test_intact_is_what_was_read_and_not_broken(values: list[float], names: tuple[str, ...]) -> None:
    read = {"jig": np.array(values, dtype=np.float64)}
    assert intact((DRIFTS,), read, {"drifts"}) == names
    assert intact((DRIFTS,), {"other": np.zeros(2)}, {"drifts"}) == ()
    assert intact((DRIFTS,), read, set()) == ()


@pytest.mark.parametrize(("celsius", "names"), [([np.nan, np.nan], ()), ([np.nan, 25.0], ("silent",))])
def test_a_sensor_is_not_heard_again_before_it_has_been_read(celsius: list[float], names: tuple[str, ...]) -> None:
    """After a restart the silence is counted anew, and at first is short."""
    silent = interlock("silent", "warn", quantity=TEMPERATURE_AGE, high=300.0)
    summary = summarise_readings(
        TEMPERATURE_STREAM,
        1,
        np.array([1000.0, 1005.0]),
        {JIG_TEMPERATURE: np.array(celsius), AIR_TEMPERATURE: np.array([21.0, 21.0])},
        table=(silent,),
        carried_rows={},
        tails={JIG_TEMPERATURE: Tail(read_second=990.0)},
        warned={"silent"},
    )
    assert (summary.intact, summary.breaches) == (names, ())


def test_what_an_edit_made_graver_warns_until_it_was_well() -> None:
    holds = msgspec.structs.replace(DRIFTS, action="hold")
    edited = msgspec.structs.replace(WARNS, plan=plan(rest(), interlocks=(holds,)))
    assert on(after(edited, (10, "not read"))) == {"drifts"}
    assert on(after(edited, (10, "kept"), (100, "kept"))) == set()


def test_a_run_that_has_ended_needs_no_disk() -> None:
    low = with_disk(RUN, Noticed(what=DISK_LOW, text="0.1 GB free"))
    assert "disk-low" in alarms(low)
    assert "disk-low" not in alarms(msgspec.structs.replace(low, phase=Phase.FINISHED))
