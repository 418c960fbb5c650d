"""One column of measured numbers to bytes that compress well, and back bit for bit. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]
Bytes = NDArray[np.uint8]

MOST_DECIMAL_PLACES = 18
LARGEST_WHOLE = 2.0**53
"""Up to here every whole number is a float64, so that scaling by a power of ten can be undone exactly."""

LARGEST_PATCHED_SHARE = 1 / 8
ROWS_LOOKED_AT = 65536
"""Rows from which the order of differences is chosen."""


class Coding(msgspec.Struct, frozen=True, kw_only=True):
    """How a column was packed.

    `decimal_places` is None when the whole numbers are an integer column's own values or the bits of a float64.
    `differences` is how often neighbours were subtracted (0, 1 or 2); `start` holds what that took away.
    """

    decimal_places: int | None
    differences: int
    start: tuple[int, ...]
    planes: int


@dataclass(frozen=True, eq=False)
class PackedColumn:
    """A column of n numbers: byte planes of shape (n,), least significant first.

    `present` is None when no reading is missing. `patches` is None when every number is a decimal fraction; else NaN
    but where a number must be taken from it (−0.0 is such a number).
    """

    coding: Coding
    planes: tuple[Bytes, ...]
    present: Booleans | None = None
    patches: Floats | None = None


def pack_floats(values: Floats) -> PackedColumn:
    """Pack float64 of shape (n,), n ≥ 1; NaN is a missing reading, and all NaN are alike."""
    present = ~np.isnan(values)
    places = _decimal_places(values[present])
    if places is None:
        whole, exact = values.view(np.int64), present
        patches = None
    else:
        whole, exact = _scale(values, places)
        patched = present & ~exact
        patches = np.where(patched, values, np.nan) if patched.any() else None
    coding, planes = _pack_whole(_carry_forward(whole, exact), places)
    return PackedColumn(coding, planes, None if present.all() else present, patches)


def unpack_floats(packed: PackedColumn, row_count: int) -> Floats:
    """Undo `pack_floats`: shape (row_count,)."""
    whole = _unpack_whole(packed.coding, packed.planes, row_count)
    if packed.coding.decimal_places is None:
        values = whole.view(np.float64)
    else:
        values = whole / 10.0**packed.coding.decimal_places
    if packed.present is not None:
        values[~packed.present] = np.nan
    if packed.patches is not None:
        patched = ~np.isnan(packed.patches)
        values[patched] = packed.patches[patched]
    return values


def pack_integers(values: Integers) -> PackedColumn:
    """Pack int64 of shape (n,), n ≥ 1."""
    return PackedColumn(*_pack_whole(values, None))


def unpack_integers(packed: PackedColumn, row_count: int) -> Integers:
    """Undo `pack_integers`: shape (row_count,)."""
    return _unpack_whole(packed.coding, packed.planes, row_count)


def same_floats(left: Floats, right: Floats) -> bool:
    """Whether two columns agree bit for bit, any NaN being as good as any other."""
    if left.shape != right.shape:
        return False
    agree = (left.view(np.int64) == right.view(np.int64)) | (np.isnan(left) & np.isnan(right))
    return bool(agree.all())


def _decimal_places(values: Floats) -> int | None:
    if values.size == 0:
        return 0
    sample = np.ascontiguousarray(values[:: max(1, values.size // 256)])
    for places in range(MOST_DECIMAL_PLACES + 1):
        if all(np.mean(_scale(some, places)[1]) >= 1 - LARGEST_PATCHED_SHARE for some in (sample, values)):
            return places
    return None


def _scale(values: Floats, places: int) -> tuple[Integers, Booleans]:
    """Whole numbers, and where they give back the value bit for bit; elsewhere 0."""
    scale = 10.0**places
    with np.errstate(over="ignore", invalid="ignore"):
        nearest = np.rint(values * scale)
        exact = np.abs(nearest) < LARGEST_WHOLE
    whole = np.where(exact, nearest, 0.0).astype(np.int64)
    exact &= (whole / scale).view(np.int64) == values.view(np.int64)
    return whole, exact


def _carry_forward(whole: Integers, kept: Booleans) -> Integers:
    if kept.all():
        return whole
    if not kept.any():
        return np.zeros_like(whole)
    last_kept = np.maximum.accumulate(np.where(kept, np.arange(whole.size), int(np.argmax(kept))))
    return whole[last_kept]


def _pack_whole(whole: Integers, places: int | None) -> tuple[Coding, tuple[Bytes, ...]]:
    beginning = whole[:ROWS_LOOKED_AT]
    orders = range(min(2, whole.size - 1) + 1)
    differences = min(orders, key=lambda order: _bits_needed(_difference(beginning, order)[1]))
    start, rest = _difference(whole, differences)
    folded = _fold_sign(rest)
    plane_count = (int(folded.max()).bit_length() + 7) // 8
    by_byte = folded.astype("<u8", copy=False).view(np.uint8).reshape(-1, 8)
    planes = tuple(np.ascontiguousarray(by_byte[:, index]) for index in range(plane_count))
    return Coding(decimal_places=places, differences=differences, start=start, planes=plane_count), planes


def _unpack_whole(coding: Coding, planes: tuple[Bytes, ...], row_count: int) -> Integers:
    if not planes:
        rest = np.zeros(row_count, np.int64)
    else:
        folded = planes[0].astype(np.uint64)
        for index, plane in enumerate(planes[1:], start=1):
            folded |= plane.astype(np.uint64) << np.uint64(8 * index)
        rest = _unfold_sign(folded)
    if coding.differences == 0:
        return rest + np.int64(coding.start[0])
    if coding.differences == 2:
        rest = np.cumsum(rest) + np.int64(coding.start[1])
        rest[0] = 0
    return np.cumsum(rest) + np.int64(coding.start[0])


def _difference(whole: Integers, order: int) -> tuple[tuple[int, ...], Integers]:
    """Differences of an order with zeros in place of the first ones, wrapping around like int64 does."""
    first = int(whole[0])
    if order == 0:
        return (first,), whole - whole[0]
    once = np.diff(whole, prepend=whole[:1])
    if order == 1:
        return (first,), once
    twice = np.diff(once, prepend=once[:1])
    twice[1] = 0
    return (first, int(once[1])), twice


def _bits_needed(rest: Integers) -> float:
    return float(np.log2(_fold_sign(rest) + 1.0).sum())


def _fold_sign(rest: Integers) -> NDArray[np.uint64]:
    """0, −1, 1, −2 … to 0, 1, 2, 3 …."""
    return ((rest << 1) ^ (rest >> 63)).view(np.uint64)


def _unfold_sign(folded: NDArray[np.uint64]) -> Integers:
    return (folded >> np.uint64(1)).view(np.int64) ^ -(folded & np.uint64(1)).view(np.int64)
