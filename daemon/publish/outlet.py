"""What the publisher needs of whatever takes its messages: a broker somewhere, or the embedded one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from daemon.publish.payloads import Message


class OutletLostError(Exception):
    """The broker can't be reached, went away or refuses; the text says which. Next: connect anew, later."""


class Sender(Protocol):
    """One connection to a broker."""

    async def send(self, message: Message) -> None:
        """Publish; answers when the broker has it (QoS 1) or it is on its way (QoS 0). Raises `OutletLostError`."""
        ...

    async def lost(self) -> OutletLostError:
        """Answers when the connection is lost, with why; never before."""
        ...

    def wanted(self, topic: str) -> bool:
        """False when it is known that nobody is there to receive a topic."""
        ...


class Outlet(Protocol):
    """Where messages go. `sink` names it for its cursors; None: it forgets everything when it ends."""

    @property
    def sink(self) -> str | None:
        """The name of its cursors."""
        ...

    def connect(self, will: Message) -> AbstractAsyncContextManager[Sender]:
        """A new connection; `will` is what the broker says when it breaks. Entering raises `OutletLostError`."""
        ...
