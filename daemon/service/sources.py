"""The texts that a run is made from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files a run is made from, as text: they are frozen with it."""

    protocol_name: str
    protocol_text: str
    cell_name: str
    cell_text: str
