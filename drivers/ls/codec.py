"""Registers of LS drives as values: strict, so that what can't be is a `ValueError`, never a number."""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.drive_state import DriveState

SOURCE = "SV-iG5A manual 11-6, 11-7; iG5H p180; S100 ch. 7 [manual]"

MODEL, MODEL_COUNT = 0x0000, 4
LOCK = 0x0004
FREQUENCY, COMMAND = 0x0005, 0x0006
STATE, STATE_COUNT = 0x0005, 11
"""Read together: 0005h reference … 000Fh trips. Source: `SOURCE`."""

STOP, FORWARD, RESET, EMERGENCY_STOP = 0x0001, 0x0002, 0x0008, 0x0010
UNLOCKED = 1

IS_STOPPED, IS_FORWARD, IS_REVERSE, IS_TRIPPED = 0x0001, 0x0002, 0x0004, 0x0008
IS_DECELERATING, IS_AT_SPEED, IS_STOPPING = 0x0020, 0x0040, 0x0100
"""Of the status; bit 8 [unverified] on the iG5A."""

HERTZ_PER_COUNT = 0.01
SECOND_PER_COUNT = 0.1

CAPACITIES_KILOWATT = {
    0xFFFF: 0.4,
    **dict(zip(range(0xC), (0.75, 0.75, 1.5, 2.2, 3.7, 4.0, 5.5, 7.5, 11, 15, 18.5, 22), strict=True)),
}
"""Source: iG5A manual 11-6; 0001h is not listed there and taken for its neighbour [unverified]."""

TRIPS = (
    *("OCT", "OVT", "EXT-A", "EST", "COL", "GFT", "OHT", "ETH"),
    *("OLT", "HW-Diag", "EXT-B", "EEP", "FAN", "POT", "IOLT", "LVT"),
)
"""By bit, from 0, on the iG5A [unverified]."""


@dataclass(frozen=True)
class LossSetting:
    """Where a family keeps what it does when nobody speaks to it: `ramp` is the word for a stop on the ramp."""

    action: int
    time: int
    ramp: int


@dataclass(frozen=True)
class Family:
    """One series of drives; `model_code` is what register 0000h must hold."""

    name: str
    model_code: int
    has_lock: bool
    loss: LossSetting


FAMILIES = {
    "ig5a": Family("iG5A", 0x000A, has_lock=True, loss=LossSetting(action=0xA43E, time=0xA43F, ramp=2)),
    "s100": Family("S100", 0x0006, has_lock=False, loss=LossSetting(action=0x1B0C, time=0x1B0D, ramp=2)),
}
"""Model code of the iG5A [manual], of the S100 [unverified]. I62 at A43Eh, I63 at A43Fh, PRT-12 at 1B0Ch, PRT-13 at
1B0Dh, 2 for a stop on the ramp, tenths of a second: all [unverified]. So a wrong one is found before a blade turns,
all are read back."""


def version(word: int) -> str:
    """0x0022 is 2.2; four digits are those of an S100, 0x0100 is 1.00."""
    return f"{word >> 8:X}.{word & 0xFF:02X}" if word > 0xFF else f"{word >> 4:X}.{word & 0xF:X}"


def state(words: Sequence[int], *, names_trips: bool) -> DriveState:
    """What `STATE_COUNT` registers from `STATE` say.

    Raises `ValueError` for a drive that runs both ways, or stands and runs.
    """
    status, trips = words[0x000E - STATE], words[0x000F - STATE]
    is_running = bool(status & (IS_FORWARD | IS_REVERSE))
    if status & IS_FORWARD and status & IS_REVERSE:
        raise ValueError(f"status {status:04X}h runs both ways")
    if is_running and status & IS_STOPPED:
        raise ValueError(f"status {status:04X}h stands and runs")
    code = trips or (0xFFFF if status & IS_TRIPPED else 0)
    return DriveState(
        is_running=is_running and not status & IS_TRIPPED,
        is_slowing=bool(status & (IS_DECELERATING | IS_STOPPING)),
        is_at_speed=bool(status & IS_AT_SPEED),
        output_hertz=words[0x000A - STATE] * HERTZ_PER_COUNT,
        setpoint_hertz=words[FREQUENCY - STATE] * HERTZ_PER_COUNT,
        fault_code=code,
        fault=_trip_names(trips) if names_trips and trips else (f"trip {code:04X}h" if code else ""),
    )


def _trip_names(trips: int) -> str:
    return " ".join(name for bit, name in enumerate(TRIPS) if trips >> bit & 1)
