"""DLR's pyLauda on a LAUDA over a serial port. Usage: python client_pylauda.py PATH."""

import contextlib
import json
import sys

from pyLauda.variocool import Variocool

with contextlib.redirect_stdout(sys.stderr):
    unit = Variocool(sys.argv[1])
    unit.temperature = 15.0
    unit.start()
    seen = {"setpoint": unit.temperature, "external": unit.t_ext.decode().strip(), "healthy": unit.test()}
    seen["diagnosis"] = unit.get_device_state().decode().strip()
    unit.stop()
sys.stdout.write(json.dumps(seen) + "\n")
