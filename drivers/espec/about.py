"""The driver of this folder, in words for people."""

from drivers.about import About, simulated

CHAMBER = About(
    name="espec.chamber",
    instruments="ESPEC chambers with SCP-220, P-300 or PR-3J controllers",
    transports=("TCP 57732", "TCP 10001 of a serial device server"),
    limits=("setpoints within its own limits, which are asked", "a program that runs there is left alone"),
    host_loss="holds its setpoint [unverified]; its own over-temperature protector is the guard",
    trials=(simulated("espec.py", "test_auxiliary_contract"),),
    unverified=("the dialect: it is from public source, no public manual was found", "what it does without a host"),
    page="chamber.md",
)
