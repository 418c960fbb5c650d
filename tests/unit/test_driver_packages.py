"""Drivers of other packages: the one of the how-to is installed and used; broken ones are named and harm nobody."""

import asyncio
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from drivers.and_weighing.codec import AndFormat
from drivers.connections import LoadCellConnection
from drivers.plugins import find_drivers

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "add-a-driver.md").read_text(encoding="utf-8")
PROJECT, MODULE, STATION_PART = (
    re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)[1] for language in ("toml", "python", "yaml")
)
STATION = """\
site: lab
station: pc
data: {data}
rigs:
  rig1:
    fixture: {{diameter_mm: 10}}
"""
READ_FORCE = """\
import asyncio, json, sys
from pathlib import Path
from daemon.clock import MonotonicClock
from daemon.station.instruments import load_station, rig_wiring
from daemon.station.wiring import connect_rig

async def main():
    file = load_station(Path(sys.argv[1]).read_text(), "station.yaml")
    rig = await connect_rig(rig_wiring("rig1", file.rigs["rig1"], None), MonotonicClock())
    block = await rig.load_cell.read()
    said = [rig.identities["load_cell"].serial_number, block.displayed.tolist(), block.status.tolist()]
    await rig.close()
    print(json.dumps(said))

asyncio.run(main())
"""


def install(site: Path, project: str, modules: dict[str, str]) -> None:
    """Put a package into a folder that Python imports from, as an installer does."""
    said = tomllib.loads(project)["project"]
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text, encoding="utf-8")
    folder = site / f"{said['name'].replace('-', '_')}-{said['version']}.dist-info"
    folder.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {said['name']}\nVersion: {said['version']}\n"
    (folder / "METADATA").write_text(metadata, encoding="utf-8")
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in ps.items()) for group, ps in said["entry-points"].items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


def project_of(name: str, **points: str) -> str:
    lines = "".join(f'"{prefix}" = "{target}"\n' for prefix, target in points.items())
    return f'[project]\nname = "{name}"\nversion = "2"\n[project.entry-points."presscell.drivers"]\n{lines}'


def presscell(
    site: Path, *words: str, program: tuple[str, ...] = ("-m", "daemon")
) -> "subprocess.CompletedProcess[str]":
    surroundings = os.environ | {"PYTHONPATH": str(site)}
    return subprocess.run(
        [sys.executable, *program, *words], capture_output=True, text=True, env=surroundings, check=False
    )


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    install(folder, PROJECT, {"presscell_acme": MODULE})
    return folder


@pytest.fixture
def importable(site, monkeypatch):
    """The same folder, in this process."""
    monkeypatch.syspath_prepend(str(site))
    for module in ("presscell_acme", "other_drivers"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield site
    for module in ("presscell_acme", "other_drivers"):
        sys.modules.pop(module, None)


def station_file(folder: Path, **replaced: str) -> Path:
    part = STATION_PART
    for old, new in replaced.values():
        assert old in part
        part = part.replace(old, new)
    path = folder / "station.yaml"
    path.write_text(STATION.format(data=folder) + part, encoding="utf-8")
    return path


class Gauge:
    """A gauge as the how-to describes it, written from that description."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            question = line.decode("ascii").removesuffix("\r\n")
            self.asked.append(question)
            answer = {"WHO?": "FG-1,00042,1.3", "F2?": "+00123.4 N"}.get(question, "?")
            writer.write(answer.encode("ascii") + b"\r\n")
        writer.close()


def test_it_is_listed_with_its_package(site):
    said = presscell(site, "drivers", "--json")
    [found] = [driver for driver in json.loads(said.stdout)["drivers"] if driver["package"] != "presscell"]
    assert (said.returncode, said.stderr) == (0, "")
    assert (found["driver"], found["role"], found["package"]) == ("acme.fg1", "load_cell", "presscell-acme 0.1")
    assert "acme.fg1" in presscell(site, "drivers").stdout


async def test_a_station_uses_it_like_ours(site, tmp_path):
    gauge = Gauge()
    server = await asyncio.start_server(gauge.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    path = station_file(tmp_path, address=("192.168.1.40:4001", f"{host}:{port}"))
    async with server:
        said = await asyncio.to_thread(presscell, site, str(path), program=("-c", READ_FORCE))
    assert said.stdout.strip(), said.stderr
    assert json.loads(said.stdout) == ["00042", [123.4], [1]]
    assert gauge.asked == ["WHO?", "F2?"]


WRONG = {
    "channel": ("channel: 2", "channel: 7", "settings: channel 7 is not 1 to 4"),
    "name": ("channel: 2", "canal: 2", "settings: canal means nothing to an FG-1"),
    "unit": ("unit: N", "unit: kg", "an FG-1 shows newtons"),
    "driver": ("acme.fg1", "acme.fg2", "there is no driver acme.fg2 of a load cell"),
    "ours": ("acme.fg1", "and.indicator", "settings are for drivers of other packages"),
}


def test_settings_are_its_own_to_refuse(site, tmp_path):
    for name, (old, new, _) in WRONG.items():
        station_file(tmp_path, wrong=(old, new)).rename(tmp_path / f"{name}.yaml")
    said = presscell(site, "check", *(str(tmp_path / f"{name}.yaml") for name in WRONG))
    assert said.returncode == 1
    for name, (_, _, what) in WRONG.items():
        assert re.search(rf"{name}\.yaml:\d+:\d+ .*{what}", said.stderr), name


def test_what_is_right_is_in_order(site, tmp_path):
    said = presscell(site, "check", str(station_file(tmp_path)))
    assert (said.returncode, said.stderr) == (0, "1 file in order.\n")


BROKEN = {
    "can't be imported": ("raise OSError('no such dongle')", "OSError: no such dongle"),
    "ends the process": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "is not there": ("", "AttributeError"),
    "offers nothing": ("DRIVERS = []", "offers no driver"),
    "offers something else": ("DRIVERS = [3]", "int is no driver"),
    "says too little": (
        MODULE.replace('host_loss="goes on showing; it only answers [manual]"', 'host_loss=""').replace(
            "acme.", "other."
        ),
        "other.fg1 does not say its host_loss",
    ),
    "takes another's name": (MODULE, "'acme.fg1' is not other.model"),
    "offers one twice": (MODULE.replace("acme.", "other.") + "\nDRIVERS *= 2\n", "other.fg1 is offered twice"),
}


@pytest.mark.parametrize(("module", "why"), BROKEN.values(), ids=BROKEN)
def test_a_broken_package_is_told_and_harms_no_other(importable, module, why):
    install(importable, project_of("presscell-other", other="other_drivers:DRIVERS"), {"other_drivers": module})
    found = find_drivers({"keithley"}, [str(importable)])
    [broken] = found.broken
    assert (broken.package, broken.prefix) == ("presscell-other 2", "other")
    assert why in broken.why
    assert [driver.about.name for driver in found.drivers] == ["acme.fg1"]


@pytest.mark.parametrize("points", [b"[presscell.drivers]\nother\n", b"\xff\xfe"], ids=["no = in it", "no text"])
def test_a_package_whose_list_of_drivers_cannot_be_read_harms_no_other(importable, points):
    install(importable, project_of("presscell-other", other="other_drivers"), {})
    (importable / "presscell_other-2.dist-info" / "entry_points.txt").write_bytes(points)
    found = find_drivers({"keithley"}, [str(importable)])
    [broken] = found.broken
    assert str(broken).startswith("presscell-other 2: its entry points can't be read")
    assert [driver.about.name for driver in found.drivers] == ["acme.fg1"]


def test_a_broken_package_is_named_where_it_is_missed(site, tmp_path):
    module, why = BROKEN["can't be imported"]
    install(site, project_of("presscell-other", other="other_drivers:DRIVERS"), {"other_drivers": module})
    said = presscell(site, "drivers", "--json")
    answer = json.loads(said.stdout)
    assert said.returncode == 1
    assert why in answer["broken"][0]["why"]
    assert f"presscell-other 2, drivers other.…: {why}" in said.stderr
    names = [driver["driver"] for driver in answer["drivers"]]
    assert {"acme.fg1", "keithley.2450"} <= set(names)
    refused = presscell(site, "check", str(station_file(tmp_path, wrong=("acme.fg1", "other.fg1"))))
    assert why in refused.stderr


@pytest.mark.parametrize("prefix", ["keithley", "No", "1st"])
def test_a_prefix_is_free_and_simple(tmp_path, prefix):
    install(tmp_path, project_of("presscell-other", **{prefix: "presscell_acme:DRIVERS"}), {"presscell_acme": MODULE})
    [broken] = find_drivers({"keithley"}, [str(tmp_path)]).broken
    assert prefix in broken.why


def test_two_packages_of_one_prefix_are_both_left_out(site):
    install(site, project_of("presscell-other", acme="presscell_acme:DRIVERS"), {})
    found = find_drivers(set(), [str(site)])
    assert found.drivers == ()
    assert {broken.package for broken in found.broken} == {"presscell-other 2", "presscell-acme 0.1"}
    assert "presscell-acme 0.1" in next(broken.why for broken in found.broken if "other" in broken.package)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("ForceGauge(connection.name, session, ", "dict(", "acme.fg1 is no load_cell: it has no name, connect, read"),
        ("return StreamedLoadCell(", "return (", "made as tuple, not StreamedLoadCell"),
        ("settings = dict", "settings = connection.nothing or dict", "acme.fg1 can't be made: AttributeError"),
    ],
)
def test_what_is_made_must_fit_its_role(importable, old, new, what):
    assert old in MODULE
    (importable / "presscell_acme.py").write_text(MODULE.replace(old, new), encoding="utf-8")
    [driver] = find_drivers(set(), [str(importable)]).drivers
    connection = LoadCellConnection(
        name="load", address="127.0.0.1:1", frame_format=AndFormat(unit="N"), baud=9600, settings={"channel": 2}
    )
    with pytest.raises(ValueError, match=what):
        driver.make(connection, lambda: 0.0)


def test_no_package_is_found_where_there_is_none(tmp_path):
    assert find_drivers(set(), [str(tmp_path)]).drivers == ()
