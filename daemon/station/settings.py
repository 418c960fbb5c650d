"""What a station file may say of rigs, and of the station itself. Pure."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from daemon.station.fields import AbsolutePath, Identifier, NetworkAddress
from daemon.station.instrument_settings import (
    ChamberSettings,
    ChillerSettings,
    FixtureSettings,
    Instrument,
    LoadCellSettings,
    MillDriveSettings,
    PotentiostatSettings,
    ThermometerSettings,
)
from protocols.fields import NotNegative, Positive, Strict, Text, tag
from protocols.settings import Safety


class LinkSettings(Strict):
    """What an instrument that does not answer means: shorter silences are not told of, longer ones hold the run."""

    mask_s: NotNegative = 10.0
    fail_s: Positive = 1800.0


class SharedReference(Strict):
    """An instrument that other rigs have too, by its name in the station's `shared`."""

    shared: Text


class SharedSettings(Strict):
    """An instrument of several rigs, by its role."""

    chamber: ChamberSettings


class UsageWarnings(Strict):
    """From how much use on a rig is to warn: of its potentiostat's output relay, of its jig, of its mill's drive."""

    relay_operations: Positive | None = None
    output_hours: Positive | None = None
    jig_pressings: Positive | None = None
    jig_cycles: Positive | None = None
    jig_hours: Positive | None = None
    mill_starts: Positive | None = None
    mill_hours: Positive | None = None


def _own_or_shared(value: object) -> str:
    is_shared = isinstance(value, SharedReference) or (isinstance(value, dict) and "shared" in value)
    return SHARED if is_shared else OWN


OWN, SHARED = tag("own"), tag("shared")
OwnOrSharedChamber = Annotated[
    Annotated[ChamberSettings, Tag(OWN)] | Annotated[SharedReference, Tag(SHARED)], Discriminator(_own_or_shared)
]


class RigSettings(Strict):
    """The instruments that act on one cell at a time. Without a potentiostat it only records."""

    potentiostat: PotentiostatSettings | None = None
    load_cell: LoadCellSettings | None = None
    thermometer: ThermometerSettings | None = None
    chamber: OwnOrSharedChamber | None = None
    mill_drive: MillDriveSettings | None = None
    chiller: ChillerSettings | None = None
    fixture: FixtureSettings | None = None
    safety: Safety | None = None
    link: LinkSettings | None = None
    warn_at: UsageWarnings | None = None

    @property
    def instruments(self) -> dict[str, Instrument]:
        """Those of its own, by role."""
        by_role: dict[str, Instrument | None] = {
            "potentiostat": self.potentiostat,
            "load_cell": self.load_cell,
            "thermometer": self.thermometer,
            "chamber": self.chamber if isinstance(self.chamber, ChamberSettings) else None,
            "mill_drive": self.mill_drive,
            "chiller": self.chiller,
        }
        return {role: instrument for role, instrument in by_role.items() if instrument is not None}

    @property
    def shared(self) -> dict[str, str]:
        """The names of the instruments it shares with other rigs, by role."""
        return {"chamber": self.chamber.shared} if isinstance(self.chamber, SharedReference) else {}


class BenchSettings(Strict):
    """The simulated laboratory whose control port owns time.

    `pace` is simulated seconds a real second, as fast as it goes without one; `on_owner_lost` is what its time does
    while no daemon is there.
    """

    control: NetworkAddress
    pace: Positive | None = None
    on_owner_lost: Literal["run_on", "freeze"] = "run_on"


class BrokerSettings(Strict):
    """Where rows are published by MQTT. The password is the first line of a file that only the daemon may read."""

    broker: NetworkAddress
    username: Text | None = None
    password_file: AbsolutePath | None = None


class StationSettings(Strict):
    """The top of the file. `rigs` and `shared` as read, unchecked: see `StationFile`.

    `safety`, here and of a rig, holds for every run: a protocol can tighten it, and cannot loosen it.
    """

    schema_name: Literal["presscell-station/1"] | None = Field(default=None, alias="schema")
    site: Identifier
    station: Identifier
    data: AbsolutePath
    supervise_every_s: Positive = 1.0
    clock: Literal["monotonic"] | None = None
    bench: BenchSettings | None = None
    mqtt: BrokerSettings | None = None
    safety: Safety | None = None
    shared: dict[str, Any] = Field(default={})
    rigs: dict[str, Any]
