"""The page that shows the daemon on a bench: its commands, as they stand there, in a checkout's folder."""

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from daemon.store.reading import read_journal
from tests.support.broker import Mosquitto
from tests.support.command_line import CommandLine
from tests.support.station import REPOSITORY, first_line

PAGE = (REPOSITORY / "docs" / "how-to" / "try-the-daemon.md").read_text()
BLOCKS = [block.splitlines() for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)]
PATH, BENCH, SERVE, RUN, WATCH, KILL, END = BLOCKS
LOOKS = 200


@dataclass
class Checkout:
    """A folder with the `config` of the repository, and what was started there."""

    folder: Path
    started: list[subprocess.Popen[str]] = field(default_factory=list)
    run_id: str = ""

    @property
    def command_line(self) -> CommandLine:
        return CommandLine(self.folder)

    def words(self, command: str) -> list[str]:
        """A command of the page, without the shell: `presscell` by this interpreter, RUN as the end of the id."""
        program, *words = shlex.split(command.partition("#")[0])
        module = {"presscell": "daemon", "presscell-bench": "simulators"}[program]
        return [sys.executable, "-m", module, *(self.run_id[-6:] if word == "RUN" else word for word in words)]

    def start(self, command: str, stream: str) -> subprocess.Popen[str]:
        """A command that stays, after its first line."""
        process = subprocess.Popen(
            self.words(command), cwd=self.folder, **{stream: subprocess.PIPE}, stdin=subprocess.DEVNULL, text=True
        )
        self.started.append(process)
        first_line(process, stream)
        return process

    def do(self, command: str, code: int = 0) -> str:
        words = self.words(command)
        done = self.command_line.run(*words[3:])
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def until(self, command: str, said: str) -> str:
        """What a command says, once it says this."""
        for _ in range(LOOKS):
            if said in (words := self.do(command)):
                return words
        raise AssertionError(words)


@pytest.fixture
def checkout(tmp_path: Path) -> Iterator[Checkout]:
    (tmp_path / "config").symlink_to(REPOSITORY / "config")
    made = Checkout(tmp_path)
    yield made
    for process in made.started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def test_every_command_of_the_page(checkout: Checkout) -> None:
    assert PATH == ['export PATH="$PWD/.venv/bin:$PATH"']
    [bench], [serve], [run, status, events] = BENCH, SERVE, RUN
    laboratory = checkout.start(bench, "stdout")
    daemon = checkout.start(serve, "stderr")
    checkout.run_id = checkout.do(run).strip()
    assert "running" in checkout.do(status)
    began = checkout.until(events, "look/charge began")
    assert "run begun" in began
    assert "{" not in began

    kill, status_without, serve_again, events_again = KILL
    assert (serve_again, events_again) == (serve, events)
    assert kill == "kill -9 $(cat data/station.lock)"
    os.kill(int((checkout.folder / "data" / "station.lock").read_text()), signal.SIGKILL)
    assert daemon.wait(30) == -signal.SIGKILL
    assert "presscell serve STATION.yaml" in checkout.do(status_without, code=3)
    daemon = checkout.start(serve_again, "stderr")
    assert "the daemon took the run up again after" in checkout.until(events_again, "took the run up again")

    stop, runs, export, report = END
    assert "is being stopped" in checkout.do(stop)
    checkout.until(events, "made safe, read back: stopped by")
    assert "Cycles" in checkout.do(runs)
    checkout.do(export)
    assert list((checkout.folder / "exported").rglob("*.csv"))
    assert "picture.png" in checkout.do(report)
    for process in (daemon, laboratory):
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    kinds = [entry.kind for entry in read_journal(checkout.folder / "data" / checkout.run_id / "run.sqlite")]
    assert (kinds.count("resumed"), kinds.count("run_started")) == (1, 1)


def test_it_is_watched_as_the_page_says(checkout: Checkout, tmp_path: Path) -> None:
    """The broker of the page on another port: 1883 may be taken here."""
    assert WATCH == ["mosquitto -p 1883", "presscell watch"]
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start()
    try:
        checkout.start(BENCH[0], "stdout")
        station = checkout.folder / "my-station.yaml"
        text = station.read_text().replace("# mqtt:", "mqtt:").replace("127.0.0.1:1883", f"127.0.0.1:{mosquitto.port}")
        station.write_text(text)
        checkout.start(SERVE[0], "stderr")
        checkout.run_id = checkout.do(RUN[0]).strip()
        watch = f"{WATCH[1]} --broker 127.0.0.1:{mosquitto.port} --json"
        with subprocess.Popen(
            checkout.words(watch), cwd=checkout.folder, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
        ) as watching:
            assert watching.stdout is not None
            topics = (json.loads(line)["topic"] for line in watching.stdout)
            assert any(topic.endswith("/warm/rig1/live") for topic in topics)
            watching.kill()
    finally:
        mosquitto.end()


def test_the_bench_says_what_is_next_and_keeps_somebody_s_own_station(checkout: Checkout) -> None:
    bench = checkout.start(BENCH[0], "stderr")
    bench.send_signal(signal.SIGINT)
    assert bench.wait(30) == 0
    (checkout.folder / "my-station.yaml").write_text("site: mine\n")
    done = subprocess.run(checkout.words(BENCH[0]), cwd=checkout.folder, capture_output=True, text=True, check=False)
    assert (done.returncode, "my-station.yaml: is there already" in done.stderr) == (1, True)
