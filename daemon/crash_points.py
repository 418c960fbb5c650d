"""Places at which a test may let the daemon die as if by kill -9: PRESSCELL_CRASH_AT=name, or name:n for the n-th."""

from __future__ import annotations

import collections
import os

VARIABLE = "PRESSCELL_CRASH_AT"
EXIT_CODE = 137

NAMES = (
    "run_file_made",
    *("decided", "before_commit", "after_commit", "written"),
    *("before_start", "after_start"),
    *("gaps_noted", "drained"),
    *("before_chamber", "after_chamber"),
    *("before_compaction", "after_compaction"),
    *("before_forget", "after_forget"),
    *("before_make_safe", "after_make_safe"),
    *("before_seal", "after_seal"),
)
"""Each between two things that must not depend on each other happening in one life; as a run first comes by them."""

_passages: collections.Counter[str] = collections.Counter()


def reach(name: str) -> None:
    """Die here and now if this is where the environment wants it; nothing is closed, flushed or said."""
    wanted = os.environ.get(VARIABLE)
    if wanted is None:
        return
    _passages[name] += 1
    where, _, passage = wanted.partition(":")
    if where == name and _passages[name] >= int(passage or 1):
        os._exit(EXIT_CODE)
