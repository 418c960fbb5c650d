"""What is said to an instrument while it is captured: who it is, how it is, a few readings. Nothing is changed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

import numpy as np

from daemon.station.instruments import MadeDriver
from drivers.errors import DriverError
from drivers.observation import Inspectable
from drivers.roles import Chamber, Chiller, LoadCell, MillDrive, Potentiostat, Thermometer

TOKEN = "capture_000000"  # noqa: S105  (the name of a segment that is not there)
Tell = Callable[[str, Any], None]
"""Is told each verb that has ended, and what it gave, as JSON."""
TIMES = frozenset({"second", "waited_second"})


async def converse(
    role: str, driver: MadeDriver, tell: Tell, *, reads: int, wait: Callable[[], Awaitable[None]]
) -> bool:
    """Identify, inspect where the driver can, read; whether all went well. Errors of a driver are told, not raised.

    Args:
        role: of the instrument.
        driver: of it, not connected yet; closed when this ends.
        tell: see `Tell`.
        reads: how many readings.
        wait: between two.
    """
    verbs: list[tuple[str, Callable[[], Awaitable[Any]]]] = [("connect", driver.connect)]
    if isinstance(driver, Inspectable):
        verbs.append(("inspect", driver.inspect))
    verbs += [reading_of(role, driver)] * reads
    try:
        for number, (verb, say) in enumerate(verbs):
            if number:
                await wait()
            tell(verb, as_json(await say()))
    except DriverError as error:
        tell(type(error).__name__, str(error))
        return False
    finally:
        await driver.close()
    return True


def reading_of(role: str, driver: MadeDriver) -> tuple[str, Callable[[], Awaitable[Any]]]:
    """The verb that reads without changing anything, by its name."""
    match role, driver:
        case "potentiostat", _:
            potentiostat: Potentiostat = driver  # type: ignore[assignment]
            return "look", lambda: potentiostat.look(TOKEN)
        case "load_cell", _:
            load_cell: LoadCell = driver  # type: ignore[assignment]
            return "read", load_cell.read
        case "thermometer", _:
            thermometer: Thermometer = driver  # type: ignore[assignment]
            return "read_celsius", thermometer.read_celsius
        case _:
            looking: Chamber | Chiller | MillDrive = driver  # type: ignore[assignment]
            return "look", looking.look


def as_json(value: object) -> Any:  # noqa: ANN401  (JSON)
    """What a verb gave, without times; no reading is None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
        return as_json({name: said for name, said in fields.items() if name not in TIMES})
    if isinstance(value, dict):
        return {str(name): as_json(said) for name, said in value.items()}
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(said) for said in value]
    if isinstance(value, Enum):
        return value.value
    return None if isinstance(value, float) and math.isnan(value) else value
