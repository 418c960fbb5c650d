"""The driver of this folder, in words for people."""

from drivers.about import About, simulated, used_by

CHILLER = About(
    name="huber.chiller",
    instruments="Huber chillers and thermostats that understand PB commands",
    transports=("RS-232", "TCP 8101"),
    limits=("who it is can't be asked", "a setpoint that it moves to its own limits is refused"),
    host_loss="runs on: no watchdog is in the list of PB commands [unverified]",
    trials=(simulated("huber.py", "test_chiller_contract"), used_by("huber", "0.9.0", "huber")),
    unverified=("address 16 as circulation", "what address 05 says after an error is gone"),
    page="chiller.md",
)
