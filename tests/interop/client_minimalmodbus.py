"""minimalmodbus on a Delta drive at a serial port. Usage: python client_minimalmodbus.py PATH."""

import json
import sys

import minimalmodbus

drive = minimalmodbus.Instrument(sys.argv[1], 3)
drive.serial.baudrate = 9600
drive.serial.timeout = 2
seen = {"firmware": drive.read_register(0x0006, 2)}
drive.write_register(0x2001, 50.0, 2, functioncode=6)
drive.write_register(0x2000, 0x0012, functioncode=6)
while drive.read_register(0x2103, 2) < 50:
    pass
seen["running"] = [drive.read_register(0x2101) & 3, drive.read_register(0x2103, 2), drive.read_register(0x210C)]
drive.write_registers(0x2000, [0x0001, 0])
while drive.read_register(0x2101) & 3:
    pass
seen["standing"] = drive.read_registers(0x2100, 4)
try:
    drive.read_register(0x3000)
except minimalmodbus.IllegalRequestError as error:
    seen["no such register"] = str(error)
sys.stdout.write(json.dumps(seen) + "\n")
