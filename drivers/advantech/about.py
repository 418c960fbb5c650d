"""The driver of this folder, in words for people."""

from drivers.about import About, simulated

ADAM_4015 = About(
    name="advantech.adam_4015",
    instruments="Advantech ADAM-4015, six Pt100 inputs",
    transports=("RS-485", "TCP of a serial device server"),
    limits=("its ASCII dialect, not its Modbus", "no serial number to ask for"),
    host_loss="nothing: it only answers [manual]",
    trials=(simulated("adam_4015.py", "test_auxiliary_contract"),),
    unverified=("8N1 as delivered", "which word of an input without a sensor means what", "a value is up to 0.6 s old"),
    page="thermometer.md",
)
