"""mettler_toledo_device on an MT-SICS terminal at a serial port. Usage: python client_mettler_toledo_device.py PATH."""

import json
import sys

from mettler_toledo_device import MettlerToledoDevice

unit = MettlerToledoDevice(port=sys.argv[1], timeout=2)
seen = {"serial": unit.get_serial_number(), "balance": unit.get_balance_data(), "software": unit.get_software_version()}
_, seen["unit"], seen["letter"] = unit.get_weight()
seen["stable"] = unit.get_weight_stable()[1]
seen["zeroed"] = unit.zero_stable()
unit.close()
sys.stdout.write(json.dumps(seen) + "\n")
