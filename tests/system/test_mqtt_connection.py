"""A connection leaves nothing behind, however far it came."""

import asyncio
import socket

import pytest

from daemon.publish.client import BrokerAddress, Client, MqttOutlet
from daemon.publish.outlet import OutletLostError
from daemon.publish.payloads import Message
from tests.support.broker import WITHIN_SECOND, free_port

WILL = Message("presscell/v1/lab/bench/availability", b"offline", retain=True)


class Listener:
    """Accepts connections, answers what it is told to, and notes when the other side is gone."""

    def __init__(self, answer=b""):
        self.answer = answer
        self.asked, self.left = asyncio.Event(), asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        self.address = BrokerAddress("127.0.0.1", self.server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *error):
        self.server.close()
        await self.server.wait_closed()

    async def accept(self, reader, writer):
        await reader.read(1)
        self.asked.set()
        writer.write(self.answer)
        while await reader.read(1000):
            pass
        self.left.set()
        writer.close()


async def enter(outlet):
    async with outlet.connect(WILL):
        await asyncio.Event().wait()


@pytest.mark.parametrize("answer", [b"", b"\x20\x03\x00\x00\x00"], ids=["mute", "connected"])
async def test_cancelled(answer):
    async with Listener(answer) as listener:
        task = asyncio.create_task(enter(MqttOutlet(listener.address)))
        await listener.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(WITHIN_SECOND):
            await listener.left.wait()


async def test_refused():
    """MQTT 5: not authorised."""
    async with Listener(b"\x20\x03\x00\x87\x00") as listener:
        with pytest.raises(OutletLostError, match="Not authorized"):
            await enter(MqttOutlet(listener.address))
        async with asyncio.timeout(WITHIN_SECOND):
            await listener.left.wait()


async def test_hung_up():
    async def hang_up(reader, writer):
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        with pytest.raises(OutletLostError, match="hung up"):
            await enter(MqttOutlet(BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1])))


async def test_nobody_there():
    with pytest.raises(OutletLostError, match="refused"):
        await enter(MqttOutlet(BrokerAddress("127.0.0.1", free_port())))


async def test_a_socket_that_died_before_it_was_watched_is_not_watched():
    loop, told = asyncio.get_running_loop(), []
    loop.set_exception_handler(lambda loop, context: told.append(context))
    client = Client(BrokerAddress(), MqttOutlet(BrokerAddress())._version)
    with socket.socket() as dead:
        client._on_socket_register_write(client._client, None, dead)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert told == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("broker", BrokerAddress("broker", 1883)),
        ("10.0.0.1:1884", BrokerAddress("10.0.0.1", 1884)),
        ("[::1]:1884", BrokerAddress("::1", 1884)),
        ("::1", BrokerAddress("::1", 1883)),
    ],
)
def test_addresses(text, address):
    assert BrokerAddress.parse(text) == address


@pytest.mark.parametrize("text", ["", ":1883", "host:", "host:x", "host:0", "host:65536"])
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="is no broker"):
        BrokerAddress.parse(text)
