"""The disk under a station's data: room, speed, kind; and whether it can be written."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from daemon.doctor.finding import Finding, fail, ok, warn
from daemon.plans.room import BYTES_PER_ROW, LISTENED_ROWS_PER_SECOND, SPARE_BYTES
from daemon.station.settings import RigSettings

SUBJECT = "disk"
MONTH_SECOND = 30 * 86400.0
CELL_ROWS_PER_SECOND = 1.0

SYNC_COUNT, SYNC_BYTES = 16, 4096
SLOW_SYNC_SECOND = 0.1
FORGETS = frozenset({"tmpfs", "ramfs"})
REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "9p", "fuse.sshfs", "afs", "ceph"})
WITHOUT_JOURNAL = frozenset({"vfat", "exfat", "msdos", "ext2"})
MOUNTS = Path("/proc/self/mountinfo")


def month_bytes(rigs: Iterable[RigSettings]) -> float:
    """What a month of rows of all rigs takes, roughly and rather too much."""
    rows_per_second = 0.0
    for rig in rigs:
        rows_per_second += CELL_ROWS_PER_SECOND if rig.potentiostat else 0.0
        rows_per_second += LISTENED_ROWS_PER_SECOND if rig.load_cell else 0.0
        rows_per_second += 1.0 / rig.thermometer.every_s if rig.thermometer else 0.0
    return rows_per_second * MONTH_SECOND * BYTES_PER_ROW


def look_at_disk(data: Path, need_bytes: float, now: Callable[[], float], longest_second: float) -> Iterator[Finding]:
    """Look at the disk under a data directory, or under where it would be made. A test file is written and removed.

    Args:
        data: the station's.
        need_bytes: what a month of rows takes.
        now: a clock's second.
        longest_second: a sync that takes longer holds up supervision.
    """
    folder = next(path for path in (data, *data.parents) if path.exists())
    if not folder.is_dir():
        yield fail(SUBJECT, "directory", f"{folder} is no directory", "name another data directory")
        return
    if not os.access(folder, os.W_OK | os.X_OK):
        yield fail(SUBJECT, "directory", f"{folder} can't be written by this account", f"sudo chown $USER {folder}")
        return
    where = f"{data} can be written" if folder == data else f"{data} can be made in {folder}"
    yield ok(SUBJECT, "directory", where)
    yield _room(folder, need_bytes)
    yield _kind(folder, MOUNTS.read_text(encoding="utf-8", errors="replace") if MOUNTS.exists() else "")
    yield _speed(folder, now, longest_second)


def _room(folder: Path, need_bytes: float) -> Finding:
    free_bytes = shutil.disk_usage(folder).free
    text = f"{_gigabytes(free_bytes)} free, a month of rows takes {_gigabytes(need_bytes)}"
    if free_bytes < SPARE_BYTES:
        return fail(SUBJECT, "room", text, "make room: a full disk brings every cell to open circuit")
    if free_bytes < SPARE_BYTES + need_bytes:
        return warn(SUBJECT, "room", text, "make room, or move old runs elsewhere")
    return ok(SUBJECT, "room", text)


def kind_of(folder: Path, mounts: str) -> str:
    """The file system a folder is on, from the text of `mountinfo`; empty when it is not said. Source: proc(5)."""
    best, kind = -1, ""
    resolved = folder.resolve()
    for line in mounts.splitlines():
        fields, _, rest = line.partition(" - ")
        if len(fields.split()) < 5 or not rest:
            continue
        mounted = fields.split()[4].replace("\\040", " ")
        if resolved.is_relative_to(mounted) and len(mounted) >= best:
            best, kind = len(mounted), rest.split()[0]
    return kind


def _kind(folder: Path, mounts: str) -> Finding:
    kind = kind_of(folder, mounts)
    if kind in FORGETS:
        return fail(
            SUBJECT, "file system", f"{kind} forgets everything at power off", "name a data directory on a disk"
        )
    if kind in REMOTE:
        text = f"{kind} is another machine's: locks and syncs are its promises"
        return warn(SUBJECT, "file system", text, "name a data directory on a disk of this machine")
    if kind in WITHOUT_JOURNAL:
        return warn(SUBJECT, "file system", f"{kind} has no journal", "use a disk with ext4, xfs or btrfs")
    return ok(SUBJECT, "file system", kind or "not told by this system")


def _speed(folder: Path, now: Callable[[], float], longest_second: float) -> Finding:
    took_second = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        for _ in range(SYNC_COUNT):
            file.write(bytes(SYNC_BYTES))
            file.flush()
            begin_second = now()
            os.fsync(file.fileno())
            took_second.append(now() - begin_second)
    middle, worst = statistics.median(took_second), max(took_second)
    text = f"a sync takes {1e3 * middle:.2g} ms, the slowest of {SYNC_COUNT} {1e3 * worst:.2g} ms"
    if middle > longest_second:
        return fail(SUBJECT, "sync", text, "use a faster disk: interlocks wait for it")
    if worst > SLOW_SYNC_SECOND:
        return warn(SUBJECT, "sync", text, "give the data a disk of their own")
    return ok(SUBJECT, "sync", text)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.3g} GB"
