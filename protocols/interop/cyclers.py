"""What aurora-unicycler 0.4.6 leaves out, silently, when it writes a file of a cycler."""

from __future__ import annotations

from enum import StrEnum

from protocols.interop.converted import Report
from protocols.interop.flat import Core
from protocols.protocol import CyclingProtocol
from protocols.settings import Safety

LARGEST_DELAY_SECOND = 1.0
"""Of a safety limit in EC-Lab."""
DIGITS = 3
"""After the decimal point, of volts, seconds and milliamperes in an EC-Lab file."""


class Target(StrEnum):
    """What is written by way of unicycler: its own file, EC-Lab's, that of Neware's BTS 8, or BattINFO."""

    UNICYCLER = "unicycler"
    MPS = "mps"
    NEWARE = "neware"
    BATTINFO = "battinfo"


def fit(target: Target, top: CyclingProtocol, cores: list[Core], report: Report) -> list[Core]:
    """The steps that a target knows; what it does not keep of them, and of the top, is told."""
    safety = top.safety or Safety()
    if target is Target.MPS:
        _tell_ec_lab(safety, cores, report)
    if target is Target.BATTINFO:
        for key in ("record", "safety"):
            if getattr(top, key) is not None:
                report.lost((key,), f"all of {key}, in BattINFO")
        _tell_first_loops(cores, report)
    if target in (Target.MPS, Target.BATTINFO):
        for core in cores:
            if core.kind == "constant_current" and core.values.get("until_voltage_V") == 0:
                report.lost((*core.path, "until_voltage_V"), "the limit of 0 V, which is written as none")
    if target is not Target.NEWARE:
        return cores
    for core in cores:
        if core.kind == "impedance_spectroscopy":
            report.lost(core.path, "the impedance spectrum, which Neware's files have no step for")
    return [core for core in cores if core.kind != "impedance_spectroscopy"]


def _tell_first_loops(cores: list[Core], report: Report) -> None:
    """A loop over the first step is written with its body once more before it, by that version."""
    first = next((at for at, core in enumerate(cores) if core.kind != "tag"), 0)
    before = cores[: first + 1]
    for core in cores:
        if core.kind == "loop" and any(core.to is other for other in before):
            what = "the number of passes: BattINFO gets one more before the loop. Write a rest above it"
            report.lost((*core.path, "cycle_count"), what)


def _tell_ec_lab(safety: Safety, cores: list[Core], report: Report) -> None:
    low_mA, high_mA = safety.min_current_mA, safety.max_current_mA
    if (low_mA is not None or high_mA is not None) and abs(low_mA or 0) != abs(high_mA or 0):
        both = max(abs(low_mA or 0), abs(high_mA or 0))
        report.lost(("safety",), f"one of the bounds of the current: EC-Lab has one, {both:g} mA either way")
    if safety.delay_s is not None and safety.delay_s > LARGEST_DELAY_SECOND:
        report.lost(("safety", "delay_s"), f"the delay above {LARGEST_DELAY_SECOND:g} s")
    if safety.max_capacity_mAh is not None:
        report.lost(("safety", "max_capacity_mAh"), "max_capacity_mAh")
    for core in cores:
        for key in ("voltage_V", "until_voltage_V", "until_time_s"):
            value = core.values.get(key)
            if value is not None and round(value, DIGITS) != value:
                report.lost((*core.path, key), f"digits: {value:g} is written as {value:.{DIGITS}f}")
