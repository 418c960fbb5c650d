"""The drivers of this folder, in words for people."""

from drivers.about import About, simulated, used_by

_TRANSPORTS = ("RS-485", "TCP of a server that passes RTU frames on")
_LIMITS = (
    "no speed beyond the station's highest_rpm",
    "starts only when its stop on loss is armed, 0.1 to 120 s",
    "no serial number to ask for",
)
_HOST_LOSS = "ramps down after loss_stop_s of silence once armed; as delivered it runs on"
_SIMULATED = simulated("ls_drive.py", "test_mill_drive_contract")

IG5A = About(
    name="ls.ig5a",
    instruments="LS iG5A",
    transports=_TRANSPORTS,
    limits=_LIMITS,
    host_loss=_HOST_LOSS,
    trials=(_SIMULATED, used_by("pymodbus", "3.16.1", "pymodbus")),
    unverified=("the registers of its stop on loss", "the order of the bits of its trips"),
    page="mill-drive.md",
)
S100 = About(
    name="ls.s100",
    instruments="LS S100",
    transports=_TRANSPORTS,
    limits=(*_LIMITS, "a trip is shown as a number"),
    host_loss=_HOST_LOSS,
    trials=(_SIMULATED,),
    unverified=("the registers of its stop on loss", "its model code 0006h", "how commands are taken from the line"),
    page="mill-drive.md",
)
