"""Who has a rig: a run that is carried out on it, or one that could not be taken up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

from daemon.events import ResumeRequested
from daemon.rig import Rig
from daemon.running.progress import Progress
from daemon.service.placing import PlacedRun


@dataclass
class Busy:
    """A rig with a run on it."""

    rig: Rig
    placed: PlacedRun
    progress: Progress | None = None
    task: asyncio.Task[None] | None = None


@dataclass(frozen=True)
class HeldRun:
    """A run that could not be taken up; `directory` is where it is, None when trying again is of no use.

    `then` is what somebody has already asked of it, for when it is taken up.
    """

    name: str
    why: str
    directory: Path | None = None
    then: ResumeRequested | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.why}" + ("; it goes on by itself once it is taken up" if self.then else "")
