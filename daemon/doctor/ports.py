"""The serial ports a station names: there, ours to open, and named so that they stay what they are."""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from daemon.doctor.finding import Finding, fail, ok, warn

BY_ID = Path("/dev/serial/by-id")
WANDERING = ("/dev/ttyUSB", "/dev/ttyACM")
CHECK = "port"


def look_at_port(subject: str, address: str, by_id: Path = BY_ID) -> Iterator[Finding]:
    """Look at an address that is a device's path; nothing is opened."""
    port = Path(address)
    names = {link.resolve(): link for link in sorted(by_id.glob("*"))} if by_id.is_dir() else {}
    if not port.exists():
        there = ", ".join(map(str, names.values())) or "none is plugged in"
        yield fail(subject, CHECK, f"{address} is not there; there are: {there}", "plug it in, or correct the address")
        return
    if not stat.S_ISCHR(port.stat().st_mode):
        yield fail(subject, CHECK, f"{address} is no serial port", "correct the address")
        return
    if not os.access(port, os.R_OK | os.W_OK):
        yield fail(subject, CHECK, f"{address} can't be opened by this account", _how_to_join(port))
        return
    stable = names.get(port.resolve())
    if address.startswith(WANDERING):
        hint = f"write {stable}" if stable else "write its name in /dev/serial/by-id"
        yield warn(subject, CHECK, f"{address} may be another cable after the next start", hint)
    else:
        yield ok(subject, CHECK, f"{address} is there and can be opened")


def _how_to_join(port: Path) -> str:
    try:
        group = grp.getgrgid(port.stat().st_gid).gr_name
    except KeyError:
        group = "dialout"
    return f"sudo usermod -aG {group} $USER, then log in again"
