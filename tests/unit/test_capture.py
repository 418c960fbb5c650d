"""Captures: the file, what is taken out of it, the tap in the cable, and the verb."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.capture.redaction import _check, redacted
from daemon.capture.relay import NoTapError, tapped
from daemon.capture.transcript import (
    HOST,
    INSTRUMENT,
    Did,
    NotATranscriptError,
    Sent,
    Transcript,
    read_transcript,
    with_found_parity,
)
from daemon.store.lock import OwnerLock
from drivers.framing import Parity, with_parity
from tests.support.cables import pty_cable, tcp_peer
from tests.support.wire import station_text

ABOUT = {"role": "chamber", "driver": "espec.chamber", "settings": {}, "transport": "tcp"}
WORDS = {"04451117": "serial_number", "Q12-77": "serial_number", "lab-pc-7": "host", "7": "serial_number"}
MINI = st.builds(
    Sent,
    st.floats(0, 1e6).map(lambda second: round(second, 6)),
    st.sampled_from([HOST, INSTRUMENT]),
    st.binary(min_size=1),
)


def said(*pieces, by=INSTRUMENT):
    return Transcript(ABOUT, tuple(Sent(0.0, by, piece) for piece in pieces))


def cleaned(*pieces, words=WORDS):
    return [entry.data for entry in redacted(said(*pieces), words).entries]


@given(st.lists(MINI))
def test_any_bytes_come_back_as_they_were(entries):
    transcript = with_found_parity(Transcript(ABOUT, (*entries, Did(1.0, "look", {"x": [1.5, None]}))))
    assert read_transcript(transcript.as_text()) == transcript


@given(st.lists(MINI))
def test_nothing_is_taken_out_of_what_has_no_secret_and_lengths_stay(entries):
    transcript = redacted(Transcript(ABOUT, tuple(entries)), {})
    assert [len(entry.data) for entry in transcript.entries] == [len(entry.data) for entry in entries]
    if not transcript.redacted:
        assert [entry.data for entry in transcript.entries] == [entry.data for entry in entries]


@pytest.mark.parametrize("parity", [Parity.EVEN, Parity.ODD])
def test_seven_bits_with_parity_are_shown_as_text(parity):
    data = with_parity(b"*IDN? 04451117\r\n", parity)
    transcript = redacted(said(data), WORDS)
    assert transcript.parity == parity.name.lower()
    assert '"text": "*IDN? 00000001\\r\\n"' in transcript.as_text()
    assert read_transcript(transcript.as_text()).entries[0].data == with_parity(b"*IDN? 00000001\r\n", parity)


@pytest.mark.parametrize("text", ["", "{}", "[]", "no", '{"format": "presscell-capture/1"}'])
def test_what_is_no_capture(text):
    with pytest.raises(NotATranscriptError):
        read_transcript(text)


def test_another_version_is_named():
    text = said(b"x").as_text().replace("capture/1", "capture/2")
    with pytest.raises(NotATranscriptError, match="capture/2"):
        read_transcript(text)


def test_serial_numbers_go_also_in_pieces_and_keep_their_length():
    assert cleaned(b"A,0445", b"1117,Q12-", b"77,1\n") == [b"A,0000", b"0001,X00-", b"02,1\n"]


def test_the_same_becomes_the_same_and_another_another():
    one, two = b"00:1B:44:11:3a:B7", b"00-1b-44-11-3a-b8"
    found = cleaned(b"%s %s %s" % (one, two, one), words={})
    assert found == [b"00:00:00:00:00:01 00-00-00-00-00-02 00:00:00:00:00:01"]


def test_network_addresses_and_hosts():
    assert cleaned(b"from lab-pc-7 at 192.168.1.20, 1.7.12b") == [b"from XXX-XX-1 at 000.000.0.01, 1.7.12b"]


@pytest.mark.parametrize("data", [b"104451117", b"04451117x", b"7", b"1.2.3.4.5.6", b"00:1B:44:11:3a:B7:00"])
def test_what_only_looks_like_a_secret_stays(data):
    assert cleaned(data) == [data]


def test_a_serial_number_in_a_register_and_the_check_of_its_frame():
    head = bytes([1, 3, 4]) + (104).to_bytes(2, "big") + (31234).to_bytes(2, "big")
    [frame] = cleaned(head + _check(head), words={"31234": "serial_number"})
    assert frame[5:7] == (10001).to_bytes(2, "big")
    assert frame[:5] == head[:5]
    assert frame[-2:] == _check(frame[:-2])


def test_the_check_is_that_of_the_standard():
    assert _check(bytes.fromhex("010300000005")) == bytes.fromhex("85c9")


def test_what_a_driver_found_and_what_a_station_says_are_cleaned_too():
    about = ABOUT | {"settings": {"serial_number": "04451117"}}
    transcript = Transcript(about, (Did(0.0, "connect", {"serial_number": "04451117", "model": "2450"}),))
    found = redacted(transcript, WORDS)
    assert found.about["settings"]["serial_number"] == found.entries[0].gave["serial_number"] == "00000001"
    assert found.redacted == {"serial_number": 1}
    assert "04451117" not in found.as_text()


async def echo(reader, writer):
    while data := await reader.read(4096):
        writer.write(data.upper())


async def test_a_tap_passes_on_and_notes_over_tcp():
    noted = []
    async with tcp_peer(echo) as address, tapped(address, lambda by, data: noted.append((by, data))) as near:
        for word in (b"abc", b"x\x00\xff"):
            reader, writer = await asyncio.open_connection(*near.split(":"))
            writer.write(word)
            assert await reader.readexactly(len(word)) == word.upper()
            writer.close()
            await writer.wait_closed()
    assert noted == [(HOST, b"abc"), (INSTRUMENT, b"ABC"), (HOST, b"x\x00\xff"), (INSTRUMENT, b"X\x00\xff")]


@pytest.mark.parametrize(("character", "is_terminal"), [("8N1", True), ("7E1", True), ("8N2", False)])
async def test_a_tap_in_a_serial_cable(character, is_terminal):
    noted, spoken = [], asyncio.Event()

    def note(by, data):
        noted.append((by, data))
        if by == INSTRUMENT:
            spoken.set()

    with pty_cable() as cable:
        cable.answer(lambda line: b"%s!\r" % line)
        async with tapped(cable.path, note, character=character) as near:
            assert near.startswith("/dev/") == is_terminal
            if is_terminal:
                port = os.open(near, os.O_RDWR | os.O_NOCTTY)
                os.write(port, b"TYPE\r")
                await spoken.wait()
                os.close(port)
            else:
                reader, writer = await asyncio.open_connection(*near.split(":"))
                writer.write(b"TYPE\r")
                assert await reader.readexactly(6) == b"TYPE!\r"
                writer.close()
                await writer.wait_closed()
    assert b"".join(data for by, data in noted if by == HOST) == b"TYPE\r"
    assert b"".join(data for by, data in noted if by == INSTRUMENT).startswith(b"TYPE!")


@pytest.mark.parametrize("address", ["USB0::0x05E6::0x2450::1::INSTR", "TCPIP0::192.0.2.1::INSTR", "GPIB0::1::INSTR"])
async def test_other_cables_have_no_tap(address):
    with pytest.raises(NoTapError, match="raw socket"):
        async with tapped(address, lambda by, data: None):
            pass


def capture(folder, *words):
    program = [sys.executable, "-m", "daemon", "capture", "station.yaml", *words]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False)


async def test_the_verb_tells_who_did_not_answer(tmp_path):
    async with tcp_peer(lambda reader, writer: reader.read()) as address:
        text = station_text("keithley.2450", address, tmp_path / "data").replace(
            "serial_number", "timeout_s: 0.2, serial_number"
        )
        (tmp_path / "station.yaml").write_text(text)
        done = await asyncio.to_thread(capture, tmp_path, "rig1.potentiostat", "--out", "x.jsonl")
    assert done.returncode == 1
    assert "NoReplyError" in done.stderr
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert lines[0]["settings"] == {"serial_number": "00000001", "timeout_s": 0.2}
    assert lines[1]["text"] == "*IDN?\n"
    assert lines[-1]["did"] == "NoReplyError"


def test_the_verb_knows_its_instruments(tmp_path):
    (tmp_path / "station.yaml").write_text(station_text("keithley.2450", "127.0.0.1:1", tmp_path / "data"))
    done = capture(tmp_path, "rig1.chamber")
    assert done.returncode == 2
    assert "there are rig1.potentiostat" in done.stderr


def test_the_verb_leaves_an_instrument_that_somebody_owns(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "station.yaml").write_text(station_text("keithley.2450", "127.0.0.1:1", tmp_path / "data"))
    lock = OwnerLock(tmp_path / "data" / "station")
    try:
        done = capture(tmp_path, "rig1.potentiostat")
    finally:
        lock.release()
    assert done.returncode == 4
    assert "end it first" in done.stderr


async def test_what_others_say_is_recorded_until_it_is_interrupted(tmp_path):
    async with tcp_peer(echo) as address:
        (tmp_path / "station.yaml").write_text(station_text("espec.chamber", address, tmp_path / "data"))
        program = [sys.executable, "-m", "daemon", "capture", "station.yaml", "rig1.chamber", "--relay"]
        verb = await asyncio.create_subprocess_exec(
            *program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        while b"talk to it at " not in (line := await verb.stderr.readline()):
            assert line
        near = line.decode().partition("talk to it at ")[2].partition(";")[0]
        reader, writer = await asyncio.open_connection(*near.split(":"))
        writer.write(b"type? from 127.0.0.1\n")
        assert await reader.readline() == b"TYPE? FROM 127.0.0.1\n"
        writer.close()
        await writer.wait_closed()
        verb.send_signal(signal.SIGINT)
        out, _ = await verb.communicate()
    assert verb.returncode == 0
    entries = read_transcript(out.decode()).entries
    assert [(entry.by, entry.data) for entry in entries] == [
        (HOST, b"type? from 000.0.0.1\n"),
        (INSTRUMENT, b"TYPE? FROM 000.0.0.1\n"),
    ]
