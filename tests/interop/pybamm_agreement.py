"""Whether PyBaMM's own parser says of an experiment what ours says. Run by `make interop`.

Usage: python -m tests.interop.pybamm_agreement FOLDER_OF_ENVIRONMENTS
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from protocols.ends import ends_of
from protocols.interop.pybamm_export import to_pybamm
from protocols.interop.pybamm_import import from_pybamm
from protocols.protocol import read_protocol, step_path

REPOSITORY = Path(__file__).parents[2]
LIBRARY = REPOSITORY / "protocols" / "library"
DOCUMENTED = (
    "Discharge at 1C for 0.5 hours",
    "Discharge at C/20 for 0.5 hours",
    "Charge at 0.5 C for 45 minutes",
    "Discharge at 1 A for 0.5 hours",
    "Charge at 200 mA for 45 minutes",
    "Discharge at 1W for 0.5 hours",
    "Charge at 200mW for 45 minutes",
    "Rest for 10 minutes",
    "Hold at 1V for 20 seconds",
    "Charge at 1 C until 4.1V",
    "Hold at 4.1 V until 50mA",
    "Hold at 3V until C/50",
    "Discharge at C/3 for 2 hours or until 2.5 V",
    "Discharge at C/10 for 10 hours or until 3.3 V",
    "Charge at 1 A until 4.1 V",
    "Hold at 4.1 V until 50 mA",
    "Rest for 1 hour",
    "Charge at 4 A for 3 hours",
    "Charge at 1C until 4.2 V (30 second period)",
    "Discharge at 1C until <2.5 V",
    "Hold at 4.2 V until >4.3 V",
    "Rest for 5 m",
    "Charge at C/2 for 1 hr",
    "Discharge at 0.5e1 A for 2 h",
)
"""From PyBaMM's documentation and its own list of examples; then its other spellings."""
REFUSED = (
    "Charge at 1 A",
    "charge at 1 A for 1 hour",
    "Charge at 1 uA for 1 hour",
    "Charge at 1 mAh for 1 hour",
    "Walk",
)
CLOSE = 1e-9
NO_TELEMETRY = {"PYBAMM_DISABLE_TELEMETRY": "true"}


def agreement(python: Path) -> Iterator[tuple[str, bool]]:
    """What is compared, and whether both say the same."""
    library = {path.stem: path.read_text(encoding="utf-8") for path in sorted(LIBRARY.glob("*.yaml"))}
    # What asks for values at its start is not converted without them.
    names = [name for name, text in library.items() if to_pybamm(text, name).text]
    configs = [json.loads(to_pybamm(library[name], name, as_config=True).text) for name in names]
    asked = {
        "strings": [*DOCUMENTED, *REFUSED],
        "configs": configs,
        "scripts": [to_pybamm(library[name], name).text for name in names],
    }
    script = Path(__file__).with_name("pybamm_reads.py")
    done = subprocess.run(
        [python, script],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | NO_TELEMETRY,
    )
    if done.returncode:
        yield f"PyBaMM: {done.stderr}", False
        return
    answer = json.loads(done.stdout.splitlines()[-1])
    for text, theirs in zip(asked["strings"], answer["strings"], strict=True):
        ours = _ours(text)
        yield f"PyBaMM {answer['version']}: {text}", _same(ours, _without_natural_operators(theirs))
    for name, config, theirs, by_script in zip(names, configs, answer["configs"], answer["scripts"], strict=True):
        same = _same(_steps(config), _steps(theirs)) and _same(_steps(config), _steps(by_script))
        yield f"PyBaMM {answer['version']}: {name}, {len(config['cycles'])} cycles, as a config and as a script", same


def _ours(text: str) -> dict[str, Any] | None:
    """What a protocol of ours, made of a string, would do, in the words and signs of PyBaMM."""
    converted = from_pybamm(json.dumps([text]), "x.txt")
    if converted.errors:
        return None
    config = json.loads(to_pybamm(converted.text, "x.yaml", as_config=True).text)["cycles"][0][0]
    return {
        "type": config["type"],
        "value": config.get("value"),
        "duration": config["duration"],
        "period": config.get("period"),
        "terminations": list(_ends(converted.text)),
    }


def _ends(text: str) -> Iterator[dict[str, Any]]:
    """What ends the one step of a protocol of ours, but for its time."""
    kinds = {"voltage_V": ("voltage", 1), "current_mA": ("current", 1000), "rate_C": ("c-rate", 1)}
    (step,) = read_protocol(text, "x.yaml").steps
    for end in ends_of(step, step_path(0)):
        (test,) = end.when
        if test.variable.name in kinds:
            kind, per_unit = kinds[test.variable.name]
            said = {"type": kind, "value": test.value / per_unit}
            yield said | ({"operator": test.operator} if end.key == "limits" and kind == "voltage" else {})


def _without_natural_operators(step: dict[str, Any] | None) -> dict[str, Any] | None:
    """A voltage that a charge reaches from below needs no operator, nor one that a discharge reaches from above."""
    if step is None or step["type"] == "voltage" or not step["value"]:
        return step
    natural = "<" if step["value"] > 0 else ">"
    ends = [{key: end[key] for key in end if end[key] != natural} for end in step["terminations"]]
    return step | {"terminations": ends}


def _steps(config: dict[str, Any]) -> list[list[dict[str, Any]]]:
    told = ("type", "value", "duration", "terminations", "temperature")
    return [[{key: step[key] for key in told if key in step} for step in cycle] for cycle in config["cycles"]]


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, int | float) and isinstance(theirs, int | float):
        return abs(ours - theirs) <= CLOSE * max(abs(ours), abs(theirs))
    return bool(ours == theirs)


def main(environments: Path) -> int:
    failures = 0
    for said, in_order in agreement(environments / "pybamm" / "bin" / "python"):
        failures += not in_order
        sys.stdout.write(f"{'ok  ' if in_order else 'FAIL'}  {said}\n")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
