"""labmcp's MT-SICS driver at a serial port. Usage: python client_labmcp_mettler_toledo.py PATH."""

import json
import sys

from labmcp import InstrumentProtocolError
from labmcp.transports.serial import SerialTransport
from labmcp_mettler_toledo.driver import MTSICSBalance

unit = MTSICSBalance(SerialTransport(sys.argv[1], baudrate=9600, write_termination="\r\n", read_termination="\r\n"))
seen = {"who": unit.identify()}
weight = unit.weight(stable=False)
seen["weight"], seen["unit"] = weight.value, weight.unit
seen["tared"] = unit.tare().value
seen["after"] = unit.weight().value
unit.clear_tare()
try:
    unit.zero()
except InstrumentProtocolError as error:
    seen["refused"] = str(error)
seen["reset"] = unit.reset()
unit.close()
sys.stdout.write(json.dumps(seen) + "\n")
