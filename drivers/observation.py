"""What a driver can tell of an instrument beyond its role, for a person who looks for what is wrong."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True)
class Observation:
    """One thing as it is. `fix` is what to do about it; empty when it is as it should be."""

    what: str
    text: str
    fix: str = ""


@runtime_checkable
class Inspectable(Protocol):
    """A driver that can tell more; a role does not ask for it."""

    async def inspect(self) -> tuple[Observation, ...]:
        """What can be read without changing anything, after `connect`. Raises as a question does."""
        ...
