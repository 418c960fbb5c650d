"""A source-measure unit over VXI-11, by a VISA library that knows nothing of it, and by calls that are none."""

import asyncio
import contextlib
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import pyvisa

BENCH_FILE = Path(__file__).parents[2] / "config" / "bench" / "potentiostat_only.yaml"
TIMEOUT_MILLISECOND = 2000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """The addresses of a running bench: VXI-11, the raw socket."""
    port, bench_file = free_port(), tmp_path_factory.mktemp("bench") / "bench.yaml"
    text = BENCH_FILE.read_text()
    assert "port: 0}" in text
    bench_file.write_text(text.replace("port: 0}", f"port: 0, vxi11_port: {port}}}"))
    process = subprocess.Popen([sys.executable, "-m", "simulators", str(bench_file)], stdout=subprocess.PIPE, text=True)
    try:
        line = json.loads(process.stdout.readline())
        yield port, line["cables"]["potentiostat"]["address"]
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def connect(bench):
    """Opens VISA resources of the instrument, closed in the end."""
    manager = pyvisa.ResourceManager("@py")
    with contextlib.ExitStack() as opened:

        def open_one():
            resource = manager.open_resource(f"TCPIP::127.0.0.1,{bench[0]}::inst0::INSTR", open_timeout=2000)
            opened.callback(resource.close)
            resource.timeout = TIMEOUT_MILLISECOND
            return resource

        yield open_one


@pytest.fixture
def smu(connect):
    resource = connect()
    resource.write("*RST;*CLS;:OUTP:SMOD HIMP")
    return resource


def test_it_answers_as_on_the_socket(smu, bench):
    host, port = bench[1].split(":")
    with socket.create_connection((host, int(port))) as plain, plain.makefile("rwb", buffering=0) as lines:
        lines.write(b"*IDN?\n")
        assert smu.query("*IDN?").encode() == lines.readline()


def test_the_status_byte_is_polled(smu):
    assert smu.read_stb() == 0
    smu.write(":FOO")
    assert smu.read_stb() == 4
    assert smu.query(":SYST:ERR?").startswith("-113")
    smu.write("*SRE 16")
    smu.write("*IDN?")
    assert smu.read_stb() == 16 | 64
    smu.clear()
    assert smu.read_stb() == 0
    assert smu.query("*LANG?") == "SCPI\n"


def test_a_device_trigger_is_a_command_event(smu):
    smu.write(':TRIG:LOAD "Empty"')
    smu.write(":TRIG:BLOC:WAIT 1,COMM")
    smu.write(":TRIG:BLOC:MEAS 2")
    smu.write(":INIT")
    smu.assert_trigger()
    assert smu.query("*OPC?;:TRAC:ACT?") == "1;1\n"


def test_a_reply_that_comes_later_is_waited_for(smu):
    smu.timeout = None
    smu.write(':TRIG:LOAD "SimpleLoop",4,0.1')
    assert smu.query(":INIT;*OPC?") == "1\n"
    assert smu.query(":TRAC:ACT?") == "4\n"


def test_what_was_not_asked_times_out(smu):
    smu.timeout = 100
    with pytest.raises(pyvisa.VisaIOError, match="VI_ERROR_TMO"):
        smu.read()
    assert smu.query("*LANG?") == "SCPI\n"


def test_binary_readings_are_of_indefinite_length(smu):
    smu.write(":SENS:COUN 3;:TRAC:TRIG;:FORM:DATA REAL")
    smu.write(':TRAC:DATA? 1,3,"defbuffer1",REL,READ')
    reply = smu.read_raw()
    assert reply[:2] + reply[-1:] == b"#0\n"
    assert len(struct.unpack("<6d", reply[2:-1])) == 6


def test_two_links_have_replies_of_their_own_and_a_lock(smu, connect):
    other = connect()
    smu.write("*IDN?")
    assert other.query("*LANG?") == "SCPI\n"
    assert smu.read().startswith("KEITHLEY")
    smu.lock_excl()
    with pytest.raises(pyvisa.VisaIOError):
        other.write("*CLS")
    smu.unlock()
    assert other.query("*LANG?") == "SCPI\n"


def test_a_link_that_ends_leaves_the_trigger_model_alone(smu, connect):
    smu.write(":SOUR:FUNC CURR")
    smu.write(':TRIG:LOAD "SimpleLoop",200,0.1')
    smu.write(":INIT")
    smu.close()
    again = connect()
    assert again.query(":TRIG:STAT?").startswith("RUNNING")
    again.write(":ABOR;:OUTP OFF")


def call(*numbers: int, body: bytes = b"") -> bytes:
    data = struct.pack(f">{len(numbers)}I", *numbers) + body
    return struct.pack(">I", 0x8000_0000 | len(data)) + data


NO_PROGRAM = call(7, 0, 2, 100_000, 1, 0, 0, 0, 0, 0)
NO_VERSION = call(7, 0, 2, 0x0607AF, 2, 10, 0, 0, 0, 0)
NO_PROCEDURE = call(7, 0, 2, 0x0607AF, 1, 99, 0, 0, 0, 0)
NO_ARGUMENTS = call(7, 0, 2, 0x0607AF, 1, 10, 0, 0, 0, 0)
NO_LINK = call(7, 0, 2, 0x0607AF, 1, 13, 0, 0, 0, 0, 99, 0, 0, 0)
NO_DEVICE = call(7, 0, 2, 0x0607AF, 1, 10, 0, 0, 0, 0, 1, 0, 0, 5, body=b"inst7\0\0\0")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (NO_PROGRAM, (7, 1, 0, 0, 0, 1)),
        (NO_VERSION, (7, 1, 0, 0, 0, 2, 1, 1)),
        (NO_PROCEDURE, (7, 1, 0, 0, 0, 3)),
        (NO_ARGUMENTS, (7, 1, 0, 0, 0, 4)),
        (NO_LINK, (7, 1, 0, 0, 0, 0, 4, 0)),
        (NO_DEVICE, (7, 1, 0, 0, 0, 0, 3, 0, 0, 0)),
    ],
)
async def test_calls_that_cannot_be(bench, asked, words):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench[0])
    for byte in asked:
        writer.write(bytes([byte]))
        await writer.drain()
    reply = await reader.readexactly(4 + 4 * len(words))
    assert struct.unpack(f">{len(words)}I", reply[4:]) == words
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("nonsense", [b"\x80\0\0\x04abcd", b"\x7f\xff\xff\xff", call(7, 1, 0, 0, 0, 0)])
async def test_what_is_no_call_ends_the_connection(bench, nonsense):
    reader, writer = await asyncio.open_connection("127.0.0.1", bench[0])
    writer.write(nonsense)
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b""
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
