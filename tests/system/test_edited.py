"""A protocol that is changed under way, with real processes: what is refused, kept, and gone on with after kill -9."""

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from daemon.deciding.preflight import PREFLIGHT
from daemon.deciding.resuming import RECOVERY
from daemon.events import PlanChanged, decode_event
from daemon.export.files import export_run
from daemon.reader import read_run
from daemon.store.reading import read_journal
from daemon.store.rows import read_rows
from tests.support.host import Host

SLOW, PACE, FAST = 20.0, 200.0, 1500.0
"""A half-cycle at 2 C takes over a minute; 8 s, so that words come in time; and one second."""
HEAD = "window: {lower_voltage_V: 2.0, upper_voltage_V: 3.7, vs: Li-In}\n"
REFUSED = 4


def cycling(cycles: int, more: str = "", head: str = HEAD, rate: str = "2") -> str:
    rest = "  - {step: open_circuit_voltage, id: rest, until_time: 60 s}\n"
    return f"{head}method:\n{rest}  - {{step: cycle, id: life, rate_C: {rate}, cycle_count: {cycles}}}\n{more}"


@pytest.fixture
def make_host(tmp_path) -> Iterator[Callable[..., Host]]:
    hosts: list[Host] = []

    def make(**settings: Any) -> Host:
        host = Host(tmp_path, **{"pace": FAST, **settings})
        hosts.append(host)
        host.start_bench()
        return host

    yield make
    for host in hosts:
        host.close()


def edit(host: Host, run_id: str, text: str, *words: str, name: str = "edited.yaml") -> Any:
    return host.ask("edit", run_id[-6:], str(host.command_line.write(name, text)), *words)


def executed(host: Host) -> list[str]:
    segments = host.result().segments
    return [one.step_id for one in segments if not one.step_id.endswith((RECOVERY, PREFLIGHT))]


def changes(host: Host) -> list[PlanChanged]:
    events = (decode_event(entry.body) for entry in read_journal(host.run_path) if entry.kind == "plan_changed")
    return [event for event in events if isinstance(event, PlanChanged)]


def test_a_thousand_cycles_become_few_and_that_survives_a_kill(make_host):
    host = make_host(pace=PACE)
    daemon = host.serve()
    run_id = host.run(cycling(1000))
    host.wait_for(lambda: host.status()[0]["step_id"] == "life/charge")
    fewer = cycling(3, "  - {step: open_circuit_voltage, id: last, until_time: 60 s}\n")

    shown = edit(host, run_id, fewer)
    assert shown.returncode == REFUSED
    assert "-life/loop  passes 1000\n+life/loop  passes 3\n+last  open_circuit_voltage\n" in shown.stdout
    assert "of 1000 is under way, of 3 from now on" in shown.stdout
    assert "write the same with --yes" in shown.stderr
    assert changes(host) == []

    done = edit(host, run_id, fewer, "--yes")
    daemon.send_signal(signal.SIGKILL)
    daemon.wait(30)
    assert done.returncode == 0, done.stderr
    host.pace = FAST
    host.write_station()
    assert host.ended(host.serve("--until-idle"), within_second=60) == 0
    result = host.result()
    assert (result.outcome, len(result.cycles)) == ("completed", 3)
    assert executed(host) == ["rest", *(["life/charge", "life/discharge"] * 3), "last"]
    assert (np.diff(read_rows(host.run_path, "cell")["seq"]) == 1).all()
    assert host.bench_log("excursion_begin") == []
    (change,) = changes(host)
    assert (change.protocol_text, change.loosened) == (fewer, ())
    [said] = json.loads(host.ask("runs", run_id, "--json").stdout)
    assert [one["after_segment"] for one in said["edits"]] == [change.segment]
    assert (said["edits"][0]["by"], said["edits"][0]["text"]) == (change.by, fewer)


def test_what_has_been_done_stays_and_less_tight_bounds_are_confirmed(make_host):
    host = make_host()
    host.serve()
    run_id = host.run(cycling(1000))
    host.wait_for(lambda: host.status()[0]["step_id"] == "life/discharge")
    slower = edit(host, run_id, cycling(1000, rate="1"), "--yes")
    assert slower.returncode == REFUSED
    assert "step 2, life/charge, is executed already and would change" in slower.stderr
    assert edit(host, run_id, cycling(1000) + "  - {step: nap}\n", "--yes").returncode == REFUSED
    assert edit(host, "no such", cycling(9), "--yes").returncode == REFUSED
    same = edit(host, run_id, cycling(1000), "--yes")
    assert (same.returncode, same.stderr) == (0, "Nothing of the plan changes.\n")

    wider = cycling(1000, head=HEAD + "safety: {max_voltage_V: 4.1}\n")
    refused = edit(host, run_id, wider, "--yes", "--json")
    assert refused.returncode == REFUSED
    assert "--yes --limits" in refused.stderr
    said = json.loads(refused.stdout)
    assert said["applied"] is False
    assert any("4.1" in sentence for sentence in said["loosened"])
    assert edit(host, run_id, wider, "--yes", "--limits").returncode == 0
    assert len(changes(host)) == 1

    assert host.ask("stop", "rig1", "--after-cycle").returncode == 0
    host.wait_for(lambda: host.is_over)
    result = host.result()
    assert result.outcome == "stopped"
    assert result.run.reason.endswith("after this cycle")
    assert executed(host)[-1] == "life/discharge"
    assert result.segments[-1].ended_by == "voltage"
    ended = edit(host, run_id, cycling(1000), "--yes")
    assert ended.returncode == REFUSED
    assert "only to a completed one can steps be appended" in ended.stderr


def test_a_stop_that_waits_is_taken_back(make_host):
    host = make_host(pace=SLOW)
    host.serve()
    host.run(cycling(1000))
    host.wait_for(lambda: host.status()[0]["step_id"] == "life/charge")
    assert host.ask("stop", "rig1", "--after-cycle").returncode == 0
    host.wait_for(lambda: host.status()[0]["pause_ends"])
    again = host.ask("stop", "rig1", "--after-cycle")
    assert (again.returncode, "asked already to stop after this cycle" in again.stderr) == (0, True)
    assert host.ask("resume", "rig1").returncode == 0
    host.wait_for(lambda: not host.status()[0]["pause_after"])
    assert host.status()[0]["state"] == "running"
    kinds = [entry.kind for entry in read_journal(host.run_path)]
    assert kinds.count("stop_requested") == 1


def test_steps_are_appended_to_a_finished_run(make_host):
    host = make_host()
    host.serve()
    run_id = host.run(cycling(1))
    host.wait_for(lambda: host.is_over)
    first = host.result()
    assert first.outcome == "completed"
    more = "  - {step: cycle, id: slow, rate_C: 1, cycle_count: 1}\n"
    other = edit(host, run_id, cycling(2, more), "--yes")
    assert other.returncode == REFUSED
    assert "as further steps at the end" in other.stderr
    host.wait_for(lambda: host.status()[0]["state"] == "free")
    done = edit(host, run_id, cycling(1, more), "--yes")
    assert done.returncode == 0, done.stderr
    host.wait_for(lambda: host.is_over)
    result = host.result()
    assert (result.outcome, len(result.cycles)) == ("completed", 2), result.run.why
    assert executed(host) == ["rest", "life/charge", "life/discharge", "slow/charge", "slow/discharge"]
    assert result.segments[: len(first.segments)] == first.segments
    assert result.cycles[0].charge_capacity_mAh_g == first.cycles[0].charge_capacity_mAh_g

    run = read_run(host.run_path)
    assert [one["name"] for one in run.metadata["protocol_versions"]] == ["protocol.yaml", "edited.yaml"]
    export_run(run, host.folder / "out")
    of_slow = run.segments[run.segments["step_id"] == "slow/charge"]
    assert of_slow["step_number"].tolist() == [5]
    assert set(run.rows["step_id"]) >= {"slow/charge", "slow/discharge"}
    sidecar = json.loads(next((host.folder / "out").glob("*.json")).read_text())["extras"]["presscell"]
    assert [one["text"] for one in sidecar["protocol_versions"]] == [cycling(1), cycling(1, more)]
