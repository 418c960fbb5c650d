"""ETH Zürich's HVL Common Code Base on a LAUDA over TCP. Usage: python client_hvl_ccb.py HOST:PORT."""

import json
import sys

from hvl_ccb.dev.lauda import LaudaProRp245e, LaudaProRp245eCommandError, LaudaProRp245eTcpCommunication

host, port = sys.argv[1].split(":")
link = LaudaProRp245eTcpCommunication({"host": host, "port": int(port), "terminator": b"\r\n"})
unit = LaudaProRp245e(link, {"temp_set_point_init": 15.0, "upper_temp": 90, "lower_temp": -20, "com_time_out": 30})
unit.start()
seen = {"type": unit.get_device_type(), "run": unit.run()}
seen["bath"], seen["external"] = unit.get_bath_temp(), unit.get_external_temp()
seen["pause"] = unit.pause()
try:
    unit.set_temp_set_point(500)
except LaudaProRp245eCommandError as error:
    seen["refused"] = str(error)
unit.stop()
sys.stdout.write(json.dumps(seen) + "\n")
