"""A protocol of ours as an experiment of PyBaMM: a script that keeps its loops, or the mapping of `to_config`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from protocols import units
from protocols.errors import errors_in
from protocols.interop.converted import Converted, Report
from protocols.interop.flat import Core, lay_out
from protocols.interop.house import number_text
from protocols.interop.pybamm_steps import ZERO_CELSIUS_KELVIN
from protocols.protocol import ProtocolFile, read_protocol
from protocols.structure import read_structure

MOST_CYCLES = 10_000
"""In a mapping, which has no loops; more are a matter for the script."""
FACTORY = {"c-rate": "c_rate", "current": "current", "voltage": "voltage", "power": "power", "rest": "rest"}
UNIT = {"voltage": "V", "current": "A", "c-rate": "C"}


@dataclass
class _Loop:
    """Parts that are passed `times`; a part is one cycle, or a loop in it."""

    times: int = 1
    parts: list[Any] = field(default_factory=list)


def to_pybamm(text: str, file: str, *, as_config: bool = False, diameter_mm: float | None = None) -> Converted:
    """A protocol as a Python script, or as the JSON that `Experiment.from_config` reads.

    Args:
        text: of the protocol.
        file: its name, for messages.
        as_config: the JSON, with every pass of every loop written out.
        diameter_mm: of the jig, for currents by area.
    """
    read = read_protocol(text, file)
    structure = read_structure(read)
    report = Report(read.source)
    report.errors += errors_in([*read.problems, *structure.problems])
    for name in read.missing_inputs:
        report.cannot(("inputs", name), "has no value", f"give one with --input {name}=…")
    if read.top is None or report.errors:
        return report.converted("")
    cores = lay_out(read, report, diameter_mm=diameter_mm, periods=True)
    if report.errors:
        return report.converted("")
    _tell_top(read, report)
    whole = _nested(_steps(cores, report), report)
    if not whole.parts:
        report.cannot(("method",), "nothing is left that PyBaMM knows", "write a step with a current, or a rest")
    if report.errors:
        return report.converted("")
    record = read.top.record
    period = record.time_s if record is not None else None
    if not as_config:
        return report.converted(_script(whole, period))
    if _passes(whole) > MOST_CYCLES:
        what = f"{_passes(whole)} cycles, written out, are more than {MOST_CYCLES}"
        report.cannot(("method",), what, "write the script instead, which keeps loops")
        return report.converted("")
    config = {"cycles": _unrolled(whole)} | ({"period": period} if period is not None else {})
    return report.converted(json.dumps(config, indent=1) + "\n")


def _tell_top(read: ProtocolFile, report: Report) -> None:
    top = read.top
    if top is None:
        return
    for name in ("safety", "sample"):
        if getattr(top, name) is not None:
            report.lost((name,), f"{name}: PyBaMM takes it from its parameters, or not at all")
    for key in ("time", "voltage_V", "current_mA", "pressure_MPa", "temperature_C"):
        if top.record is not None and getattr(top.record, key) is not None:
            report.lost(("record", key), key)


def _steps(cores: Sequence[Core], report: Report) -> list[tuple[Core, dict[str, Any] | None]]:
    """Each core with its step there, signs turned; None for what only holds a place."""
    kelvin: float | None = None
    made: list[tuple[Core, dict[str, Any] | None]] = []
    for core in cores:
        celsius = core.values.get("temperature_C")
        if celsius is not None:
            kelvin = celsius + ZERO_CELSIUS_KELVIN
        step = _step(core, report)
        if step is not None and kelvin is not None:
            step["temperature"] = kelvin
        made.append((core, step))
    return made


def _step(core: Core, report: Report) -> dict[str, Any] | None:
    values = core.values
    step: dict[str, Any]
    match core.kind:
        case "constant_current" if "rate_C" in values:
            step = {"type": "c-rate", "value": -values["rate_C"]}
        case "constant_current":
            step = {"type": "current", "value": -units.ampere(values["current_mA"])}
        case "constant_power":
            step = {"type": "power", "value": -units.watt(values["power_mW"])}
        case "constant_voltage":
            step = {"type": "voltage", "value": values["voltage_V"]}
        case "open_circuit_voltage":
            step = {"type": "rest"}
        case "tag" | "loop" | "set":
            return None
        case _:
            report.lost((*core.path, "step"), f"the step {core.kind}")
            return None
    if "period_s" in values:
        step["period"] = values["period_s"]
    if "until_time_s" in values:
        step["duration"] = values["until_time_s"]
    ends = _ends(values)
    return step | ({"terminations": ends} if ends else {}) | ({"tags": [values["id"]]} if "id" in values else {})


def _ends(values: dict[str, Any]) -> list[dict[str, Any]]:
    ends = []
    if "until_voltage_V" in values:
        ends.append({"type": "voltage", "value": values["until_voltage_V"]})
    if "until_rate_C" in values:
        ends.append({"type": "c-rate", "value": abs(values["until_rate_C"])})
    elif "until_current_mA" in values:
        ends.append({"type": "current", "value": abs(units.ampere(values["until_current_mA"]))})
    return ends


def _nested(steps: list[tuple[Core, dict[str, Any] | None]], report: Report) -> _Loop:
    """The steps as loops in loops. What is passed together, and one short form of ours, is one cycle."""
    flat: list[tuple[Core | None, Any]] = []
    for core, step in steps:
        if core.kind != "loop":
            flat.append((core, step))
            continue
        start = next((at for at, (other, _) in enumerate(flat) if other is core.to), len(flat))
        body, flat = flat[start:], flat[:start]
        loop = _Loop(core.values["cycle_count"], _parts(body, together=True))
        first = next((step for _, step in body if isinstance(step, dict)), None)
        last = next((step for _, step in reversed(body) if isinstance(step, dict)), None)
        if first is not None and last is not None and first.get("temperature") != last.get("temperature"):
            report.lost(core.path, "the temperature that the loop's first steps have from the second pass on")
        flat.append((core.to, loop if loop.parts else None))
    return _Loop(1, _parts(flat, together=False))


def _parts(items: list[tuple[Core | None, Any]], *, together: bool) -> list[Any]:
    parts: list[Any] = []
    before: int | None = None
    for core, item in items:
        if isinstance(item, _Loop):
            parts.append(item)
            before = None
        elif item is not None:
            index = core.index if core is not None else None
            if parts and isinstance(parts[-1], list) and before is not None and (together or index == before):
                parts[-1].append(item)
            else:
                parts.append([item])
            before = index
    return parts


def _passes(loop: _Loop) -> int:
    return loop.times * sum(_passes(part) if isinstance(part, _Loop) else 1 for part in loop.parts)


def _unrolled(loop: _Loop) -> list[Any]:
    once = [cycle for part in loop.parts for cycle in (_unrolled(part) if isinstance(part, _Loop) else [part])]
    return once * loop.times


def _script(whole: _Loop, period: float | None) -> str:
    ending = f"    period={number_text(period)},\n" if period is not None else ""
    lines = ["import pybamm", "", f"experiment = pybamm.Experiment(\n{_expression(whole, 1)},\n{ending})", ""]
    return "\n".join(lines)


def _expression(loop: _Loop, depth: int) -> str:
    """A list of cycles as Python writes it, loops as products."""
    lead = "    " * depth
    terms: list[str] = []
    plain: list[str] = []
    for part in [*loop.parts, None]:
        if isinstance(part, list):
            plain.append(_tuple(part, "    " * (depth + 1)))
        elif plain:
            terms.append(f"{lead}[\n{''.join(plain)}{lead}]")
            plain = []
        if isinstance(part, _Loop):
            terms.append(_expression(part, depth))
    joined = " + ".join(terms) if not terms else terms[0] + "".join(f"\n{lead}+ {term.lstrip()}" for term in terms[1:])
    if loop.times == 1:
        return joined
    return f"{joined} * {loop.times}" if len(terms) == 1 else f"{lead}(\n{joined}\n{lead}) * {loop.times}"


def _tuple(cycle: list[dict[str, Any]], lead: str) -> str:
    if len(cycle) == 1:
        return f"{lead}({_call(cycle[0])},),\n"
    return f"{lead}(\n" + "".join(f"{lead}    {_call(step)},\n" for step in cycle) + f"{lead}),\n"


def _call(step: dict[str, Any]) -> str:
    words = [number_text(step["value"])] if "value" in step else []
    if "duration" in step:
        words.append(f"duration={number_text(step['duration'])}")
    if "terminations" in step:
        ends = [f'"{number_text(end["value"])} {UNIT[end["type"]]}"' for end in step["terminations"]]
        words.append(f"termination=[{', '.join(ends)}]")
    if "period" in step:
        words.append(f"period={number_text(step['period'])}")
    if "temperature" in step:
        words.append(f"temperature={number_text(step['temperature'])}")
    if "tags" in step:
        words.append(f"tags=[{', '.join(json.dumps(tag, ensure_ascii=True) for tag in step['tags'])}]")
    return f"pybamm.step.{FACTORY[step['type']]}({', '.join(words)})"
