"""Sweeps and templates make lists and trigger models; offsets, limits and set-ups do what they say."""

import numpy as np
import pytest

UTC_START_SECOND = 1_767_225_600
VOLTAGE_SOURCE = (":SOUR:FUNC VOLT", ':SENS:FUNC "CURR"', ":SENS:CURR:RANG 10E-3", ":SOUR:VOLT:ILIM 10E-3")


@pytest.mark.parametrize(
    ("command", "levels"),
    [
        (":SOUR:SWE:VOLT:LIN 2.3,2.7,5,0.1", [2.3, 2.4, 2.5, 2.6, 2.7]),
        (":SOUR:SWE:VOLT:LIN 2.7,2.3,3,0.1,1,FIX,OFF,ON", [2.7, 2.5, 2.3, 2.3, 2.5, 2.7]),
        (":SOUR:SWE:VOLT:LIN:STEP 2.4,2.6,0.1,0.1", [2.4, 2.5, 2.6]),
        (":SOUR:SWE:VOLT:LOG 2.0,2.88,3,0.1", [2.0, 2.4, 2.88]),
        (":SOUR:LIST:VOLT 2.4,2.6;VOLT:APP 2.5\n:SOUR:SWE:VOLT:LIST 1,0.2,2", [2.4, 2.6, 2.5] * 2),
        (":SOUR:LIST:VOLT 2.4,2.6,2.5\n:SOUR:SWE:VOLT:LIST 2,0.2", [2.6, 2.5]),
    ],
)
def test_a_sweep_measures_at_each_level(bench, command, levels):
    bench.tell(*VOLTAGE_SOURCE, ":SOUR:VOLT:RANG 20", *command.split("\n"), ":INIT")
    bench.run(10)
    assert bench.say(":OUTP?") == "0"
    assert bench.rows("defbuffer1", "SOUR")[:, 0] == pytest.approx(levels, abs=2e-3)


def test_a_sweep_stops_at_the_limit_of_the_current(bench):
    bench.tell(*VOLTAGE_SOURCE, ":SOUR:VOLT:ILIM 1E-3", ":SOUR:SWE:VOLT:LIN 2.5,2.9,9,0.01", ":INIT")
    bench.run(10)
    assert bench.say(":OUTP?") == "0"
    assert 2 <= int(bench.say(":TRAC:ACT?")) <= 4
    bench.tell(":SOUR:SWE:VOLT:LIN 2.5,2.9,9,0.01,1,BEST,OFF", ":INIT")
    bench.run(20)
    assert bench.say(":TRAC:ACT?") == "9"


def test_the_levels_of_a_list(bench):
    bench.tell(":SOUR:LIST:CURR 1E-3,2E-3", ":SOUR:LIST:CURR:APP 3E-3")
    assert bench.say(":SOUR:LIST:CURR?;:SOUR:LIST:CURR:POIN?") == "1.000000E-03,2.000000E-03,3.000000E-03;3"
    assert bench.say(':SOUR:CONF:LIST:SIZE? "CurrCustomSweepList"') == "3"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (":SOUR:SWE:VOLT:LIN 0,1,1", -222),
        (":SOUR:SWE:VOLT:LIN 0,500,5", -222),
        (":SOUR:SWE:VOLT:LIN 0,1", -109),
        (":SOUR:SWE:VOLT:LIN 0,1,5,1E-6", -222),
        (":SOUR:SWE:VOLT:LOG 0,1,5", -222),
        (":SOUR:SWE:VOLT:LIST 1", 2790),
        (':SOUR:SWE:VOLT:LIN 0,1,5,0.1,1,BEST,ON,OFF,"nowhere"', -224),
    ],
)
def test_sweeps_that_cannot_be(bench, message, code):
    assert bench.say(message) == ""
    assert bench.codes() == [code]


def test_loop_until_event_reads_on_after_it(bench):
    bench.tell(*VOLTAGE_SOURCE, ":SOUR:VOLT 2.55", ':TRAC:POIN 20,"defbuffer1"')
    bench.tell(':TRIG:LOAD "LoopUntilEvent",COMM,75,ENT,0.5', ":INIT")
    bench.run(20)
    assert bench.say(":TRIG:STAT?").startswith("RUNNING")
    bench.tell("*TRG")
    bench.run(30)
    assert bench.say(":TRIG:STAT?").startswith("IDLE")
    newest = bench.rows("defbuffer1", "REL")[int(bench.say(":TRAC:ACT:END?")) - 1, 0]
    assert newest == pytest.approx(20 + 5 * 0.52, abs=0.8)


def test_a_configuration_list_of_each_kind(bench):
    bench.tell(*VOLTAGE_SOURCE, ":SOUR:VOLT:RANG 20", ':SOUR:CONF:LIST:CRE "S"', ':SENS:CONF:LIST:CRE "M"')
    for volt, function in ((2.6, "CURR"), (2.4, "CURR")):
        bench.tell(f":SOUR:VOLT {volt}", f':SENS:FUNC "{function}"')
        bench.tell(':SOUR:CONF:LIST:STOR "S"', ':SENS:CONF:LIST:STOR "M"')
    bench.tell(':TRIG:LOAD "ConfigList","M","S",0.1', ":INIT")
    bench.run(5)
    assert bench.rows("defbuffer1", "SOUR")[:, 0] == pytest.approx([2.6, 2.4], abs=2e-3)
    bench.tell(':SOUR:CONF:LIST:REC "S",1,"M"')
    assert bench.say(":SOUR:VOLT?") == "2.600000E+00"


def test_the_names_of_lists_come_one_by_one(bench):
    bench.tell(':SOUR:CONF:LIST:CRE "first"', ':SOUR:CONF:LIST:CRE "second"')
    assert [bench.say(":SOUR:CONF:LIST:CAT?") for _ in range(4)] == ["first", "second", "", "first"]


def source(bench, ampere: float = 1e-3) -> None:
    bench.tell(":SOUR:FUNC CURR", ':SENS:FUNC "VOLT"', ":SENS:VOLT:RANG 20", ":SOUR:CURR:RANG 10E-3")
    bench.tell(":SOUR:CURR:VLIM 3.75", f":SOUR:CURR {ampere}", ":OUTP ON")


def test_a_relative_offset_is_taken_off(bench):
    source(bench)
    bench.tell(":SENS:VOLT:REL 0.5; REL:STAT ON")
    assert float(bench.say(":READ?")) == pytest.approx(2.1, abs=2e-3)
    bench.tell(":SENS:VOLT:REL:ACQ")
    assert float(bench.say(":SENS:VOLT:REL?")) == pytest.approx(2.6, abs=2e-3)
    assert float(bench.say(":READ?")) == pytest.approx(0.0, abs=1e-3)
    bench.tell(":SENS:VOLT:REL:STAT OFF")
    assert float(bench.say(":READ?")) == pytest.approx(2.6, abs=2e-3)
    assert bench.say(":SENS:CURR:REL:ACQ") == ""
    assert bench.codes() == [-221]


def test_limits_mark_readings(bench):
    source(bench)
    bench.tell(":CALC2:VOLT:LIM1:LOW 2.7", ":CALC2:VOLT:LIM1:UPP 3", ":CALC2:VOLT:LIM1:STAT ON")
    bench.tell(":CALC2:VOLT:LIM2:LOW 2", ":CALC2:VOLT:LIM2:UPP 2.5", ":CALC2:VOLT:LIM2:STAT ON")
    assert int(bench.say(':READ? "defbuffer1",STAT')) & (16 | 32 | 64 | 128) == 64 | 32
    assert bench.say(":CALC2:VOLT:LIM1:FAIL?;:CALC2:VOLT:LIM2:FAIL?") == "LOW;HIGH"
    bench.tell(":CALC2:VOLT:LIM1:CLE")
    assert bench.say(":CALC2:VOLT:LIM1:FAIL?") == "NONE"


def test_another_language_acts_after_a_restart(bench):
    bench.tell("*LANG TSP", ":SOUR:FUNC CURR")
    assert bench.say("*LANG?") == "TSP"
    bench.smu.power_cycle(bench.cell.now_ns)
    assert bench.say("*IDN?;*LANG?").endswith(";TSP")
    assert bench.say(":SOUR:FUNC?") == ""
    bench.say("*LANG SCPI")
    bench.smu.power_cycle(bench.cell.now_ns)
    assert bench.say(":SOUR:FUNC?;:SYST:ERR:COUN?") == "VOLT;0"


def test_a_set_up_outlives_the_power(bench):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR:RANG 1E-2", ":SOUR:CURR 3E-3", ':SOUR:CONF:LIST:CRE "kept"')
    bench.tell(':SOUR:CONF:LIST:STOR "kept"', ":OUTP ON", "*SAV 2", "*RST", "*RCL 2")
    assert bench.say(':OUTP?;:SOUR:CURR?;:SOUR:CONF:LIST:SIZE? "kept"') == "0;3.000000E-03;1"
    bench.tell(":SYST:POS SAV2")
    bench.smu.power_cycle(bench.cell.now_ns)
    assert bench.say(":OUTP?;:SOUR:FUNC?;:OUTP:CURR:SMOD?") == "0;CURR;HIMP"
    assert bench.cell.current_ampere == 0
    assert bench.say("*RCL 3") == ""
    assert bench.codes() == [-224]


def test_old_firmware_names_its_maker_otherwise(make_bench):
    bench = make_bench()
    bench.smu.instrument.firmware = "1.0.0i"
    assert bench.say("*IDN?") == "KEITHLEY INSTRUMENTS INC.,MODEL 2450,04451117,1.0.0i"


def test_a_timer_that_starts_at_a_time(bench):
    bench.tell(f":TRIG:TIM3:STAR:SEC {UTC_START_SECOND + 5}", ":TRIG:TIM3:STAR:FRAC 0.25", ":TRIG:TIM3:DEL 2")
    bench.tell(":TRIG:TIM3:COUN 3", ":TRIG:TIM3:STAR:GEN ON", ":TRIG:TIM3:STAT ON", ":SOUR:FUNC CURR")
    bench.tell(
        ':TRIG:LOAD "Empty"', ":TRIG:BLOC:WAIT 1,TIM3", ":TRIG:BLOC:MEAS 2", ":TRIG:BLOC:BRAN:COUN 3,3,1", ":INIT"
    )
    bench.run(30)
    second = bench.rows("defbuffer1", "SEC", "FRAC").sum(axis=1) - UTC_START_SECOND
    assert second == pytest.approx([5.25, 7.25, 9.25], abs=1e-6)
    assert bench.say(":TRIG:TIM3:STAR:FRAC?") == "2.500000E-01"


def test_a_delay_of_the_source_switches_the_automatic_one_off(bench):
    bench.tell(":SOUR:DEL 0.1")
    assert bench.say(":SOUR:VOLT:DEL?;:SOUR:CURR:DEL?;:SOUR:CURR:DEL:AUTO?") == "1.000000E-01;1.000000E-01;0"


def test_a_mapped_status_bit_can_be_asked_for(bench):
    bench.tell(":STAT:OPER:MAP 0,2731,2732")
    assert bench.say(":STAT:OPER:MAP? 0;:STAT:OPER:MAP? 1") == "2731,2732;0,0"
    assert np.isfinite(float(bench.say(":STAT:OPER:COND?")))
