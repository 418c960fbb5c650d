"""The driver of this folder, in words for people."""

from drivers.about import About, simulated, used_by

VFD = About(
    name="delta.vfd",
    instruments="Delta VFD-E, VFD-EL, MS300",
    transports=("RS-485", "TCP of a server that passes RTU frames on"),
    limits=(
        "no speed beyond the station's highest_rpm",
        "starts only when its stop on loss is armed, 0.1 to 120 s",
        "no serial number to ask for",
    ),
    host_loss="ramps down after loss_stop_s of silence once armed; as delivered it runs on",
    trials=(
        simulated("delta_drive.py", "test_mill_drive_contract"),
        used_by("minimalmodbus", "2.1.1", "minimalmodbus"),
    ),
    unverified=("numbers of its faults", "parameters 00-00 to 00-06 read in one go", "parameters 02-00, 02-01"),
    page="mill-drive.md",
)
