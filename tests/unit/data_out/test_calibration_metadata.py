"""What a run says of its calibration, and of how its jig was closed: what was said, and nothing made of it."""

import dataclasses
import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from daemon.reader import RunData
from daemon.report.picture import draw_run
from daemon.results.calibration_facts import calibration_facts, has_expired
from daemon.results.run_metadata import run_metadata
from daemon.rig import Rig
from daemon.rows.pressure import PressureCalibration
from daemon.service.placing import Placement, place_left, place_new
from daemon.service.sources import Sources
from daemon.store.records import RunHeader
from drivers.errors import WrongInstrumentError
from drivers.roles import Identity
from tests.support.instruments import JumpingClock
from tests.support.plans import charge, plan

SMU = Identity("KEITHLEY INSTRUMENTS", "2450", "04451117", "1.7.12b")
CALIBRATION = PressureCalibration(
    newton_per_unit=9.8,
    area_square_metre=8e-5,
    zero_displayed=0.2,
    certificate="C-1",
    unit="kg",
    calibrated_on="2026-03-02",
    valid_until="2026-11-22",
    standard_uncertainty_newton=0.4,
    file="/etc/presscell/lc1.yaml",
    file_text="schema: presscell-calibration/1\n",
)
DAY_SECOND = 86400.0
FIXTURE = "fixture: {jig: TLP11909-S, diameter_mm: 10, torque_Nm: 5, applied_pressure_MPa: 12.7}"


def with_header(run: RunData, **changed: Any) -> RunData:
    """The same run, as if it had begun otherwise."""
    header = msgspec.structs.replace(run.result.header, **changed)
    result = dataclasses.replace(run.result, header=header)
    return dataclasses.replace(run, result=result, metadata=run_metadata(result, []))


def begun_with(calibration: PressureCalibration, run: RunData, after_second: float = 0.0) -> RunHeader:
    header = run.result.header
    started = header.started_utc_second + after_second
    facts = msgspec.to_builtins(calibration)
    return msgspec.structs.replace(header, pressure_calibration=facts, started_utc_second=started)


def test_pressures_can_be_computed_anew_from_what_is_kept(run: RunData) -> None:
    facts = calibration_facts(begun_with(CALIBRATION, run))
    assert (facts["raw"], facts["newton_per_unit"], facts["zero_displayed"]) == ("displayed_load", 9.8, 0.2)
    assert (facts["certificate"], facts["unit"], facts["area_square_metre"]) == ("C-1", "kg", 8e-5)
    assert facts["standard_uncertainty_pa"] == pytest.approx(5000.0)
    assert facts["file"]["name"] == "lc1.yaml"
    assert facts["file"]["text"] == CALIBRATION.file_text
    assert len(facts["file"]["sha256"]) == 64
    assert "file_text" not in facts


def test_a_run_without_a_load_cell_has_no_calibration(run: RunData) -> None:
    assert run.metadata["pressure_calibration"] == {}


def test_a_header_of_before_has_what_it_has(run: RunData) -> None:
    header = msgspec.structs.replace(
        run.result.header, pressure_calibration={"newton_per_unit": 9.8, "area_square_metre": 8e-5, "certificate": "C"}
    )
    facts = calibration_facts(header)
    assert (facts["standard_uncertainty_pa"], facts["expired"]) == (None, None)
    assert "file" not in facts


@pytest.mark.parametrize(
    ("valid_until", "after_second", "expired"),
    [("2026-11-22", 0.0, False), ("2026-11-22", DAY_SECOND, True), ("2027-01-01", 0.0, False), (None, 0.0, None)],
)
def test_a_calibration_ends_after_its_last_day(
    run: RunData, valid_until: str | None, after_second: float, expired: bool | None
) -> None:
    calibration = msgspec.structs.replace(CALIBRATION, valid_until=valid_until)
    assert has_expired(begun_with(calibration, run, after_second)) is expired


def placed_and_left(folder: Path, began: PressureCalibration, now: PressureCalibration) -> None:
    def rig(calibration: PressureCalibration) -> Rig:
        return Rig("rig1", potentiostat=None, identities={"potentiostat": SMU}, pressure_calibration=calibration)  # type: ignore[arg-type]

    placement = Placement(station="lab", data_directory=folder, supervise_every_second=1.0, simulated=True)
    sources = Sources(protocol_name="p", protocol_text="", cell_name="c", cell_text="")
    clock = JumpingClock(DAY_SECOND)
    place_new(
        *("lab-1", plan(charge()), sources), placement=placement, rig=rig(began), clock=clock, tell=lambda _: None
    ).close()
    with closing(place_left(folder / "lab-1", rig(now), clock, "a test", lambda _: None)):
        pass


@pytest.mark.parametrize(
    ("changed", "goes_on"),
    [
        ({"valid_until": "2027-11-22", "file": "/etc/presscell/lc2.yaml", "file_text": "schema: x\n# a comment"}, True),
        ({"standard_uncertainty_newton": None}, True),
        ({"zero_displayed": 0.3}, False),
        ({"gain_drift_per_kelvin": 1e-5}, False),
        ({"certificate": "C-2"}, False),
    ],
)
def test_a_run_goes_on_while_its_numbers_are_the_same(tmp_path: Path, changed: dict[str, Any], goes_on: bool) -> None:
    now = msgspec.structs.replace(CALIBRATION, **changed)
    if goes_on:
        placed_and_left(tmp_path, CALIBRATION, now)
    else:
        with pytest.raises(WrongInstrumentError, match=next(iter(changed))):
            placed_and_left(tmp_path, CALIBRATION, now)


def test_an_expired_calibration_is_told_when_a_run_begins(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        placed_and_left(tmp_path, CALIBRATION, CALIBRATION)
    assert "lab-1: the calibration C-1 ended on 2026-11-22" in caplog.text


@pytest.mark.parametrize(
    ("fixture", "said"),
    [
        ("torque_Nm: 5", (5.0, None, None)),
        ("applied_force_N: 1000", (None, 1000.0, None)),
        ("applied_pressure_MPa: 12.7", (None, None, 12.7e6)),
        ("torque_Nm: 5, applied_force_N: 1000, applied_pressure_MPa: 12.7", (5.0, 1000.0, 12.7e6)),
    ],
)
def test_of_torque_force_and_pressure_none_is_made_of_another(
    run: RunData, tmp_path: Path, fixture: str, said: tuple[float | None, ...]
) -> None:
    text = run.result.header.cell_text
    assert FIXTURE in text
    changed = with_header(run, cell_text=text.replace(FIXTURE, f"fixture: {{diameter_mm: 10, {fixture}}}"))
    found = changed.metadata["fixture"]
    keys = ("torque_newton_metre", "applied_force_newton", "applied_pressure_pa")
    assert tuple(found[key] for key in keys) == said
    draw_run(changed, tmp_path / "run.svg")
    drawn = (tmp_path / "run.svg").read_text(encoding="utf-8")
    words = ("torque 5 N·m", "force stated 1000 N", "pressure stated 12.7 MPa")
    assert [word in drawn for word in words] == [value is not None for value in said]


def test_a_report_says_that_a_calibration_had_ended(run: RunData, tmp_path: Path) -> None:
    header = begun_with(CALIBRATION, run, after_second=DAY_SECOND)
    changed = with_header(
        run, pressure_calibration=header.pressure_calibration, started_utc_second=header.started_utc_second
    )
    draw_run(changed, tmp_path / "run.svg")
    assert "calibration ended 2026-11-22" in (tmp_path / "run.svg").read_text(encoding="utf-8")
