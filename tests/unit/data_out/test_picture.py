"""A run as a picture, and lines with fewer points than were measured."""

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from daemon.reader import RunData, read_run
from daemon.report.decimation import POINTS_PER_BIN, drawn_line
from daemon.report.picture import draw_run


def texts(path: Path) -> str:
    """The comments of an SVG: matplotlib writes every text it draws as one."""
    return path.read_text(encoding="utf-8")


def test_a_short_line_is_drawn_as_it_is() -> None:
    x = np.arange(100.0)
    drawn_x, drawn_y = drawn_line(x, np.sin(x), pixels=50)
    assert drawn_x.tolist() == x.tolist()
    assert drawn_y.tolist() == np.sin(x).tolist()


def test_a_spike_of_one_row_is_drawn() -> None:
    x, y = np.arange(1e6), np.zeros(1_000_000)
    y[123_456], y[654_321] = 5.0, -3.0
    drawn_x, drawn_y = drawn_line(x, y, pixels=100)
    assert len(drawn_x) <= POINTS_PER_BIN * 100
    assert dict(zip(drawn_x.tolist(), drawn_y.tolist(), strict=True))[123_456.0] == 5.0
    assert drawn_y.min() == -3.0


@given(st.lists(st.floats(-1e3, 1e3) | st.just(float("nan")), min_size=1, max_size=400), st.integers(1, 20))
def test_every_column_keeps_its_ends_and_extremes(values: list[float], pixels: int) -> None:
    x, y = np.arange(float(len(values))), np.array(values)
    drawn_x, drawn_y = drawn_line(x, y, pixels=pixels)
    assert (np.diff(drawn_x) >= 0).all()
    assert (drawn_x[0], drawn_x[-1]) == (x[0], x[-1])
    measured = y[drawn_x.astype(int)]
    assert np.array_equal(measured, drawn_y, equal_nan=True)
    if np.isfinite(y).any():
        assert (np.nanmin(drawn_y), np.nanmax(drawn_y)) == (np.nanmin(y), np.nanmax(y))
    assert np.isnan(drawn_y).sum() == np.isnan(y).sum()


def test_a_gap_breaks_the_line() -> None:
    x = np.array([0.0, 1, 2, 50, 51])
    drawn_x, drawn_y = drawn_line(x, np.ones(5), pixels=10, longest_interval=10)
    assert drawn_x.tolist() == [0, 1, 2, 2, 50, 51]
    assert np.isnan(drawn_y).tolist() == [False, False, False, True, False, False]


def test_a_picture_of_a_run(run: RunData, tmp_path: Path) -> None:
    draw_run(run, tmp_path / "run.png")
    pixels = imread(tmp_path / "run.png")
    assert pixels.shape[0] > 1000
    assert pixels[..., :3].std() > 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["run.png"]


@pytest.fixture(scope="module")
def drawn(run: RunData, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("svg") / "run.svg"
    draw_run(run, path)
    ElementTree.parse(path)
    return texts(path)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "SIMULATED",
            "BM-05",
            "Voltage vs Li-In / V",
            "Current / mA",
            "Pressure / MPa",
            "Temperature / °C",
            "Time / h",
        ),
        *("Capacity / mAh g⁻¹", "1 C", "2 C", "setpoint", "vs Li / V (+0.62 V)", "Cycle", "protocol"),
    ],
)
def test_it_says_what_it_shows(drawn: str, text: str) -> None:
    assert text in drawn


def test_what_was_not_measured_is_left_out(new_run, tmp_path: Path) -> None:
    run = read_run(new_run(beside=False, simulated=False).measure(segments=1))
    draw_run(run, tmp_path / "rest.svg")
    drawn = texts(tmp_path / "rest.svg")
    assert "Voltage vs Li-In / V" in drawn
    for absent in ("Pressure", "Temperature", "Capacity", "SIMULATED"):
        assert absent not in drawn


def test_a_rig_without_a_potentiostat_is_drawn(log_only: RunData, tmp_path: Path) -> None:
    draw_run(log_only, tmp_path / "log.svg")
    drawn = texts(tmp_path / "log.svg")
    assert "Pressure / MPa" in drawn
    assert "Voltage" not in drawn


def test_a_half_that_is_being_measured_is_drawn(new_run, tmp_path: Path) -> None:
    run = read_run(new_run().measure(segments=1, last_rows=500))
    draw_run(run, tmp_path / "running.svg")
    assert "unfinished" in texts(tmp_path / "running.svg")
    assert "Capacity / mAh g⁻¹" in texts(tmp_path / "running.svg")


def test_nothing_to_draw_and_nowhere_to_put_it(run: RunData, new_run, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        draw_run(read_run(new_run().path), tmp_path / "run.png")
    with pytest.raises(ValueError, match="does not end in"):
        draw_run(run, tmp_path / "run.docx")
    with pytest.raises(OSError, match="No such file"):
        draw_run(run, tmp_path / "nowhere" / "run.png")
    assert not list(tmp_path.glob("*.p*"))
