"""The driver of this folder, in words for people."""

from drivers.about import About, simulated, used_by

CHILLER = About(
    name="julabo.chiller",
    instruments="JULABO circulators and chillers: FL, FLW, CORIO, LC6, Magnum, MA, ME, Presto, FC, FP50",
    transports=("RS-232", "RS-485", "TCP of a serial device server"),
    limits=("the unit must be in remote control", "warning limits are asked, but of the family basic"),
    host_loss="runs on; its watchdog is in the menu of MAGIO and DYNEO alone [manual]",
    trials=(
        simulated("julabo.py", "test_chiller_contract"),
        used_by("julabo", "2.3.0", "julabo"),
        used_by("labmcp-julabo", "0.1.2", "labmcp_julabo"),
    ),
    unverified=(
        "the form of its version",
        "what becomes of a command that comes too early",
        "its setpoint after power",
    ),
    page="chiller.md",
)
