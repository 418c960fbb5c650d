"""The engine with instruments that do at once what a made-up world says."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from daemon.deciding.endings import end_of_segment
from daemon.deciding.run_state import Run, decode_run, encode_run
from daemon.engine import advance
from daemon.events import (
    BlockStored,
    EndSegment,
    Event,
    ReadingsStored,
    SegmentEnded,
    SegmentStarted,
    StartSegment,
    Tell,
)
from daemon.plan import CurrentStep
from tests.support.plans import block, jig_readings, row
from tests.support.reference_interpreter import Measured, Segment

MOST_SEGMENTS = 400


@dataclass
class World:
    """The same measurements for everybody, by a segment's number from 0."""

    random: Random
    known: list[Measured] = field(default_factory=list)

    def __call__(self, number: int) -> Measured:
        while len(self.known) <= number:
            temperature_C = self.random.choice([55.0, 55.0, 55.0, 55.0, 70.0])
            self.known.append(Measured(temperature_C, self.random.choice([0.95, 0.97, 0.98, 0.99, 1.0])))
        return self.known[number]


@dataclass
class Machine:
    """The engine with instruments that do at once what the world says."""

    run: Run
    world: World
    now_second: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    branches: int = 0
    dies: Random | None = None
    """Whether it is stored and read back between events."""

    def happen(self, event: Event) -> None:
        if self.dies is not None and self.dies.random() < 0.2:
            self.run = decode_run(encode_run(self.run))
        self.run, effects = advance(self.run, event, self.now_second)
        self.branches += sum(isinstance(effect, Tell) and effect.what == "branched" for effect in effects)
        for effect in effects:
            if isinstance(effect, StartSegment):
                self.segment()

    def segment(self) -> None:
        found, run = self.world(len(self.segments)), self.run
        assert len(self.segments) < MOST_SEGMENTS, "it does not end"
        self.happen(SegmentStarted(segment=run.segment, started_second=self.now_second))
        charges = {"charge_in_ampere_hour": 0.0, "charge_out_ampere_hour": 0.0}
        step = self.run.step
        if isinstance(step, CurrentStep):
            name = "charge_in_ampere_hour" if step.half == "charge" else "charge_out_ampere_hour"
            charges[name] = found.charge_mAh / 1000
        self.now_second += 3.0
        self.run, effects = advance(
            self.run,
            ReadingsStored(summary=jig_readings(self.now_second, self.now_second, found.temperature_C)),
            self.now_second,
        )
        ends_early = any(isinstance(effect, EndSegment) for effect in effects)
        volt = 3.0
        if isinstance(step, CurrentStep) and not ends_early:
            volt = step.until_voltage_volt or 3.0
        last = row(3.0, volt)
        summary = block(self.run.rows + 1, 4, last, **charges)
        self.happen(BlockStored(segment=self.run.segment, summary=summary))
        record = end_of_segment(self.run, power_was_cycled=False)
        self.segments.append(Segment(record.step_id, record.ended_by))
        self.happen(SegmentEnded(record=record))
