"""What the bench asks of a simulated instrument, and what an instrument may ask of the cell."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Forecast:
    """What the cell will show at some times if nothing is changed: arrays of the shape of those times."""

    voltage_volt: NDArray[np.float64]
    pressure_megapascal: NDArray[np.float64]
    temperature_celsius: NDArray[np.float64]


class CellUnderTest(Protocol):
    """The cell, as an instrument meets it. Time is integer nanoseconds; current is positive when it charges.

    What the cell shows depends on its history alone, never on how often or in which portions it was asked.
    """

    @property
    def now_ns(self) -> int:
        """The time the cell has been brought to."""
        ...

    @property
    def current_ampere(self) -> float:
        """The current that flows from now on."""
        ...

    @property
    def charge_in_coulomb(self) -> float:
        """Charge put in so far, the integral of the positive part of the current."""
        ...

    @property
    def charge_out_coulomb(self) -> float:
        """Charge taken out so far, the integral of the negative part of the current, as a positive number."""
        ...

    def set_current(self, current_ampere: float) -> None:
        """Let this current flow from now on."""
        ...

    def set_voltage(self, voltage_volt: float) -> None:
        """Hold the terminals at this voltage from now on, whatever current that takes."""
        ...

    def forecast(self, times_ns: NDArray[np.int64]) -> Forecast:
        """What the cell will show at these times (rising, none before now) if nothing is set anew. Changes nothing."""
        ...

    def forecast_current(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """The current in ampere that will flow at these times (rising, none before now), likewise."""
        ...

    def current_at_voltage(self, voltage_volt: float) -> float:
        """The current with which the terminals would be at a voltage at once: the first that `set_voltage` takes."""
        ...

    def advance_to(self, time_ns: int) -> None:
        """Bring the cell to a later time."""
        ...


class Device(Protocol):
    """One simulated instrument: bytes in, bytes out, and what it does on its own between them.

    The bench moves time as follows, and every instrument sees the same times: it asks those that change the cell's
    surroundings `run_to`, then the one that drives its current, each for the earliest answer so far, lets the others
    run to what came out, brings the cell there, and calls `settle` on all. Surroundings are asked for a stop that the
    driving instrument may then undercut: their `run_to` changes nothing. A driving instrument that has come to its
    limit may be asked for a later one before anything else has moved.
    """

    name: str

    def receive(self, data: bytes, now_ns: int) -> bytes:
        """Take bytes off the cable at bench time `now_ns`; answer with the bytes to send back, perhaps none."""
        ...

    def run_to(self, limit_ns: int) -> int:
        """Do on its own all that happens before `limit_ns`, at most up to the next change it makes to the cell.

        Answers the time it stopped at: `limit_ns`, or earlier when it must then change the cell or what is around it.
        May look at the cell by `forecast`; must not move or change it.
        """
        ...

    def settle(self, now_ns: int) -> None:
        """The cell has been brought to `now_ns`: make the change that stopped `run_to`, if one is due."""
        ...

    @property
    def busy(self) -> bool:
        """Whether it is doing something on its own that has an end (a running trigger model)."""
        ...

    def power_cycle(self, now_ns: int) -> None:
        """Lose power and come back with the settings and losses of a real one; the output is off."""
        ...


@runtime_checkable
class Foreseeing(Protocol):
    """A driving instrument that can tell how long it goes on as it does, so that others need not wait for it."""

    def foresee(self, horizon_ns: int) -> None:
        """Forget what was foreseen. Where `run_to` can, let it find out from now on how far it is sure, to here."""
        ...

    @property
    def sure_ns(self) -> int:
        """Before this time it neither changes the cell nor stops being busy, if nothing is changed for it."""
        ...


class StreamingDevice(Device, Protocol):
    """An instrument that also talks unasked."""

    @property
    def bytes_per_second(self) -> float:
        """Unasked bytes it sends at most."""
        ...

    def take_emitted(self) -> list[tuple[int, bytes]]:
        """Frames put on its cable since this was last asked, each with the bench time of its last byte, rising."""
        ...


class CellSurroundings(Protocol):
    """What an instrument may do to the place the cell is in."""

    def set_chamber_celsius(self, temperature_celsius: float) -> None:
        """From now on the air around the jig has this temperature."""
        ...


EmitBytes = Callable[[bytes], None]
"""How an instrument puts a reply on its cable that was not ready when it was asked for."""
