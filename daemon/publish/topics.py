"""Where messages go: the topic tree `presscell/v1/<site>/<station>/<rig>/…`, and what may name a level of it. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "presscell/v1"
"""`v1` is the major version of the payloads; the minor one is `schema_minor` in them."""

STATION_LEAVES = ("availability", "state", "description")
_ID = re.compile(r"[a-z0-9-]+")
_NOT_IN_AN_ID = re.compile(r"[^a-z0-9-]+")


@dataclass(frozen=True)
class StationTopics:
    """The topics of one station. Raises ValueError for a site or station that is no id (`a-z`, `0-9`, `-`)."""

    site: str
    station: str

    def __post_init__(self) -> None:
        _check_id("site", self.site)
        _check_id("station", self.station)

    @property
    def root(self) -> str:
        """What all topics of the station begin with."""
        return f"{PREFIX}/{self.site}/{self.station}"

    @property
    def availability(self) -> str:
        """`online`, or `offline`: the broker says so when the station is gone."""
        return f"{self.root}/availability"

    @property
    def state(self) -> str:
        """What the station does."""
        return f"{self.root}/state"

    @property
    def description(self) -> str:
        """Which software it runs."""
        return f"{self.root}/description"

    def rig(self, name: str) -> RigTopics:
        """The topics of one rig. Raises ValueError for a name that is no id, or that the station uses itself."""
        return RigTopics(self, name)


@dataclass(frozen=True)
class RigTopics:
    """The topics of one rig; see `StationTopics.rig`."""

    station: StationTopics
    rig: str

    def __post_init__(self) -> None:
        _check_id("rig", self.rig)
        if self.rig in STATION_LEAVES:
            raise ValueError(f"a rig can't be named {self.rig}: the station has a topic of that name")

    @property
    def root(self) -> str:
        """What all topics of the rig begin with."""
        return f"{self.station.root}/{self.rig}"

    @property
    def state(self) -> str:
        """What the rig does."""
        return f"{self.root}/state"

    @property
    def description(self) -> str:
        """The streams of the present run and their columns."""
        return f"{self.root}/description"

    @property
    def run(self) -> str:
        """The present run and where it is."""
        return f"{self.root}/run"

    @property
    def live(self) -> str:
        """The newest values."""
        return f"{self.root}/live"

    @property
    def cycle(self) -> str:
        """Each counted cycle."""
        return f"{self.root}/cycle"

    @property
    def event(self) -> str:
        """What happened."""
        return f"{self.root}/event"

    @property
    def alarms(self) -> str:
        """What all alarms begin with."""
        return f"{self.root}/alarm/"

    @property
    def all_records(self) -> str:
        """What the rows of all streams begin with."""
        return f"{self.root}/records/"

    def records(self, stream: str) -> str:
        """Every row of a stream."""
        return f"{self.all_records}{as_id(stream)}"

    def alarm(self, code: str) -> str:
        """One alarm; its retained message is there while it lasts."""
        return f"{self.alarms}{code}"


@dataclass(frozen=True)
class Place:
    """What a topic says: `rig` is None for the station's own topics; `leaf` is the rest, as `records/cell`."""

    site: str
    station: str
    rig: str | None
    leaf: str


def place_of(topic: str) -> Place | None:
    """Undo the tree; None for a topic that isn't of it."""
    if not topic.startswith(PREFIX + "/"):
        return None
    levels = topic.removeprefix(PREFIX + "/").split("/")
    if len(levels) == 3 and levels[2] in STATION_LEAVES:
        return Place(levels[0], levels[1], None, levels[2])
    if len(levels) >= 4:
        return Place(levels[0], levels[1], levels[2], "/".join(levels[3:]))
    return None


def matches(topic: str, topic_filter: str) -> bool:
    """Whether a subscription to a filter with `+` and `#` receives a topic. Source: MQTT 3.1.1, section 4.7."""
    levels, wanted = topic.split("/"), topic_filter.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(levels) == len(wanted)


def as_id(text: str) -> str:
    """The nearest id to a name: small letters, digits, and a hyphen for each run of anything else."""
    return _NOT_IN_AN_ID.sub("-", text.lower()).strip("-") or "-"


def _check_id(what: str, text: str) -> None:
    if not _ID.fullmatch(text):
        raise ValueError(f"{text!r} can't name a {what} in a topic: write a-z, 0-9 and -, as {as_id(text)}")
