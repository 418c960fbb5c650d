"""What a circulator is behind its dialect: a bath, a setpoint, a switch, and what can be wrong with them."""

from collections.abc import Callable
from typing import Any

from simulators.bath import Bath


class Circulator:
    """A bath with a pump, run by hand or from afar.

    `silent`: its interface neither hears nor speaks. `low_level` and `alarm_codes`, which are the maker's, stop it for
    as long as they last. `by_hand`: it was taken over at its panel. `external_celsius_at` is what a probe in that which
    is cooled feels at a bench time, None without a probe. `on_change` hears of another setpoint, and of a start or end.
    """

    def __init__(
        self,
        bath: Bath,
        *,
        setpoint_celsius: float = 20.0,
        is_on: bool = False,
        external_celsius_at: Callable[[int], float] | None = None,
    ) -> None:
        self.bath = bath
        self.setpoint_celsius = setpoint_celsius
        self.is_on = is_on
        self.external_celsius_at = external_celsius_at
        self.silent = False
        self.low_level = False
        self.alarm_codes: tuple[int, ...] = ()
        self.probe_is_broken = False
        self.by_hand = False
        self.on_change: Callable[[str, dict[str, Any]], None] = lambda kind, details: None  # noqa: ARG005
        self._was_on: bool | None = None
        self._told = self._state

    @property
    def has_fault(self) -> bool:
        """Whether something is wrong that keeps it from running."""
        return self.low_level or bool(self.alarm_codes)

    @property
    def runs(self) -> bool:
        """Whether it pumps and controls."""
        return self.is_on and not self.has_fault

    def external_celsius(self, now_ns: int) -> float | None:
        """What its external probe feels; None without one that works."""
        if self.external_celsius_at is None or self.probe_is_broken:
            return None
        return self.external_celsius_at(now_ns)

    def run_to(self, limit_ns: int) -> None:
        """Let time go on with everything as it is."""
        self._tell_change()
        self.bath.run_to(limit_ns, self.setpoint_celsius if self.runs else None)

    def _tell_change(self) -> None:
        """Tell what it does from now on, if that is something else than was told last."""
        if self._state != self._told:
            self._told = setpoint_celsius, runs = self._state
            said = {"setpoint_celsius": setpoint_celsius, "runs": runs, "bath_celsius": self.bath.bath_celsius}
            self.on_change("chiller", {"time_ns": self.bath.now_ns, **said})

    @property
    def _state(self) -> tuple[float, bool]:
        return self.setpoint_celsius, self.runs

    def switch_off(self) -> None:
        """Somebody switches it off at its panel."""
        if self._was_on is None:
            self._was_on = self.is_on
        self.is_on = False
        self.by_hand = True

    def heal(self) -> None:
        """Put everything right; what was switched off is as it was before."""
        self.silent = self.low_level = self.probe_is_broken = self.by_hand = False
        self.alarm_codes = ()
        if self._was_on is not None:
            self.is_on = self._was_on
        self._was_on = None
