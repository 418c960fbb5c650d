"""The driver of this folder, in words for people."""

from drivers.about import About, simulated

TRANSMITTER = About(
    name="laumas.transmitter",
    instruments="Laumas TLB, TLU, LCB and the same under the name Bosche WTS, set to Modbus RTU",
    transports=("RS-485", "RS-232", "TCP of a server that passes RTU frames on"),
    limits=("one row at each look", "one unit, gross or net as the station says", "nothing is ever written to it"),
    host_loss="nothing: it only answers [manual]",
    has_serial_number=True,
    trials=(simulated("laumas.py", "test_load_cell_contract"),),
    unverified=("codes of unit and division in register 40014",),
    page="load-cell.md",
)
