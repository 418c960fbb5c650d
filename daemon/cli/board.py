"""What is known of each rig from its messages, and how it is drawn. Takes messages in any order; touches no network."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from daemon.cli.console import duration_text, warning_text
from daemon.publish.topics import place_of

EVENTS_SHOWN = 3
STALE_AFTER_SECOND = 5.0
SEVERITY_STYLES = {"critical": "bold red", "error": "red", "warning": "yellow"}
PASCAL_PER_MEGAPASCAL = 1e6


@dataclass
class RigBoard:
    """The last message of each kind of one rig; alarms that are on, by code."""

    name: str
    live: Mapping[str, Any] = field(default_factory=dict)
    run: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    cycle: Mapping[str, Any] = field(default_factory=dict)
    alarms: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    events: deque[Mapping[str, Any]] = field(default_factory=lambda: deque(maxlen=EVENTS_SHOWN))

    @property
    def simulated(self) -> bool:
        """Whether what is shown comes from a bench."""
        return any(said.get("simulated") for said in (self.live, self.run, self.state))

    def values(self) -> dict[str, str]:
        """The measured values as people read them; a value that isn't there is empty."""
        live = self.live
        temperature = live.get("jig_temperature_celsius", live.get("ambient_temperature_celsius"))
        return {
            "V": _number(live.get("voltage_volt"), "{:.4f} V"),
            "I": _number(live.get("current_ampere"), "{:+.4f} mA", 1e3),
            "P": _number(live.get("surface_pressure_pa"), "{:.3f} MPa", 1 / PASCAL_PER_MEGAPASCAL),
            "T": _number(temperature, "{:.2f} °C"),
        }

    def line(self) -> str:
        """All of it in one line."""
        measured = "  ".join(text for text in self.values().values() if text)
        where = f"cycle {self.live.get('cycle_count', '')}  {self.run.get('step_id', '')}"
        alarms = "".join(f"  ALARM {code}" for code in self.alarms)
        return f"{'SIMULATED  ' if self.simulated else ''}{self.name}  {where}  {measured}{self._age()}{alarms}"

    def drawn(self, *, online: bool) -> Panel:
        """All of it in a panel."""
        grid = Table.grid(padding=(0, 3))
        for (first, value), (second, other) in (list(self._facts().items())[at : at + 2] for at in range(0, 8, 2)):
            grid.add_row(Text(first, "dim"), value, Text(second, "dim"), other)
        alarms = [Text(f"ALARM {code}: {_sentence(said)}", _style(said)) for code, said in self.alarms.items()]
        events = [Text(str(said.get("text", "")), _style(said) or "dim") for said in self.events]
        title = ("SIMULATED  " if self.simulated else "") + self.name
        state = str(self.state.get("state", "")) if online else "offline"
        return Panel(Group(grid, *alarms, *events), title=title, subtitle=state, width=90)

    def _facts(self) -> dict[str, str]:
        test_time_second = self.live.get("test_time_second")
        time = "" if test_time_second is None else duration_text(test_time_second) + self._age()
        left = self.run.get("expected_left_second")
        return {
            **self.values(),
            "cycle": str(self.live.get("cycle_count", self.run.get("cycle_count", ""))),
            "step": str(self.run.get("step_id", "")),
            "run time": time,
            "left": f"about {duration_text(left)}" if left else "",
        }

    def _age(self) -> str:
        age_second = self.live.get("age_second", 0.0)
        return f"  ({duration_text(age_second)} old)" if age_second > STALE_AFTER_SECOND else ""


class Board:
    """All rigs that were heard of."""

    def __init__(self) -> None:
        self.rigs: dict[tuple[str, str, str], RigBoard] = {}
        self.offline: set[tuple[str, str]] = set()

    def take(self, topic: str, payload: object) -> str | None:
        """Take a message in; answers a line worth printing where nothing can be drawn in place."""
        place = place_of(topic)
        if place is None:
            return None
        if place.rig is None:
            return self._station(place.site, place.station, place.leaf, payload)
        name = f"{place.site}/{place.station}/{place.rig}"
        rig = self.rigs.setdefault((place.site, place.station, place.rig), RigBoard(name))
        said = payload if isinstance(payload, dict) else {}
        match place.leaf.split("/"):
            case ["live"]:
                rig.live = said
                return rig.line()
            case ["run" | "state" | "cycle" as leaf]:
                setattr(rig, leaf, said)
            case ["event"]:
                rig.events.append(said)
                return f"{name}  {said.get('severity')}: {said.get('text')}"
            case ["alarm", code]:
                return self._alarm(rig, code, said)
        return None

    def drawn(self) -> RenderableType:
        """All rigs, one panel each."""
        if not self.rigs:
            return Text("nothing is published here yet", "dim")
        return Group(*(rig.drawn(online=key[:2] not in self.offline) for key, rig in sorted(self.rigs.items())))

    def _station(self, site: str, station: str, leaf: str, payload: object) -> str | None:
        if leaf != "availability":
            return None
        (self.offline.add if payload == "offline" else self.offline.discard)((site, station))
        return f"{site}/{station} is {payload}"

    def _alarm(self, rig: RigBoard, code: str, said: Mapping[str, Any]) -> str:
        if not said:
            rig.alarms.pop(code, None)
            return f"{rig.name}  alarm {code} is off"
        rig.alarms[code] = said
        return f"{rig.name}  ALARM {code}: {_sentence(said)}"


def _number(value: object, shape: str, factor: float = 1.0) -> str:
    return shape.format(factor * value) if isinstance(value, int | float) else ""


def _sentence(said: Mapping[str, Any]) -> str:
    """What an alarm says, for people."""
    return warning_text(str(said.get("text", "")))


def _style(said: Mapping[str, Any]) -> str:
    return SEVERITY_STYLES.get(str(said.get("severity")), "")
