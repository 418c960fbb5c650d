"""What storing and reading rows costs, beside the floor of the same machine: CPU-seconds per million rows.

Usage: python benchmarks/store.py [--rows N] [--folder DIR]. The floors are a raw file of structs with a CRC and an
fdatasync a group, and a SQLite table of rows (WAL, synchronous=FULL), both as plain as they can be. Ratios are to
SQLite rows at 100 a group; those of commits of one row to SQLite rows one at a time.
"""

import argparse
import os
import sqlite3
import struct
import tempfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from daemon.rows.cell_rows import passed
from daemon.store.blocks import Block
from daemon.store.records import JournalEntry, RunHeader
from daemon.store.rows import read_rows
from daemon.store.run_file import RunFile

HEADER = RunHeader(
    run_id="benchmark",
    engine_version="1",
    simulated=True,
    station="benchmark",
    rig="benchmark",
    started_utc_second=0.0,
    protocol_name="",
    protocol_text="",
    cell_name="",
    cell_text="",
    plan_json=b"{}",
    seed=1,
    supervise_every_second=600.0,
    instruments={},
)
SEGMENT_ROWS = 36_000
SNAPSHOT = b"x" * 3000
EVENT = b'{"event": "block_stored", "summary": "%s"}' % (b"0123456789" * 60)


def segment_columns(rows: int, segment: int) -> dict[str, np.ndarray]:
    """A charge or discharge as a 2450 would send it: 60 µV of noise in steps of 10 µV, 15 nA in steps of 1 nA."""
    random = np.random.default_rng(segment)
    index = np.arange(rows)
    sign = 1 if segment % 2 else -1
    voltage_volt = 2.85 + sign * (index / SEGMENT_ROWS - 0.5) * 1.7 + random.normal(0, 60e-6, rows)
    return {
        "elapsed_second": np.round(index + np.where(index, random.normal(0, 20e-6, rows), 0.0), 6),
        "voltage_volt": np.round(voltage_volt, 5),
        "current_ampere": np.round(sign * 1.5e-3 + random.normal(0, 15e-9, rows), 9),
        "source_status": np.full(rows, 4),
        "reading_status": np.zeros(rows, np.int64),
    }


def blocks_of(rows: int, rows_a_block: int) -> list[Block]:
    blocks = []
    for segment, start in enumerate(range(0, rows, SEGMENT_ROWS), start=1):
        columns = segment_columns(min(SEGMENT_ROWS, rows - start), segment)
        for first in range(0, len(columns["voltage_volt"]), rows_a_block):
            cut = {name: column[first : first + rows_a_block] for name, column in columns.items()}
            blocks.append(
                Block(
                    stream="cell",
                    segment=segment,
                    first_seq=start + first + 1,
                    origin_run_time_second=float(start),
                    columns=cut,
                )
            )
    return blocks


def measured(work: Callable[[], object]) -> tuple[float, float]:
    """CPU-seconds and seconds of one call."""
    cpu, wall = process_time(), perf_counter()
    work()
    return process_time() - cpu, perf_counter() - wall


def commit_all(run_file: RunFile, blocks: list[Block]) -> None:
    for block in blocks:
        entry = JournalEntry(run_time_second=0.0, utc_second=0.0, kind="block_stored", body=EVENT)
        run_file.commit([entry], [block], SNAPSHOT)


def compact_all(run_file: RunFile, segments: int) -> None:
    for segment in range(1, segments + 1):
        if run_file.compact_segment("cell", segment).refused:
            raise SystemExit("a segment came back changed")


def raw_structs(path: Path, rows: list[tuple[float, ...]], group: int) -> None:
    pack = struct.Struct("<5d").pack
    with path.open("wb") as file:
        for start in range(0, len(rows), group):
            data = b"".join(pack(*row) for row in rows[start : start + group])
            file.write(data + struct.pack("<I", zlib.crc32(data)))
            file.flush()
            os.fdatasync(file.fileno())


def sqlite_rows(path: Path, rows: list[tuple[float, ...]], group: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE row (seq INTEGER PRIMARY KEY, t REAL, v REAL, i REAL, s INTEGER, r INTEGER)")
        for start in range(0, len(rows), group):
            connection.execute("BEGIN")
            connection.executemany(
                "INSERT INTO row (t, v, i, s, r) VALUES (?, ?, ?, ?, ?)", rows[start : start + group]
            )
            connection.execute("COMMIT")


def line(name: str, rows: int, spent: tuple[float, float], floor_cpu: float | None, note: str = "") -> float:
    cpu, wall = (second / rows * 1e6 for second in spent)
    ratio = f"{cpu / floor_cpu:8.2f}" if floor_cpu else f"{'':8}"
    print(f"{name:44} {rows:>9,} {cpu:9.2f} {wall:9.2f} {ratio}  {note}")
    return cpu


def floors(folder: Path, rows: int) -> dict[int, float]:
    """Print the floors; answer those of SQLite rows by the rows of a group."""
    columns = segment_columns(rows, 1)
    tuples = list(zip(*(column.tolist() for column in columns.values()), strict=True))
    few = tuples[:2000]
    line(
        "floor: raw structs + fdatasync, 1 a group", len(few), measured(lambda: raw_structs(folder / "1", few, 1)), None
    )
    line("floor: raw structs + fdatasync, 100", rows, measured(lambda: raw_structs(folder / "2", tuples, 100)), None)
    spent = measured(lambda: sqlite_rows(folder / "3", few, 1))
    single = line("floor: SQLite rows FULL, 1 a group", len(few), spent, None)
    spent = measured(lambda: sqlite_rows(folder / "4", tuples, 100))
    return {1: single, 100: line("floor: SQLite rows FULL, 100 a group", rows, spent, None)}


def store(folder: Path, rows: int, rows_a_block: int, floor_cpu: dict[int, float]) -> None:
    blocks = blocks_of(rows, rows_a_block)
    path = folder / f"run-{rows_a_block}"
    with RunFile.create(path, HEADER) as run_file:
        spent = measured(lambda: commit_all(run_file, blocks))
        single, grouped = floor_cpu[1], floor_cpu[100]
        line(
            f"commit, {rows_a_block} rows a block",
            rows,
            spent,
            single if rows_a_block == 1 else grouped,
            f"{size(run_file) / rows:.1f} bytes a row",
        )
        line("  read, not compacted", rows, measured(lambda: read_rows(run_file, "cell")), grouped)
        spent = measured(lambda: compact_all(run_file, blocks[-1].segment))
        packed = run_file.connection.execute("SELECT sum(length(data)) FROM block").fetchone()[0]
        line("  compact", rows, spent, grouped, f"{packed / rows:.2f} bytes a row")
        run_file.seal()
    note = f"{path.stat().st_size / rows:.2f} bytes a row, the whole file"
    line("  read, compacted", rows, measured(lambda: read_rows(path, "cell")), grouped, note)
    table = read_rows(path, "cell")
    arrays = tuple(table[name].to_numpy() for name in ("segment", "test_time_second", "voltage_volt", "current_ampere"))
    line("  charge and energy of all rows", rows, measured(lambda: passed(*arrays)), grouped)


def size(run_file: RunFile) -> int:
    return int(run_file.connection.execute("SELECT sum(length(data)) FROM block").fetchone()[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=360_000)
    parser.add_argument("--folder", type=Path, help="where to write; default: the folder for temporary files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        print(f"{'':44} {'rows':>9} {'CPU s/1e6':>9} {'s/1e6':>9} {'x floor':>8}")
        floor_cpu = floors(folder, min(options.rows, 200_000))
        for rows_a_block, rows in ((600, options.rows), (100, options.rows // 4), (1, 3600)):
            store(folder, rows, rows_a_block, floor_cpu)


if __name__ == "__main__":
    main()
