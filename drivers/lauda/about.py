"""The driver of this folder, in words for people."""

from drivers.about import About, simulated, used_by

CHILLER = About(
    name="lauda.chiller",
    instruments="LAUDA thermostats and chillers with the LRZ interface modules, Integral, PRO, LOOP",
    transports=("RS-232", "RS-485", "TCP 54321"),
    limits=(
        "setpoints from TiL to TiH, which are asked, in steps of 0.01 K",
        "a watchdog of whole seconds, 99 at most",
    ),
    host_loss="stops, or goes on at its safe setpoint, when its watchdog is armed; without, it runs on [manual]",
    trials=(
        simulated("lauda.py", "test_chiller_contract"),
        used_by("hvl_ccb", "0.19.6", "hvl_ccb"),
        used_by("pyLauda", "1.0.6", "pylauda"),
    ),
    unverified=(
        "the watchdog's longest time",
        "which error an input without a probe answers",
        "the layout of a reply on RS-485",
        "how alarm 22 is taken back",
    ),
    page="chiller.md",
)
