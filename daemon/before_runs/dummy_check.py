"""A known resistor in place of the cell: what is measured on it, and what that says of leads and instrument. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from daemon.rig import REST_RANGE_AMPERE
from drivers.roles import Floats, PotentiostatLimits, SegmentProgram

OPEN_CIRCUIT = "open_circuit"
REST_SECOND, DRIVEN_SECOND, SAMPLING_SECOND = 5.0, 3.0, 0.5
USUAL_VOLT = 3.0
"""What the intended current makes of the resistor where nobody names a current: as a cell would be."""
LEAST_VOLT, MOST_VOLT = 0.025, 5.0
"""Less says little beside the offset of a voltmeter, more no cell has."""
SMALL_SHARE = 0.05
"""Of the intended current: the small one that goes before it."""
GUARD_SHARE, GUARD_VOLT = 2.0, 0.25
"""The voltage may be so much more than expected, and this on top, before the instrument opens its relay."""
OFFSET_VOLT = 0.002
"""Of a voltage that is measured, on top of the offset of one that is held: noise and thermal voltages."""
LITTLE = 0.1
"""Less than this share of what should be there is nothing."""
OK, FAIL, NOT_JUDGED = "ok", "fail", "not judged"


class DummyCheckError(Exception):
    """The check makes no sense as it was asked for; the sentence says why and what to write."""


@dataclass(frozen=True, kw_only=True)
class Dummy:
    """The resistor, as it was said to be, and the largest current that is to be driven through it."""

    resistance_ohm: float
    tolerance: float
    current_ampere: float


@dataclass(frozen=True)
class Part:
    """One segment of the check. `asked_ampere` is positive when it would charge a cell."""

    name: str
    program: SegmentProgram

    @property
    def asked_ampere(self) -> float:
        """The current."""
        return self.program.current_ampere


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one segment has shown: means of its rows; None without a reading."""

    name: str
    asked_ampere: float
    range_ampere: float
    rows: int
    voltage_volt: float | None
    current_ampere: float | None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at: `state` is "ok", "fail" or "not judged"; `fix` is what to do about it."""

    name: str
    state: str
    text: str
    fix: str = ""


def dummy_of(
    resistance_ohm: float, tolerance: float, current_ampere: float | None, limits: PotentiostatLimits
) -> Dummy:
    """The check that was asked for.

    Args:
        resistance_ohm: of the resistor.
        tolerance: of that, as a part of it.
        current_ampere: the intended current, a magnitude; None for what makes `USUAL_VOLT` of it.
        limits: of the potentiostat.

    Raises:
        DummyCheckError: the instrument cannot do that.
    """
    if not (0 < resistance_ohm < math.inf and 0 <= tolerance < 1):
        raise DummyCheckError("a resistor has more than 0 ohm, and a tolerance below 100 %")
    ampere = USUAL_VOLT / resistance_ohm if current_ampere is None else current_ampere
    if not 0 < ampere < math.inf:
        raise DummyCheckError("the current is a magnitude above 0: both signs are driven")
    if limits.range_for(ampere) is None:
        most = limits.largest_current_ampere
        raise DummyCheckError(f"a {limits.model} drives no more than {most:g} A; this needs {ampere:g} A")
    volt = ampere * resistance_ohm
    if not LEAST_VOLT / SMALL_SHARE <= volt <= MOST_VOLT:
        what = f"{ampere:g} A through {resistance_ohm:g} ohm is {volt:.3g} V"
        raise DummyCheckError(
            f"{what}: name a current or a resistor for {LEAST_VOLT / SMALL_SHARE:g} to {MOST_VOLT:g} V"
        )
    return Dummy(resistance_ohm=resistance_ohm, tolerance=tolerance, current_ampere=ampere)


def parts_of(dummy: Dummy, limits: PotentiostatLimits) -> tuple[Part, ...]:
    """What is run, in this order: open circuit; then the small and the intended current, each in and out."""
    small = SMALL_SHARE * dummy.current_ampere
    driven = [("small", small), ("intended", dummy.current_ampere)]
    signed = [(f"{name} {way}", sign * ampere) for name, ampere in driven for way, sign in (("in", 1), ("out", -1))]
    rest = _part(OPEN_CIRCUIT, 0.0, dummy, limits, REST_SECOND)
    return (rest, *(_part(name, ampere, dummy, limits, DRIVEN_SECOND) for name, ampere in signed))


def measured(part: Part, voltage_volt: Floats, current_ampere: Floats) -> Measured:
    """What the rows of a part say, arrays of shape (n,); n may be 0. A row without a reading is passed over."""
    known = [
        (float(volt), float(ampere))
        for volt, ampere in zip(voltage_volt, current_ampere, strict=True)
        if math.isfinite(volt) and math.isfinite(ampere)
    ]
    count = len(known)
    return Measured(
        name=part.name,
        asked_ampere=part.asked_ampere,
        range_ampere=part.program.current_range_ampere,
        rows=len(voltage_volt),
        voltage_volt=sum(volt for volt, _ in known) / count if count else None,
        current_ampere=sum(ampere for _, ampere in known) / count if count else None,
    )


def judge(dummy: Dummy, limits: PotentiostatLimits, found: Mapping[str, Measured]) -> tuple[Finding, ...]:
    """What the parts say, the most basic first; what a failure makes meaningless is not judged.

    Args:
        dummy: as it was said to be.
        limits: of the potentiostat, with its accuracy.
        found: by the part's name; all of `parts_of`, or only the first where that failed.
    """
    findings = [judge_open_circuit(dummy, limits, found[OPEN_CIRCUIT])]
    driven = [part for name, part in found.items() if name != OPEN_CIRCUIT]
    for judge_one in (_current, _sense, _sign, _resistance):
        name = judge_one.__name__.removeprefix("_")
        if all(finding.state == OK for finding in findings):
            findings.append(judge_one(dummy, limits, driven))
        else:
            findings.append(Finding(name=name, state=NOT_JUDGED, text="what failed before comes first"))
    return tuple(findings)


def judge_open_circuit(dummy: Dummy, limits: PotentiostatLimits, part: Measured) -> Finding:
    """Whether nothing but a resistor is at the leads: else nothing may be driven. `part` is that at open circuit."""
    leak_ampere = limits.current_ranges[0].offset_ampere
    most_volt = limits.voltage_offset_volt + OFFSET_VOLT + leak_ampere * dummy.resistance_ohm
    if part.voltage_volt is None:
        return _unread(OPEN_CIRCUIT)
    text = f"{1000 * part.voltage_volt:.2f} mV without a current; at most ± {1000 * most_volt:.2f} mV are expected"
    if abs(part.voltage_volt) <= most_volt:
        return Finding(name=OPEN_CIRCUIT, state=OK, text=text)
    fix = "take the cell off: nothing but the resistor may hang on the leads; if nothing else does, a lead is off"
    return Finding(name=OPEN_CIRCUIT, state=FAIL, text=text, fix=fix)


def _part(name: str, ampere: float, dummy: Dummy, limits: PotentiostatLimits, lasts_second: float) -> Part:
    """Guarded alike to both sides, well above what the resistor shows and far below what harms anything."""
    asked_volt = abs(ampere or dummy.current_ampere) * dummy.resistance_ohm
    guard_volt = min(GUARD_SHARE * asked_volt + GUARD_VOLT, 0.9 * limits.voltage_volt)
    current_range = limits.range_for(ampere)
    every_second = max(SAMPLING_SECOND, limits.shortest_cutoff_second)
    return Part(
        name,
        SegmentProgram(
            current_ampere=ampere,
            current_range_ampere=current_range.full_scale_ampere if ampere and current_range else REST_RANGE_AMPERE,
            until_voltage_volt=None,
            lower_guard_volt=-guard_volt,
            upper_guard_volt=guard_volt,
            duration_second=lasts_second,
            sampling_second=every_second,
            cutoff_second=every_second,
        ),
    )


def _current(dummy: Dummy, limits: PotentiostatLimits, driven: list[Measured]) -> Finding:
    """Whether the asked current flowed, and if not, where its way is interrupted."""
    for part in driven:
        if part.current_ampere is None or part.voltage_volt is None:
            return _unread("current")
        current_range = limits.range_for(part.asked_ampere)
        share = current_range.setpoint_error(part.asked_ampere) if current_range else 0.0
        # Source and measurement have an error each.
        if abs(part.current_ampere - part.asked_ampere) > 2 * share * abs(part.asked_ampere):
            text = f"{_milli(part.current_ampere)} mA flow where {_milli(part.asked_ampere)} mA were asked for"
            return Finding(name="current", state=FAIL, text=text, fix=_why_no_current(dummy, part))
    shown = " and ".join(f"{_milli(abs(part.asked_ampere))} mA" for part in driven if part.asked_ampere > 0)
    return Finding(name="current", state=OK, text=f"{shown} flow as asked, in and out")


def _why_no_current(dummy: Dummy, part: Measured) -> str:
    volt, ampere = abs(part.voltage_volt or 0.0), abs(part.current_ampere or 0.0)
    if ampere > LITTLE * abs(part.asked_ampere):
        return f"the resistor is about {volt / ampere:.4g} ohm: put the right one in, or name this one with --resistor"
    if volt < abs(part.asked_ampere) * dummy.resistance_ohm * LITTLE:
        return "a force lead is open: see to both of them, from the terminal to the resistor"
    return "nothing is connected at these terminals: see `terminals` (front, rear) of the station file, and all leads"


def _sense(dummy: Dummy, limits: PotentiostatLimits, driven: list[Measured]) -> Finding:  # noqa: ARG001
    """Whether a voltage is sensed at all where a current flows."""
    for part in driven:
        volt, expected_volt = abs(part.voltage_volt or 0.0), abs(part.asked_ampere) * dummy.resistance_ohm
        if volt < LITTLE * expected_volt:
            text = f"{_milli(volt)} mV are sensed where about {_milli(expected_volt)} mV should be"
            fix = "a sense lead is open, both are at the same end, or the resistor is bridged"
            return Finding(name="sense", state=FAIL, text=text, fix=fix)
    return Finding(name="sense", state=OK, text="both sense leads feel the resistor")


def _sign(dummy: Dummy, limits: PotentiostatLimits, driven: list[Measured]) -> Finding:  # noqa: ARG001
    """Whether a charging current makes a positive voltage: whether force and sense leads are alike."""
    wrong = [part for part in driven if (part.voltage_volt or 0.0) * part.asked_ampere < 0]
    if not wrong:
        return Finding(
            name="sign", state=OK, text="a current that charges makes a voltage above 0, the other one below"
        )
    shown = f"{_milli(wrong[0].asked_ampere)} mA make {_milli(wrong[0].voltage_volt or 0.0)} mV"
    fix = "exchange the two force leads at the resistor, or the two sense leads: they are crossed"
    return Finding(name="sign", state=FAIL, text=shown, fix=fix)


def _resistance(dummy: Dummy, limits: PotentiostatLimits, driven: list[Measured]) -> Finding:
    """Four wires, both signs: an offset of voltage or current cancels."""
    shown = []
    for into, out in zip(driven[::2], driven[1::2], strict=True):
        volt = (into.voltage_volt or 0.0) - (out.voltage_volt or 0.0)
        ampere = (into.current_ampere or 0.0) - (out.current_ampere or 0.0)
        found_ohm, off = volt / ampere, _allowed(dummy, limits, into)
        shown.append(f"{found_ohm:.5g} ohm at {_milli(into.asked_ampere)} mA (± {100 * off:.2f} %)")
        if abs(found_ohm / dummy.resistance_ohm - 1) > off:
            fix = (
                f"put the right resistor in, or name this one: --resistor {found_ohm:.4g}; if it is the right one, see"
            )
            text = f"{shown[-1]}, {dummy.resistance_ohm:g} ohm expected"
            return Finding(name="resistance", state=FAIL, text=text, fix=f"{fix} to its contacts and calibration")
    return Finding(name="resistance", state=OK, text=" and ".join(shown))


def _allowed(dummy: Dummy, limits: PotentiostatLimits, part: Measured) -> float:
    current_range = limits.range_for(part.asked_ampere)
    current_error = current_range.setpoint_error(part.asked_ampere) if current_range else 0.0
    volt = abs(part.asked_ampere) * dummy.resistance_ohm
    return dummy.tolerance + current_error + limits.voltage_gain_error + limits.voltage_offset_volt / volt


def _unread(name: str) -> Finding:
    fix = "look at the instrument's panel: overflow, questionable readings, or its output at a limit"
    return Finding(name=name, state=FAIL, text="no reading came", fix=fix)


def _milli(value: float) -> str:
    return f"{1000 * value:.4g}"
