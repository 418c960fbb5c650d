"""Writes docs/reference/protocol.md from docs/protocol_page.txt and the models: `make_protocol_page.py > the page`.

In the template `{{table Name}}` is the fields of a model, `{{steps}}` a list of all steps, `{{step name}}` the section
of one, `{{ends}}` and `{{variables}}` what may end a step and what a limit may compare.
"""

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from daemon.compiling.unexecuted import EXECUTED_AT_THE_TOP, EXECUTED_FIELDS, NOT_YET, UNEXECUTED_BELOW
from protocols import limits, protocol, settings, steps
from protocols.ends import ChargeEnds, CurrentEnds, VoltageEnd
from protocols.fields import Strict

TEMPLATE = Path(__file__).with_name("protocol_page.txt")
SHARED = {*steps.Measured.model_fields, *ChargeEnds.model_fields, *VoltageEnd.model_fields, *CurrentEnds.model_fields}
"""Fields that have a table of their own."""
MARK = "†"


def rows(model: type[Strict], leave_out: set[str], executed: frozenset[str] | None) -> Iterator[str]:
    """A row a field; with `MARK` when a run does nothing with it yet."""
    yield "| field | means | default |"
    yield "|---|---|---|"
    for name, field in model.model_fields.items():
        key = field.alias or name
        if name not in leave_out and name != "step":
            mark = "" if executed is None or key in executed else f" {MARK}"
            yield f"| `{key}`{mark} | {_escaped(field.description or '')} | {_default(field)} |"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return (
        "" if field.default is None else f"`{str(field.default).lower() if field.default is False else field.default}`"
    )


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def table(name: str) -> str:
    """The fields of a model."""
    model = next(model for holder in (protocol, settings, limits, steps) if (model := getattr(holder, name, None)))
    executed = EXECUTED_AT_THE_TOP if name == "CyclingProtocol" else None
    if name.lower() in UNEXECUTED_BELOW:
        executed = frozenset(model.model_fields) - UNEXECUTED_BELOW[name.lower()]
    if name == "Measured":
        executed = EXECUTED_FIELDS[steps.ConstantCurrent]
    return "\n".join(rows(model, set(), executed))


def step(name: str) -> str:
    """The section of a step: what it does, its fields, an example."""
    model = steps.STEP_MODELS[name]
    executed = EXECUTED_FIELDS.get(model)
    lines = [f"### `{name}`", "", _prose(model)]
    if executed is None:
        lines += ["", f"*This step {NOT_YET}.*"]
    made = list(rows(model, SHARED, executed))
    lines += ["", *made] if len(made) > 2 else []
    return "\n".join([*lines, "", f"```yaml\n{model.EXAMPLE}```"])


def _prose(model: type[Strict]) -> str:
    return " ".join((model.__doc__ or "").split())


def all_steps() -> str:
    """A line a step."""
    lines = ["| step | does | ends |", "|---|---|---|"]
    for name, model in steps.STEP_MODELS.items():
        first = _prose(model).partition(". ")[0].rstrip(".")
        mark = "" if model in EXECUTED_FIELDS else f" {MARK}"
        lines.append(f"| [`{name}`](#{name}){mark} | {first} | {_groups(model)} |")
    return "\n".join(lines)


def _groups(model: type[Strict]) -> str:
    known = {"time": "until_time", "voltage": "until_voltage_V", "current": "until_current_mA"}
    known |= {"pressure, temperature": "until_pressure_MPa", "slope of the voltage": "until_dVdt_mV_h"}
    known |= {"capacity, energy": "until_capacity_mAh", "limits": "limits"}
    return ", ".join(group for group, field in known.items() if field in model.model_fields)


def ends() -> str:
    """The fields that end a step, with the steps that have them."""
    lines = ["| field | ends the step when | of |", "|---|---|---|"]
    fields = {**VoltageEnd.model_fields, **CurrentEnds.model_fields, **ChargeEnds.model_fields}
    for name, field in fields.items():
        having = [step for step, model in steps.STEP_MODELS.items() if name in model.model_fields]
        executed = any(name in EXECUTED_FIELDS.get(model, ()) for model in steps.STEP_MODELS.values())
        mark = "" if executed else f" {MARK}"
        lines.append(f"| `{name}`{mark} | {_escaped(field.description or '')} | {', '.join(having)} |")
    return "\n".join(lines)


def variables() -> str:
    """The variables of limits."""
    lines = ["| variable | is | known |", "|---|---|---|"]
    for variable in limits.VARIABLES.values():
        known = "when a cycle is complete" if variable.of_cycles else "at every row"
        lines.append(f"| `{variable.name}` | {variable.means} | {known} |")
    return "\n".join(lines)


MAKERS: dict[str, Callable[..., str]] = {
    "table": table,
    "step": step,
    "steps": all_steps,
    "ends": ends,
    "variables": variables,
}


def page() -> str:
    """The whole page."""

    def made(found: re.Match[str]) -> str:
        word, *arguments = found[1].split()
        return MAKERS[word](*arguments)

    return re.sub(r"\{\{([^{}]*)\}\}", made, TEMPLATE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    sys.stdout.write(page())
