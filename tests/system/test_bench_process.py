"""The simulated laboratory as a process: real sockets, real signals, the real simulated potentiostat."""

import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SINGLE = REPOSITORY / "config" / "bench" / "single.yaml"
WARM = REPOSITORY / "config" / "bench" / "warm.yaml"
HANG_SECOND = 60.0
MAX = {"speed": "max", "on_owner_lost": "run_on"}

IDLE = """:OUTP:CURR:SMOD HIMP
:OUTP:VOLT:SMOD HIMP
:SENS:FUNC "VOLT"
:SENS:VOLT:RSEN ON
:SENS:VOLT:RANG 20
:SOUR:FUNC CURR
"""
CHARGE = """:SOUR:CURR:RANG 10E-3
:SOUR:CURR 3.0E-3
:SOUR:CURR:VLIM 3.75
:TRAC:MAKE "half",100000,STAN
:TRIG:TIM1:STAR:STIM NOT1
:TRIG:TIM1:STAR:GEN ON
:TRIG:TIM1:DEL 1
:TRIG:TIM1:COUN 0
:TRIG:TIM1:STAT ON
:TRIG:LOAD "Empty"
:TRIG:BLOC:SOUR:STAT 1,ON
:TRIG:BLOC:NOT 2,1
:TRIG:BLOC:WAIT 3,TIM1
:TRIG:BLOC:MEAS 4,"half"
:TRIG:BLOC:BRAN:LIM:CONS 5,ABOV,0,3.7,7,4
:TRIG:BLOC:BRAN:COUN 6,100000,3
:TRIG:BLOC:SOUR:STAT 7,OFF
:INIT
"""


class Line:
    """A connection that speaks in lines."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=HANG_SECOND)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.asked = 0

    def say(self, text):
        self.socket.sendall(text.encode())

    def ask(self, text, *, end=b"\n"):
        self.say(text if end == b"\r" else text + "\n")
        reply = self.file.readline() if end == b"\n" else b""
        while not reply.endswith(end):
            reply += self.file.read(1)
        return reply.decode().rstrip("\n")

    def control(self, do, **arguments):
        self.asked += 1
        answer = json.loads(self.ask(json.dumps({"id": self.asked, "do": do, **arguments})))
        assert answer["id"] == self.asked
        return answer

    def close(self, *, abruptly=False):
        if abruptly:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.file.close()
        self.socket.close()


class BenchProcess:
    """A bench in a process of its own."""

    def __init__(self, tmp_path, *options, bench_file=WARM):
        self.log_file = tmp_path / f"bench-{len(list(tmp_path.iterdir()))}.jsonl"
        command = [sys.executable, "-m", "simulators", str(bench_file), "--log", str(self.log_file), *options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=REPOSITORY)
        self.lines = []
        self.start = json.loads(self.process.stdout.readline())

    def control(self):
        self.lines.append(Line(self.start["control"]))
        return self.lines[-1]

    def potentiostat(self):
        return self.line("potentiostat")

    def line(self, name):
        self.lines.append(Line(self.start["cables"][name]["address"]))
        return self.lines[-1]

    def log(self, event=None):
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines()]
        return [line for line in lines if event in {None, line["event"]}]

    def wait(self):
        return self.process.wait(HANG_SECOND)

    def close(self):
        for line in self.lines:
            line.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def start_bench(tmp_path):
    started = []

    def start(*options, **more):
        started.append(BenchProcess(tmp_path, *options, **more))
        return started[-1]

    yield start
    for bench in started:
        bench.close()


@pytest.fixture
def dated(tmp_path):
    """A bench file whose world begins at a fixed date."""
    path = tmp_path / "dated.yaml"
    path.write_text(WARM.read_text() + "utc_start: 2026-01-01T00:00:00Z\n")
    return path


def charge(bench, owner, *, to_second=36_000, stop_every_second=600):
    """Run one charge to its limit. Answers the last answer of the control port and all rows, as they were sent."""
    smu = bench.potentiostat()
    smu.say(IDLE + CHARGE)
    assert smu.ask(":SYST:ERR?").startswith("0,")
    answer = owner.control("advance", to_second=to_second, stop_every_second=stop_every_second)
    last = int(smu.ask(':TRAC:ACT:END? "half"'))
    return answer, smu.ask(f':TRAC:DATA? 1,{last},"half",SEC,FRAC,REL,READ,SOUR,STAT')


def test_it_says_where_it_is_and_ends_when_told(start_bench):
    bench = start_bench()
    owner = bench.control()
    hello = owner.control("hello")
    assert hello["simulated"] is True
    assert hello["cables"] == bench.start["cables"]
    assert all(address.startswith("127.0.0.1:") for address in (bench.start["control"], *_tcp_addresses(hello)))
    assert bench.potentiostat().ask("*IDN?") == "KEITHLEY INSTRUMENTS,MODEL 2450,04451117,1.7.12b"
    assert owner.control("end")["ok"]
    assert bench.wait() == 0
    assert bench.process.stdout.read() == b""
    first, *_, last = bench.log()
    assert (first["event"], first["seed"]) == ("start", 1)
    assert (last["event"], last["reason"]) == ("end", "end")


def _tcp_addresses(hello):
    return [cable["address"] for cable in hello["cables"].values() if cable["transport"] == "tcp"]


def test_a_half_cycle_runs_to_its_limit_and_the_log_saw_it(start_bench):
    bench = start_bench("--end-when-owner-lost")
    owner = bench.control()
    owner.control("own", **MAX)
    answer, rows = charge(bench, owner)
    assert answer["stopped_by"] == "potentiostat"
    assert answer["now_second"] % 600 == 0
    owner.control("end")
    assert bench.wait() == 0
    values = [float(value) for value in rows.split(",")]
    elapsed, volts, amperes = values[2::6], values[3::6], values[4::6]
    closed, opened = bench.log("output")[-2:]
    assert (closed["relay"], opened["relay"]) == ("closed", "open")
    assert 3.695 <= opened["max_voltage_volt"] < 3.705
    assert max(volts) == pytest.approx(opened["max_voltage_volt"], abs=5e-3)
    assert elapsed[-1] == pytest.approx(opened["bench_second"] - closed["bench_second"], abs=0.3)
    charged = opened["charge_in_coulomb"] - closed["charge_in_coulomb"]
    mean_ampere = sum(amperes) / len(amperes)
    assert charged == pytest.approx(mean_ampere * elapsed[-1], rel=5e-4)
    assert bench.log("excursion_begin") == []
    assert bench.log("end")[0]["instruments"]["potentiostat"]["relay"] == "open"


def test_the_same_seed_gives_the_same_bytes_fast_or_paced_or_in_pieces(start_bench, dated):
    rows, logs = {}, {}
    for how, speed, step_second in (("fast", "max", 36_000), ("again", "max", 36_000), ("paced", 3000, 450)):
        bench = start_bench("--end-when-owner-lost", "--seed", "5", bench_file=dated)
        owner = bench.control()
        owner.control("own", speed=speed, on_owner_lost="run_on")
        answer, _ = charge(bench, owner, to_second=step_second, stop_every_second=300)
        while answer["stopped_by"] is None:
            to_second = answer["now_second"] + step_second
            answer = owner.control("advance", to_second=to_second, stop_every_second=300)
        smu = bench.potentiostat()
        last = smu.ask(':TRAC:ACT:END? "half"')
        rows[how] = smu.ask(f':TRAC:DATA? 1,{last},"half",SEC,FRAC,REL,READ,SOUR,STAT')
        owner.control("end")
        assert bench.wait() == 0
        logs[how] = [line for line in bench.log() if line["event"] != "owner"]
    assert rows["fast"] == rows["again"] == rows["paced"]
    assert logs["fast"] == logs["again"] == logs["paced"]
    other = start_bench("--end-when-owner-lost", "--seed", "6", bench_file=dated)
    owner = other.control()
    owner.control("own", **MAX)
    assert charge(other, owner)[1] != rows["fast"]


class Serial:
    """A host on a serial port, that opens it as drivers do."""

    def __init__(self, path):
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        termios.tcflush(self.descriptor, termios.TCIFLUSH)
        self.heard = b""

    def hear_up_to(self, total):
        while len(self.heard) < total:
            ready, _, _ = select.select([self.descriptor], [], [], HANG_SECOND)
            assert ready
            self.heard += os.read(self.descriptor, 65536)
        assert len(self.heard) == total

    def close(self):
        os.close(self.descriptor)


def weigh_while_it_warms(bench, *, speed="max", steps_second=()):
    """Heat the chamber while a charge runs. Answers the load cell's bytes, their marks and all temperatures."""
    owner = bench.control()
    owner.control("own", speed=speed, on_owner_lost="run_on")
    port = Serial(bench.start["cables"]["load_cell"]["address"])
    bench.lines.append(port)
    smu, chamber = bench.potentiostat(), bench.line("chamber")
    smu.say(IDLE + CHARGE.replace("3.0E-3", "0.2E-3"))
    assert smu.ask(":TRIG:STAT?").startswith("RUNNING")
    assert chamber.ask("TEMP, S80.0\r") == "OK:TEMP, S80.0\r"
    marks, temperatures = [], []
    for to_second in sorted({*steps_second, 600, 1500}):
        now_second = 0
        while now_second < to_second:
            answer = owner.control("advance", to_second=to_second, stop_every_second=600)
            now_second = answer["now_second"]
            marks += answer["cables"]["load_cell"]["marks"]
            port.hear_up_to(answer["cables"]["load_cell"]["sent_total"])
        if to_second in {600, 1500}:
            temperatures.append(bench.line("thermometer").ask("#01\r", end=b"\r"))
            temperatures.append(chamber.ask("TEMP?\r"))
    owner.control("end")
    assert bench.wait() == 0
    return port.heard, marks, temperatures


def test_the_load_cell_sends_the_same_bytes_at_the_same_times_however_time_is_cut(start_bench, dated):
    whole = weigh_while_it_warms(start_bench(bench_file=dated))
    heard, marks, temperatures = whole
    assert len(heard) == 18 * 1500 == marks[-1][0]
    assert len(marks) == 1500
    assert float(heard[-12:-4]) > float(heard[6:14])
    assert temperatures[1] != temperatures[3]
    pieces = [7, 300.005, 300.01, 599.5, 601, 1333.333]
    assert weigh_while_it_warms(start_bench(bench_file=dated), steps_second=pieces) == whole
    assert weigh_while_it_warms(start_bench(bench_file=dated), speed=5000) == whole


def test_the_terminal_goes_with_the_bench(start_bench):
    bench = start_bench()
    path = Path(bench.start["cables"]["load_cell"]["address"])
    assert path.is_char_device()
    bench.control().control("end")
    assert bench.wait() == 0
    assert not path.parent.exists()


def test_a_bench_may_have_no_potentiostat(start_bench):
    bench = start_bench(bench_file=WARM.with_name("log_only.yaml"))
    assert sorted(bench.start["cables"]) == ["chamber", "load_cell", "thermometer"]
    owner = bench.control()
    owner.control("own", **MAX)
    assert owner.control("advance", to_second=1e5, stop_every_second=600)["now_second"] == 1e5
    assert bench.line("thermometer").ask("#010\r", end=b"\r").startswith(">+02")
    owner.control("end")
    assert bench.wait() == 0
    assert bench.log("end")[0]["instruments"] == {}


def test_a_killed_owner_leaves_a_segment_that_ends_by_itself(start_bench):
    bench = start_bench("--end-when-owner-lost")
    owner = bench.control()
    owner.control("own", **MAX)
    smu = bench.potentiostat()
    smu.say(IDLE + CHARGE)
    assert smu.ask(":TRIG:STAT?").startswith("RUNNING")
    owner.control("advance", to_second=100)
    owner.close(abruptly=True)
    smu.close(abruptly=True)
    heir = bench.control()
    while not bench.log("ran_on"):
        heir.control("hello")
    assert bench.log("output")[-1]["relay"] == "open"
    assert 3.695 <= bench.log("output")[-1]["max_voltage_volt"] < 3.705
    assert heir.control("own", **MAX)["ok"]
    assert bench.potentiostat().ask(":TRIG:STAT?").startswith("IDLE")
    heir.control("end")
    assert bench.wait() == 0


def test_it_ends_by_itself_after_its_owner_vanished(start_bench):
    bench = start_bench("--end-when-owner-lost")
    owner = bench.control()
    owner.control("own", **MAX)
    owner.close()
    assert bench.wait() == 0
    assert bench.log()[-1]["reason"] == "owner_lost"


def test_ctrl_c_is_ignored_and_sigterm_ends_it(start_bench):
    bench = start_bench()
    owner = bench.control()
    owner.control("own", **MAX)
    bench.process.send_signal(signal.SIGINT)
    assert owner.control("advance", to_second=10)["now_second"] == 10
    smu = bench.potentiostat()
    smu.say(IDLE + CHARGE.replace("3.0E-3", "1.0E-6").replace("100000,3", "99999,3"))
    assert smu.ask(":TRIG:STAT?").startswith("RUNNING")
    owner.say('{"id": 0, "do": "advance", "to_second": 9e8}\n')
    assert bench.control().control("hello")["ok"]
    bench.process.send_signal(signal.SIGTERM)
    assert bench.wait() == 0
    assert bench.log()[-1]["event"] == "end"
    assert bench.log()[-1]["reason"] == "sigterm"
    assert bench.log()[-1]["bench_second"] < 9e8


def test_instruments_can_be_made_to_do_wrong(start_bench):
    bench = start_bench("--end-when-owner-lost")
    owner = bench.control()
    owner.control("own", **MAX)
    smu = bench.potentiostat()
    smu.say(IDLE + CHARGE)
    assert smu.ask(":TRIG:STAT?").startswith("RUNNING")
    owner.control("advance", to_second=1)
    assert owner.control("fault", cable="potentiostat", kind="ignore_output_off")["ok"]
    assert smu.ask(":ABOR;:OUTP OFF;:OUTP?") == "1"
    assert owner.control("fault", cable="potentiostat", kind="heal")["ok"]
    assert smu.ask(":OUTP OFF;:OUTP?") == "0"
    assert owner.control("fault", cable="potentiostat", kind="swap_serial", serial_number="999")["ok"]
    assert ",999," in smu.ask("*IDN?")
    smu.say(":OUTP ON\n")
    assert smu.ask(":OUTP?") == "1"
    assert owner.control("fault", cable="potentiostat", kind="power_cycle")["ok"]
    assert smu.file.readline() == b""
    assert int(bench.potentiostat().ask("*ESR?")) & 128
    assert bench.log("power_cycle")[0]["relay"] == "open"
    assert [line["kind"] for line in bench.log("fault")] == ["ignore_output_off", "heal", "swap_serial", "power_cycle"]


def test_a_bad_bench_file_is_told_by_place(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(SINGLE.read_text().replace("sample: BM-05", "sampel: BM-05"))
    done = subprocess.run(
        [sys.executable, "-m", "simulators", str(bad), "--check"],
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert f"{bad}:9:3  cell.sampel  unknown field  did you mean sample?" in done.stderr


@pytest.mark.parametrize(
    ("options", "code"),
    [((str(SINGLE), "--check"), 0), (("no-such-file.yaml",), 2), ((str(SINGLE), "--speed", "-1"), 2), ((), 2)],
)
def test_its_exit_code_tells_use_from_trouble(options, code):
    done = subprocess.run(
        [sys.executable, "-m", "simulators", *options], capture_output=True, cwd=REPOSITORY, check=False
    )
    assert done.returncode == code
    assert done.stdout == b""


def test_a_port_that_is_taken_is_said_so(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        path = tmp_path / "taken.yaml"
        path.write_text(SINGLE.read_text().replace("port: 0", f"port: {taken.getsockname()[1]}"))
        done = subprocess.run(
            [sys.executable, "-m", "simulators", str(path)], capture_output=True, text=True, cwd=REPOSITORY, check=False
        )
    assert done.returncode == 1
    assert "in use" in done.stderr
