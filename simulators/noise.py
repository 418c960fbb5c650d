"""Randomness that depends on a seed and a reading's number alone, never on how many were asked for at once."""

import hashlib

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_LOW_16 = np.uint64(0xFFFF)
_SHIFT_16, _SHIFT_27, _SHIFT_30, _SHIFT_31, _SHIFT_32, _SHIFT_48 = (np.uint64(n) for n in (16, 27, 30, 31, 32, 48))
_MEAN = 4 * 65535 / 2
_PER_DEVIATION = float(np.sqrt(12 / (4 * (65536.0**2 - 1))))


def key_of(*names: object) -> int:
    """64 bits that stand for some names."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return int.from_bytes(digest[:8], "little")


def uniform(*names: object) -> float:
    """A constant between -1 and 1 that stands for some names."""
    return key_of(*names) / 2**63 - 1.0


def normal(key: int, numbers: NDArray[np.uint64]) -> Floats:
    """Bell-shaped noise of mean 0 and deviation 1 (within ±3.46), one value for each number; shape (n,).

    Sums of four 16-bit pieces of a 64-bit hash: whole-number arithmetic, so alone or among many a number gives the
    same bits.
    """
    bits = (numbers + np.uint64(1)) * _GOLDEN + np.uint64(key)
    bits = (bits ^ (bits >> _SHIFT_30)) * _MIX_1
    bits = (bits ^ (bits >> _SHIFT_27)) * _MIX_2
    bits ^= bits >> _SHIFT_31
    total = (bits & _LOW_16) + ((bits >> _SHIFT_16) & _LOW_16) + ((bits >> _SHIFT_32) & _LOW_16) + (bits >> _SHIFT_48)
    deviations: Floats = (total.astype(np.float64) - _MEAN) * _PER_DEVIATION
    return deviations
