"""The runs of the campaign: small, with everything in them that a long one has. All of it follows from a seed."""

import random
from dataclasses import dataclass

WINDOW = """\
window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}
safety: {min_first_efficiency_percent: 10, min_efficiency_percent: 10}
"""
"""A cold cell gives little of its first charge back."""
CHARGE_TO_LIMIT_SECOND, DISCHARGE_TO_LIMIT_SECOND = 470.0, 210.0
EQUILIBRATE_SECOND = 20.0


@dataclass(frozen=True)
class Protocol:
    """`steps` are the ids in the order in which they are executed; `about_second` is how long it takes undisturbed."""

    text: str
    steps: tuple[str, ...]
    about_second: float


def draw(rng: random.Random) -> Protocol:
    """A run: rests, sometimes waiting for a temperature, and charges and discharges by time or to the limits."""
    rest_second = rng.randint(8, 25)
    lines = [f"{{step: open_circuit_voltage, id: rest, until_time: {rest_second} s}}"]
    steps, second = ["rest"], float(rest_second)
    if rng.random() < 0.35:
        wait = f"for: {EQUILIBRATE_SECOND:.0f} s, timeout: 600 s, on_timeout: hold"
        lines.append(f"{{step: equilibrate, id: warm, temperature_C: 26, within_C: 2, {wait}}}")
        steps.append("warm")
        second += EQUILIBRATE_SECOND
    if rng.random() < 0.12:
        lines.append("{step: cycle, id: fast, rate_C: 2, cycle_count: 1}")
        steps += ["fast/charge", "fast/discharge"]
        second += CHARGE_TO_LIMIT_SECOND + DISCHARGE_TO_LIMIT_SECOND
    else:
        passes, charge_second = rng.randint(1, 2), rng.randint(40, 80)
        lines += [
            "{step: tag, tag: again}",
            f"{{step: constant_current, id: in, rate_C: 2, until_time: {charge_second} s}}",
            "{step: open_circuit_voltage, id: pause, until_time: 10 s}",
            "{step: constant_current, id: out, rate_C: -0.5, until_time: 15 s}",
            f"{{step: loop, loop_to: again, cycle_count: {passes}}}",
        ]
        steps += ["in", "pause", "out"] * passes
        second += passes * (charge_second + 25.0)
    return Protocol(WINDOW + "method:\n" + "".join(f"  - {line}\n" for line in lines), tuple(steps), second)
