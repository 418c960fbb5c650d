"""Identity, status registers, event log, clock, and what a reset or a loss of power does."""

import re

import pytest


@pytest.mark.parametrize("model", ["2450", "2460", "2461"])
def test_identity(make_bench, model):
    answer = make_bench(model=model).say("*IDN?")
    assert re.match(r"^KEITHLEY INSTRUMENTS( INC\.)?,MODEL (2450|2460|2461|2470),", answer)
    assert answer == f"KEITHLEY INSTRUMENTS,MODEL {model},04451117,1.7.12b"


def test_unknown_model(make_bench):
    with pytest.raises(ValueError, match="2470"):
        make_bench(model="2470")


def test_constants(make_bench):
    bench = make_bench(options={"line_frequency_hertz": 60})
    assert bench.say("*LANG?;*TST?;:SYST:VERS?;:SYST:LFR?") == "SCPI;0;1996.0;60"


def test_power_on_is_seen_once(make_bench):
    bench = make_bench()
    assert bench.say("*ESR?;*ESR?") == "128;0"
    bench.smu.power_cycle(0)
    assert bench.say("*ESR?") == "128"


def test_status_byte(bench):
    assert bench.say("*STB?") == "0"
    bench.say(":FOO")
    assert bench.say("*STB?") == "4"
    bench.tell("*CLS", "*ESE 1", "*SRE 32", "*OPC")
    assert bench.say("*STB?") == "96"
    assert bench.say("*ESE?;*SRE?;*ESR?;*STB?") == "1;32;1;16"


def test_message_available(bench):
    assert bench.say("*IDN?;*STB?").endswith(";16")


def test_error_queue(bench):
    bench.run(14.871)
    bench.say(":FOO", ":SENS:VOLT:NPLC")
    assert bench.say(":SYST:ERR:COUN?") == "2"
    assert bench.say(":SYST:ERR?") == '-113,"Undefined header;1;2026/01/01 00:00:14.871"'
    assert bench.say(":SYST:ERR:NEXT?") == '-109,"Missing parameter;1;2026/01/01 00:00:14.871"'
    assert bench.say(":SYST:ERR?;:SYST:ERR:CODE?") == '0,"No error;0;0 0";0'


def test_event_log_by_kind(bench):
    bench.tell(':SYST:EVEN:POST "one",INF', ':SYST:EVEN:POST "two",WARN')
    bench.say(':SYST:EVEN:POST "three",ERR')
    assert bench.say(":SYST:EVEN:COUN? ALL;:SYST:EVEN:COUN? WARN;:SYST:ERR:COUN?") == "3;1;1"
    assert bench.say(":SYST:EVEN:NEXT? WARN").startswith('1002,"User: two;2;')
    assert bench.say(":SYST:ERR?").startswith('1001,"User: three;1;')
    bench.tell(":SYST:CLE")
    assert bench.say(":SYST:EVEN:NEXT?") == '0,"No error;0;0 0"'


def test_event_log_overflows(bench):
    for _ in range(1001):
        bench.say(":FOO")
    assert bench.say(":SYST:ERR:COUN?") == "1000"
    assert set(bench.codes()[:-1]) == {-113}


def test_overflow_is_the_newest_entry(bench):
    for _ in range(1005):
        bench.say(":FOO")
    assert bench.codes()[-1] == -350


def test_clock(bench):
    bench.run(2.5)
    assert bench.say(":SYST:TIME?") == str(1_767_225_602)
    bench.tell(":SYST:TIME 2030,5,6,7,8,9")
    bench.run(3.5)
    assert bench.say(":SYST:TIME? 1") == "Mon May 06 07:08:10 2030"
    assert bench.say(":SYST:TIME 2030,13,1,0,0,0") == ""
    assert bench.codes() == [-224]


def test_operation_status_follows_events(bench):
    bench.tell(":STAT:OPER:MAP 0,2731,2732", ":STAT:OPER:ENAB 1", "*SRE 128")
    bench.tell(":TRIG:BLOC:DEL:CONS 1,1", ":INIT")
    assert bench.say(":STAT:OPER:COND?;:STAT:OPER:ENAB?;*STB?") == "1;1;208"
    bench.run(2)
    assert bench.say(":STAT:OPER:COND?;:STAT:OPER?;:STAT:OPER:EVEN?") == "0;1;0"
    bench.tell(":STAT:PRES")
    assert bench.say(":STAT:OPER:ENAB?") == "0"


def test_reset(bench):
    bench.tell(':TRAC:MAKE "b",10', ":SENS:VOLT:NPLC 5", ":SOUR:FUNC CURR", ":OUTP ON", ":TRIG:BLOC:NOP 1")
    bench.say(":FOO")
    assert bench.say("*RST") == ""
    assert bench.say(":OUTP?;:SENS:VOLT:NPLC?;:SOUR:FUNC?;:SENS:FUNC?") == '0;1.000000E+00;VOLT;"CURR:DC"'
    assert bench.say(":TRIG:STAT?") == "EMPTY;EMPTY;0"
    assert bench.codes() == [-113]
    assert bench.say(':TRAC:ACT? "b"') == ""
    assert bench.codes() == [-224]


def test_power_cycle_loses_everything(bench):
    bench.tell(':TRAC:MAKE "b",10', ":SENS:VOLT:NPLC 5", ":SOUR:FUNC CURR", ":SOUR:CURR 1E-3", ":OUTP ON")
    bench.tell(":TRIG:BLOC:DEL:CONS 1,100", ":INIT")
    bench.run(5)
    bench.smu.power_cycle(bench.cell.now_ns)
    assert not bench.smu.busy
    assert bench.say("*ESR?;:OUTP?;:SENS:VOLT:NPLC?;:TRIG:STAT?") == "128;0;1.000000E+00;EMPTY;EMPTY;0"
    assert bench.say(':TRAC:ACT? "b"') == ""
    assert bench.codes() == [-224]
    assert bench.of_kind("trigger_model")[-1]["reason"] == "power lost"
    assert bench.heard[-1][0] == "power"
    assert bench.cell.current_ampere < 0, "the off-state is NORM again"


def test_power_cycle_in_the_middle_of_a_message(bench):
    bench.smu.receive(b":OUTP", 0)
    bench.smu.power_cycle(0)
    assert bench.say("*ESR?") == "128"


def test_completion_after_a_model(bench):
    bench.tell(":TRIG:BLOC:DEL:CONS 1,1", ":INIT", "*OPC")
    assert bench.say("*ESR?") == "0"
    bench.run(2)
    assert bench.say("*ESR?;*OPC?") == "1;1"


def test_questions_after_opc_wait_for_the_model(bench):
    sent = []
    bench.smu.emit = sent.append
    bench.tell(":TRIG:BLOC:DEL:CONS 1,1", ":INIT")
    assert bench.say("*OPC?;*STB?", "*IDN?") == ""
    bench.run(0.9)
    assert sent == []
    bench.run(1.2)
    assert b"".join(sent) == b"1;16\nKEITHLEY INSTRUMENTS,MODEL 2450,04451117,1.7.12b\n"


def test_late_answers_come_with_the_next_one(bench):
    bench.tell(":TRIG:BLOC:DEL:CONS 1,1", ":INIT")
    assert bench.say("*WAI;:OUTP?") == ""
    bench.run(2)
    assert bench.say("*TST?") == "0\n0"


def test_a_lost_output_off_is_read_back(bench):
    bench.tell(":SOUR:FUNC CURR", ":SOUR:CURR 1E-3", ":OUTP ON")
    bench.smu.ignore_output_off = True
    bench.tell(":OUTP OFF")
    assert bench.say(":OUTP?") == "1"
    assert bench.relay_closed
    bench.smu.ignore_output_off = False
    bench.tell(":OUTP OFF")
    assert bench.say(":OUTP?") == "0"
    assert not bench.relay_closed


def test_another_instrument_in_its_place(bench):
    bench.smu.swap_serial("99999999")
    assert bench.say("*IDN?") == "KEITHLEY INSTRUMENTS,MODEL 2450,99999999,1.7.12b"
