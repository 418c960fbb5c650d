"""What came from the instruments, as what a run is told and what is stored."""

from __future__ import annotations

from daemon.deciding.run_state import Run
from daemon.deciding.telling import on
from daemon.events import BlockStored, ReadingsStored
from daemon.plan import CELL_STREAM, DrivenStep
from daemon.rows.readings import summarise_readings
from daemon.rows.summary import drive_of, summarise
from daemon.running.loggers import LoggedRows
from daemon.store.blocks import Block
from drivers.roles import ReadingBlock


def cell_rows(run: Run, rows: ReadingBlock) -> tuple[BlockStored, Block]:
    """Rows of the present segment."""
    fold = run.fold
    cut_ampere_hour = run.cut.charge_ampere_hour if run.cut is not None and run.recovery is None else 0.0
    summary = summarise(
        rows,
        run.rows + 1,
        driven=isinstance(run.step, DrivenStep),
        is_first_segment=run.rows == fold.rows,
        before=fold.last_reading,
        charge_before_ampere_hour=cut_ampere_hour + fold.charge_ampere_hour,
        table=run.interlocks,
        carried_rows=fold.carried_rows,
        drive=drive_of(run.step, run.rested_volt),
        tail=fold.tail,
        warned=on(run),
    )
    block = Block(
        stream=CELL_STREAM,
        segment=run.segment,
        first_seq=summary.first_seq,
        origin_run_time_second=run.segment_started_second or 0.0,
        columns={
            "elapsed_second": rows.elapsed_second,
            "voltage_volt": rows.voltage_volt,
            "current_ampere": rows.current_ampere,
            "source_status": rows.source_status,
            "reading_status": rows.reading_status,
        },
    )
    return BlockStored(segment=run.segment, summary=summary), block


def logged_rows(run: Run, logged: LoggedRows) -> tuple[ReadingsStored, Block]:
    """Rows of another stream."""
    first_seq = run.stream_rows.get(logged.stream, 0) + 1
    summary = summarise_readings(
        logged.stream,
        first_seq,
        logged.elapsed_second,
        logged.quantities,
        table=run.interlocks,
        carried_rows=run.stream_carried_rows.get(logged.stream, {}),
        tails=run.watch.tails,
        settled=run.watch.settled,
        warned=on(run),
    )
    block = Block(
        stream=logged.stream,
        segment=0,
        first_seq=first_seq,
        origin_run_time_second=0.0,
        columns=logged.columns,
    )
    return ReadingsStored(summary=summary), block
