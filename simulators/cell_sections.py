"""What a bench file says of its cells: of the only one, or of several with their own and their shared instruments."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, cast

from pydantic import Field, create_model, model_validator

from simulators.cell_parameters import CellParameters
from simulators.instrument_sections import (
    AnySection,
    Celsius,
    ChamberSection,
    LoadCellSection,
    PotentiostatSection,
    ProbeSection,
    Strict,
    ThermometerSection,
)

_OVERRIDES: dict[str, Any] = {field.name: (float | None, None) for field in dataclasses.fields(CellParameters)}
CellOverrides = create_model("CellOverrides", __base__=Strict, **_OVERRIDES)
"""Any of the cell's parameters, by its name in `CellParameters`."""

CellName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$")]
"""Of one cell among several; fit for a station, which calls the cell's rig so."""


class PlacedError(ValueError):
    """A problem of something within what is checked: `keys` lead there."""

    def __init__(self, what: str, *keys: str | int) -> None:
        super().__init__(what)
        self.keys = keys


class CellSection(Strict):
    """The cell and the jig it is in."""

    sample: Literal["BM-05", "bare"]
    chamber_temperature_C: Celsius = 55.0
    start_temperature_C: Celsius | None = None
    torque_Nm: Annotated[float, Field(ge=0, le=50)] = 5.0
    spread_seed: int | None = None
    parameters: CellOverrides = CellOverrides()  # type: ignore[valid-type]

    @property
    def overrides(self) -> dict[str, float]:
        """The parameters that are given, by name."""
        return cast(Strict, self.parameters).model_dump(exclude_none=True)


@dataclasses.dataclass(frozen=True)
class JigContents:
    """A cell and its own instruments, by the names the bench knows them by; the only cell has no name."""

    name: str
    cell: CellSection
    instruments: tuple[AnySection, ...]


OwnSection = Annotated[PotentiostatSection | LoadCellSection | ThermometerSection, Field(discriminator="model")]
"""An instrument of one cell among several."""


class JigSection(Strict):
    """One cell of several, in its jig; the air around it is that of all."""

    name: CellName
    sample: Literal["BM-05", "bare"]
    start_temperature_C: Celsius | None = None
    torque_Nm: Annotated[float, Field(ge=0, le=50)] = 5.0
    spread_seed: int | None = None
    parameters: CellOverrides = CellOverrides()  # type: ignore[valid-type]
    instruments: Annotated[list[OwnSection], Field(min_length=1)]

    @model_validator(mode="after")
    def _wiring_is_possible(self) -> "JigSection":
        check_wiring(self.instruments)
        return self

    def contents(self, chamber_celsius: float) -> JigContents:
        """The cell in air of a temperature. Its instruments are `CELL.NAME` to the bench."""
        cell = CellSection(
            sample=self.sample,
            chamber_temperature_C=chamber_celsius,
            start_temperature_C=self.start_temperature_C,
            torque_Nm=self.torque_Nm,
            spread_seed=self.spread_seed,
            parameters=self.parameters,
        )
        named = (one.model_copy(update={"name": f"{self.name}.{one.name}"}) for one in self.instruments)
        return JigContents(self.name, cell, tuple(named))


class SharedProbeSection(ProbeSection):
    """A Pt100 of a thermometer that several cells share: in the jig of one of them, or in the air."""

    cell: CellName | None = None

    @property
    def cell_name(self) -> str:
        """See `ProbeSection`."""
        return self.cell or ""


class SharedThermometerSection(ThermometerSection):
    """A module with a channel for each jig."""

    probes: Annotated[list[SharedProbeSection], Field(min_length=1)]  # type: ignore[assignment]

    def check_cells(self, names: Sequence[str], *keys: str | int) -> None:
        """Raises PlacedError for a probe in no jig, in one that isn't there, or in both; `keys` lead to this."""
        for index, probe in enumerate(self.probes):
            at = (*keys, "probes", index)
            if probe.place == "air" and probe.cell is not None:
                raise PlacedError(f"channel {probe.channel} is in the air; leave out its cell", *at, "cell")
            if probe.place == "jig" and probe.cell is None:
                raise PlacedError(f"channel {probe.channel} is in a jig; name its cell, one of {', '.join(names)}", *at)
            if probe.place == "jig" and probe.cell not in names:
                raise PlacedError(f"no cell is called {probe.cell}; write one of {', '.join(names)}", *at, "cell")


SharedSection = Annotated[SharedThermometerSection | ChamberSection, Field(discriminator="model")]
"""An instrument that several cells share."""


def check_wiring(instruments: Sequence[AnySection]) -> None:
    """Raises ValueError for two instruments of one cell that have one name, or one role."""
    if twice := said_twice([instrument.name for instrument in instruments]):
        raise ValueError(f"two instruments are called {', '.join(twice)}; give each a name of its own")
    if twice := said_twice([instrument.role for instrument in instruments]):
        raise ValueError(f"two instruments are the {twice[0]} of one cell; leave one")


def check_unlike(said: Mapping[tuple[str | int, ...], str], two_of_them: str) -> None:
    """Raises PlacedError, by the keys of the second, for two that say the same; `two_of_them` is told before it."""
    seen: set[str] = set()
    for keys, word in said.items():
        if word in seen:
            raise PlacedError(f"{two_of_them} {word}; give each its own", *keys)
        seen.add(word)


def said_twice(words: Sequence[str]) -> list[str]:
    """Those that occur more than once, in order."""
    return sorted({word for word in words if words.count(word) > 1})
