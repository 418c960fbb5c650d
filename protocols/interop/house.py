"""Values as a protocol in our writing: one line a step, and what it was made of beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from protocols.source import plain_scalar, quoted

_PLAIN = re.compile(r"[$A-Za-z0-9_][A-Za-z0-9_./ +°-]*")

LARGEST_WHOLE = 1e15
"""Beyond this a whole number is written as the others are."""


def protocol_text(top: Mapping[str, Any], comments: Sequence[str] = (), header: Sequence[str] = ()) -> str:
    """The text of a file.

    Args:
        top: the keys of the file; `method` is written last, a line a step.
        comments: what stands behind each step; none for an empty one, or for those that follow the last.
        header: lines of comment at the beginning.
    """
    lines = [f"# {_one_line(line)}" for line in header]
    lines += [f"{key}: {_value(value)}" for key, value in top.items() if key != "method"]
    lines.append("method:")
    for index, step in enumerate(top["method"]):
        comment = comments[index] if index < len(comments) else ""
        lines.append(f"  - {_value(step)}" + (f"  # {_one_line(comment)}" if comment else ""))
    return "\n".join(lines) + "\n"


def number_text(value: float) -> str:
    """A number without the zeros it can do without."""
    whole = math.isfinite(value) and value == int(value) and abs(value) < LARGEST_WHOLE
    return str(int(value)) if whole else repr(value)


def _value(value: Any) -> str:  # noqa: ANN401
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_word(str(key))}: {_value(child)}" for key, child in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_value, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return _word(value) if isinstance(value, str) else number_text(value)


def _word(text: str) -> str:
    if _PLAIN.fullmatch(text) is None or text != text.strip() or plain_scalar(text) != text:
        return quoted(text)
    return text


def _one_line(text: str) -> str:
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
