"""Stored rows of pressure and temperature to the fixed summary that decisions see. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from daemon.events import ReadingsSummary
from daemon.interlocks import observe
from daemon.plan import Interlock
from drivers.roles import Floats


def summarise_readings(
    stream: str,
    first_seq: int,
    second: Floats,
    quantities: Mapping[str, Floats],
    *,
    table: Iterable[Interlock],
    carried_rows: Mapping[str, int],
) -> ReadingsSummary:
    """Summarise rows of one stream.

    Args:
        stream: its name.
        first_seq: the stream's number of the first of them.
        second: run time of each, shape (n,), n at least 1, rising.
        quantities: name to values, shape (n,) each; NaN is no reading.
        table: the interlocks in force; those on other quantities are passed over.
        carried_rows: see `daemon.interlocks.observe`.
    """
    read = {name: values[np.isfinite(values)] for name, values in quantities.items()}
    known = {name: values for name, values in read.items() if len(values)}
    nothing = np.isnan(np.stack(list(quantities.values()))).all(axis=0)
    return ReadingsSummary(
        stream=stream,
        first_seq=first_seq,
        last_seq=first_seq + len(second) - 1,
        first_second=float(second[0]),
        last_second=float(second[-1]),
        lowest={name: float(values.min()) for name, values in known.items()},
        highest={name: float(values.max()) for name, values in known.items()},
        last={name: float(values[-1]) for name, values in known.items()},
        rows_without_reading=int(nothing.sum()),
        breaches=observe(table, quantities, carried_rows),
    )
