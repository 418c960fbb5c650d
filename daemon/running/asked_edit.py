"""Another plan on its way into a run: decided at the moment the run takes it, and answered once it is durable."""

from __future__ import annotations

import asyncio

import msgspec

from daemon.deciding.editing import refusals
from daemon.deciding.run_state import Run
from daemon.events import PlanChanged
from daemon.plan import Plan

CHANGED_MEANWHILE = "the run has another plan than the one compared with: look at the difference again"


class EditRefusedError(Exception):
    """A run may not have another plan; the text says why and what to do."""


class AskedEdit:
    """Somebody wants a run to have another plan, and waits for the answer. Make it on the loop."""

    def __init__(self, change: PlanChanged, compared_with: Plan) -> None:
        """`change.segment` is set when the run takes it; `compared_with` is the plan it was agreed to change."""
        self._change = change
        self._compared_with = compared_with
        self._answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def due(self, run: Run) -> PlanChanged | None:
        """What is to be written now; None when the run may not have it, and whoever waits is told why."""
        why = (CHANGED_MEANWHILE,) if run.plan != self._compared_with else refusals(run, self._change.plan)
        if not why:
            return msgspec.structs.replace(self._change, segment=run.segment)
        if not self._answer.done():
            self._answer.set_exception(EditRefusedError("; ".join(why)))
        return None

    def is_durable(self) -> None:
        """Tell who waits, unless the answer was no."""
        if not self._answer.done():
            self._answer.set_result(None)

    async def answered(self, task: asyncio.Task[None] | None) -> None:
        """Wait for the answer, or the end of the task that carries the run out.

        Raises:
            EditRefusedError: the run may not have it now, or took it no more.
        """
        await asyncio.wait({self._answer, *({task} if task else ())}, return_when=asyncio.FIRST_COMPLETED)
        if not self._answer.done():
            raise EditRefusedError("the run was let go or has ended; look at `presscell runs`, and edit it again")
        self._answer.result()
