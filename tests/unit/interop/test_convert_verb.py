"""`presscell convert`: what is written, what is refused."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import aurora_unicycler
import pytest
from click.testing import CliRunner, Result

from daemon.cli import presscell

REPOSITORY = Path(__file__).parents[3]
BM05 = str(REPOSITORY / "config" / "cells" / "bm05.yaml")
SIMPLE = """\
window: {lower_voltage_V: 0.0, upper_voltage_V: 3.7}
record: {time_s: 10}
method:
  - {step: tag, tag: life}
  - {step: constant_current, rate_C: 0.5, until_voltage_V: 3.7}
  - {step: constant_current, rate_C: -0.5, until_voltage_V: 2.0, until_time: 4 h}
  - {step: loop, loop_to: life, cycle_count: 3}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def convert(folder: Path, text: str, *words: str, name: str = "x.yaml") -> Result:
    (folder / name).write_text(text, encoding="utf-8")
    return CliRunner().invoke(presscell, ["convert", name, *words])


def test_nothing_lost_nothing_said(folder: Path) -> None:
    done = convert(folder, SIMPLE, "--to", "unicycler")
    assert (done.exit_code, done.stderr) == (0, "")
    assert [step["step"] for step in json.loads(done.stdout)["method"]] == ["tag", *["constant_current"] * 2, "loop"]


def test_a_loss_is_refused_with_its_line_unless_it_is_meant(folder: Path) -> None:
    lossy = SIMPLE.replace("until_voltage_V: 3.7}\n  -", "until_voltage_V: 3.7, until_capacity_mAh: 1}\n  -")
    done = convert(folder, lossy, "--to", "unicycler", "--out", "y.json")
    assert done.exit_code == 1
    assert "x.yaml:5:65  method[2].until_capacity_mAh  warning: lost: until_capacity_mAh" in done.stderr
    assert "1 lost. Write --allow-lossy" in done.stderr
    assert not (folder / "y.json").exists()
    done = convert(folder, lossy, "--to", "unicycler", "--allow-lossy", "--out", "y.json")
    assert done.exit_code == 0
    assert json.loads((folder / "y.json").read_text())["method"][1]["until_voltage_V"] == 3.7


def test_ec_lab(folder: Path) -> None:
    done = convert(folder, SIMPLE, "--to", "mps", "--cell", BM05, "--out", "x.mps")
    assert done.exit_code == 0, done.stderr
    text = (folder / "x.mps").read_bytes().decode("cp1252")
    assert text.startswith("EC-LAB SETTING FILE")
    assert "Battery capacity : 1.500 mA.h" in text
    assert "750.000" in text


def test_neware_leaves_spectra_out(folder: Path) -> None:
    spectrum = "{step: impedance_spectroscopy, amplitude_V: 0.01, start_frequency_Hz: 1000, end_frequency_Hz: 1}"
    text = f"{SIMPLE}  - {spectrum}\n"
    assert convert(folder, text, "--to", "neware", "--cell", BM05).exit_code == 1
    done = convert(folder, text, "--to", "neware", "--cell", BM05, "--allow-lossy")
    assert "lost: the impedance spectrum" in done.stderr
    steps = ET.fromstring(done.stdout).findall("config/Step_Info/*")
    assert [step.get("Step_Type") for step in steps] == ["1", "2", "5", "6"]
    assert steps[1].find("Limit/Main/Curr").get("Value") == "0.750000"


def test_battinfo(folder: Path) -> None:
    text = SIMPLE.replace("record: {time_s: 10}\n", "")
    done = convert(folder, text, "--to", "battinfo")
    assert "one more before the loop" in done.stderr
    rest = "  - {step: open_circuit_voltage, until_time: 1 h}\n"
    done = convert(folder, text.replace("method:\n", f"method:\n{rest}"), "--to", "battinfo")
    assert done.exit_code == 0, done.stderr
    written = json.loads(done.stdout)
    assert (written["@type"], written["hasNext"]["@type"]) == ("OpenCircuitHold", "IterativeWorkflow")
    assert "hasNext" not in written["hasNext"]


def test_their_battinfo_still_repeats_the_first_step() -> None:
    """Why a loop over the first step is told as lost: version 0.4.6 writes its body once more."""
    steps = [{"step": "open_circuit_voltage", "until_time_s": 1}] * 2
    whole = {"record": {"time_s": 1}, "method": [*steps, {"step": "loop", "loop_to": 1, "cycle_count": 3}]}
    written = aurora_unicycler.CyclingProtocol.from_dict(whole).to_battinfo_jsonld(include_context=False)
    assert written["@type"] == "OpenCircuitHold"
    assert written["hasNext"]["hasNext"]["@type"] == "IterativeWorkflow"


def test_0_volt_that_would_be_written_as_none(folder: Path) -> None:
    text = SIMPLE.replace("until_voltage_V: 2.0", "until_voltage_V: 0.0")
    done = convert(folder, text, "--to", "mps", "--cell", BM05)
    assert done.exit_code == 1
    assert "method[3].until_voltage_V  warning: lost: the limit of 0 V" in done.stderr
    assert convert(folder, text, "--to", "neware", "--cell", BM05).exit_code == 0


@pytest.mark.parametrize("target", ["mps", "neware"])
def test_a_cycler_wants_a_name(folder: Path, target: str) -> None:
    done = convert(folder, SIMPLE, "--to", target, "--sample-capacity", "1.5")
    assert done.exit_code == 1
    assert "the sample has no name" in done.stderr
    named = convert(folder, SIMPLE, "--to", target, "--sample-capacity", "1.5", "--sample-name", "a")
    assert named.exit_code == 0, named.stderr


def test_what_their_package_refuses_is_told(folder: Path) -> None:
    done = convert(folder, SIMPLE, "--to", "mps", "--sample-name", "a")
    assert done.exit_code == 1
    assert "aurora-unicycler: Sample capacity must be set" in done.stderr


def test_from_pybamm_to_ours_and_on(folder: Path) -> None:
    script = 'import pybamm\npybamm.Experiment([("Charge at 1 mA until 3.7 V", "Rest for 1 hour")] * 2)\n'
    done = convert(folder, script, "--to", "presscell", name="x.py")
    assert done.exit_code == 0
    assert "{step: constant_current, current_mA: 1, until_time_s: 86400, until_voltage_V: 3.7}" in done.stdout
    assert "x.py:2:21  cycles[1][1]  warning: no time is written" in done.stderr
    done = convert(folder, script, "--to", "unicycler", name="x.py")
    assert [step["step"] for step in json.loads(done.stdout)["method"]][-1] == "loop"


def test_from_unicycler_to_ours(folder: Path) -> None:
    text = json.dumps({"record": {"time_s": "10"}, "method": [{"step": "open_circuit_voltage", "until_time_s": 60}]})
    done = convert(folder, text, "--to", "presscell", name="x.json")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.endswith("method:\n  - {step: open_circuit_voltage, until_time_s: 60}\n")


def test_what_check_refuses_is_written_for_a_person_and_for_no_cycler(folder: Path) -> None:
    wrong = {"step": "constant_current", "rate_C": -1, "until_voltage_V": 4.2}
    text = json.dumps({"record": {"time_s": 1}, "method": [wrong, {**wrong, "until_voltage_V": 4.3}]})
    done = convert(folder, text, "--to", "presscell", name="x.json")
    assert done.exit_code == 1
    assert "a discharge must end below its start" in done.stderr
    assert "until_voltage_V: 4.3" in done.stdout
    done = convert(folder, text, "--to", "mps", "--sample-name", "a", "--sample-capacity", "1", name="x.json")
    assert (done.exit_code, done.stdout) == (1, "")


def test_inputs_are_given(folder: Path) -> None:
    text = "inputs: {rest: required}\nmethod:\n  - {step: open_circuit_voltage, until_time: $rest}\n"
    assert "has no value" in convert(folder, text, "--to", "unicycler").stderr
    done = convert(folder, text, "--to", "unicycler", "--input", "rest=2 h")
    assert json.loads(done.stdout)["method"][0]["until_time_s"] == 7200


@pytest.mark.parametrize("text", ["", "- 1\n", "{cycles: 3}", "method: 3\n", "\x00"])
def test_what_is_no_protocol(folder: Path, text: str) -> None:
    for target in ("presscell", "unicycler", "pybamm"):
        done = convert(folder, text, "--to", target)
        assert done.exit_code == 1
        assert done.exception is None or isinstance(done.exception, SystemExit)
