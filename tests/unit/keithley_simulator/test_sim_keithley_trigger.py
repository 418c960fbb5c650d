"""The trigger model: its blocks and timers one by one, its states, and what it refuses."""

import numpy as np
import pytest

UTC_START_SECOND = 1_767_225_600
TICK = [":TRIG:TIM1:DEL 1", ":TRIG:TIM1:COUN 0", ":TRIG:TIM1:STAR:STIM NOT1", ":TRIG:TIM1:STAR:GEN ON"]


@pytest.fixture
def run(bench, programs):
    """Programs blocks, starts them, lets time pass; answers the times of all readings."""

    def run(*blocks: str, second: float = 1000) -> list[float]:
        bench.tell(*programs.blocks(*blocks), ":INIT")
        bench.run(second)
        return times(bench)

    return run


def times(bench, buffer: str = "defbuffer1") -> list[float]:
    rows = bench.rows(buffer, "SEC", "FRAC")
    return (rows[:, 0] - UTC_START_SECOND + rows[:, 1]).round(7).tolist()


def test_nothing_to_run(bench):
    assert bench.say(":TRIG:STAT?") == "EMPTY;EMPTY;0"
    assert bench.say(":INIT") == ""
    assert bench.codes() == [-221]


@pytest.mark.parametrize(
    "blocks",
    [
        ("NOP 1", "NOP 3"),
        ("BRAN:ALW 1,5",),
        ("WAIT 1,NONE",),
        ("BRAN:EVEN 1,NONE,1",),
        ("NOP 1", "BRAN:LIM:CONS 2,ABOV,0,1,1"),
        ("NOP 1", "BRAN:LIM:CONS 2,ABOV,0,1,1,1"),
    ],
)
def test_models_that_cannot_run(bench, programs, blocks):
    bench.tell(*programs.blocks(*blocks))
    assert bench.say(":INIT") == ""
    assert bench.codes() == [2730]
    assert bench.say(":TRIG:STAT?").startswith("FAILED;FAILED;")
    assert not bench.smu.busy


def test_a_deleted_buffer_is_missed(bench, programs):
    bench.tell(':TRAC:MAKE "b",10', *programs.blocks('MEAS 1,"b"'), ':TRAC:DEL "b"')
    assert bench.say(":INIT") == ""
    assert bench.codes() == [2730]


@pytest.mark.parametrize("line", ["WAIT 1,TIM5", "DEL:CONS 1,1E-8", 'MEAS 1,"none"', 'CONF:REC 1,"none"', "NOT 1,9"])
def test_bad_blocks(bench, line):
    assert bench.say(f":TRIG:BLOC:{line}") == ""
    assert len(bench.codes()) == 1
    assert bench.say(":TRIG:STAT?") == "EMPTY;EMPTY;0"


def test_a_reading_takes_its_time(run, bench):
    bench.tell(":SENS:CURR:NPLC 0.5")
    assert run("MEAS 1", "DEL:CONS 2,0.1", 'MEAS 3,"defbuffer1",3') == [0.0, 0.1124, 0.1248, 0.1372]


def test_averaging_takes_longer(run, bench):
    bench.tell(":SENS:CURR:NPLC 0.5", ":SENS:CURR:AVER:COUN 10", ":SENS:CURR:AVER ON")
    assert run("MEAS 1", "MEAS 2") == [0.0, 0.124]


def test_counters_nest(run):
    readings = run("MEAS 1", "BRAN:COUN 2,5,1", "DEL:CONS 3,1", "BRAN:COUN 4,3,1")
    assert len(readings) == 15


def test_count_is_shown_and_reset(run, bench):
    assert len(run("MEAS 1", "DEL:CONS 2,1", "BRAN:COUN 3,4,1", "BRAN:ONCE 4,1", second=2.5)) == 3
    assert bench.say(":TRIG:BLOC:BRAN:COUN:COUN? 3") == "2"
    bench.run(1000)
    assert len(times(bench)) == 8, "once it started over, it counted anew"


def test_reset_counter_block(run):
    blocks = ("MEAS 1", "DEL:CONS 2,1", "BRAN:COUN 3,3,1", "BRAN:ALW 4,0")
    assert len(run(*blocks)) == 3


def test_a_reset_counter_never_ends(run, bench):
    run("MEAS 1", "DEL:CONS 2,1", "BRAN:COUN:RES 3,4", "BRAN:COUN 4,2,1", second=50)
    assert bench.smu.busy
    assert len(times(bench)) >= 49


@pytest.mark.parametrize(("excluded", "count"), [("ONCE", 2), ("ONCE:EXCL", 1)])
def test_once(run, excluded, count):
    assert len(run("MEAS 1", f"BRAN:{excluded} 2,1", second=0.03)) >= count


def test_manual_example_of_a_timer(bench, run):
    bench.tell(":TRIG:TIM4:DEL 0.5", ":TRIG:TIM4:STAR:STIM NOT8", ":TRIG:TIM4:STAR:GEN OFF", ":TRIG:TIM4:COUN 20")
    bench.tell(":TRIG:TIM4:STAT ON")
    readings = run("BUFF:CLE 1", "NOT 2,8", "WAIT 3,TIM4", "MEAS 4", "BRAN:COUN 5,20,3")
    assert readings == (0.5 * np.arange(1, 21)).tolist()


def test_a_timer_that_has_run_out_leaves_the_model_waiting(bench, run):
    bench.tell(*TICK, ":TRIG:TIM1:COUN 3", ":TRIG:TIM1:STAT ON")
    assert run("NOT 1,1", "WAIT 2,TIM1", "MEAS 3", "BRAN:COUN 4,10,2") == [0, 1, 2, 3]
    assert bench.say(":TRIG:STAT?") == "WAITING;WAITING;2"
    assert bench.smu.busy


def test_ticks_that_come_while_measuring_are_merged(bench, run):
    bench.tell(*TICK, ":TRIG:TIM1:STAT ON", ":SENS:CURR:NPLC 10", ":SENS:CURR:AVER:COUN 12", ":SENS:CURR:AVER ON")
    readings = run("NOT 1,1", "WAIT 2,TIM1", "MEAS 3", "BRAN:COUN 4,4,2")
    assert readings == pytest.approx([0, 2.4288, 4.8576, 7.2864])


def test_a_running_timer_is_not_started_anew(bench, run):
    bench.tell(*TICK, ":TRIG:TIM1:STAT ON")
    run("NOT 1,1", "WAIT 2,TIM1", "MEAS 3", second=0.3)
    bench.tell(":INIT")
    bench.run(5)
    assert times(bench) == [0, 1.0], "the second start kept the phase of the first"
    assert bench.say(":TRIG:TIM1:STAR:OVER?") == "1"
    bench.tell(":TRIG:TIM1:CLE", ":TRIG:TIM1:STAT OFF")
    assert bench.say(":TRIG:TIM1:STAR:OVER?;:TRIG:TIM1:STAT?") == "0;0"


def test_timers_are_disabled_before_they_are_changed(bench):
    bench.tell(":TRIG:TIM1:STAR:STIM NOT1", ":TRIG:TIM1:STAT ON")
    assert bench.say(":TRIG:TIM1:DEL 5") == ""
    assert bench.codes() == [-221]


def test_timer_settings_are_read_back(bench):
    bench.tell(*TICK)
    assert bench.say(":TRIG:TIM1:DEL?;COUN?;STAT?;STAR:STIM?;GEN?") == "1.000000E+00;0;0;NOT1;1"
    assert bench.say(":TRIG:TIM1:DEL 100001") == ""
    assert bench.codes() == [-222]


@pytest.mark.parametrize(("clear", "expected"), [("NEV", 0.0), ("ENT", 5.0)])
def test_an_event_before_the_wait(bench, run, clear, expected):
    def trigger_twice() -> None:
        bench.say("*TRG")
        bench.run(5)
        bench.say("*TRG")

    run("DEL:CONS 1,1E-3", f"WAIT 2,COMM,{clear}", "MEAS 3", second=0)
    trigger_twice()
    bench.run(10)
    assert times(bench) == pytest.approx([expected], abs=2e-3)


@pytest.mark.parametrize(("join", "expected"), [("OR", 1.0), ("AND", 3.0)])
def test_waiting_for_two_events(bench, run, join, expected):
    for timer, second in ((1, 1), (2, 3)):
        bench.tell(f":TRIG:TIM{timer}:DEL {second}", f":TRIG:TIM{timer}:STAR:STIM NOT1", f":TRIG:TIM{timer}:STAT ON")
    assert run("NOT 1,1", f"WAIT 2,TIM1,NEV,{join},TIM2", "MEAS 3") == [expected]


@pytest.mark.parametrize(("shared", "expected"), [(True, [0, 1]), (False, [0, 0.0224])])
def test_two_waits_for_one_timer(bench, run, shared, expected):
    bench.smu.instrument.trigger_model.waits_share_events = shared
    bench.tell(*TICK, ":TRIG:TIM1:STAT ON")
    assert run("NOT 1,1", "WAIT 2,TIM1", "MEAS 3", "WAIT 4,TIM1", "MEAS 5") == expected


def test_branch_on_event(bench, run):
    bench.tell(":TRIG:TIM2:DEL 3.5", ":TRIG:TIM2:STAR:STIM NOT1", ":TRIG:TIM2:STAT ON")
    assert len(run("NOT 1,1", "MEAS 2", "DEL:CONS 3,1", "BRAN:EVEN 4,TIM2,6", "BRAN:ALW 5,2", "NOP 6")) == 4


def test_source_limit_is_an_event(bench, run):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR 2E-3", ":SOUR:CURR:VLIM 2.9", ':SENS:FUNC "VOLT"')
    readings = run("SOUR:STAT 1,ON", "MEAS 2", "DEL:CONS 3,1", "BRAN:EVEN 4,SLIM,6", "BRAN:ALW 5,2", "SOUR:STAT 6,OFF")
    assert 480 < readings[-1] < 510
    assert not bench.relay_closed


@pytest.mark.parametrize("limits", ["ABOV,0,2.72", "BEL,2.8,10", "IN,2.7,2.9", "OUT,0,1"])
def test_limits_that_are_met(bench, run, limits):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR 2.5E-3", ":OUTP ON", ':SENS:FUNC "VOLT"')
    assert len(run("MEAS 1", f"BRAN:LIM:CONS 2,{limits},0", "DEL:CONS 3,1", "BRAN:COUN 4,3,1", second=5)) == 1


@pytest.mark.parametrize("limits", ["ABOV,0,5", "BEL,2.72,10", "IN,0,1", "OUT,2.7,2.9", "BEL,2.8,0", "ABOV,5,0"])
def test_limits_that_are_not_met(bench, run, limits):
    """The last two have their limits in the wrong order; they are swapped."""
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR 2.5E-3", ":OUTP ON", ':SENS:FUNC "VOLT"')
    assert len(run("MEAS 1", f"BRAN:LIM:CONS 2,{limits},0", "DEL:CONS 3,1", "BRAN:COUN 4,3,1", second=5)) == 3


def test_dynamic_limits(bench, run):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR 2.5E-3", ":OUTP ON", ':SENS:FUNC "VOLT"')
    bench.tell(":CALC2:VOLT:LIM1:LOW 1", ":CALC2:VOLT:LIM1:UPP 2.7504", ":CALC2:VOLT:LIM1:STAT ON")
    readings = run("MEAS 1", "BRAN:LIM:DYN 2,ABOV,1,0", "DEL:CONS 3,1", "BRAN:COUN 4,30,1", second=50)
    assert 1 <= len(readings) < 10


def test_dynamic_limits_that_are_off_are_never_met(bench, run):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR 2.5E-3", ":OUTP ON", ':SENS:FUNC "VOLT"', ":CALC2:VOLT:LIM1:UPP 2.7")
    for number, kind in enumerate(("ABOV", "BEL", "IN", "OUT"), start=1):
        bench.tell(":TRAC:CLE")
        blocks = ("MEAS 1", f"BRAN:LIM:DYN 2,{kind},1,0", "DEL:CONS 3,1", "BRAN:COUN 4,3,1")
        assert len(run(*blocks, second=5 * number)) == 3


def test_limits_are_as_large_as_the_manual_lets_them_be(bench):
    bench.tell(":CALC2:VOLT:LIM1:UPP 9.99999E11", ":CALC2:VOLT:LIM1:LOW -9.99999E11")
    bench.say(":CALC2:VOLT:LIM1:UPP 1E12")
    assert bench.say(":SYST:ERR?").startswith("-222")


def test_delta(bench, run):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR -2.5E-3", ":OUTP ON", ':SENS:FUNC "VOLT"')
    falling = run("MEAS 1", "BRAN:DELT 2,0.1,0", "DEL:CONS 3,100", "BRAN:COUN 4,3,1", second=500)
    assert len(falling) == 2, "it falls by less than 0.1 V from one reading to the next"


def test_the_last_measure_block_before_is_tested(bench, run):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR 2.5E-3", ":OUTP ON", ':SENS:FUNC "VOLT"', ':TRAC:MAKE "b",10')
    blocks = ("MEAS 1", "DEL:CONS 2,400", 'MEAS 3,"b"', "BRAN:LIM:CONS 4,ABOV,0,{}", "MEAS 5", "NOP 6")
    assert len(run(*(block.format("2.9,6") for block in blocks))) == 1
    bench.tell(":TRAC:CLE")
    assert len(run(*(block.format("3.3,6,1") for block in blocks), second=5000)) == 2


def test_background_readings(bench, run):
    readings = run('MEAS 1,"defbuffer1",INF', "DEL:CONS 2,1", 'MEAS 3,"defbuffer1",0', "DEL:CONS 4,1", second=5)
    assert readings == pytest.approx((0.0224 * np.arange(45)).tolist())


def test_digitize_is_accepted_as_measure(bench, run):
    assert len(run('MDIG 1,"defbuffer1",2', 'MDIG 2,"defbuffer1",1')) == 3


def test_settings_are_recalled(bench, run):
    bench.tell(":SOUR:FUNC CURR", ':SENS:FUNC "VOLT"', ":OUTP:SMOD HIMP", ':SOUR:CONF:LIST:CRE "S"')
    for ampere in (1e-3, -2e-3):
        bench.tell(f":SOUR:CURR {ampere}", ':SOUR:CONF:LIST:STOR "S"')
    run('CONF:REC 1,"S",1', "SOUR:STAT 2,ON", "MEAS 3", 'CONF:NEXT 4,"S"', "MEAS 5", 'CONF:PREV 6,"S"', "MEAS 7")
    assert bench.rows("defbuffer1", "SOUR")[:, 0] == pytest.approx([1e-3, -2e-3, 1e-3], rel=2e-3)


def test_source_and_limits_are_recalled_together_and_each_list_keeps_its_place(bench, run):
    """A ladder of two currents, each with its own limit: a reading above the first one's leads to the second."""
    bench.tell(":SOUR:FUNC CURR", ':SENS:FUNC "VOLT"', ":OUTP:SMOD HIMP", ":CALC2:VOLT:LIM1:STAT ON")
    bench.tell(':SOUR:CONF:LIST:CRE "S"', ':SENS:CONF:LIST:CRE "M"')
    for ampere, volt in ((1e-3, 2.55), (-1e-3, 9.0)):
        bench.tell(f":SOUR:CURR {ampere}", ':SOUR:CONF:LIST:STOR "S"')
        bench.tell(f":CALC2:VOLT:LIM1:UPP {volt}", ':SENS:CONF:LIST:STOR "M"')
    run(
        'CONF:REC 1,"S",1,"M",1',
        "SOUR:STAT 2,ON",
        "MEAS 3",
        "BRAN:LIM:DYN 4,ABOV,1,7,3",
        "BRAN:COUN 5,4,3",
        "BRAN:ALW 6,0",
        'CONF:NEXT 7,"S","M"',
        "BRAN:ALW 8,3",
        second=20,
    )
    rows = bench.rows("defbuffer1", "SOUR", "STAT")
    assert rows[:, 0] == pytest.approx([1e-3, -1e-3, -1e-3, -1e-3, -1e-3], rel=2e-3)
    assert (rows[:, 1].astype(int) & 128 != 0).tolist() == [True, False, False, False, False]
    assert bench.say(":CALC2:VOLT:LIM1:UPP?;:SOUR:CURR?") == "9.000000E+00;-1.000000E-03"


@pytest.mark.parametrize(
    ("blocks", "levels"),
    [
        (('CONF:PREV 1,"S"', "MEAS 2", 'CONF:PREV 3,"S"', "MEAS 4"), [3e-3, 2e-3]),
        (('CONF:NEXT 1,"S"', "MEAS 2", 'CONF:PREV 3,"S"', "MEAS 4"), [1e-3, 3e-3]),
        (('CONF:REC 1,"S",3', "MEAS 2", 'CONF:NEXT 3,"S"', "MEAS 4"), [3e-3, 1e-3]),
        (('CONF:REC 1,"S",3', "MEAS 2", 'CONF:PREV 3,"S"', "MEAS 4"), [3e-3, 2e-3]),
    ],
)
def test_a_list_begins_anew_beyond_either_end(bench, run, blocks, levels):
    """Of a list that is new the first is the next one, and the last the previous."""
    bench.tell(":SOUR:FUNC CURR", ':SENS:FUNC "VOLT"', ":OUTP ON")
    for second in (5, 10):
        bench.tell(":TRAC:CLE", ':SOUR:CONF:LIST:CRE "S"')
        for ampere in (1e-3, 2e-3, 3e-3):
            bench.tell(f":SOUR:CURR {ampere}", ':SOUR:CONF:LIST:STOR "S"')
        run(*blocks, second=second)
        assert bench.rows("defbuffer1", "SOUR")[:, 0] == pytest.approx(levels, rel=2e-3)
        bench.tell(':SOUR:CONF:LIST:DEL "S"')


def test_two_lists_of_a_block_are_of_two_kinds(bench):
    for kind, name in (("SOUR", "S"), ("SOUR", "T"), ("SENS", "M")):
        bench.tell(f':{kind}:CONF:LIST:CRE "{name}"')
    for block in ('CONF:NEXT 1,"S","T"', 'CONF:PREV 1,"M","M"', 'CONF:REC 1,"S",1,"T",1'):
        bench.say(f":TRIG:BLOC:{block}")
        assert bench.say(":SYST:ERR?").startswith("-221")
    bench.tell(':TRIG:BLOC:CONF:NEXT 1,"M","S"')


def test_log_entries_and_ends(bench, run):
    bench.tell("*CLS")
    run('LOG:EVEN 1,INFO2,"half way"', 'LOG:EVEN 2,WARN1,"so so"', 'LOG:EVEN 3,ERR4,"bad"', "BRAN:ALW 4,0")
    entries = [bench.say(":SYST:EVEN:NEXT?").split(";")[0] for _ in range(6)]
    assert entries == [
        '2731,"Trigger model started',
        '2735,"half way',
        '2738,"so so',
        '2745,"bad',
        '2733,"Trigger model ended in block 4 by condition',
        '0,"No error',
    ]


def test_log_can_abort(bench, run):
    run('LOG:EVEN 1,ABOR,"no"', "MEAS 2")
    assert times(bench) == []
    assert bench.say(":TRIG:STAT?") == "ABORTED;ABORTED;1"


def test_completion_is_logged(bench, run):
    bench.tell("*CLS")
    run("NOP 1")
    assert bench.say(":SYST:EVEN:COUN? ALL;:SYST:ERR?") == '2;0,"No error;0;0 0"'
    assert [bench.say(":SYST:EVEN:NEXT?")[:4] for _ in range(2)] == ["2731", "2732"]


def test_states_are_looked_at_every_tenth_of_a_second(bench, run):
    run("DEL:CONS 1,0.25", "WAIT 2,COMM", "DEL:CONS 3,0.25", second=0.05)
    shown = [bench.say(":TRIG:STAT?")]
    for second in (0.29, 0.3, 0.39, 0.4, 0.55):
        bench.run(second)
        shown.append(bench.say(":TRIG:STAT?"))
    assert shown == [
        "RUNNING;RUNNING;0",
        *["RUNNING;RUNNING;1"] * 1,
        *["RUNNING;RUNNING;2"] * 2,
        *["WAITING;WAITING;2"] * 2,
    ]
    bench.say("*TRG")
    bench.run(0.81)
    assert bench.say(":TRIG:STAT?") == "RUNNING;RUNNING;3"
    assert bench.smu.busy
    bench.run(0.9)
    assert bench.say(":TRIG:STAT?") == "IDLE;IDLE;3"
    assert not bench.smu.busy


def test_settings_are_refused_while_it_runs(bench, run):
    bench.tell(':TRAC:MAKE "b",10', ':TRAC:MAKE "c",10')
    run('MEAS 1,"b"', "DEL:CONS 2,100", second=1)
    for message in (
        *(":SOUR:CURR 1E-3", ":SENS:VOLT:NPLC 2", ":OUTP OFF", ":ROUT:TERM REAR", ":SOUR:CURR:VLIM 3"),
        *(":TRIG:BLOC:NOP 1", ':TRIG:LOAD "Empty"', ":TRIG:TIM1:DEL 1", ':TRAC:CLE "b"', ':TRAC:DEL "b"'),
    ):
        assert bench.say(message) == ""
        assert bench.codes() == [-221], message
    for message in (":INIT", ":READ?", ':TRAC:TRIG "c"'):
        assert bench.say(message) == ""
        assert bench.codes() == [-213], message
    bench.tell(':TRAC:DEL "c"', ":FORM:ASC:PREC 7", ':TRAC:MAKE "d",10')
    assert bench.say(':TRAC:ACT? "b";:OUTP?;:SENS:VOLT:NPLC?') == "1;0;1.000000E+00"


def test_abort_leaves_the_output(bench, run):
    run("SOUR:STAT 1,ON", "DEL:CONS 2,100", second=1)
    bench.tell(":ABOR")
    assert bench.say(":OUTP?;:TRIG:STAT?") == "1;ABORTED;ABORTED;2"
    assert not bench.smu.busy
    bench.tell(":OUTP OFF", ":ABOR", "*CLS")


def test_pause_and_resume(bench, run):
    run("MEAS 1", "DEL:CONS 2,1", "BRAN:COUN 3,5,1", second=1.5)
    bench.tell(":TRIG:PAUS")
    bench.run(10)
    assert bench.say(":TRIG:STAT?") == "PAUSED;PAUSED;2"
    bench.tell(":TRIG:RES")
    bench.run(100)
    assert times(bench)[:3] == pytest.approx([0, 1.0224, 10])


def test_list(bench, programs):
    bench.tell(*programs.blocks("BUFF:CLE 1", "MEAS 2", "BRAN:COUN 3,5,2", "DEL:CONS 4,1", "BRAN:COUN 5,3,2"))
    assert bench.say(":TRIG:BLOC:LIST?").split("\n") == [
        "1) BUFFER_CLEAR BUFFER: defbuffer1",
        "2) MEASURE BUFFER: defbuffer1 COUNT: 1",
        "3) BRANCH_COUNTER VALUE: 5 BRANCH_BLOCK: 2",
        "4) DELAY_CONSTANT DELAY: 1.000000000",
        "5) BRANCH_COUNTER VALUE: 3 BRANCH_BLOCK: 2",
    ]


def test_every_block_can_be_listed(bench, programs):
    lines = ("SOUR:STAT 1,ON", 'MEAS 2,"defbuffer1",INF', "WAIT 3,TIM1,ENT,AND,COMM,DISP", "DEL:DYN 4,SOUR1", "NOP 5")
    more = (
        "BRAN:LIM:CONS 6,ABOV,0,1,2",
        "BRAN:LIM:DYN 7,IN,1,2",
        "BRAN:DELT 8,1,2",
        "BRAN:COUN:RES 9,10",
        "BRAN:COUN 10,2,2",
    )
    rest = (
        "BRAN:ONCE:EXCL 11,2",
        "NOT 12,3",
        'LOG:EVEN 13,INFO1,"x"',
        "DIG:IO 14,1",
        "BRAN:EVEN 15,SLIM,0",
        "BRAN:ALW 16,0",
    )
    bench.tell(*programs.blocks(*lines, *more, *rest))
    listed = bench.say(":TRIG:BLOC:LIST?").split("\n")
    assert [line.split(")")[0] for line in listed] == [str(number) for number in range(1, 17)]


def test_simple_loop(bench):
    bench.tell(':TRAC:MAKE "b",100', ':TRIG:LOAD "SimpleLoop",4,0.5,"b"', ":INIT")
    bench.run(10)
    assert times(bench, "b") == pytest.approx([0.5, 1.0224, 1.5448, 2.0672])
    assert bench.say(":OUTP?") == "0"


def test_duration_loop(bench):
    bench.tell(':TRIG:LOAD "DurationLoop",3,0.5', ":INIT")
    bench.run(1)
    assert bench.say(":OUTP?") == "1"
    bench.run(10)
    assert times(bench)[-1] == pytest.approx(3.112)
    assert bench.say(":OUTP?;:TRIG:STAT?") == "0;IDLE;IDLE;8"


def test_a_loop_without_a_wait_does_not_stop_time(bench, run):
    run("NOP 1", "BRAN:ALW 2,1", second=3)
    assert bench.smu.busy
    bench.tell(":ABOR")
