"""The leases and the queue of a running daemon: what `daemon.sharing` decides, made durable before it counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from typing import TypeVar

from daemon.clock import Clock
from daemon.sharing import Lease, Waiting, Wish, obstacle, why_not_set
from daemon.store.errors import StoreError
from daemon.store.sharing_store import SharingStore
from protocols.units import time_text

log = logging.getLogger(__name__)
Answer = TypeVar("Answer")


class SharedUse:
    """Who may set which shared instrument, and who waits. `grant`, `enqueue` and `leave` raise `StoreError`."""

    def __init__(self, store: SharingStore, clock: Clock) -> None:
        """Take over what is stored; the store is closed with this."""
        self._store = store
        self._clock = clock
        self._turn = asyncio.Lock()
        self._leases = {lease.run_id: lease for lease in store.leases()}
        self._waiting = store.waiting()
        self._leaving: list[str] = []
        self._why_left = store.why_left()

    async def settle(self, unfinished: Collection[str], has_begun: Callable[[str], bool]) -> None:
        """Make good what a daemon that died left half done.

        Args:
            unfinished: ids of the runs that have begun and not ended: they keep their leases.
            has_begun: whether the run of an id has a file of its own, so that it waits no more.
        """
        for waiting in [one for one in self._waiting if has_begun(one.run_id)]:
            await self.begun(waiting.run_id, waiting.rig)
        for run_id in [run_id for run_id in self._leases if run_id not in unfinished]:
            await self.release(run_id)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """The queue, in its order; who is leaving it is in it until that is durable."""
        return tuple(self._waiting)

    def waits_at(self, rig: str) -> Waiting | None:
        """The run that waits at a rig."""
        return next((one for one in self._waiting if one.rig == rig), None)

    def may_begin(self, one: Waiting) -> bool:
        """Whether a run is in the queue still, and nobody is taking it out."""
        return one in self._waiting and one.run_id not in self._leaving

    def why_left(self, rig: str) -> str:
        """Why the last run of a rig left the queue without having begun; empty when another came after it."""
        return self._why_left.get(rig, "")

    def obstacle(self, wish: Wish | None, run_id: str) -> str | None:
        """Why a run may not begin now: a sentence without its end; None when it may, or wants no more than it has."""
        held = self._leases.get(run_id)
        if wish is None or (held is not None and held.wish.has(wish)):
            return None
        leases = [lease for lease in self._leases.values() if lease.run_id != run_id]
        ids = [one.run_id for one in self._waiting]
        ahead = self._waiting[: ids.index(run_id)] if run_id in ids else self._waiting
        return obstacle(wish, leases, ahead, self._clock.utc_second())

    def why_not_set(self, rig: str, instrument: str, setpoint_celsius: float) -> str | None:
        """See `daemon.sharing`."""
        return why_not_set(rig, instrument, setpoint_celsius, self._leases.values())

    def waited_second(self, one: Waiting) -> float:
        """For how long a run has waited."""
        return one.waited_second(self._clock.epoch, self._clock.now_second(), self._clock.utc_second())

    def place_text(self, one: Waiting) -> str:
        """Where a run stands in the queue of its instrument, what it waits for, and for how long at most."""
        same = [other for other in self._waiting if other.wish.instrument == one.wish.instrument]
        why = self.obstacle(one.wish, one.run_id) or "it begins now"
        return (
            f"place {same.index(one) + 1} of {len(same)} for {one.wish.instrument}: {why}. At open circuit for"
            f" {time_text(round(self.waited_second(one)))}, for {time_text(one.longest_wait_second)} at most"
        )

    def has_lease(self, run_id: str) -> bool:
        """Whether a run has a lease."""
        return run_id in self._leases

    def wish_of(self, run_id: str) -> Wish | None:
        """What the lease of a run names; None when it has none."""
        lease = self._leases.get(run_id)
        return lease.wish if lease else None

    async def grant(self, lease: Lease) -> None:
        """Give a run its lease, or another one. Whether it may have it was asked before, with nothing in between."""
        before = self._leases.get(lease.run_id)
        self._leases[lease.run_id] = lease
        try:
            await self._stored(lambda: self._store.grant(lease))
        except BaseException:
            del self._leases[lease.run_id]
            if before is not None:
                self._leases[lease.run_id] = before
            raise

    async def release(self, run_id: str) -> None:
        """Give up a run's lease, if it has one. What the disk refuses now is made good when the next daemon settles."""
        if self._leases.pop(run_id, None) is not None:
            await self._stored_or_told(lambda: self._store.release(run_id))

    async def enqueue(self, waiting: Waiting) -> Waiting:
        """Put a run at the end of the queue."""
        placed = await self._stored(lambda: self._store.enqueue(waiting))
        self._waiting.append(placed)
        self._why_left.pop(waiting.rig, None)
        return placed

    async def begun(self, run_id: str, rig: str) -> None:
        """A run of a rig has begun: it waits no more. What the disk refuses is made good as with `release`."""
        if rig in self._why_left or any(one.run_id == run_id for one in self._waiting):
            self._waiting = [one for one in self._waiting if one.run_id != run_id]
            self._why_left.pop(rig, None)
            await self._stored_or_told(lambda: self._store.begun(run_id, rig))

    async def leave(self, one: Waiting, why: str) -> None:
        """Take a run out of the queue that has not begun; one that is not in it any more is left alone.

        From the first moment on nobody begins it, but it waits until that is durable: its place and its rig are no one
        else's before. When the disk refuses, it goes on waiting.
        """
        if one not in self._waiting:
            return
        text, utc_second = f"{one.run_id} left the queue: {why}", self._clock.utc_second()
        self._leaving.append(one.run_id)
        try:
            await self._stored(lambda: self._store.leave(one, text, utc_second))
        finally:
            self._leaving.remove(one.run_id)
        log.warning("%s", text)
        self._waiting = [other for other in self._waiting if other != one]
        self._leases.pop(one.run_id, None)
        self._why_left[one.rig] = text

    async def close(self) -> None:
        """Close the store."""
        async with self._turn:
            self._store.close()

    async def _stored_or_told(self, write: Callable[[], None]) -> None:
        try:
            await self._stored(write)
        except StoreError as error:
            log.error("leases and queue are not written: %s", error)

    async def _stored(self, write: Callable[[], Answer]) -> Answer:
        """The disk is waited for off the loop, and simulated time stands still meanwhile, as at all work."""
        self._clock.join()
        try:
            async with self._turn:
                return await asyncio.to_thread(write)
        finally:
            self._clock.leave()
