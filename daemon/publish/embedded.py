"""A broker inside this process, on the loopback: what `simulate` publishes to when no other is named.

amqtt runs in a thread and loop of its own, so that nothing of it, nor of who connects to it, is in the loop that
measures. It speaks MQTT 3.1.1, keeps nothing, and is not for a laboratory's records.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from threading import Thread
from types import TracebackType
from typing import Any, Self

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker

from daemon.publish.client import BrokerAddress
from daemon.publish.outlet import OutletLostError
from daemon.publish.payloads import Message
from daemon.publish.topics import matches

LISTENER = "default"
CONFIG = {
    "listeners": {LISTENER: {"type": "external"}},
    "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
}
STALLED_AFTER_SECOND = 5.0
"""A subscriber that acknowledges nothing for so long is cut off; the others and the records wait for it until then."""
LEAVE_WITHIN_SECOND = 2.0
SEND_BUFFER_BYTES = 4_000_000
"""How much a slow subscriber may be behind before it is waited for."""

log = logging.getLogger(__name__)


class EmbeddedBroker:
    """A broker from `async with` to its end; also a `daemon.publish.outlet.Outlet`, without a TCP client to itself."""

    def __init__(self, port: int = 0) -> None:
        """`port` 0: a free one."""
        self.address = BrokerAddress("127.0.0.1", port)
        self._loop: asyncio.AbstractEventLoop
        self._broker: Broker
        self._stop: asyncio.Event
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._handlers: set[asyncio.Task[None]] = set()
        self._started: Future[int] = Future()
        self._thread = Thread(target=self._live, name="embedded broker")

    async def __aenter__(self) -> Self:
        """Start. Raises OSError when the port is taken."""
        self._thread.start()
        try:
            self.address = BrokerAddress("127.0.0.1", await asyncio.wrap_future(self._started))
        except BaseException:
            self._thread.join()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnect everyone and stop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        await asyncio.to_thread(self._thread.join)

    @property
    def sink(self) -> None:
        """See `Outlet`: it forgets everything."""
        return

    @asynccontextmanager
    async def connect(self, will: Message) -> AsyncIterator[Self]:  # noqa: ARG002
        """See `Outlet`. The will is of no use: this broker goes when its publisher does."""
        yield self

    async def send(self, message: Message) -> None:
        """See `Sender`: answers when every subscriber that is connected has acknowledged it."""
        sent = asyncio.run_coroutine_threadsafe(self._deliver(message), self._loop)
        await asyncio.wrap_future(sent)

    async def lost(self) -> OutletLostError:
        """See `Sender`: never."""
        never: asyncio.Future[OutletLostError] = asyncio.get_running_loop().create_future()
        return await never

    def wanted(self, topic: str) -> bool:
        """See `Sender`."""
        return any(matches(topic, topic_filter) for topic_filter in list(self._broker.subscriptions))

    def _live(self) -> None:
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001  (there is nobody above a thread: who waits for it is told)
            if not self._started.done():
                self._started.set_exception(error)
            else:
                log.error("the embedded broker ended: %s", error)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(_note)
        self._broker = Broker(CONFIG)
        await self._broker.start()
        try:
            server = await asyncio.start_server(self._accept, self.address.host, self.address.port)
            self._started.set_result(server.sockets[0].getsockname()[1])
            await self._stop.wait()
            server.close()
            await self._let_go()
            await server.wait_closed()
        finally:
            await self._broker.shutdown()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        writer.transport.set_write_buffer_limits(high=SEND_BUFFER_BYTES)
        self._writers[port] = writer
        if task := asyncio.current_task():
            self._handlers.add(task)
            task.add_done_callback(self._handlers.discard)
        try:
            await self._broker.external_connected(StreamReaderAdapter(reader), StreamWriterAdapter(writer), LISTENER)
        finally:
            del self._writers[port]
            writer.close()

    async def _let_go(self) -> None:
        """Close all connections, with what is still on its way to subscribers that read."""
        for writer in self._writers.values():
            writer.close()
        handlers = list(self._handlers)
        if handlers:
            _, late = await asyncio.wait(handlers, timeout=LEAVE_WITHIN_SECOND)
            for writer in self._writers.values():
                writer.transport.abort()
            if late:
                await asyncio.wait(late, timeout=LEAVE_WITHIN_SECOND)

    async def _deliver(self, message: Message) -> None:
        if message.retain:
            await self._broker.retain_message(None, message.topic, message.payload, message.qos)
        asked: dict[str, tuple[Any, int]] = {}
        for topic_filter, subscriptions in list(self._broker.subscriptions.items()):
            if matches(message.topic, topic_filter):
                for session, qos in subscriptions:
                    _, known_qos = asked.get(session.client_id, (session, 0))
                    asked[session.client_id] = (session, max(known_qos, min(qos, message.qos)))
        await asyncio.gather(*(self._deliver_to(session, message, qos) for session, qos in asked.values()))

    async def _deliver_to(self, session: Any, message: Message, qos: int) -> None:  # noqa: ANN401  (amqtt's own)
        _, handler = self._broker.sessions.get(session.client_id, (None, None))
        if handler is None or session.transitions.state != "connected":
            return
        try:
            async with asyncio.timeout(STALLED_AFTER_SECOND):
                await handler.mqtt_publish(message.topic, message.payload, qos, retain=False)
        except Exception as error:  # noqa: BLE001  (whatever a subscriber does, the others and the records go on)
            log.info("subscriber %s is cut off: %s", session.client_id, error)
            writer = self._writers.get(session.remote_port)
            if writer is not None:
                writer.transport.abort()


def _note(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:  # noqa: ARG001
    log.info("embedded broker: %s", context.get("exception") or context.get("message"))
