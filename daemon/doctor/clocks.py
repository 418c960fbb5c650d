"""The machine's clocks: whether somebody sets the time of day, and whether it goes as the monotonic clock does."""

from __future__ import annotations

import ctypes
import ctypes.util
from collections.abc import Iterator

from daemon.doctor.finding import Finding, ok, warn

SUBJECT = "clock"
UNSYNCHRONIZED = 0x40
"""`STA_UNSYNC`. Source: adjtimex(2)."""
JUMP_SECOND = 0.05
EARLIEST_UTC_SECOND = 1_700_000_000.0
"""Nothing of presscell is older: a clock before this was never set."""


class _Timex(ctypes.Structure):
    """The head of `struct timex`. Source: adjtimex(2)."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_believes_its_time() -> bool | None:
    """Whether the kernel believes its time of day; None where that can't be asked. Reads, sets nothing."""
    try:
        adjtimex = ctypes.CDLL(ctypes.util.find_library("c"), use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    asked = _Timex()
    if adjtimex(ctypes.byref(asked)) < 0:
        return None
    return not asked.status & UNSYNCHRONIZED


def look_at_clocks(
    before: tuple[float, float], after: tuple[float, float], *, is_synchronized: bool | None
) -> Iterator[Finding]:
    """What two readings of monotonic and UTC second, some time apart, say of them."""
    if after[1] < EARLIEST_UTC_SECOND:
        yield warn(SUBJECT, "UTC", "the time of day was never set", "switch time synchronisation on, or set the clock")
    moved_second = (after[1] - before[1]) - (after[0] - before[0])
    if abs(moved_second) > JUMP_SECOND:
        text = f"UTC moved by {moved_second:+.3g} s against the monotonic clock while this looked"
        yield warn(SUBJECT, "UTC", text, "see what sets the clock; rows keep their times, only their dates move")
    else:
        yield ok(SUBJECT, "UTC", "goes as the monotonic clock does")
    if is_synchronized is None:
        yield ok(SUBJECT, "synchronised", "can't be asked on this machine")
    elif is_synchronized:
        yield ok(SUBJECT, "synchronised", "the kernel says so")
    else:
        yield warn(SUBJECT, "synchronised", "nobody sets the time of day", "sudo timedatectl set-ntp true")
