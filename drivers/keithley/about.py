"""The drivers of this folder, in words for people."""

from drivers.about import About, simulated, used_by

_SIMULATED = simulated("keithley", "test_potentiostat_contract")
_CLIENTS = {"2450": (used_by("PyMeasure", "0.16.0", "pymeasure"),)}
_UNVERIFIED = (
    "the programs as a whole: each command is [manual], their composition is ours",
    "a dropped connection leaves the trigger model alone",
    "reading rows does not disturb the sampling",
    "accuracy beyond the 1 mA and 10 mA ranges of the 2450",
)

KEITHLEY = {
    model: About(
        name=f"keithley.{model}",
        instruments=f"Keithley {model}, command set SCPI",
        transports=("TCP 5025", "VISA"),
        limits=(f"{ranges} used", "an impedance can't be measured"),
        host_loss="ends its half-cycle at its own limit, opens the relay, keeps the rows [simulated]",
        has_serial_number=True,
        trials=(_SIMULATED, *_CLIENTS.get(model, ())),
        unverified=_UNVERIFIED,
        page="potentiostat.md",
    )
    for model, ranges in {
        "2450": "current ranges of 10 nA and 100 nA are not",
        "2460": "current ranges below 1 µA are not",
        "2461": "the 10 A range is not",
    }.items()
}
"""By model."""
