"""A constant power as a ladder of currents, one for each narrow band of voltage. Pure."""

from dataclasses import dataclass

from drivers.roles import POWER_TOLERANCE, SegmentProgram

CURRENT_LIST = "presscell_power"
"""The source configuration list that holds the currents, from the smallest."""

BAND_LIST = "presscell_bands"
"""The measure configuration list that holds the band of voltage of each."""

RUNG_SHARE = 1.5 * POWER_TOLERANCE
"""From one rung's voltage to the next, as a share.

Less than twice the tolerance: bands overlap, so that the step of the voltage that a step of the current makes does not
lead back, as long as less than a third of the voltage is resistive.
"""

BEYOND_VOLT = 10.0
"""How far beyond the segment's voltages the outermost bands reach: a list that is left at its end begins anew."""


@dataclass(frozen=True)
class Rung:
    """A current, with its sign, and the voltages between which it is the right one."""

    current_ampere: float
    lower_volt: float
    upper_volt: float


def rungs(program: SegmentProgram) -> tuple[Rung, ...]:
    """The ladder of a power, from its highest voltage down. Only of a program whose lowest voltage is above 0."""
    lowest, highest, watt = program.lowest_volt, program.highest_volt, program.power_watt or 0.0
    middles = [max(highest / (1 + POWER_TOLERANCE), lowest)]
    while middles[-1] * (1 - POWER_TOLERANCE) > lowest:
        middles.append(max(middles[-1] * (1 - RUNG_SHARE), lowest))
    lowers = [middle * (1 - POWER_TOLERANCE) for middle in middles[:-1]]
    uppers = [middle * (1 + POWER_TOLERANCE) for middle in middles[1:]]
    return tuple(
        Rung(round(watt / middle, 12), round(lower, 6), round(upper, 6))
        for middle, lower, upper in zip(
            middles, [*lowers, lowest - BEYOND_VOLT], [highest + BEYOND_VOLT, *uppers], strict=True
        )
    )


def rung_count(program: SegmentProgram) -> int:
    """How many rungs the ladder has."""
    return len(rungs(program))
