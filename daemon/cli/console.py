"""Words of the command line that are alike in all verbs: durations, and the way to stdout."""

from __future__ import annotations

from rich.console import Console


def duration_text(second: float) -> str:
    """A duration for people in its two largest units: `12 s`, `3 min 20 s`, `41 h 5 min`, `22 d 4 h`, `10 h`."""
    sizes = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    left = round(second)
    if 3600 <= left < 172800:
        sizes.pop(0)
    parts: list[tuple[int, str]] = []
    for unit, size in sizes:
        count, left = divmod(left, size)
        if count or parts:
            parts.append((count, unit))
    shown = [f"{count} {unit}" for count, unit in parts[:2] if count]
    return " ".join(shown) or f"{second:.0f} s"


TOLD_IN_WORDS = ("away", "utc_moved", "went_on", "pause_timed_out", "disk_low")
"""Warnings whose text says all that their name does."""


def warning_text(warning: str) -> str:
    """A warning of a run for people: `pressure changed: …`; the names of interlocks are written with `_`."""
    name, colon, text = warning.partition(": ")
    if name in TOLD_IN_WORDS:
        return text
    return f"{name.replace('_', ' ')}{colon}{text}" if name.isidentifier() else warning


def stdout_console() -> Console:
    """For data: not cut to a width when it is not a terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)
