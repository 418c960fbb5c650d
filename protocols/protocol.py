"""The cycling protocol as people write it: its top, and reading the file step by step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from protocols.checks import StepCheck, check_step, check_top
from protocols.errors import Path, Problem, ProblemsFound, errors_in, path_text
from protocols.fields import Positive, Strict, Text, by_default, needed, optional, read_model
from protocols.guesses import did_you_mean, step_hint
from protocols.inputs import Filled, fill_in
from protocols.settings import Basis, OnLinkLoss, OnResume, Record, Safety, Sample, Unicycler, Window
from protocols.source import Source, read_source
from protocols.steps import LATER_STEPS, STEP_MODELS, BrokenStep, Step, is_step

NO_FIELD = "is no field of the language"
IN_CELL_FILE = "belongs in the cell file"
IN_STATION = "belongs in the station file"
IN_SAFETY = "belongs in safety, at the top of the file or in the step"
IN_EQUILIBRATE = "is a field of the steps equilibrate and wait_for"
ELSEWHERE = {
    **dict.fromkeys(("start_with", "stop_with"), "is not needed: load cell and thermometer always record"),
    **dict.fromkeys(("max_violations",), f"{NO_FIELD}; safety: {{delay_s: …}} says how long a bound may be broken"),
    **dict.fromkeys(("comm_loss_s",), f"{NO_FIELD}; on_link_loss: {{fail_s: …}} says it"),
    **dict.fromkeys(("on_trip",), f"{NO_FIELD}: a trip always opens the circuit"),
    **dict.fromkeys(Safety.model_fields, IN_SAFETY),
    **dict.fromkeys(("within_C", "for", "for_s", "timeout", "timeout_s", "on_timeout"), IN_EQUILIBRATE),
    "wait_within_C": "is said by a step of its own: equilibrate, with within_C",
    "temperature_C": "is a field of the steps set, equilibrate and open_circuit_voltage",
    "until_voltage_V": "is an end of the steps constant_current and constant_power; others have limits",
    **dict.fromkeys(("until_rate_C", "until_current_mA"), "is an end of the step constant_voltage"),
    **dict.fromkeys(
        ("until_capacity_mAh", "until_capacity_mAh_g", "until_energy_mWh"), "is an end of steps that pass a charge"
    ),
    "inputs": "belongs at the top of the file",
    **dict.fromkeys(("until_time", "until_time_s"), "is an end of other steps; equilibrate has for and timeout"),
    "cycle_count": "is a field of the steps cycle and loop",
    "limits": "is a field of steps that measure; bounds of the whole run are in safety",
    "stop_if": "is a field of the step cycle; others have limits",
    **dict.fromkeys(
        ("c_rate", "reference", "composite", "mass_mg", "active_mass_mg", "fixture", "specific_capacity_mAh_g"),
        IN_CELL_FILE,
    ),
    **dict.fromkeys(("roles", "role", "instrument"), IN_STATION),
}
"""Fields that people look for in the wrong place, and why they are not there."""


class CyclingProtocol(Strict):
    """The top of the file. `method` holds the steps as read, unchecked."""

    schema_name: Literal["presscell/1"] | None = Field(
        default=None, alias="schema", description="`presscell/1`, the language this is written in"
    )
    name: Text | None = optional("goes into the run (default: the file's name)")
    title: Text | None = optional("for people")
    description: Text | None = optional("for people")
    inputs: dict[str, Any] | None = optional("values asked for at the start: below")
    window: Window | None = optional(
        "the voltages the cell is cycled between, `lower_voltage_V` and `upper_voltage_V`, measured against `vs`, "
        "which must be the cell file's reference electrode; needed by `cycle`"
    )
    cycle_starts_with: Literal["charge", "discharge"] = by_default("charge", "which half is the first of a cycle")
    cycle: Literal["auto", "explicit"] = by_default(
        "auto", "what counts a cycle: a charge and a discharge, or the step `advance_cycle`"
    )
    c_rate_basis: Basis | None = optional(
        "whose capacity C-rates are of: `cell_file`, or one that was measured, `{block: formation, cycle: 1}`"
    )
    sampling_s: Positive | None = optional("how often a row is measured and stored, s (default 1)")
    cutoff_s: Positive | None = optional(
        "how often limits are tested, s; divides `sampling_s` (default 0.2 from 1 C upwards, else 1)"
    )
    record: Record | None = optional("which rows are exported: below")
    safety: Safety | None = optional("what stops the run: below")
    on_resume: OnResume | None = optional("how to go on after an interruption: below")
    on_link_loss: OnLinkLoss | None = optional("what a silent link means: below")
    sample: Sample | None = optional(
        "unicycler's `name` and `capacity_mAh`: used where the cell file is silent, shown where it differs"
    )
    unicycler: Unicycler | None = optional("its `version`; changes nothing")
    method: list[Any] = needed("the steps")


@dataclass(frozen=True)
class ProtocolFile:
    """A protocol as far as it could be read: `top` is None when the file is no protocol at all.

    `steps` stand where they stand in the file; a step with an error, or that waits for an input, is a `BrokenStep`.
    `missing_inputs` have no value yet: see `protocols.inputs.give_inputs`. `waiting` are the places that need them.
    """

    source: Source
    top: CyclingProtocol | None
    steps: tuple[Step, ...]
    problems: tuple[Problem, ...]
    missing_inputs: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()


def read_protocol(text: str, file: str) -> ProtocolFile:
    """Read a protocol; what is wrong with it is in `problems`, all at once. Raises nothing.

    Only what needs neither cell nor instrument is checked here, and not what binds steps together:
    see `protocols.structure` and `daemon.compile`. An input that is required and has no value is no problem here.
    """
    try:
        source = read_source(text, file)
    except ProblemsFound as found:
        return ProtocolFile(Source(file), None, (), found.problems)
    return read_source_as_protocol(source)


def read_source_as_protocol(source: Source) -> ProtocolFile:
    """Make a protocol of values that were read. Problems and limits as `read_protocol`."""
    filled = fill_in(source)
    waiting = tuple(sorted(map(path_text, filled.waiting)))
    problems = [*source.problems, *filled.problems]
    top, found_in_top = read_model(CyclingProtocol, source, (), filled.value, ELSEWHERE)
    problems += [problem for problem in found_in_top if not filled.waits_for(problem.path)]
    if top is None:
        return ProtocolFile(source, None, (), tuple(problems), filled.missing, waiting)
    if not top.method:
        problems.append(source.problem(("method",), "has no steps", "write at least one step"))
    steps = [_read_step(filled, index, value, problems) for index, value in enumerate(top.method)]
    problems += check_top(source, top)
    return ProtocolFile(source, top, tuple(steps), tuple(problems), filled.missing, waiting)


def step_path(index: int, *keys: str | int) -> Path:
    """The path of a step, counted from 0, or of one of its fields."""
    return ("method", index, *keys)


def _read_step(filled: Filled, index: int, value: object, problems: list[Problem]) -> Step:
    source, path = filled.source, step_path(index)
    if not isinstance(value, dict):
        problems.append(source.problem(path, "a step is a mapping", "write {step: constant_current, …}"))
        return BrokenStep()
    name = value.get("step")
    if not isinstance(name, str) or name not in STEP_MODELS:
        problems.append(_unknown_step(source, path, value))
        return BrokenStep(step=name if isinstance(name, str) else None)
    step, found = read_model(STEP_MODELS[name], source, path, value, ELSEWHERE)
    here = path_text(path)
    bad = {problem.path for problem in found} | {
        problem.path for problem in source.problems if problem.path.startswith(f"{here}.")
    }
    waiting = filled.waiting_below(path)
    if waiting:
        problems += [problem for problem in found if not filled.waits_for(problem.path)]
        return BrokenStep(step=name)
    found += check_step(StepCheck(source, path, step, frozenset(bad)))
    problems += found
    if step is None or errors_in(found) or not is_step(step):
        return BrokenStep(step=name)
    return step


def _unknown_step(source: Source, path: Path, value: Mapping[str, object]) -> Problem:
    known = list(STEP_MODELS)
    if "step" not in value:
        close = next((key for key in ("type", "technique", "kind") if key in value), did_you_mean("step", value))
        hint = f"write step in place of {close}" if close else f"write step: one of {', '.join(known)}"
        return source.problem(path, "step is missing", hint)
    name = str(value["step"])
    here = (*path, "step")
    if name in LATER_STEPS:
        return source.problem(here, f"{name} is not a step of this language yet", f"write one of {', '.join(known)}")
    hint = step_hint(name, known) or f"write one of {', '.join(known)}"
    return source.problem(here, f"{name} is not a step", hint)
