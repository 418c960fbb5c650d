"""A glance into a run file of another version than ours: the little that every version has kept in its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import msgspec

from daemon.store.records import APPLICATION_ID, SCHEMA_VERSION

_HEADER, _SNAPSHOT = "SELECT body FROM header", "SELECT body FROM snapshot"


class Glance(msgspec.Struct, frozen=True, kw_only=True):
    """On which rig the run was, and its last phase; None where the file does not say."""

    rig: str | None = None
    phase: str | None = None


_decode = msgspec.json.Decoder(Glance).decode


def glance_at_other_version(path: Path) -> Glance | None:
    """What a run file of another version says, as far as it can be understood; None when it is none. Raises nothing."""
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        [(application,)], [(version,)] = (file.execute(f"PRAGMA {name}") for name in ("application_id", "user_version"))
        if application == APPLICATION_ID and version != SCHEMA_VERSION:
            return Glance(rig=_said(file, _HEADER).rig, phase=_said(file, _SNAPSHOT).phase)
    return None


def _said(file: sqlite3.Connection, query: str) -> Glance:
    with suppress(sqlite3.Error, msgspec.DecodeError, TypeError):
        for (body,) in file.execute(query):
            return _decode(body)
    return Glance()
