"""A connection to an MQTT broker over TCP: a new client for each attempt, since one that failed can't be used again."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from daemon.publish.outlet import OutletLostError
from daemon.publish.payloads import Message

DEFAULT_PORT = 1883
KEEPALIVE_SECOND = 10
"""A broker that is frozen, or a cable that is pulled, is noticed 1 to 2 times this later."""
CONNECT_WITHIN_SECOND = 5.0
LEAVE_WITHIN_SECOND = 2.0
NO_DELAY = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
UNSUPPORTED_VERSION = (1, 0x84)
"""How brokers of MQTT 3.1.1 and of 5 say that they don't speak what was asked for. Source: MQTT 3.1.1 section 3.2.2.3,
MQTT 5 section 3.2.2.2."""
PUBLISH_REFUSED = range(0x81, 0xA3)
"""Reasons to refuse that say something. 0x80 is also what the library calls a connection that broke."""

_silent = logging.getLogger(__name__ + ".library")
_silent.setLevel(logging.CRITICAL + 1)


@dataclass(frozen=True)
class BrokerAddress:
    """Where a broker listens, and who we are to it."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`HOST`, `HOST:PORT` or `[IPv6]:PORT`. Raises ValueError."""
        host, colon, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "")
        host = host.removeprefix("[").removesuffix("]")
        if not host or (colon and not (port.isdigit() and 0 < int(port) < 65536)):
            raise ValueError(f"{text!r} is no broker: write HOST or HOST:PORT, as 127.0.0.1:{DEFAULT_PORT}")
        return cls(host, int(port) if colon else DEFAULT_PORT)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Client(aiomqtt.Client):
    """aiomqtt's client, made whole where 2.5 leaves something behind: see each method."""

    def __init__(self, address: BrokerAddress, version: aiomqtt.ProtocolVersion, **options: Any) -> None:  # noqa: ANN401
        super().__init__(
            address.host,
            address.port,
            username=address.username,
            password=address.password,
            protocol=version,
            logger=_silent,
            timeout=CONNECT_WITHIN_SECOND,
            socket_options=NO_DELAY,
            **options,
        )
        self._client.connect_timeout = CONNECT_WITHIN_SECOND
        self._tried = asyncio.Event()
        self._trying = False

    async def __aenter__(self) -> Self:
        self._trying = True
        return await super().__aenter__()

    async def abandon(self) -> None:
        """Close the socket and end what the client still does, however far it came. May be repeated.

        The library leaves both behind when connecting times out or is cancelled, or when a broker no longer reads.
        """
        if self._trying:
            await self._tried.wait()
        # The callbacks that set the connection up were queued by the thread that opened it; let them run first.
        await asyncio.sleep(0)
        self._client._sock_close()  # noqa: SLF001
        if self._misc_task is not None:
            self._misc_task.cancel()
            await asyncio.gather(self._misc_task, return_exceptions=True)
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()

    def _client_connect(self) -> None:
        try:
            super()._client_connect()
        finally:
            self._loop.call_soon_threadsafe(self._tried.set)

    def _on_disconnect(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401
        flags: paho.DisconnectFlags,
        reason_code: ReasonCode,
        properties: Properties | None = None,
    ) -> None:
        """The library waits for its time-out when a broker hangs up before it has answered."""
        if self._connected.done():
            super()._on_disconnect(client, userdata, flags, reason_code, properties)
        else:
            self._connected.set_exception(aiomqtt.MqttError("the broker hung up"))

    def _on_socket_register_write(self, client: paho.Client, userdata: Any, sock: Any) -> None:  # noqa: ANN401, ARG002
        """The library registers a descriptor a moment later; by then a broker that died has taken it along."""

        def write() -> None:
            try:
                client.loop_write()
            except OSError as error:
                if not self._disconnected.done():
                    self._disconnected.set_exception(error)

        def register() -> None:
            if sock.fileno() >= 0:
                self._loop.add_writer(sock.fileno(), write)

        self._loop.call_soon_threadsafe(register)

    def _on_publish(
        self,
        client: paho.Client,
        userdata: Any,  # noqa: ANN401
        mid: int,
        reason_code: ReasonCode,
        properties: Properties,
    ) -> None:
        """The library takes a refusal (MQTT 5, as by an access list) for an acknowledgement."""
        if not reason_code.is_failure:
            super()._on_publish(client, userdata, mid, reason_code, properties)
        elif not self._disconnected.done():
            self._disconnected.set_exception(aiomqtt.MqttCodeError(reason_code))


@dataclass
class Connection:
    """A connected client; a `daemon.publish.outlet.Sender`."""

    client: Client
    version: aiomqtt.ProtocolVersion
    address: BrokerAddress

    async def send(self, message: Message) -> None:
        """See `Sender`."""
        try:
            await self.client.publish(
                message.topic,
                message.payload,
                qos=message.qos,
                retain=message.retain,
                properties=self._properties(message),
                timeout=math.inf,
            )
        except aiomqtt.MqttError as error:
            raise OutletLostError(f"{self.address}: {error}") from error

    async def lost(self) -> OutletLostError:
        """See `Sender`."""
        try:
            async for _ in self.client.messages:
                pass
        except aiomqtt.MqttError as error:
            why = error.__cause__
            refused = isinstance(why, aiomqtt.MqttCodeError) and _code(why) in PUBLISH_REFUSED
            return OutletLostError(f"{self.address}: {why if refused else 'the connection broke'}")
        return OutletLostError(f"{self.address}: the connection was closed")

    def wanted(self, topic: str) -> bool:  # noqa: ARG002
        """See `Sender`: a broker doesn't tell who listens."""
        return True

    def _properties(self, message: Message) -> Properties | None:
        if message.expires_after_second is None or self.version is not aiomqtt.ProtocolVersion.V5:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.MessageExpiryInterval = message.expires_after_second
        return properties


class MqttOutlet:
    """A broker of the laboratory. Speaks MQTT 5, and 3.1.1 with a broker that says it doesn't."""

    def __init__(self, address: BrokerAddress, *, keepalive_second: int = KEEPALIVE_SECOND) -> None:
        self.address = address
        self._keepalive_second = keepalive_second
        self._version = aiomqtt.ProtocolVersion.V5

    @property
    def sink(self) -> str:
        """See `daemon.publish.outlet.Outlet`."""
        return f"mqtt://{self.address}"

    @asynccontextmanager
    async def connect(self, will: Message) -> AsyncIterator[Connection]:
        """See `daemon.publish.outlet.Outlet`."""
        version, client = self._version, self._new_client(will)
        try:
            try:
                await client.__aenter__()
            except aiomqtt.MqttCodeError as error:
                if version is not aiomqtt.ProtocolVersion.V5 or _code(error) not in UNSUPPORTED_VERSION:
                    raise
                await client.abandon()
                self._version = version = aiomqtt.ProtocolVersion.V311
                client = self._new_client(will)
                await client.__aenter__()
        except aiomqtt.MqttError as error:
            await client.abandon()
            raise OutletLostError(f"{self.address}: {error}") from error
        except BaseException:
            await client.abandon()
            raise
        try:
            _notice_cancellation()
            yield Connection(client, version, self.address)
        finally:
            client.timeout = LEAVE_WITHIN_SECOND
            with suppress(aiomqtt.MqttError, OSError):
                await client.__aexit__(None, None, None)
            await client.abandon()

    def _new_client(self, will: Message) -> Client:
        last = aiomqtt.Will(will.topic, will.payload, will.qos, will.retain)
        return Client(self.address, self._version, will=last, keepalive=self._keepalive_second)


@asynccontextmanager
async def subscribed(address: BrokerAddress, *topics: str, at_most_queued: int = 0) -> AsyncIterator[Client]:
    """A client that has subscribed with QoS 1; iterate over its `messages`. Entering raises `OutletLostError`.

    Of `at_most_queued` messages that nobody has taken yet the newer are dropped; 0 drops none.
    """
    client = Client(address, aiomqtt.ProtocolVersion.V311, max_queued_incoming_messages=at_most_queued)
    try:
        try:
            await client.__aenter__()
            await client.subscribe([(topic, 1) for topic in topics])
        except aiomqtt.MqttError as error:
            raise OutletLostError(f"{address}: {error}") from error
        yield client
    finally:
        client.timeout = LEAVE_WITHIN_SECOND
        with suppress(aiomqtt.MqttError, OSError):
            await client.__aexit__(None, None, None)
        await client.abandon()


def _notice_cancellation() -> None:
    """Raise what `asyncio.wait_for` of Python 3.11 swallows when it is cancelled while its answer comes."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _code(error: aiomqtt.MqttCodeError) -> int | None:
    return error.rc.value if isinstance(error.rc, ReasonCode) else error.rc
