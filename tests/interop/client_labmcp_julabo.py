"""labmcp's JULABO driver over a serial port. Usage: python client_labmcp_julabo.py PATH."""

import json
import sys

from labmcp import InstrumentProtocolError
from labmcp.transports.serial import SerialTransport
from labmcp_julabo.driver import JulaboCirculator

link = SerialTransport(sys.argv[1], baudrate=9600, write_termination="\r", read_termination="\r\n")
unit = JulaboCirculator(link)
seen = {"version": unit.version(), "limits": unit.warning_limits_c(), "external": unit.external_temperature_c()}
seen["set"], seen["start"] = unit.set_setpoint(15.0).label, unit.start().label
seen["setpoint"], seen["bath"], seen["running"] = unit.setpoint_c(), unit.bath_temperature_c(), unit.is_running()
try:
    unit.set_setpoint(500)
except InstrumentProtocolError as error:
    seen["refused"] = str(error)
seen["stopped"] = unit.stop()
unit.close()
sys.stdout.write(json.dumps(seen) + "\n")
