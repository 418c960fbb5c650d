"""What a person meant who wrote a word that is not known: misspelt, of another program, or without its unit."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping

CLOSE_ENOUGH = 0.6
"""How alike (0 to 1) a word must be to a known one to be offered in its place."""
SAME_BUT_FOR_A_SLIP = 0.85
"""The same, of words that name different things when they are alike: electrodes, say."""

FIELDS = {
    **dict.fromkeys(
        ("cycles", "n_cycles", "number_of_cycles", "repeat", "repeats", "repetitions", "count", "times", "n"),
        ("cycle_count",),
    ),
    **dict.fromkeys(("c_rate", "crate", "c"), ("rate_C",)),
    **dict.fromkeys(("i", "amps"), ("current_mA",)),
    "current_density": ("current_density_mA_cm2",),
    **dict.fromkeys(("v", "potential", "hold_voltage"), ("voltage_V",)),
    **dict.fromkeys(
        ("voltage_limit", "v_limit", "cutoff_voltage", "cut_off_voltage", "end_voltage", "vmax", "vmin", "voltage"),
        ("until_voltage_V", "voltage_V"),
    ),
    **dict.fromkeys(
        ("current_limit", "cutoff_current", "cut_off_current", "end_current", "i_limit"), ("until_current_mA",)
    ),
    **dict.fromkeys(("cutoff_rate", "cut_off_rate", "end_rate", "taper"), ("until_rate_C",)),
    **dict.fromkeys(
        ("duration", "time", "hours", "minutes", "seconds", "length", "t", "max_time", "hold_time", "rest_time"),
        ("until_time", "for", "timeout", "rest_before"),
    ),
    **dict.fromkeys(("soak", "dwell", "hold_for", "settle", "stable_for"), ("for",)),
    **dict.fromkeys(("tolerance", "tol", "band", "accuracy"), ("within_C",)),
    **dict.fromkeys(("temp", "setpoint", "set_temperature", "target"), ("temperature_C",)),
    **dict.fromkeys(("goto", "to", "back_to", "go_to", "start"), ("loop_to", "goto")),
    **dict.fromkeys(("name", "label"), ("tag", "id")),
    **dict.fromkeys(
        ("lower", "low", "min", "min_voltage", "lower_limit", "lower_cutoff", "lower_cut_off"),
        ("lower_voltage_V",),
    ),
    **dict.fromkeys(
        ("upper", "high", "max", "max_voltage", "upper_limit", "upper_cutoff", "upper_cut_off"),
        ("upper_voltage_V",),
    ),
    **dict.fromkeys(("versus", "against", "reference", "reference_electrode", "ref"), ("vs",)),
    **dict.fromkeys(("steps", "procedure", "sequence", "program", "protocol", "technique"), ("method",)),
    **dict.fromkeys(("interval", "sample", "sample_every", "sample_rate", "dt", "period"), ("sampling_s", "every_s")),
    **dict.fromkeys(("limit", "until", "stop_when"), ("limits", "stop_if")),
    **dict.fromkeys(("safety_limits", "interlocks", "bounds"), ("safety",)),
    **dict.fromkeys(("mass", "active_mass", "weight"), ("mass_mg",)),
    **dict.fromkeys(("variable", "quantity"), ("var",)),
    **dict.fromkeys(("operator", "comparison"), ("op",)),
    **dict.fromkeys(("ip", "host", "port", "device", "visa", "resource"), ("address",)),
    **dict.fromkeys(("serial", "sn", "serialnumber"), ("serial_number",)),
    **dict.fromkeys(("baudrate", "baud_rate"), ("baud",)),
    **dict.fromkeys(("parity", "framing"), ("character",)),
}
"""A word that people write, without its unit, to the fields it may stand for: the first of them that is known."""

STEPS = {
    **dict.fromkeys(
        ("rest", "relax", "relaxation", "ocv", "ocp", "ocv_rest", "open_circuit", "sleep", "dwell"),
        "open_circuit_voltage",
    ),
    **dict.fromkeys(("cc", "galvanostatic", "chronopotentiometry", "galvanostat", "current"), "constant_current"),
    **dict.fromkeys(("potentiostatic", "chronoamperometry", "ca", "voltage", "float"), "constant_voltage"),
    **dict.fromkeys(("power", "cpw"), "constant_power"),
    **dict.fromkeys(("eis", "peis", "geis", "impedance", "spectroscopy"), "impedance_spectroscopy"),
    **dict.fromkeys(("cyclic_voltammetry", "voltammetry", "lsv", "linear_sweep", "sweep", "scan"), "voltage_scan"),
    **dict.fromkeys(("temperature", "set_temperature", "chamber"), "set"),
    **dict.fromkeys(("thermalise", "thermalize", "heat", "soak", "warm_up"), "equilibrate"),
    **dict.fromkeys(("repeat", "for", "jump"), "loop"),
    **dict.fromkeys(("label", "mark", "block"), "tag"),
    **dict.fromkeys(("cycles", "cycling", "galvanostatic_cycling", "gcpl"), "cycle"),
    **dict.fromkeys(("hold", "ask", "manual", "user"), "pause"),
    **dict.fromkeys(("milling", "grind", "blade"), "mill"),
}
"""What other programs and people call a step, to its name here."""
SENTENCES = {
    "charge": "write constant_current with rate_C above 0",
    "discharge": "write constant_current with rate_C below 0",
    "cccv": "write two steps: constant_current, then constant_voltage",
    "cv": "write constant_voltage, or voltage_scan for a cyclic voltammogram",
    "cp": "write constant_power, or constant_current for a chronopotentiogram",
    "wait": "write open_circuit_voltage to measure meanwhile, or wait_for for a time without measuring",
}
"""What to write for a word that may mean several steps."""
VALUES = {
    **dict.fromkeys(("gt", "greater", "above", "over"), ">"),
    **dict.fromkeys(("lt", "less", "below", "under"), "<"),
    **dict.fromkeys(("ge", "gte", "=>", "at_least"), ">="),
    **dict.fromkeys(("le", "lte", "=<", "at_most"), "<="),
    "charging": "charge",
    "discharging": "discharge",
}

_UNIT = re.compile(
    "_(mv_h|mv|v|ma_cm2|mah_g|mah|ah|ma|ua|a|mwh|wh|mw|w|c|k|s|sec|min|h|hours?"
    "|mpa_h|mpa|kpa|pa|bar|mm|nm|n|percent|hz|ohm|mg|g)$"
)
_ALIKE = ({"c", "k"}, {"s", "sec"})
"""Units in which a difference, or a time, is the same number."""


def folded(word: str) -> str:
    """A word in lower case, its parts joined by `_`."""
    return re.sub(r"[^a-z0-9]+", "_", word.casefold()).strip("_") or word.casefold()


def did_you_mean(word: str, known: Iterable[str], close_enough: float = CLOSE_ENOUGH) -> str | None:
    """The known word that is most like one, or None when none is alike."""
    by_folded = {folded(name): name for name in known}
    close = difflib.get_close_matches(folded(word), by_folded, n=1, cutoff=close_enough)
    return by_folded[close[0]] if close else None


def called_here(word: str, known: Iterable[str]) -> str | None:
    """The known field that stands for a word of other programs, or None."""
    names = list(known)
    meant = (*FIELDS.get(folded(word), ()), *FIELDS.get(_bare(word), ()))
    return next((name for name in meant if name in names), None)


def field_meant(word: str, known: Iterable[str]) -> str | None:
    """The known field that a person meant: without its unit, misspelt, or by some of its words; else None."""
    names = list(known)
    same = [name for name in names if _bare(name) == _bare(word)]
    if same:
        return did_you_mean(word, same, 0.0)
    return did_you_mean(word, names) or _with_its_words(word, names)


def step_hint(word: str, known: Iterable[str]) -> str | None:
    """What to write in place of a step that there is not, or None when nobody can tell."""
    names, said = list(known), folded(word)
    if said in SENTENCES:
        return SENTENCES[said]
    close = STEPS.get(said) or did_you_mean(word, names) or _with_its_words(word, names)
    return f"did you mean {close}?" if close in names else None


def value_meant(value: object, known: Iterable[str]) -> str | None:
    """The word of a few that a person meant, or None."""
    names = list(known)
    meant = VALUES.get(value.strip().casefold()) if isinstance(value, str) else None
    if meant in names or not isinstance(value, str):
        return meant
    return did_you_mean(value, names) if folded(value).replace("_", "").isalpha() else None


def unit_note(word: str, meant: str) -> str:
    """What to add where a word had another unit than the field that was meant: a number is not to be taken over."""
    written, here = _UNIT.search(folded(word)), _UNIT.search(folded(meant))
    if written is None or here is None or written[1] == here[1] or {written[1], here[1]} in _ALIKE:
        return ""
    return f" In {meant[here.start() + 1 :].replace('_', '/')}, not in {word[written.start() + 1 :].replace('_', '/')}"


def _bare(word: str) -> str:
    """A word without its unit."""
    return _UNIT.sub("", folded(word))


def _with_its_words(word: str, known: Iterable[str]) -> str | None:
    """The only field that has all parts of a word among its own."""
    parts = {part.rstrip("s") for part in _bare(word).split("_")}
    found: Mapping[str, str] = {
        _bare(name): name for name in known if parts <= {part.rstrip("s") for part in _bare(name).split("_")}
    }
    return next(iter(found.values())) if len(found) == 1 else None
