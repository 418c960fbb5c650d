"""The driver of this folder, in words for people."""

from drivers.about import About, simulated

CHAMBER = About(
    name="votsch.chamber",
    instruments="Vötsch and Weiss chambers with SIMPAC or S!MPAC, in ASCII-2",
    transports=("TCP 2049", "TCP of a serial device server, 9600 8N1"),
    limits=("setpoints within the station's limits: it does not tell its own", "alarms are not known in this dialect"),
    host_loss="holds its setpoint [unverified]; its own over-temperature protector is the guard",
    trials=(simulated("votsch.py", "test_votsch_lakeshore_contract"),),
    unverified=(
        "the dialect: it is from public source, no public manual was found",
        "the answer to a setting, and the text that says who it is",
    ),
    page="chamber.md",
)
