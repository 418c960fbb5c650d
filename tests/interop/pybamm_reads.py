"""What PyBaMM makes of strings, of a config and of a script. Run in its own environment: JSON in, JSON out."""

import json
import sys
from typing import Any

import pybamm


def of_string(text: str) -> dict[str, Any] | None:
    """Type, value, ends and duration of a step; None when it refuses the text."""
    try:
        step = pybamm.step.string(text)
    except (ValueError, ZeroDivisionError, IndexError):
        return None
    config = pybamm.Experiment([step]).to_config()["cycles"][0][0]
    return {
        "type": config["type"],
        "value": config.get("value"),
        "duration": step.duration,
        "period": step.period,
        "terminations": config.get("terminations", []),
    }


def of_script(text: str) -> dict[str, Any]:
    """The config of the experiment that a script of ours makes."""
    names: dict[str, Any] = {}
    exec(text, names)
    return names["experiment"].to_config()


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    answer = {
        "version": pybamm.__version__,
        "strings": [of_string(text) for text in asked["strings"]],
        "configs": [pybamm.Experiment.from_config(config).to_config() for config in asked["configs"]],
        "scripts": [of_script(text) for text in asked["scripts"]],
    }
    sys.stdout.write(json.dumps(answer) + "\n")
