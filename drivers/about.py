"""What people must know of a driver before they buy, connect or trust an instrument."""

from dataclasses import dataclass
from enum import StrEnum


class Against(StrEnum):
    """What a driver can have been tried against, the least telling first."""

    SIMULATOR = "simulator"
    """One that was written from the maker's documentation and shares nothing with the driver."""
    CLIENT = "client"
    """The same simulator, by a program that others wrote for the instrument and that was not changed for this."""
    HARDWARE = "hardware"
    """The instrument itself."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Something a driver was tried against.

    `what` names it: a simulator; a program and its version; a model with its firmware, and the day. `where` is the file
    or page that shows it.
    """

    against: Against
    what: str
    where: str


@dataclass(frozen=True, kw_only=True)
class About:
    """One driver, in words for people; marks such as `[manual]` and `[unverified]` say where a fact is from.

    `name` is what a station writes, `maker.model`. `instruments` are makes and models it speaks to, `transports` the
    cables it takes. `limits` is what it can't do or refuses to do. `host_loss` is what the instrument does when nobody
    speaks to it any more. `has_serial_number`: it can be asked for one, so that another of its kind is noticed.
    `trials` is what it was tried against, `unverified` what nobody has confirmed; `page` where more is to read.
    """

    name: str
    instruments: str
    transports: tuple[str, ...]
    limits: tuple[str, ...]
    host_loss: str
    has_serial_number: bool = False
    trials: tuple[Trial, ...] = ()
    unverified: tuple[str, ...] = ()
    page: str = ""

    @property
    def is_on_hardware(self) -> bool:
        """Whether anybody has tried it on the instrument."""
        return any(trial.against is Against.HARDWARE for trial in self.trials)

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of the things that everybody must say are not said."""
        said = {
            "instruments": self.instruments.strip(),
            "transports": self.transports,
            "limits": self.limits,
            "host_loss": self.host_loss.strip(),
        }
        return tuple(field for field, value in said.items() if not value)


def simulated(simulator: str, tests: str) -> Trial:
    """A simulator of this repository, by the name of its module, and the contract tests that hold the driver to it."""
    return Trial(against=Against.SIMULATOR, what=f"simulators/{simulator}", where=f"tests/contract/{tests}.py")


def used_by(program: str, version: str, environment: str) -> Trial:
    """A public program that `make interop` lets talk to the simulator, in an environment of its own."""
    where = f"tests/interop/client_{environment}.py"
    return Trial(against=Against.CLIENT, what=f"{program} {version}", where=where)
