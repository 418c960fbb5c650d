"""The conversation with a Keithley: what is sent, in which order, and what each answer makes of it."""

import math
import re
from dataclasses import replace

import pytest

from drivers.errors import (
    BadReplyError,
    LinkLostError,
    NoReplyError,
    OutOfRangeError,
    RefusedError,
    WrongInstrumentError,
)
from drivers.keithley.ladder import rungs
from drivers.keithley.limits import LIMITS_2450
from drivers.keithley.smu import KeithleySMU
from drivers.roles import SegmentMode, SegmentProgram, SegmentState
from drivers.session import Session

TOKEN, NEXT_TOKEN = "p0123abcd_000001", "p0123abcd_000002"
CHARGE = SegmentProgram(
    current_ampere=2e-3,
    current_range_ampere=10e-3,
    until_voltage_volt=3.7,
    lower_guard_volt=1.9,
    upper_guard_volt=3.8,
    duration_second=3600.0,
    sampling_second=1.0,
    cutoff_second=1.0,
)
HOLD = replace(
    CHARGE,
    mode=SegmentMode.VOLTAGE,
    current_ampere=0.0,
    until_voltage_volt=None,
    voltage_volt=3.7,
    current_limit_ampere=3e-3,
    until_current_ampere=0.15e-3,
)
SCAN = replace(
    HOLD,
    mode=SegmentMode.SCAN,
    voltage_volt=3.0,
    end_voltage_volt=3.03,
    scan_rate_volt_per_second=0.01,
    until_current_ampere=None,
)
POWER = replace(
    CHARGE,
    mode=SegmentMode.POWER,
    power_watt=4e-3,
    current_ampere=4e-3 / CHARGE.lower_guard_volt,
    current_range_ampere=10e-3,
)
UNKNOWN_BUFFER = '-222,"Parameter out of range;1;2024/01/01 00:00:00.000"'
MISSING_LIST = '2790,"Configuration list, error, does not exist;1;2024/01/01 00:00:00.000"'
NO_BUFFER = object()
KEPT_IN_LISTS = {
    ":SOUR": (":SOUR:VOLT", ":SOUR:CURR", ":SOUR:CURR:VLIM"),
    ":SENS": (":CALC2:VOLT:LIM1:LOW", ":CALC2:VOLT:LIM1:UPP"),
}


class Desk:
    """A transport with a person at the far end who remembers what was set and answers what is asked."""

    address = "desk"
    timeout_second = 0.1

    def __init__(self):
        self.heard, self.lines = [], []
        self.settings, self.buffers, self.errors, self.lists = {}, {}, [], {}
        self.replies = {"*IDN?": "KEITHLEY INSTRUMENTS,MODEL 2450,04451117,1.7.12b", "*LANG?": "SCPI"}
        self.state, self.events, self.refused, self.deaf = "IDLE", "0", {}, set()
        self.silent, self.is_open, self.opened, self.cause = False, False, 0, None

    async def open(self):
        self.is_open, self.opened, self.silent, self.lines = True, self.opened + 1, False, []

    async def close(self):
        self.is_open = False

    async def tell(self, message):
        for line in message.split("\n"):
            self.hear(line)

    async def ask(self, message):
        if not self.is_open:
            raise ConnectionError("closed")
        await self.tell(message)
        if self.silent or not self.lines:
            raise TimeoutError
        return self.lines.pop(0)

    async def next_line(self):
        if not self.lines:
            raise TimeoutError
        return self.lines.pop(0)

    def hear(self, line):
        self.heard.append(line)
        values = []
        for part in line.split(";"):
            value = self.answer(part)
            if value is NO_BUFFER:
                self.errors.append(UNKNOWN_BUFFER)
                break
            if value is not None:
                values.append(value)
        if values:
            self.lines.append(";".join(values))

    def answer(self, part):
        header, _, argument = part.partition(" ")
        if header in self.replies:
            return self.replies[header]
        if header in self.refused:
            self.errors.append(self.refused[header])
            return None
        if not header.endswith("?"):
            return self.command(header, argument)
        match header:
            case ":SYST:ERR?":
                return self.errors.pop(0) if self.errors else '0,"No error;0;0 0"'
            case ":SYST:ERR:COUN?":
                return str(len(self.errors))
            case ":TRIG:STAT?":
                return f"{self.state};{self.state};1"
            case "*ESR?":
                events, self.events = self.events, "0"
                return events
            case ":TRAC:ACT?" | ":TRAC:POIN?":
                found = self.buffers.get(argument)
                return NO_BUFFER if found is None else str(found[header == ":TRAC:POIN?"])
            case ":SOUR:CONF:LIST:SIZE?" | ":SENS:CONF:LIST:SIZE?":
                return str(len(self.lists[argument]))
        return self.settings.get(header[:-1], "0")

    def command(self, header, argument):
        if header in self.deaf:
            return
        match header:
            case "*CLS":
                self.errors.clear()
            case ":INIT":
                self.state = "RUNNING"
                self.settings[":OUTP"] = "1"
            case ":ABOR":
                self.state = "IDLE"
            case ":TRAC:MAKE":
                name, size, _ = argument.split(",")
                self.buffers[name] = (0, int(size))
            case ":TRAC:POIN":
                size, name = argument.split(",")
                self.buffers[name] = (0, int(size))
            case ":TRAC:DEL":
                if self.buffers.pop(argument, None) is None:
                    self.errors.append(UNKNOWN_BUFFER)
        if header.startswith((":SOUR:CONF:LIST", ":SENS:CONF:LIST")):
            self.list_command(header, argument)
        words = {"ON": "1", "OFF": "0", '"VOLT"': '"VOLT:DC"', '"CURR"': '"CURR:DC"'}
        number = re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", argument)
        self.settings[header] = f"{float(argument):.6E}" if number else words.get(argument, argument)

    def list_command(self, header, argument):
        name, _, number = argument.partition(",")
        match header.rpartition(":")[2]:
            case "CRE":
                self.lists[name] = []
            case "DEL":
                if self.lists.pop(name, None) is None:
                    self.errors.append(MISSING_LIST)
            case "STOR":
                kept = KEPT_IN_LISTS[header[:5]]
                self.lists[name].append({key: self.settings[key] for key in kept if key in self.settings})
            case "REC":
                if int(number) > len(self.lists[name]):
                    self.errors.append(MISSING_LIST)
                else:
                    self.settings |= self.lists[name][int(number) - 1]


def lose_power(desk):
    desk.events, desk.state, desk.settings[":OUTP"] = "128", "IDLE", "0"
    desk.buffers.clear()


async def connected(desk, **options):
    smu = KeithleySMU("smu", LIMITS_2450, Session("smu", desk), now=lambda: 42.5, **options)
    await smu.connect()
    return smu


async def test_connect_identifies_and_changes_nothing():
    desk = Desk()
    smu = KeithleySMU("smu", LIMITS_2450, Session("smu", desk), now=float, serial_number="04451117")
    identity = await smu.connect()
    assert (identity.model, identity.serial_number, identity.firmware) == ("2450", "04451117", "1.7.12b")
    assert desk.heard == ["*IDN?", "*LANG?", "*ESR?"]


@pytest.mark.parametrize(
    ("question", "reply", "found"),
    [
        ("*IDN?", "KEITHLEY INSTRUMENTS,MODEL 2461,04451117,1.7.12b", "2461"),
        ("*IDN?", "KEITHLEY INSTRUMENTS,MODEL 2450,99999999,1.7.12b", "99999999"),
        ("*IDN?", "HIOKI,IM3590,04451117,V1", "HIOKI"),
        ("*LANG?", "TSP", "TSP"),
    ],
)
async def test_another_instrument_or_language_is_refused(question, reply, found):
    desk = Desk()
    desk.replies[question] = reply
    with pytest.raises(WrongInstrumentError, match=found):
        await connected(desk, serial_number="04451117")
    assert not desk.is_open


async def test_a_segment_is_programmed_verified_and_started_last():
    desk = Desk()
    smu = await connected(desk)
    assert await smu.start_segment(TOKEN, CHARGE) == 42.5
    assert desk.state == "RUNNING"
    sent = desk.heard
    assert sent.index(":OUTP:CURR:SMOD HIMP") < sent.index(":OUTP OFF") < sent.index(":SOUR:CURR 0.002")
    assert sent.index(":TRIG:BLOC:SOUR:STAT 9,OFF") < sent.index(":INIT")
    assert not any("*RST" in line or "*WAI" in line or "*OPC" in line for line in sent)
    look = await smu.look(TOKEN)
    assert (look.state, look.output_on, look.power_was_cycled) == (SegmentState.RUNNING, True, False)


@pytest.mark.parametrize(("state", "rows"), [("RUNNING", 0), ("WAITING", 5), ("IDLE", 5)])
async def test_a_segment_that_runs_or_holds_rows_is_left_alone(state, rows):
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'], desk.state = (rows, 3603), state
    smu = await connected(desk)
    heard = len(desk.heard)
    assert math.isnan(await smu.start_segment(TOKEN, CHARGE))
    assert all(part.partition(" ")[0].endswith("?") for line in desk.heard[heard:] for part in line.split(";"))


async def test_a_token_that_was_created_but_not_started_is_started():
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'] = (0, 100)
    smu = await connected(desk)
    assert (await smu.look(TOKEN)).state is SegmentState.NOT_STARTED
    assert await smu.start_segment(TOKEN, CHARGE) == 42.5
    assert not any(line.startswith(":TRAC:MAKE") for line in desk.heard)
    assert desk.buffers[f'"{TOKEN}"'][1] == 3603


async def test_a_segment_that_took_a_row_after_all_is_left_alone():
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'] = (0, 3603)
    smu = await connected(desk)
    command = desk.command

    def row_at_the_last_moment(header, argument):
        if header == ":ABOR":
            desk.buffers[f'"{TOKEN}"'] = (1, 3603)
        command(header, argument)

    desk.command = row_at_the_last_moment
    assert math.isnan(await smu.start_segment(TOKEN, CHARGE))
    assert desk.buffers[f'"{TOKEN}"'] == (1, 3603)


async def test_a_token_is_looked_for_anew_after_connecting_again():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    desk.buffers.clear()
    await smu.connect()
    heard = len(desk.heard)
    assert (await smu.look(TOKEN)).state is SegmentState.ABSENT
    assert desk.heard[heard] == f':TRAC:ACT? "{TOKEN}"'


async def test_another_segment_that_runs_is_not_touched():
    desk = Desk()
    desk.buffers['"other"'], desk.state = (5, 100), "RUNNING"
    smu = await connected(desk)
    with pytest.raises(RefusedError, match="not this segment's"):
        await smu.start_segment(TOKEN, CHARGE)
    assert desk.state == "RUNNING"
    assert ":ABOR" not in desk.heard


async def test_an_absent_token_leaves_no_error_behind():
    desk = Desk()
    smu = await connected(desk)
    look = await smu.look(TOKEN)
    assert (look.state, look.row_count) == (SegmentState.ABSENT, 0)
    assert not desk.errors


async def test_errors_from_before_do_not_make_a_segment_absent():
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'] = (7, 100)
    desk.errors += ['-350,"Queue overflow;1;2024/01/01 00:00:00.000"'] * 3
    smu = await connected(desk)
    assert (await smu.look(TOKEN)).row_count == 7


async def test_a_power_cycle_is_told_once_and_forgotten_by_a_new_segment():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    lose_power(desk)
    first, second = await smu.look(TOKEN), await smu.look(TOKEN)
    assert (first.state, first.power_was_cycled) == (SegmentState.ABSENT, True)
    assert (second.state, second.power_was_cycled) == (SegmentState.ABSENT, False)
    desk.events = "128"
    await smu.start_segment(NEXT_TOKEN, CHARGE)
    assert not (await smu.look(NEXT_TOKEN)).power_was_cycled


@pytest.mark.parametrize("connects", [False, True])
async def test_a_segment_that_a_power_cycle_ended_is_not_run_a_second_time(connects):
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    lose_power(desk)
    if connects:
        await smu.connect()
    for _ in range(2):
        with pytest.raises(RefusedError, match="power was cycled after the start"):
            await smu.start_segment(TOKEN, CHARGE)
    assert desk.heard.count(":INIT") == 1
    assert (await smu.look(TOKEN)).power_was_cycled, "it is told after it was refused"


async def test_a_start_whose_reply_was_lost_is_not_repeated_after_a_power_cycle():
    desk = Desk()
    smu = await connected(desk)
    command = desk.command

    def no_answer_to_the_start(header, argument):
        command(header, argument)
        desk.silent |= header == ":INIT"

    desk.command = no_answer_to_the_start
    with pytest.raises(NoReplyError):
        await smu.start_segment(TOKEN, CHARGE)
    lose_power(desk)
    await smu.connect()
    with pytest.raises(RefusedError, match="power was cycled after the start"):
        await smu.start_segment(TOKEN, CHARGE)
    assert desk.heard.count(":INIT") == 1


async def test_a_segment_that_was_forgotten_may_be_started_anew():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    desk.state = "IDLE"
    await smu.forget_segment(TOKEN)
    assert await smu.start_segment(TOKEN, CHARGE) == 42.5


@pytest.mark.parametrize(("events", "again", "starts"), [("128", True, 0), ("0", True, 1), ("128", False, 1)])
async def test_a_start_that_may_be_a_second_one_needs_the_power_to_have_stayed(events, again, starts):
    desk = Desk()
    desk.events = events
    smu = await connected(desk)
    if starts:
        assert await smu.start_segment(TOKEN, CHARGE, again=again) == 42.5
    else:
        with pytest.raises(RefusedError, match="power was cycled after the start"):
            await smu.start_segment(TOKEN, CHARGE, again=again)
    assert desk.heard.count(":INIT") == starts


async def test_a_power_cycle_before_a_token_was_found_empty_forbids_nothing():
    desk = Desk()
    desk.events, desk.buffers[f'"{TOKEN}"'] = "128", (0, 100)
    smu = await connected(desk)
    assert await smu.start_segment(TOKEN, CHARGE, again=True) == 42.5


async def test_a_power_cycle_seen_while_starting_is_still_told():
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'] = (0, 3603)
    smu = await connected(desk)
    command = desk.command

    def power_came_back(header, argument):
        if header == ":ABOR":
            desk.events = "128"
        command(header, argument)

    desk.command = power_came_back
    await smu.start_segment(TOKEN, CHARGE)
    assert (await smu.look(TOKEN)).power_was_cycled


async def test_a_start_whose_reply_was_lost_keeps_its_time():
    desk, seconds = Desk(), iter([10.0, 50.0])
    smu = KeithleySMU("smu", LIMITS_2450, Session("smu", desk), now=lambda: next(seconds))
    await smu.connect()
    command = desk.command

    def no_answer_to_the_start(header, argument):
        command(header, argument)
        desk.silent |= header == ":INIT"

    desk.command = no_answer_to_the_start
    with pytest.raises(NoReplyError):
        await smu.start_segment(TOKEN, CHARGE)
    await smu.connect()
    assert await smu.start_segment(TOKEN, CHARGE) == 10.0


@pytest.mark.parametrize(
    "command", [":SOUR:CURR", ":SOUR:CURR:RANG", ":SOUR:CURR:VLIM", ":SENS:VOLT:RSEN", ":TRIG:TIM1:DEL", ":SENS:FUNC"]
)
async def test_a_setting_that_does_not_take_is_refused_and_nothing_starts(command):
    desk = Desk()
    desk.deaf.add(command)
    smu = await connected(desk)
    with pytest.raises(RefusedError, match="reads back"):
        await smu.start_segment(TOKEN, CHARGE)
    assert ":INIT" not in desk.heard
    assert desk.settings[":OUTP"] == "0"
    assert not desk.buffers


async def test_a_command_that_is_refused_gives_its_code_and_text():
    desk = Desk()
    desk.refused[":TRIG:BLOC:NOT"] = '-222,"Parameter out of range;1;2024/01/01 00:00:00.000"'
    smu = await connected(desk)
    with pytest.raises(RefusedError) as refusal:
        await smu.start_segment(TOKEN, CHARGE)
    assert (refusal.value.code, refusal.value.text) == (-222, "Parameter out of range")
    assert ":INIT" not in desk.heard
    assert not desk.errors


async def test_the_newer_name_of_the_measure_block_is_tried():
    desk = Desk()
    desk.refused[":TRIG:BLOC:MEAS"] = '-113,"Undefined header;1;2024/01/01 00:00:00.000"'
    smu = await connected(desk)
    assert await smu.start_segment(TOKEN, CHARGE) == 42.5
    assert f':TRIG:BLOC:MDIG 4,"{TOKEN}",1' in desk.heard


async def test_a_firmware_without_relative_offset_has_none_to_switch_off():
    desk = Desk()
    desk.refused[":SENS:VOLT:REL:STAT"] = '-113,"Undefined header;1;2024/01/01 00:00:00.000"'
    smu = await connected(desk)
    assert await smu.start_segment(TOKEN, CHARGE) == 42.5


async def test_a_relative_offset_that_stays_on_is_refused():
    desk = Desk()
    desk.refused[":SENS:VOLT:REL:STAT"] = '-221,"Settings conflict;1;2024/01/01 00:00:00.000"'
    smu = await connected(desk)
    with pytest.raises(RefusedError, match="-221"):
        await smu.start_segment(TOKEN, CHARGE)
    assert ":INIT" not in desk.heard


async def test_a_read_back_that_is_refused_refuses_the_segment():
    desk = Desk()
    desk.refused[":SOUR:CURR:VLIM?"] = '-113,"Undefined header;1;2024/01/01 00:00:00.000"'
    smu = await connected(desk)
    with pytest.raises(RefusedError, match="-113"):
        await smu.start_segment(TOKEN, CHARGE)
    assert ":INIT" not in desk.heard


async def test_what_the_model_cannot_do_is_never_sent():
    desk = Desk()
    smu = await connected(desk)
    heard = len(desk.heard)
    with pytest.raises(OutOfRangeError, match="current_ampere"):
        await smu.start_segment(TOKEN, replace(CHARGE, current_ampere=1.0))
    assert len(desk.heard) == heard


def rows(elapsed):
    return ",".join(f"{second:.6f},3.5,0.002,200,0" for second in elapsed)


async def reading(desk):
    """A driver that knows a token with rows."""
    desk.buffers[f'"{TOKEN}"'] = (5000, 6000)
    smu = await connected(desk)
    await smu.look(TOKEN)
    return smu


async def test_rows_that_a_power_cycle_took_are_refused_at_once():
    desk = Desk()
    smu = await reading(desk)
    lose_power(desk)
    await smu.connect()
    with pytest.raises(RefusedError, match="its rows are gone: the power was cycled"):
        await smu.read_rows(TOKEN, 1, 5)
    assert (await smu.look(TOKEN)).power_was_cycled


async def test_rows_are_asked_in_portions_and_joined():
    desk = Desk()
    smu = await reading(desk)
    heard = len(desk.heard)
    replies = [rows(range(1000)), rows(range(1000, 2000)), rows(range(2000, 2005))]
    desk.answer = lambda part: replies.pop(0)
    block = await smu.read_rows(TOKEN, 1, 2005)
    assert [line.partition(",")[0] for line in desk.heard[heard:]] == [
        ":TRAC:DATA? 1", ":TRAC:DATA? 1001", ":TRAC:DATA? 2001",
    ]  # fmt: skip
    assert block.elapsed_second.tolist() == list(range(2005))
    assert block.first_index == 1


@pytest.mark.parametrize("reply", [rows([5.0, 6.0]), rows([1.0]), "", rows([1.0, 0.5]), 'x,"y"'])
async def test_rows_that_cannot_be_are_a_bad_reply(reply):
    desk = Desk()
    smu = await reading(desk)
    desk.answer = lambda part: reply
    with pytest.raises(BadReplyError):
        await smu.read_rows(TOKEN, 1, 2)
    with pytest.raises(LinkLostError):
        await smu.look(TOKEN)


async def test_rows_that_were_read_before_are_no_later_rows():
    desk = Desk()
    smu = await reading(desk)
    desk.answer = lambda part: rows([0.0, 1.0])
    await smu.read_rows(TOKEN, 1, 2)
    await smu.read_rows(TOKEN, 1, 2)
    with pytest.raises(BadReplyError, match="row 2"):
        await smu.read_rows(TOKEN, 3, 4)


async def test_forgetting_twice_is_no_error():
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'] = (7, 100)
    smu = await connected(desk)
    await smu.forget_segment(TOKEN)
    await smu.forget_segment(TOKEN)
    assert not desk.buffers
    assert not desk.errors


async def test_a_buffer_that_cannot_be_deleted_is_told():
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'] = (7, 100)
    desk.deaf.add(":TRAC:DEL")
    smu = await connected(desk)
    with pytest.raises(RefusedError, match="still there"):
        await smu.forget_segment(TOKEN)


async def test_make_safe_twice():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    await smu.make_safe()
    await smu.make_safe()
    assert (desk.state, desk.settings[":OUTP"], desk.settings[":OUTP:CURR:SMOD"]) == ("IDLE", "0", "HIMP")


async def test_an_output_that_stays_on_gets_no_current_and_is_told():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    desk.deaf.add(":OUTP")
    with pytest.raises(RefusedError, match="does not open"):
        await smu.make_safe()
    assert float(desk.settings[":SOUR:CURR"]) == 0
    assert float(desk.settings[":SOUR:VOLT:ILIM"]) == 1e-6


async def test_a_held_voltage_is_verified_and_started_last():
    desk = Desk()
    smu = await connected(desk)
    assert await smu.start_segment(TOKEN, HOLD) == 42.5
    assert desk.state == "RUNNING"
    sent = desk.heard
    assert sent.index(":SOUR:VOLT:ILIM 0.003") < sent.index(":SOUR:VOLT 3.7") < sent.index(":INIT")
    assert list(desk.buffers) == [f'"{TOKEN}_amp"']
    look = await smu.look(TOKEN)
    assert (look.state, look.output_on) == (SegmentState.RUNNING, True)


@pytest.mark.parametrize(
    "header", [":SOUR:VOLT:ILIM", ":SOUR:VOLT", ":SENS:CURR:RANG", ":SOUR:FUNC", ":SENS:CURR:RSEN"]
)
async def test_a_setting_of_a_held_voltage_that_was_not_taken(header):
    desk = Desk()
    smu = await connected(desk)
    desk.deaf.add(header)
    with pytest.raises(RefusedError, match=re.escape(header)):
        await smu.start_segment(TOKEN, HOLD)
    assert desk.state == "IDLE"
    assert not desk.buffers


async def test_a_buffer_of_the_other_kind_is_replaced_while_it_is_empty():
    desk = Desk()
    desk.buffers[f'"{TOKEN}"'] = (0, 100)
    smu = await connected(desk)
    await smu.start_segment(TOKEN, HOLD)
    assert list(desk.buffers) == [f'"{TOKEN}_amp"']


async def test_readings_that_are_currents_are_told_by_the_buffers_name():
    desk = Desk()
    desk.buffers[f'"{TOKEN}_amp"'] = (2, 100)
    smu = await connected(desk)
    assert (await smu.look(TOKEN)).row_count == 2
    question = f':TRAC:DATA? 1,2,"{TOKEN}_amp",REL,READ,SOUR,SOURSTAT,STAT'.partition(" ")
    desk.replies[question[0]] = "0.0,1.5E-03,3.6,200,0,1.0,1.4E-03,3.7,200,0"
    block = await smu.read_rows(TOKEN, 1, 2)
    assert question[2] in desk.heard[-1]
    assert (block.voltage_volt.tolist(), block.current_ampere.tolist()) == ([3.6, 3.7], [1.5e-3, 1.4e-3])
    del desk.replies[question[0]]
    await smu.forget_segment(TOKEN)
    assert not desk.buffers


async def test_the_levels_of_a_scan_are_proved_before_it_starts():
    desk = Desk()
    desk.lists['"presscell_levels"'] = [{":SOUR:VOLT": "9.0"}]
    smu = await connected(desk)
    await smu.start_segment(TOKEN, SCAN)
    stored = [float(point[":SOUR:VOLT"]) for point in desk.lists['"presscell_levels"']]
    assert stored == pytest.approx([3.0, 3.01, 3.02, 3.03])
    assert float(desk.settings[":SOUR:VOLT"]) == 3.0
    assert desk.state == "RUNNING"


@pytest.mark.parametrize("wrong", [["3.0", "3.01", "3.5", "3.03"], ["3.0", "3.01", "3.02"]])
async def test_a_level_that_is_stored_wrong_is_found(wrong):
    desk = Desk()
    smu = await connected(desk)
    command = desk.command

    def spoils(header, argument):
        command(header, argument)
        if header == ":SOUR:CONF:LIST:STOR" and len(desk.lists[argument]) == 4:
            desk.lists[argument] = [{":SOUR:VOLT": volt} for volt in wrong]

    desk.command = spoils
    with pytest.raises(RefusedError, match="levels"):
        await smu.start_segment(TOKEN, SCAN)
    assert desk.state == "IDLE"


async def test_the_rungs_of_a_power_are_proved_and_it_starts_on_the_first():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, POWER)
    stored = [float(point[":SOUR:CURR"]) for point in desk.lists['"presscell_power"']]
    assert stored == pytest.approx([rung.current_ampere for rung in rungs(POWER)])
    assert float(desk.settings[":SOUR:CURR"]) == pytest.approx(min(stored))
    assert float(desk.settings[":CALC2:VOLT:LIM1:UPP"]) == pytest.approx(rungs(POWER)[0].upper_volt)
    assert desk.heard[-2] == ":INIT"


@pytest.mark.parametrize(
    ("name", "key"),
    [('"presscell_power"', ":SOUR:CURR"), ('"presscell_power"', ":SOUR:CURR:VLIM")]
    + [('"presscell_bands"', f":CALC2:VOLT:LIM1:{side}") for side in ("LOW", "UPP")],
)
async def test_a_rung_that_is_stored_wrong_is_found(name, key):
    desk = Desk()
    smu = await connected(desk)
    command = desk.command

    def spoils(header, argument):
        command(header, argument)
        if header.endswith("STOR") and argument == name and len(desk.lists[name]) == 7:
            desk.lists[name][4][key] = "5.0"

    desk.command = spoils
    with pytest.raises(RefusedError, match="rungs as stored"):
        await smu.start_segment(TOKEN, POWER)
    assert (desk.state, desk.buffers) == ("IDLE", {})


async def test_make_safe_reconnects_after_a_reply_that_never_came():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    desk.silent = True
    with pytest.raises(NoReplyError):
        await smu.look(TOKEN)
    await smu.make_safe()
    assert desk.opened == 2
    assert desk.settings[":OUTP"] == "0"


async def test_make_safe_does_not_trust_another_instrument():
    desk = Desk()
    smu = await connected(desk, serial_number="04451117")
    await smu.close()
    desk.replies["*IDN?"] = "KEITHLEY INSTRUMENTS,MODEL 2450,99999999,1.7.12b"
    heard = len(desk.heard)
    with pytest.raises(WrongInstrumentError):
        await smu.make_safe()
    assert set(desk.heard[heard:]) == {"*IDN?"}


async def test_a_look_is_one_question_once_the_token_is_known():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    heard = len(desk.heard)
    await smu.look(TOKEN)
    await smu.look(TOKEN)
    assert len(desk.heard) == heard + 2
    assert desk.heard[-1] != desk.heard[-2]


async def test_the_reply_to_the_last_look_is_not_taken_for_this_one():
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    ask, answers = desk.ask, []

    async def the_same_again(message):
        answers.append(await ask(message))
        return answers[0]

    desk.ask = the_same_again
    await smu.look(TOKEN)
    with pytest.raises(BadReplyError):
        await smu.look(TOKEN)


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize("parts", range(5))
async def test_a_segment_that_ends_during_a_look_never_seems_ended_with_the_output_on(looks, parts):
    """Whichever of the two orders is asked, and after however many of its values the segment ends."""
    desk = Desk()
    smu = await connected(desk)
    await smu.start_segment(TOKEN, CHARGE)
    for _ in range(looks - 1):
        await smu.look(TOKEN)
    answer, answered = desk.answer, []

    def ends_in_between(part):
        if len(answered) == parts:
            desk.state, desk.settings[":OUTP"] = "IDLE", "0"
        answered.append(part)
        return answer(part)

    desk.answer = ends_in_between
    look = await smu.look(TOKEN)
    assert look.state is SegmentState.RUNNING or not look.output_on
