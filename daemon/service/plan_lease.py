"""The lease of a run names what its plan asks for: when the run is taken up, and while and after it is edited."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from daemon.clock import Clock
from daemon.plan import Plan
from daemon.running.asked_edit import CHANGED_MEANWHILE, EditRefusedError
from daemon.service.preparing import RefusedRequestError, lease_of
from daemon.service.shared_use import SharedUse
from daemon.sharing import both, wish_of
from daemon.store.errors import StoreError

log = logging.getLogger(__name__)


class PlanLeases:
    """Keeps leases as plans have them. `look` is called when others may have what a run has no more."""

    def __init__(self, use: SharedUse, clock: Clock, look: Callable[[], None]) -> None:
        """Nothing happens yet."""
        self._use = use
        self._clock = clock
        self._look = look
        self._edited: set[str] = set()

    async def renew(self, run_id: str, rig_name: str, instrument: str | None, plan: Plan | None) -> None:
        """Let a run have of its shared instrument what its plan asks for, and no more; nothing where it has none.

        What others stand against is told, and the lease is as it was: without one the run may set nothing. So it is
        where the disk refuses another one.

        Raises:
            StoreError: it has none, and the disk refuses one.
        """
        wish, had = wish_of(plan, instrument) if plan else None, self._use.wish_of(run_id)
        if wish == had:
            return
        why = self._use.obstacle(wish, run_id)
        if why is not None:
            log.warning("%s does not get the lease its plan asks for: %s", run_id, why)
        elif wish is None or plan is None:
            await self._use.release(run_id)
        else:
            try:
                await self._use.grant(lease_of(run_id, rig_name, plan, wish, self._clock.utc_second()))
            except StoreError as error:
                if had is None:
                    raise
                log.error("the lease of %s stays as it was: %s", run_id, error)
        self._look()

    @asynccontextmanager
    async def for_edit(
        self, run_id: str, rig_name: str, instrument: str | None, plan: Plan, in_force: Callable[[], Plan | None]
    ) -> AsyncIterator[None]:
        """While an edit is on its way, the run has what either plan asks for; then what the plan it has asks for.

        Args:
            run_id: of the run.
            rig_name: of its rig.
            instrument: the shared chamber of the rig.
            plan: the one it is to have.
            in_force: the plan it has in the end; None when it has ended.

        Raises:
            RefusedRequestError: others have what the new plan asks for.
            EditRefusedError: another edit of it is on its way.
            StoreError: the lease can't be made durable, and nothing has happened.
        """
        if run_id in self._edited:
            raise EditRefusedError(CHANGED_MEANWHILE)
        asked = wish_of(plan, instrument)
        why = self._use.obstacle(asked, run_id)
        if why is not None:
            raise RefusedRequestError(why)
        self._edited.add(run_id)
        try:
            wish = both(self._use.wish_of(run_id), asked)
            if wish is not None:
                await self._use.grant(lease_of(run_id, rig_name, plan, wish, self._clock.utc_second()))
            async with self._as_it_is_then(run_id, rig_name, instrument, in_force):
                yield
        finally:
            self._edited.discard(run_id)

    @asynccontextmanager
    async def _as_it_is_then(
        self, run_id: str, rig_name: str, instrument: str | None, in_force: Callable[[], Plan | None]
    ) -> AsyncIterator[None]:
        is_known = True
        try:
            yield
        except asyncio.CancelledError:
            # Nobody waits for the answer any more, and the run may still take it. The next daemon sees which it was.
            is_known = False
            raise
        finally:
            if is_known:
                await self.renew(run_id, rig_name, instrument, in_force())
