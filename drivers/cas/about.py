"""The drivers of this folder, in words for people."""

from drivers.about import About, simulated

_TRIALS = (simulated("cas_frames.py", "test_load_cell_contract"),)
_HOST_LOSS = "goes on showing; what it sends to nobody is lost [manual]"
_PAGE = "load-cell.md"

LISTENING = About(
    name="cas.indicator",
    instruments="CAS indicators that send its frame of 22 bytes unasked",
    transports=("RS-232", "RS-485", "TCP of a serial device server"),
    limits=("8N1 alone", "frames in one unit, gross or net as the station says", "no identity to ask for"),
    host_loss=_HOST_LOSS,
    trials=_TRIALS,
    page=_PAGE,
)
ASKED = About(
    name="cas.indicator_asked",
    instruments="CAS indicators in command mode 1 (NT-500), set to frames of 18 bytes",
    transports=LISTENING.transports,
    limits=("one row at each look", "frames in one unit, gross or net as the station says", "no identity to ask for"),
    host_loss=_HOST_LOSS,
    trials=_TRIALS,
    page=_PAGE,
)
