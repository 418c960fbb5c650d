"""The driver of this folder, in words for people."""

from drivers.about import About, simulated

MODEL_218 = About(
    name="lakeshore.218",
    instruments="Lake Shore 218S, 218E: eight inputs",
    transports=("RS-232", "TCP of a serial device server set to 7O1"),
    limits=("curves, filters and alarms stay as they are set", "an input with any status bit has no temperature"),
    host_loss="nothing: it only answers [manual]",
    has_serial_number=True,
    trials=(simulated("lakeshore.py", "test_votsch_lakeshore_contract"),),
    unverified=("what an open input reads", "that it does not answer an unknown command"),
    page="thermometer.md",
)
