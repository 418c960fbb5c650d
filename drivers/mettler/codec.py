"""MT-SICS replies as values: strict, so that what is no weight is never a number."""

import math
import re
from dataclasses import dataclass

from drivers.roles import LoadStatus

SOURCE = "MT-SICS reference 11780711, AT and AL manuals [manual]"

LINE_END = b"\r\n"
WEIGH, STREAM, ZERO, TARE = "SI", "SIR", "Z", "T"
MODEL, FIRMWARE, SERIAL_NUMBER = "I2", "I3", "I4"
"""What is sent; all upper case, one at a time. Source: `SOURCE`."""

NUMBER_WIDTH = 10
OVER, UNDER, BUSY = "+", "-", "I"
SYNTAX_ERRORS = frozenset({"ES", "ET", "EL"})
"""Not known, garbled on the way, not to be carried out. Source: `SOURCE`."""

_WEIGHT = re.compile(r"S ([SD]) ([ 0-9.-]{10}) (\S{1,6}) ?")
_NUMBER = re.compile(r" *-?[0-9]+(?:\.[0-9]*)?")
_TEXT = re.compile(r'(I[0-9]{1,2}) A "([ -~]*)"')
_UNIT = re.compile(r"[A-Za-z]{1,6}")


@dataclass(frozen=True)
class Weight:
    """One reply to `SI`, or one line of `SIR`; NaN where there is none, and `status` says why."""

    displayed: float
    status: LoadStatus


def check_unit(unit: str) -> None:
    """Raise `ValueError` for what no balance calls a unit."""
    if not _UNIT.fullmatch(unit):
        raise ValueError(f"unit {unit!r} is not one to six letters")


def weight(line: str, unit: str) -> Weight:
    """What a line of the form `S S     100.00 g` says. Another unit, and whatever is no such line, is no reading."""
    if line in {f"S {OVER}", f"S {UNDER}"}:
        return Weight(math.nan, LoadStatus.OVERLOAD)
    found = _WEIGHT.fullmatch(line)
    if found is None or found[3] != unit or not _NUMBER.fullmatch(found[2]):
        return Weight(math.nan, LoadStatus.UNREADABLE)
    return Weight(float(found[2]), LoadStatus.STABLE if found[1] == "S" else LoadStatus(0))


def is_weight(line: str) -> bool:
    """Whether a line is one that comes while it streams."""
    return line.startswith("S ")


def answers_another(line: str, command: str) -> bool:
    """Whether a line is a whole text that answers another command: one that was sent earlier."""
    found = _TEXT.fullmatch(line)
    return found is not None and found[1] != command


def text(line: str, command: str) -> str:
    r"""The text in a reply such as `I4 A "B012345678"`. Raises `ValueError`."""
    found = _TEXT.fullmatch(line)
    if found is None or found[1] != command:
        raise ValueError(f"{line[:40]!r} is no reply to {command}")
    return found[2]


def is_restart(line: str) -> bool:
    """Whether it says that it was just switched on: `I4` unasked."""
    return line.startswith(f"{SERIAL_NUMBER} A ")


def refusal(line: str, command: str) -> str | None:
    """Why a command to zero or tare was not carried out; None when it was. Raises `ValueError` for another reply."""
    words = line.split(maxsplit=2)
    if len(words) > 1 and words[0] == command:
        match words[1]:
            case "A" | "S" | "D":
                return None
            case "I":
                return "not now: it does not come to rest"
            case "+":
                return "above its range"
            case "-":
                return "below its range"
            case "L":
                return "not understood"
    raise ValueError(f"{line[:40]!r} is no reply to {command}")
