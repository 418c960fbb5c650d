"""Reads a written table back and says what is wrong with it: what the format's own validators let pass, too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
from numpy.typing import NDArray

from daemon.export.bdf import BY_LABEL, COLUMNS
from daemon.rows.cell_rows import SECOND_PER_HOUR, Floats, Integers, passed, starts_of

CHARGE_TOLERANCE = 1e-4
"""Of charge and energy integrated anew, beside half the change of current between neighbouring rows: the written ones
were counted over all rows, also those left out."""

ROUNDING = 4e-12
"""Of totals that are written with twelve digits after the point."""

CLOCK_TOLERANCE = 1e-4
"""How much faster than ours the instrument's clock may run: a step may seem to end so much after the next began."""

BEYOND_WINDOW_VOLT = 1.0
LARGEST_VOLT = 10.0
LEAST_PASCAL = 1e3
CELSIUS = (-100.0, 250.0)
UNIX_TOLERANCE_SECOND = 1e-3

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The voltages a run was kept within; a table more than 1 V outside holds something else."""

    lower_voltage_volt: float = -LARGEST_VOLT
    upper_voltage_volt: float = LARGEST_VOLT


def check_export(path: Path, form: str, bounds: Bounds | None = None) -> list[str]:
    """What is wrong with a written table, as sentences; empty when nothing is.

    Args:
        path: the file.
        form: "csv" or "parquet".
        bounds: the run's voltage window, if known.
    """
    if form == "csv":
        as_text = {column.label: pa.string() for column in COLUMNS if column.kind == "text"}
        table = pa_csv.read_csv(path, convert_options=pa_csv.ConvertOptions(column_types=as_text))
    else:
        table = pa_parquet.read_table(path)
    return check_table(table, bounds)


def check_table(table: pa.Table, bounds: Bounds | None = None) -> list[str]:
    """What is wrong with a table, as `check_export`."""
    problems = list(_label_problems(table.column_names))
    if problems:
        return problems
    if not table.num_rows:
        return ["it has no rows"]
    arrays: dict[str, NDArray[Any]] = {}
    for label in table.column_names:
        column = BY_LABEL[label]
        values = table[label]
        is_text = pa.types.is_string(values.type) or pa.types.is_dictionary(values.type)
        if is_text != (column.kind == "text") and values.null_count < len(values):
            problems.append(f"{label} holds {'text' if is_text else 'numbers'}")
        elif column.required and values.null_count:
            problems.append(f"{label} is empty in {values.null_count} rows")
        elif column.kind == "text":
            arrays[column.machine_name] = _texts(values)
        else:
            numbers = values.to_numpy().astype(np.float64)
            problems += _number_problems(label, numbers, required=column.required)
            arrays[column.machine_name] = numbers
    return problems or [problem for check in _CHECKS for problem in check(arrays, bounds or Bounds())]


def _label_problems(labels: list[str]) -> Iterator[str]:
    for label in sorted(set(labels) - set(BY_LABEL)):
        yield f"{label!r} is no label we write"
    for label in sorted({label for label in labels if labels.count(label) > 1}):
        yield f"{label} is there twice"
    for column in COLUMNS:
        if column.required and column.known_to_older and column.label not in labels:
            yield f"{column.label} is missing"


def _texts(values: pa.ChunkedArray) -> NDArray[Any]:
    encoded = values.combine_chunks()
    if not pa.types.is_dictionary(encoded.type):
        encoded = encoded.dictionary_encode()
    names: NDArray[Any] = np.array(encoded.dictionary.to_pylist(), dtype=object)
    codes: Integers = encoded.indices.to_numpy()
    found: NDArray[Any] = names[codes]
    return found


def _number_problems(label: str, numbers: Floats, *, required: bool) -> Iterator[str]:
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        yield f"{label} is infinite in {infinite} rows"
    if required and np.isnan(numbers).any():
        yield f"{label} is no number in {int(np.isnan(numbers).sum())} rows"


def _order_problems(arrays: Arrays, _: Bounds) -> Iterator[str]:
    second, step = arrays["test_time_second"], arrays["step_count"]
    interval = np.diff(second)
    same_step = np.diff(step) == 0
    if (interval[same_step] <= 0).any():
        yield "Test Time / s stands still or runs back within a step"
    starts = starts_of(step.astype(np.int64))
    ends = np.append(starts[1:] - 1, len(step) - 1)
    allowed = CLOCK_TOLERANCE * (second[ends] - second[starts])[:-1]
    if (second[starts[1:]] - second[ends[:-1]] < -allowed).any():
        yield "Test Time / s runs back from one step to the next"
    if "record_index" in arrays and (np.diff(arrays["record_index"]) <= 0).any():
        yield "rows are there twice, or out of order"
    for name, label in (("cycle_count", "Cycle Count / 1"), ("step_count", "Step Count / 1")):
        if (np.diff(arrays[name]) < 0).any():
            yield f"{label} falls"
    offset = arrays["unix_time_second"] - second
    if np.ptp(offset) > UNIX_TOLERANCE_SECOND:
        yield "Unix Time / s and Test Time / s run at different speeds"


def _total_problems(arrays: Arrays, _: Bounds) -> Iterator[str]:
    """Totals never fall, agree with each other, and restart where they should."""
    totals = ("charging_capacity_ah", "discharging_capacity_ah", "charging_energy_wh", "discharging_energy_wh")
    for name in totals:
        if (np.diff(arrays[name]) < 0).any() or arrays[name][0] < 0:
            yield f"{name} falls, or begins below 0"
    rounding = ROUNDING + 1e-12 * float(np.max(arrays["charging_capacity_ah"] + arrays["discharging_capacity_ah"]))
    net = arrays["charging_capacity_ah"] - arrays["discharging_capacity_ah"]
    if np.abs(net - arrays["net_capacity_ah"]).max() > rounding:
        yield "net capacity is not charging less discharging capacity"
    for part, count in (("cycle", "cycle_count"), ("step", "step_count")):
        starts = starts_of(arrays[count].astype(np.int64))
        lengths = np.diff(starts, append=len(arrays[count]))
        for way in ("charging", "discharging"):
            name = f"{part}_{way}_capacity_ah"
            if name not in arrays:
                continue
            before = arrays[f"{way}_capacity_ah"] - arrays[name]
            if np.abs(before - np.repeat(before[starts], lengths)).max() > rounding:
                yield f"{name} does not follow {way}_capacity_ah"


def _integral_problems(arrays: Arrays, _: Bounds) -> Iterator[str]:
    """Charge and energy of each step, integrated anew from time, voltage and current."""
    step: Integers = arrays["step_count"].astype(np.int64)
    starts = starts_of(step)
    ends = np.append(starts[1:] - 1, len(step) - 1)
    second, volt, ampere = (arrays[name] for name in ("test_time_second", "voltage_volt", "current_ampere"))
    charge, energy = passed(step, second, volt, ampere)
    for what, anew, written, flow in (
        ("charge", charge.net, arrays["net_capacity_ah"], ampere),
        ("energy", energy.net, arrays["charging_energy_wh"] - arrays["discharging_energy_wh"], volt * ampere),
    ):
        ours, theirs = anew[ends] - anew[starts], written[ends] - written[starts]
        unknown = np.append(0.0, np.cumsum(np.abs(np.diff(flow)) * np.diff(second))) / 2 / SECOND_PER_HOUR
        allowed = CHARGE_TOLERANCE * np.abs(theirs) + unknown[ends] - unknown[starts] + ROUNDING
        wrong = np.abs(ours - theirs) > allowed
        if wrong.any():
            first = int(np.flatnonzero(wrong)[0])
            yield (
                f"{what} of step {step[starts[first]]} is {theirs[first]:.6g} by its column and"
                f" {ours[first]:.6g} by time, voltage and current"
            )
    if "step_type" in arrays:
        kinds = arrays["step_type"][starts]
        for kind, sign in (("CC_CHG", 1.0), ("CC_DCH", -1.0), ("CP_CHG", 1.0), ("CP_DCH", -1.0)):
            if ((kinds == kind) & (sign * (charge.net[ends] - charge.net[starts]) < 0)).any():
                yield f"the current of a {kind} step has the wrong sign"


def _size_problems(arrays: Arrays, bounds: Bounds) -> Iterator[str]:
    """Numbers no cell of ours can have: another unit under the label."""
    volt = arrays["voltage_volt"]
    low, high = bounds.lower_voltage_volt - BEYOND_WINDOW_VOLT, bounds.upper_voltage_volt + BEYOND_WINDOW_VOLT
    if volt.min() < low or volt.max() > high:
        yield f"Voltage / V goes from {volt.min():g} to {volt.max():g}, the window was {low + 1:g} to {high - 1:g}"
    largest = _largest(arrays.get("surface_pressure_pa"))
    if 0 < largest < LEAST_PASCAL:
        yield f"Surface Pressure / Pa is {largest:g} at most, which is no pascals"
    for name in ("ambient_temperature_celsius", "temperature_t1_celsius"):
        values = arrays.get(name)
        if values is not None and ((values < CELSIUS[0]) | (values > CELSIUS[1])).any():
            yield f"{name} leaves {CELSIUS[0]:g} to {CELSIUS[1]:g} °C"


def _largest(values: NDArray[Any] | None) -> float:
    found = np.empty(0) if values is None else np.abs(values[np.isfinite(values)])
    return float(found.max()) if len(found) else 0.0


_CHECKS = (_order_problems, _total_problems, _integral_problems, _size_problems)
