"""pymodbus on an LS drive, over TCP or a serial port. Usage: python client_pymodbus.py ADDRESS."""

import json
import sys

from pymodbus import FramerType
from pymodbus.client import ModbusSerialClient, ModbusTcpClient

STANDS, AT_SPEED = 0x01, 0x40

if sys.argv[1].startswith("/"):
    client = ModbusSerialClient(sys.argv[1], baudrate=9600, stopbits=2)
else:
    host, port = sys.argv[1].split(":")
    client = ModbusTcpClient(host, port=int(port), framer=FramerType.RTU)
assert client.connect()
seen = {"model": client.read_holding_registers(0x0000, count=4).registers}
seen["locked"] = client.write_register(0x0005, 5000).exception_code
client.write_register(0x0004, 1)
client.write_registers(0x0005, [5000, 2])
while not client.read_holding_registers(0x000E, count=1).registers[0] & AT_SPEED:
    pass
seen["running"] = client.read_holding_registers(0x000A, count=5).registers[0::4]
seen["input registers"] = client.read_input_registers(0x0015, count=1).registers
client.write_register(0x0006, 1)
while not client.read_holding_registers(0x000E, count=1).registers[0] & STANDS:
    pass
seen["standing"] = client.read_holding_registers(0x000A, count=5).registers[0::4]
seen["no such register"] = client.read_holding_registers(0x4000, count=1).exception_code
client.close()
sys.stdout.write(json.dumps(seen) + "\n")
