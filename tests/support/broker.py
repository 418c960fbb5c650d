"""A real Mosquitto of the test's own, and a subscriber that de-duplicates, as the how-to tells people to write it."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt

from daemon.publish.client import BrokerAddress

BINARIES = ("mosquitto", "/usr/sbin/mosquitto")
WITHIN_SECOND = 40.0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def mosquitto_binary() -> str:
    found = next(filter(None, map(shutil.which, BINARIES)), None)
    assert found, "these tests need Mosquitto: Debian and Ubuntu: apt install mosquitto"
    return found


@dataclass
class Mosquitto:
    """A broker on a free port of the loopback; absent until `start`."""

    folder: Path
    more_config: str = ""
    port: int = field(default_factory=free_port)
    process: "subprocess.Popen[str] | None" = None

    @property
    def address(self) -> BrokerAddress:
        return BrokerAddress("127.0.0.1", self.port)

    def start(self, whole_config: str = "") -> None:
        """Answers when it says that it runs."""
        config = self.folder / "mosquitto.conf"
        owner = "user root\n" if os.geteuid() == 0 else ""
        config.write_text(
            whole_config
            or f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n{owner}"
            f"persistence true\npersistence_location {self.folder}/\nautosave_on_changes true\nautosave_interval 1\n"
            f"max_queued_messages 0\nlog_dest stderr\nlog_type information\nlog_type error\nconnection_messages false\n"
            f"{self.more_config}\n"
        )
        self.process = subprocess.Popen([mosquitto_binary(), "-c", str(config)], stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        said = []
        while line := self.process.stderr.readline():
            said.append(line)
            if "running" in line:
                return
        raise AssertionError(f"Mosquitto did not start: {said}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Answers when it is gone."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            self.process.communicate()
            self.process = None

    def lose_memory(self) -> None:
        """kill -9, and everything it has kept is gone."""
        self.end(signal.SIGKILL)
        (self.folder / "mosquitto.db").unlink(missing_ok=True)

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


@dataclass
class Subscriber:
    """Keeps each row once, by `(station, run_id, stream, seq)`; and the last message of every other topic."""

    address: BrokerAddress
    topics: tuple[str, ...] = ("presscell/v1/#",)
    qos: int = 1
    rows: dict[tuple[str, str, str, int], dict[str, Any]] = field(default_factory=dict)
    messages: dict[str, list[bytes]] = field(default_factory=lambda: defaultdict(list))
    repeated_rows: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)
    connections: int = 0

    async def listen(self) -> None:
        """Until the broker goes away."""
        no_delay = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
        async with aiomqtt.Client(
            self.address.host,
            self.address.port,
            identifier="subscriber",
            clean_session=False,
            socket_options=no_delay,
        ) as client:
            await client.subscribe([(topic, self.qos) for topic in self.topics])
            async with self.changed:
                self.connections += 1
                self.changed.notify_all()
            async for message in client.messages:
                await self.take(message.topic.value, bytes(message.payload))

    async def take(self, topic: str, payload: bytes) -> None:
        async with self.changed:
            if "/records/" in topic:
                self.take_records(json.loads(payload))
            else:
                self.messages[topic].append(payload)
            self.changed.notify_all()

    def take_records(self, said: dict[str, Any]) -> None:
        for row in said["rows"]:
            key = (said["station"], said["run_id"], said["stream"], row["seq"])
            self.repeated_rows += key in self.rows
            assert self.rows.get(key, row) == row, f"row {key} came twice, and not the same"
            self.rows[key] = row

    async def until(self, seen: Callable[["Subscriber"], bool]) -> None:
        async with asyncio.timeout(WITHIN_SECOND), self.changed:
            await self.changed.wait_for(lambda: seen(self))

    def json(self, topic: str) -> list[dict[str, Any]]:
        """All messages of a topic, read; empty ones as {}."""
        return [json.loads(payload or b"{}") for payload in self.messages[topic]]

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Answers when it has subscribed; the task ends with `MqttError` when the broker goes away."""
        before = self.connections
        task = asyncio.create_task(self.listen())
        subscribed = asyncio.create_task(self.until(lambda it: it.connections > before))
        try:
            await asyncio.wait([task, subscribed], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                await task
            yield task
        finally:
            for started in (task, subscribed):
                started.cancel()
            await asyncio.gather(task, subscribed, return_exceptions=True)


async def broker_gone(task: "asyncio.Task[None]") -> None:
    """Wait until a subscriber has noticed that its broker went away."""
    async with asyncio.timeout(WITHIN_SECOND):
        await asyncio.gather(task, return_exceptions=True)
