"""The driver of this folder, in words for people."""

from drivers.about import About, simulated, used_by

SICS = About(
    name="mettler.sics",
    instruments="Mettler Toledo terminals and balances that speak MT-SICS levels 0 and 1",
    transports=("RS-232", "TCP of a serial device server"),
    limits=("a weight as the display shows it, net after a tare", "never zeroed or tared in a run"),
    host_loss="goes on sending until somebody ends it [manual]",
    has_serial_number=True,
    trials=(
        simulated("mettler.py", "test_load_cell_contract"),
        used_by("mettler_toledo_device", "1.5.0", "mettler_toledo_device"),
        used_by("labmcp-mettler-toledo", "0.1.3", "labmcp_mettler_toledo"),
    ),
    page="load-cell.md",
)
