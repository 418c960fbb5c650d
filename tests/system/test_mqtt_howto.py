"""What the how-to and the shipped broker configuration say works as they say it."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from daemon.clock import MonotonicClock
from daemon.publish.client import BrokerAddress, MqttOutlet, subscribed
from daemon.publish.outlet import OutletLostError
from daemon.publish.publisher import Publisher
from daemon.publish.topics import StationTopics
from tests.support.broker import WITHIN_SECOND, Mosquitto
from tests.support.stand_in_run import StandInRun

REPOSITORY = Path(__file__).parents[2]
HOW_TO = REPOSITORY / "docs" / "how-to" / "subscribe.md"
SHIPPED = REPOSITORY / "config" / "broker" / "mosquitto.conf"


@pytest.fixture
def run(tmp_path):
    written = StandInRun(tmp_path / "data")
    yield written
    written.close()


def start(program: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-u", "-c", program], stdout=subprocess.PIPE, text=True)


async def test_the_python_subscriber_of_the_how_to(tmp_path, run):
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start()
    [program] = re.findall(r"```python\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    process = start(program.replace("port=1883", f"port={mosquitto.port}"))
    try:
        outlet, topics = MqttOutlet(mosquitto.address), StationTopics("lab", "bench")
        async with Publisher(outlet, topics, tmp_path / "data", MonotonicClock()) as publisher:
            publisher.follow(run.directory, run.header)
            line = asyncio.create_task(asyncio.to_thread(process.stdout.readline))
            while not line.done():  # it says nothing before its first row, so rows go on until it has subscribed
                run.commit(10, 3.25)
                assert await publisher.drained(WITHIN_SECOND)
            rows, voltage_volt = line.result().split()
            assert int(rows) >= 10
            assert float(voltage_volt) == 3.25
    finally:
        process.kill()
        process.communicate()
        mosquitto.end()


def shipped_config(folder: Path, port: int) -> str:
    """The shipped file with the paths and the port of the test, and the access list its comment shows."""
    text = SHIPPED.read_text(encoding="utf-8")
    rules = re.search(r"presscell\.acl, where.*?\n((?:#   .*\n)+)", text).group(1)
    (folder / "presscell.acl").write_text(re.sub(r"(?m)^#   ", "", rules))
    passwords = folder / "presscell.passwd"
    passwords.write_text("bench01:secret\nviewer:secret\n")
    tool = shutil.which("mosquitto_passwd") or "/usr/bin/mosquitto_passwd"
    subprocess.run([tool, "-U", str(passwords)], check=True)
    text = text.replace("/etc/mosquitto", str(folder)).replace("/var/lib/mosquitto", str(folder))
    assert "listener 1883 127.0.0.1" in text
    text = text.replace("listener 1883", f"listener {port}") + "\nlog_dest stderr\nlog_type information\n"
    return text + ("user root\n" if os.geteuid() == 0 else "")


async def test_the_shipped_broker_configuration(tmp_path):
    mosquitto = Mosquitto(tmp_path)
    mosquitto.start(shipped_config(tmp_path, mosquitto.port))
    port = mosquitto.port
    try:
        with pytest.raises(OutletLostError, match="uthori"):
            async with subscribed(BrokerAddress("127.0.0.1", port), "presscell/v1/#"):
                pass
        station = MqttOutlet(BrokerAddress("127.0.0.1", port, "bench01", "secret"))
        reader = BrokerAddress("127.0.0.1", port, "viewer", "secret")
        for name, heard in (("bench02", False), ("bench01", True)):
            topics = StationTopics("lab", name)
            async with Publisher(station, topics, tmp_path / "data", MonotonicClock()) as publisher:
                assert await publisher.drained(WITHIN_SECOND if heard else 1.0) is heard
        async with subscribed(reader, "presscell/v1/#") as client:
            message = await anext(client.messages)
            assert message.topic.value.startswith("presscell/v1/lab/bench01/")
    finally:
        mosquitto.end()
