"""Replies of a chamber in ASCII-2 as values: strict, so that what cannot be a reply is a `ValueError`."""

import re
from dataclasses import dataclass, replace

SOURCE = "ASCII-2 as in fs#45017414450, fs#12418520569, fs#38794633328, fs#40260811619, fs#62404917145 [code]"

DIGITAL_CHANNELS = 32
START = 1
"""Which digital channel lets the chamber control, from 0. Source: `SOURCE`."""

TEMPERATURE = 0
"""Which analog channel is the temperature [unverified: on every chamber]."""

LOWEST_CELSIUS, HIGHEST_CELSIUS = -999.9, 9999.9
"""What a field can hold."""

TAKEN = "0"
"""The reply to a setting that was taken [unverified]."""

_VALUE = re.compile(r"-[0-9]{3}\.[0-9]|[0-9]{4}\.[0-9]")
_DIGITAL = re.compile(f"[01]{{{DIGITAL_CHANNELS}}}")
_TEXT = re.compile(r"[ -~]{1,2000}")


@dataclass(frozen=True)
class State:
    """The reply to `I`: for each analog channel setpoint and actual value, in that order, and the digital channels."""

    setpoints: tuple[float, ...]
    actuals: tuple[float, ...]
    digital: str

    @property
    def is_controlling(self) -> bool:
        """Whether it was started."""
        return self.digital[START] == "1"

    def started_at(self, celsius: float) -> "State":
        """The same with the temperature set, and started; everything else as it is."""
        setpoints = (celsius, *self.setpoints[TEMPERATURE + 1 :])
        return replace(self, setpoints=setpoints, digital=self.digital[:START] + "1" + self.digital[START + 1 :])

    @property
    def command(self) -> str:
        """What is sent to set all this."""
        return " ".join(["E", *map(field, self.setpoints), self.digital])


def field(value: float) -> str:
    """A value as it is written: `0055.0`, `-040.0`."""
    return f"{value:06.1f}"


def state(reply: str) -> State:
    """Pairs of setpoint and actual value, such as `0025.0 0024.5 0100…`, at least one, then 32 digital channels."""
    *fields, digital = reply.split(" ")
    if not fields or len(fields) % 2 or not all(map(_VALUE.fullmatch, fields)):
        raise ValueError("not pairs of setpoint and actual value")
    if _DIGITAL.fullmatch(digital) is None:
        raise ValueError(f"not {DIGITAL_CHANNELS} digital channels")
    values = [float(text) for text in fields]
    return State(tuple(values[0::2]), tuple(values[1::2]), digital)


def capability(reply: str) -> str:
    """The text that says what the chamber has; its form is free [unverified], but it is not that of `State`."""
    if _TEXT.fullmatch(reply) is None:
        raise ValueError(f"{reply[:40]!r} is no text")
    try:
        state(reply)
    except ValueError:
        return reply
    raise ValueError("it is the answer to another question")


def taken(reply: str) -> bool:
    """Whether a setting was taken; any other short word is a refusal [unverified]."""
    if not 0 < len(reply) <= 40 or not reply.isascii() or not reply.isprintable() or " " in reply:
        raise ValueError(f"{reply[:40]!r} is neither 0 nor a refusal")
    return reply == TAKEN
