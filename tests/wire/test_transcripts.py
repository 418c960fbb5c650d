"""Every transcript is played to its driver, which must ask and find the same, and to its simulator."""

import asyncio
import dataclasses
import io
import re

import pytest

from daemon.capture.dialogue import as_json, converse
from daemon.capture.replay import Player
from daemon.capture.transcript import HOST, INSTRUMENT, Did, Sent, read_transcript
from daemon.service.places import places_of
from daemon.station.instruments import load_station, make_driver
from drivers.registry import OURS
from simulators.assemble import assemble
from simulators.bench_file import LoadedBenchFile, read_bench
from simulators.device import SECOND_NS
from simulators.log import BenchLog
from tests.support.wire import BENCH, TRANSCRIPTS, UNITS, station_text
from tests.wire.__main__ import capture

FILES = {path.stem: path for path in sorted(TRANSCRIPTS.glob("*.jsonl"))}
every_transcript = pytest.mark.parametrize("driver", FILES)
STREAMED = frozenset({"and.indicator", "cas.indicator", "mettler.sics"})
BEFORE_SECOND = 2.0
"""How long a bench had been on, more or less, when it was captured."""
OTHER_DIGITS = bytes.maketrans(b"0123456789", b"9876543210")
READS = frozenset({"read", "look", "read_celsius"})


def transcript_of(driver):
    return read_transcript(FILES[driver].read_text(encoding="utf-8"))


def did(transcript):
    return [(entry.verb, entry.gave) for entry in transcript.entries if isinstance(entry, Did)]


def driver_at(driver, address, transcript, tmp_path):
    """The driver as a station names it that says what the transcript says."""
    station = load_station(station_text(driver, "127.0.0.1:2", tmp_path), "station.yaml")
    [place] = [place for place in places_of(station) if place.said.driver == driver]
    settings = {"address": address, "serial_number": transcript.about["settings"].get("serial_number")}
    known = {name: said for name, said in settings.items() if hasattr(place.said, name)}
    return place.role, make_driver("rig1.unit", place.said.model_copy(update=known), lambda: 0.0, nothing)


async def nothing(*_):
    """Nobody needs time: what is played is there at once."""


def rows(gaves):
    """Those of all readings of a load cell, one after the other."""
    return [(*row,) for gave in gaves for row in zip(gave["displayed"], gave["status"], strict=True)]


def test_there_is_one_of_each_driver():
    assert set(FILES) == set(UNITS) == {driver.about.name for driver in OURS}


@every_transcript
def test_it_is_written_as_it_is_read_and_went_well(driver):
    text = FILES[driver].read_text(encoding="utf-8")
    transcript = read_transcript(text)
    assert transcript.as_text() == text
    assert transcript.about["driver"] == driver
    verbs = [verb for verb, _ in did(transcript)]
    assert verbs[0] == "connect"
    assert len([verb for verb in verbs if verb in READS]) == 3
    assert not [verb for verb in verbs if verb.endswith("Error")]


@every_transcript
async def test_the_driver_asks_and_finds_the_same(driver, tmp_path):
    transcript = transcript_of(driver)
    player, told = Player(transcript), []
    async with player.laid() as address:
        role, made = driver_at(driver, address, transcript, tmp_path)
        if role == "load_cell":
            told = await found_by_load_cell(made, player, transcript)
        else:
            await converse(role, made, lambda verb, gave: told.append((verb, gave)), reads=3, wait=nothing)
    assert player.amiss == ""
    assert player.is_over or role == "load_cell"
    if role == "load_cell":
        recorded = did(transcript)
        assert told == [recorded[0][1], rows([gave for verb, gave in recorded if verb == "read"])]
    else:
        assert told == did(transcript)


async def found_by_load_cell(made, player, transcript):
    """Who it is, and as many rows as were recorded: a stream is cut into readings as it comes."""
    expected = rows([gave for verb, gave in did(transcript) if verb == "read"])
    who = as_json(await made.connect())
    player.begin()
    found = []
    while len(found) < len(expected):
        found += rows([as_json(await made.read())])
        await asyncio.sleep(0)
    await made.close()
    return [who, found[: len(expected)]]


@every_transcript
def test_the_simulator_answers_alike(driver):
    """The same host says the same at the same times: the frames are the same, whatever the numbers in them."""
    transcript = transcript_of(driver)
    said = b"".join(played_to_simulator(driver, transcript))
    heard = transcript.sent_by(INSTRUMENT)
    if driver in STREAMED:
        frames = {shape(frame, transcript) for frame in heard.splitlines(keepends=True)}
        assert {shape(frame, transcript) for frame in said.splitlines(keepends=True)} == frames
        assert said.count(b"\n") >= heard.count(b"\n") // 2 > 5
    else:
        assert shape(said, transcript) == shape(heard, transcript)


def played_to_simulator(driver, transcript):
    """What an instrument on a bench of its own puts on its cable, replies and what it says unasked, in order."""
    said, _, _ = UNITS[driver]
    text = BENCH.format(said=said, transport="tcp").encode()
    assembly = assemble(LoadedBenchFile(read_bench(text, "bench.yaml"), ""), BenchLog(io.StringIO()), 0.0)
    bench = assembly.bench
    try:
        for entry in transcript.entries:
            until_ns = round((BEFORE_SECOND + entry.second) * SECOND_NS)
            while bench.now_ns < until_ns:
                bench.conduct(until_ns)
            yield from (frame for _, frame in bench.take_emitted().get("unit", []))
            if isinstance(entry, Sent) and entry.by == HOST:
                yield bench.receive("unit", entry.data)
    finally:
        assembly.close()


def shape(data, transcript):
    """Frames with 0 for each digit and letter of a number, and + for each sign; of Modbus how many bytes there are."""
    if transcript.about["role"] == "mill_drive" or transcript.about["driver"] == "laumas.transmitter":
        return len(data)
    data = data if transcript.parity == "none" else bytes(code & 0x7F for code in data)
    return re.sub(rb" +[+-]?0", b" 0", re.sub(rb"[+-]", b"+", re.sub(rb"[0-9A-FX]", b"0", data)))


def test_the_verb_records_the_same_questions_of_a_bench(tmp_path):
    driver = "votsch.chamber"
    assert "replaced" in capture(driver, tmp_path / "again.jsonl", "--every", "0")
    again = read_transcript((tmp_path / "again.jsonl").read_text(encoding="utf-8"))
    assert again.sent_by(HOST) == transcript_of(driver).sent_by(HOST)
    assert shape(again.sent_by(INSTRUMENT), again) == shape(transcript_of(driver).sent_by(INSTRUMENT), again)
    assert [verb for verb, _ in did(again)] == [verb for verb, _ in did(transcript_of(driver))]


ASKED = [driver for driver in FILES if transcript_of(driver).sent_by(HOST)]


@pytest.mark.parametrize("driver", ASKED)
def test_another_question_is_noticed(driver):
    transcript = transcript_of(driver)
    question = next(entry for entry in transcript.entries if isinstance(entry, Sent) and entry.by == HOST)
    spoilt, answers = Player(transcript), []
    spoilt.hear(b"#" + question.data[1:], answers.append)
    assert "was asked" in spoilt.amiss
    assert answers == []
    spoilt.hear(question.data, answers.append)
    assert answers == []
    halves = Player(transcript)
    halves.hear(question.data[:1], answers.append)
    assert (halves.amiss, answers) == ("", [])
    halves.hear(question.data[1:], answers.append)
    assert answers
    assert halves.amiss == ""


@pytest.mark.parametrize("driver", ["keithley.2450", "advantech.adam_4015", "espec.chamber", "huber.chiller"])
async def test_what_was_not_said_as_recorded_is_found(driver, tmp_path):
    """The comparison can fail: with the last reply of the last reading changed, something else is found."""
    transcript = transcript_of(driver)
    entries = list(transcript.entries)
    last = max(index for index, entry in enumerate(entries) if isinstance(entry, Sent) and entry.by == INSTRUMENT)
    entries[last] = dataclasses.replace(entries[last], data=entries[last].data.translate(OTHER_DIGITS))
    player, told = Player(dataclasses.replace(transcript, entries=tuple(entries))), []
    async with player.laid() as address:
        role, made = driver_at(driver, address, transcript, tmp_path)
        await converse(role, made, lambda verb, gave: told.append((verb, gave)), reads=3, wait=nothing)
    assert told[:-1] == did(transcript)[:-1]
    assert told[-1] != did(transcript)[-1]
