"""The drivers of this folder, in words for people."""

from drivers.about import About, simulated

_TRIALS = (simulated("and_indicator.py", "test_load_cell_contract"),)
_HOST_LOSS = "goes on showing; what it sends to nobody is lost [manual]"
_PAGE = "load-cell.md"

LISTENING = About(
    name="and.indicator",
    instruments="A&D indicators, and all that send its standard frame of 18 bytes unasked",
    transports=("RS-232", "RS-485", "TCP of a serial device server"),
    limits=("frames in one unit, gross or net as the station says", "never zeroed or tared", "no identity to ask for"),
    host_loss=_HOST_LOSS,
    trials=_TRIALS,
    page=_PAGE,
)
ASKED = About(
    name="and.indicator_asked",
    instruments="A&D indicators in command mode",
    transports=LISTENING.transports,
    limits=("one row at each look", *LISTENING.limits),
    host_loss=_HOST_LOSS,
    trials=_TRIALS,
    page=_PAGE,
)
