"""Who asks a daemon every few seconds, by hand or in a loop, does not wait for what only the daemon needs."""

import subprocess
import sys

ASKING = ("status", "pause", "resume", "skip", "edit", "stop", "events", "usage")
HEAVY = ("numpy", "pandas", "pyarrow", "pyvisa", "pymodbus", "aiomqtt", "daemon.service.daemon", "drivers.registry")


def test_verbs_that_only_ask_load_none_of_the_daemon():
    code = f"import sys, {', '.join(f'daemon.cli.{verb}' for verb in ASKING)}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(HEAVY) & set(done.stdout.split()) == set()
