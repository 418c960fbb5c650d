"""What messages say: rows, cycles, events and states as JSON with Battery Data Format machine names. Pure.

A number that is no number (NaN, infinite) is left out: JSON has none. Everything about a run on a bench says
`simulated: true`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET

from daemon.cycles.table import Cycle
from daemon.deciding.run_state import Outcome, Phase, Run
from daemon.events import DISK_LOW
from daemon.plan import CELL_STREAM, CurrentStep, Plan
from daemon.plans.walk import expected_second, steps_to_come
from daemon.publish.topics import as_id
from daemon.store.blocks import ELAPSED, Block, StreamSchema

SCHEMA_MINOR = 0
IRI = "https://w3id.org/battery-data-alliance/ontology/battery-data-format#"
ONLINE, OFFLINE = b"online", b"offline"
NO_ALARM = b""
LIVE_EXPIRES_AFTER_SECOND = 10
JOINED_WITHIN_SECOND = 60.0
"""`live` leaves out a stream whose last row is older than the newest of all by more than this."""

_BDF_TERMS = frozenset(
    {"test_time_second", "unix_time_second", "voltage_volt", "current_ampere", "surface_pressure_pa"}
    | {"ambient_temperature_celsius", "step_count", "cycle_count"}
)
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Message:
    """One message to publish."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    expires_after_second: int | None = None


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Which run a message is about. UTC of a row is `started_utc_second` plus its run time."""

    run_id: str
    station: str
    simulated: bool
    started_utc_second: float

    def marks(self) -> dict[str, Any]:
        """What every object about the run holds."""
        simulated = {"simulated": True} if self.simulated else {}
        return {"schema_minor": SCHEMA_MINOR, "station": self.station, "run_id": self.run_id, **simulated}


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """The message `records/<stream>`. De-duplicate by `(station, run_id, stream, seq)`: a row may come twice."""

    schema_minor: int
    station: str
    run_id: str
    simulated: bool | msgspec.UnsetType = UNSET
    stream: str
    first_seq: int
    rows: list[Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Rows `first_seq` to `last_seq`, inclusive, of a block that holds them."""

    block: Block
    first_seq: int
    last_seq: int


def records(origin: Origin, spans: Sequence[Span], schema: StreamSchema) -> bytes:
    """Consecutive rows of one stream.

    A row is one flat object: `seq`, `segment`, `test_time_second`, `unix_time_second`, then the stream's own columns.
    """
    make = _row_type(schema.columns)
    rows: list[Any] = []
    for span in spans:
        rows += map(make, *_columns(origin, span, schema))
    return _encode(
        Records(
            schema_minor=SCHEMA_MINOR,
            station=origin.station,
            run_id=origin.run_id,
            simulated=True if origin.simulated else UNSET,
            stream=schema.name,
            first_seq=spans[0].first_seq,
            rows=rows,
        )
    )


def _columns(origin: Origin, span: Span, schema: StreamSchema) -> Iterator[Iterable[Any]]:
    block = span.block
    rows = slice(span.first_seq - block.first_seq, span.last_seq - block.first_seq + 1)
    test_time_second = block.origin_run_time_second + block.columns[ELAPSED][rows]
    yield range(span.first_seq, span.last_seq + 1)
    yield repeat(block.segment)
    yield _values(test_time_second)
    yield _values(origin.started_utc_second + test_time_second)
    for name in schema.columns:
        yield _values(block.columns[name][rows])


@lru_cache
def _row_type(columns: tuple[str, ...]) -> type[msgspec.Struct]:
    names = ("seq", "segment", "test_time_second", "unix_time_second", *columns)
    return msgspec.defstruct("Row", [(name, Any, UNSET) for name in names], gc=False)


def _values(column: np.ndarray[Any, Any]) -> list[Any]:
    values: list[Any] = column.tolist()
    if column.dtype.kind == "f":
        for index in np.flatnonzero(~np.isfinite(column)):
            values[index] = UNSET
    return values


def live(origin: Origin, newest: Mapping[str, Block], facts: Mapping[str, int], utc_second: float) -> bytes | None:
    """The newest values of all streams as one flat object of numbers, `seq` that of the cell; None before any row.

    Args:
        origin: the run.
        newest: for each stream that has rows, a block that ends with its last row.
        facts: further numbers, as `cycle_count`.
        utc_second: now; `age_second` says how old the newest row was then.
    """
    ends = {stream: _last_second(block) for stream, block in newest.items()}
    if not ends:
        return None
    last_second = max(ends.values())
    values: dict[str, Any] = {}
    for stream, block in newest.items():
        if last_second - ends[stream] <= JOINED_WITHIN_SECOND:
            values |= {name: float(column[-1]) for name, column in block.columns.items() if column.dtype.kind == "f"}
    values.pop(ELAPSED, None)
    unix_time_second = origin.started_utc_second + last_second
    times = {"unix_time_second": unix_time_second, "test_time_second": last_second}
    age = {"age_second": round(max(0.0, utc_second - unix_time_second), 3)}
    seq = {"seq": newest[CELL_STREAM].last_seq} if CELL_STREAM in newest else {}
    simulated = {"simulated": True} if origin.simulated else {}
    return _encode(_finite({**seq, **times, **age, **values, **facts, **simulated}))


def _last_second(block: Block) -> float:
    return block.origin_run_time_second + float(block.columns[ELAPSED][-1])


def event(origin: Origin, seq: int, kind: str, body: bytes, happened: Mapping[str, float]) -> bytes:
    """One journal entry, by its number, and when it `happened`. `id` is its own for ever: de-duplicate by it."""
    data: dict[str, Any] = msgspec.json.decode(body)
    data.pop("event", None)
    if kind == "plan_changed":
        data = _without_plan(data)
    severity, text = _told(kind, data)
    said = {"id": f"{origin.run_id}/{seq}", "type": kind, "severity": severity, "text": text, "data": data}
    return _encode(_finite({**origin.marks(), **happened, **said}))


def _without_plan(data: Mapping[str, Any]) -> dict[str, Any]:
    """A change of plan without the plan, which may be larger than a message should be; its protocol as a digest."""
    kept = {name: data[name] for name in ("protocol_name", "by", "segment", "text", "loosened") if name in data}
    return {**kept, "protocol_sha256": hashlib.sha256(str(data.get("protocol_text")).encode()).hexdigest()}


def _told(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """Severity (info, warning, error, critical) and a sentence for people."""
    match kind:
        case "segment_started":
            return "info", f"segment {data.get('segment')} started"
        case "segment_ended":
            record = data.get("record", {})
            text = f"segment {record.get('segment')}, {record.get('step_id')}, ended by {record.get('ended_by')}"
            return ("warning", text + ", not as written") if record.get("abnormal") else ("info", text)
        case "stop_requested" | "pause_requested" | "resume_requested" | "skip_requested" | "plan_changed":
            return _asked_for(kind, data)
        case "instrument_failed":
            return "error", f"{data.get('role')}: {data.get('text')}"
        case "link_changed":
            severity = "info" if data.get("state") == "connected" else "warning"
            return severity, f"{data.get('role')}: {data.get('text')}"
        case "warned":
            return "warning", str(data.get("text"))
        case "cleared":
            return "info", f"over: {data.get('text')}"
        case "silent":
            return "warning", f"no {data.get('quantity')} for {data.get('age_second', 0):.0f} s"
        case "made_safe" if not data.get("verified"):
            return "critical", f"the cell may still be driven: {data.get('text')}"
        case "made_safe":
            return "info", f"at open circuit: {data.get('text')}"
        case _:
            return "info", str(data.get("text") or kind.replace("_", " "))


def _asked_for(kind: str, data: Mapping[str, Any]) -> tuple[str, str]:
    """The same of what a person wants."""
    by, after = data.get("by"), data.get("after")
    if kind == "plan_changed":
        return "warning" if data.get("loosened") else "info", f"edited by {by}: {data.get('text')}"
    severity = "warning" if kind in ("stop_requested", "pause_requested") else "info"
    return severity, f"{kind.removesuffix('_requested')} asked for by {by}" + (f", after this {after}" if after else "")


def cycle(origin: Origin, counted: Cycle) -> bytes:
    """One counted cycle, once nothing more can come to it. De-duplicate by `(run_id, cycle_count)`."""
    return _encode(_finite({**origin.marks(), **msgspec.to_builtins(counted)}))


def rig_state(origin: Origin, run: Run, rest: Mapping[str, Any]) -> bytes:
    """What a rig does; `rest` says since when and which software."""
    return _encode({**origin.marks(), "state": state_of(run), **rest})


def state_of(run: Run | None) -> str:
    """`ready`, `running`, `holding` (a person must decide) or `faulted`."""
    if run is None:
        return "ready"
    if run.unsafe:
        return "faulted"
    if run.phase in (Phase.HALTING, Phase.HOLDING):
        return "holding"
    match run.outcome:
        case Outcome.HELD:
            return "holding"
        case Outcome.TRIPPED | Outcome.FAILED:
            return "faulted"
    return "ready" if run.phase is Phase.FINISHED else "running"


def station_state(state: str, rest: Mapping[str, Any]) -> bytes:
    """What the station does."""
    return _encode({"schema_minor": SCHEMA_MINOR, "state": state, **rest})


def run_progress(origin: Origin, names: Mapping[str, str], run: Run, cycle_count: int) -> bytes:
    """A run and where it is; `names` says which protocol, which cell."""
    step = run.plan.steps[min(run.position, len(run.plan.steps) - 1)]
    coming = () if run.phase is Phase.FINISHED else steps_to_come(run.plan, run.position, run.passes)
    driven = {"half": step.half, "rate_C": step.rate_C} if isinstance(step, CurrentStep) else {}
    return _encode(
        _finite(
            {
                **origin.marks(),
                **names,
                "started_unix_time_second": origin.started_utc_second,
                "phase": str(run.phase),
                "outcome": None if run.outcome is None else str(run.outcome),
                "reason": run.why or None,
                "cycle_count": cycle_count,
                "step_count": run.segment,
                "step_id": run.step_id,
                "step_type": str(step.__struct_config__.tag),
                "step_line": step.line,
                "block": step.block,
                **driven,
                "step_started_test_time_second": run.segment_started_second,
                "expected_left_second": sum(expected_second(later) for later in coming),
                "rows": run.rows,
            }
        )
    )


def run_names(protocol_name: str, protocol_text: str, plan: Plan) -> dict[str, str]:
    """What `run_progress` calls the run's protocol and cell."""
    sha256 = hashlib.sha256(protocol_text.encode()).hexdigest()
    return {"protocol": protocol_name, "protocol_sha256": sha256, "cell": plan.cell.name}


def cycle_count_now(run: Run, counted: int, open_halves: Iterable[str]) -> int:
    """The number of the cycle the present step belongs to; 0 before the first.

    Args:
        run: the run.
        counted: cycles that are over.
        open_halves: the halves of the cycle that is not.
    """
    halves = set(open_halves)
    step = None if run.phase is Phase.FINISHED else run.plan.steps[run.position]
    if not isinstance(step, CurrentStep):
        return counted + bool(halves)
    begins = bool(halves) and (step.half in halves or step.half == run.plan.cycle_starts_with)
    return counted + (2 if begins and not run.segment_ended else 1)


def alarms(run: Run) -> dict[str, tuple[str, str]]:
    """Every alarm a run raises: code → severity and sentence."""
    found = {}
    for warning in run.warnings_on:
        name = warning.partition(":")[0]
        code = as_id(name) if name == DISK_LOW else f"interlock-{as_id(name)}"
        found[code] = ("warning", warning)
    outcome = Outcome.HELD if run.phase in (Phase.HALTING, Phase.HOLDING) else run.outcome
    if outcome in (Outcome.TRIPPED, Outcome.HELD, Outcome.FAILED):
        severity = "warning" if outcome is Outcome.HELD else "critical"
        found[f"run-{outcome}"] = (severity, run.reason)
    if run.fold.hold_after_half:
        found["hold-after-half"] = ("warning", f"held when this half-cycle has ended: {run.fold.hold_after_half}")
    if run.unsafe:
        found["not-verified-safe"] = ("critical", run.unsafe)
    found |= {f"link-{as_id(role)}": ("warning", f"{role}: {text}") for role, text in run.links.items()}
    return found


def alarm(origin: Origin, code: str, severity: str, text: str) -> bytes:
    """An alarm that is on. An empty payload (`NO_ALARM`) clears it."""
    return _encode({**origin.marks(), "code": code, "severity": severity, "text": text})


def rig_description(origin: Origin, schemas: Iterable[StreamSchema]) -> bytes:
    """The streams of a run and the columns of each; the last word of a column's name is its unit."""
    streams = {
        schema.name: [_column(name) for name in ("seq", "segment", "test_time_second", "unix_time_second")]
        + [_column(name) for name in schema.columns]
        for schema in schemas
    }
    return _encode({**origin.marks(), "streams": streams})


def _column(name: str) -> dict[str, str]:
    return {"name": name, "iri": IRI + name} if name in _BDF_TERMS else {"name": name}


def station_description(site: str, station: str, version: str) -> bytes:
    """Which software speaks, and under which schema."""
    return _encode(
        {"schema_minor": SCHEMA_MINOR, "site": site, "station": station, "software": "presscell", "version": version}
    )


def _finite(value: object) -> Any:  # noqa: ANN401
    """The same, without keys whose value is None or no finite number."""
    if isinstance(value, dict):
        kept = {key: _finite(item) for key, item in value.items()}
        return {key: item for key, item in kept.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
