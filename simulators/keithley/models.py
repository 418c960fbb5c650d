"""What the models differ in: ranges, largest values, defaults; and the accuracy they are built to."""

from dataclasses import dataclass

RANGE_OVERREACH = 1.05
OVERFLOW = 9.9e37


@dataclass(frozen=True)
class Model:
    """One model; source and measure ranges are the same and rise.

    Source: potentiostat.md §1.4 [manual 2450B, 2461A]; the 2460 is taken as a 2461 without its 10 A range [unverified].
    """

    name: str
    current_ranges_ampere: tuple[float, ...]
    voltage_ranges_volt: tuple[float, ...]
    largest_ampere: float
    largest_volt: float
    smallest_ampere_limit: float
    smallest_volt_limit: float
    default_volt_limit: float
    default_ampere_limit: float = 105e-6


_BIG_CURRENTS = (1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0, 4.0, 5.0, 7.0)
_BIG_VOLTAGES = (0.2, 2.0, 7.0, 10.0, 20.0, 100.0)

MODELS = {
    "2450": Model(
        "2450",
        (10e-9, 100e-9, 1e-6, 10e-6, 100e-6, 1e-3, 10e-3, 100e-3, 1.0),
        (0.02, 0.2, 2.0, 20.0, 200.0),
        1.05,
        210.0,
        1e-9,
        0.02,
        21.0,
    ),
    "2460": Model("2460", _BIG_CURRENTS, _BIG_VOLTAGES, 7.35, 105.0, 1e-6, 0.2, 7.35),
    "2461": Model("2461", (*_BIG_CURRENTS, 10.0), _BIG_VOLTAGES, 7.35, 105.0, 1e-6, 0.2, 7.35),
}


def smallest_range(ranges: tuple[float, ...], value: float, overreach: float = RANGE_OVERREACH) -> float | None:
    """The smallest range that holds a magnitude, or None when none does."""
    for full_scale in ranges:
        if abs(value) <= full_scale * overreach * (1 + 1e-12):
            return full_scale
    return None
