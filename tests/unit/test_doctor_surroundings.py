"""What the doctor says of disks, clocks and ports."""

import os
import pty
from pathlib import Path

import pytest

from daemon.doctor.clocks import EARLIEST_UTC_SECOND, kernel_believes_its_time, look_at_clocks
from daemon.doctor.disk import MONTH_SECOND, kind_of, look_at_disk, month_bytes
from daemon.doctor.finding import Grade
from daemon.doctor.ports import look_at_port
from daemon.station.instruments import load_station

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /data rw shared:9 - nfs4 server:/export rw
31 22 0:26 / /data/fast\\040disk rw shared:9 - xfs /dev/sdb1 rw
32 22 0:27 / /database rw shared:9 - vfat /dev/sdc1 rw
broken line
"""
NOW = 1_795_000_000.0


def by_check(findings):
    return {finding.check: finding for finding in findings}


@pytest.mark.parametrize(
    ("folder", "kind"),
    [("/", "ext4"), ("/data", "nfs4"), ("/data/x/y", "nfs4"), ("/data/fast disk/x", "xfs"), ("/database/x", "vfat")],
)
def test_the_file_system_is_that_of_the_deepest_mount(folder, kind):
    assert kind_of(Path(folder), MOUNTS) == kind


def test_a_disk_that_is_well(tmp_path):
    seconds = iter(range(10_000))
    found = by_check(look_at_disk(tmp_path / "not" / "yet", 1.0, lambda: next(seconds) * 1e-3, 1.0))
    assert {check: finding.grade for check, finding in found.items() if check != "file system"} == dict.fromkeys(
        ("directory", "room", "sync"), Grade.OK
    )
    assert "can be made in" in found["directory"].text
    assert "a sync takes 1 ms" in found["sync"].text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("step_second", "grade"), [(0.02, Grade.OK), (0.2, Grade.WARN), (1.5, Grade.FAIL)])
def test_a_slow_disk(tmp_path, step_second, grade):
    seconds = iter(range(10_000))
    found = by_check(look_at_disk(tmp_path, 1.0, lambda: next(seconds) * step_second, 1.0))
    assert found["sync"].grade is grade


def test_too_little_room_for_a_month(tmp_path):
    assert by_check(look_at_disk(tmp_path, 1e18, lambda: 0.0, 1.0))["room"].grade is Grade.WARN


def test_a_file_is_no_data_directory(tmp_path):
    (tmp_path / "data").write_text("")
    [finding] = look_at_disk(tmp_path / "data", 1.0, lambda: 0.0, 1.0)
    assert finding.grade is Grade.FAIL


def test_a_month_of_rows_grows_with_the_instruments():
    text = (Path(__file__).parents[2] / "config" / "station.example.yaml").read_text()
    rigs = load_station(text, "station.yaml").rigs
    assert month_bytes(rigs.values()) == pytest.approx((1 + 10 + 1) * MONTH_SECOND * 16)
    assert month_bytes([]) == 0


@pytest.mark.parametrize(
    ("moved_second", "is_synchronized", "grades"),
    [
        (0.0, True, ["ok", "ok"]),
        (0.0, None, ["ok", "ok"]),
        (0.0, False, ["ok", "warn"]),
        (0.04, True, ["ok", "ok"]),
        (-3.0, True, ["warn", "ok"]),
        (3600.0, True, ["warn", "ok"]),
    ],
)
def test_clocks(moved_second, is_synchronized, grades):
    found = look_at_clocks((5.0, NOW), (8.0, NOW + 3 + moved_second), is_synchronized=is_synchronized)
    assert [str(finding.grade) for finding in found] == grades


def test_a_clock_that_was_never_set():
    found = list(look_at_clocks((5.0, 1000.0), (8.0, 1003.0), is_synchronized=True))
    assert found[0].grade is Grade.WARN
    assert EARLIEST_UTC_SECOND > 1003


def test_the_kernel_can_be_asked():
    assert kernel_believes_its_time() in {True, False, None}


@pytest.fixture
def terminal():
    ours, theirs = pty.openpty()
    yield os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_ports(tmp_path, terminal):
    by_id = tmp_path / "by-id"
    by_id.mkdir()
    (by_id / "usb-FTDI-1").symlink_to(terminal)
    [well] = look_at_port("x", str(by_id / "usb-FTDI-1"), by_id)
    [gone] = look_at_port("x", "/dev/serial/by-id/other", by_id)
    [no_port] = look_at_port("x", str(by_id), by_id)
    assert well.grade is Grade.OK
    assert gone.grade is no_port.grade is Grade.FAIL
    assert "usb-FTDI-1" in gone.text


def test_a_name_that_wanders_is_hinted_at(tmp_path, terminal, monkeypatch):
    monkeypatch.setattr("daemon.doctor.ports.WANDERING", (terminal,))
    [found] = look_at_port("x", terminal, tmp_path / "none")
    assert (found.grade, found.fix) == (Grade.WARN, "write its name in /dev/serial/by-id")
    (tmp_path / "usb-1").symlink_to(terminal)
    [found] = look_at_port("x", terminal, tmp_path)
    assert found.fix == f"write {tmp_path / 'usb-1'}"
