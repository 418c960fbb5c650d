"""Registers of Delta VFD drives as values: strict, so that what can't be is a `ValueError`, never a number."""

from collections.abc import Sequence

from drivers.drive_state import DriveState

SOURCE = "VFD-E, VFD-EL, VFD-F, VFD-ED, MS300 manuals [manual]"

IDENTITY_CODE, IDENTITY_COUNT = 0x0000, 7
"""Parameters 00-00 identity code … 00-06 firmware; that they can be read in one go is [unverified]."""

COMMAND, FREQUENCY, CONTROL = 0x2000, 0x2001, 0x2002
STATE, STATE_COUNT = 0x2100, 5
"""Read together: 2100h fault and warning, 2101h status, 2102h frequency command, 2103h output, 2104h current."""

STOP, RUN_FORWARD = 0x0001, 0x0012
RESET, BASE_BLOCK = 0x0002, 0x0004
"""Of `CONTROL`; a base block takes the voltage off the motor."""

LOSS_ACTION, LOSS_TIME = 0x0902, 0x0903
LOSS_RAMP = 1
"""Parameters 09.02, 1 is warn and ramp to stop, and 09.03, tenths of a second, 0 is off, each at the address that is
its number in hexadecimal digits. Source: VFD-E 4-113, VFD-B 5-83 [manual]; the address `SOURCE`."""

HERTZ_PER_COUNT = 0.01
SECOND_PER_COUNT = 0.1

STOPPED, DECELERATING, STANDBY, RUNNING = 0, 1, 2, 3

_FIRST_FAULTS = ("oc", "ov", "oH1", "oH2", "oL", "oL1", "oL2", "EF", "ocA", "ocd", "ocn", "GFF")
FAULTS = dict(enumerate(_FIRST_FAULTS, start=1)) | {14: "PHL", 49: "EF", 58: "CE10"}
"""Of the fault's code; the numbers differ by series [unverified]."""


def version(word: int) -> str:
    """116 is 1.16."""
    return f"{word // 100}.{word % 100:02d}"


def state(words: Sequence[int]) -> DriveState:
    """What `STATE_COUNT` registers from `STATE` say. It has no word for at speed: output and command are equal."""
    fault_code = words[0] & 0xFF
    phase = words[1] & 0x3
    command_hertz, output_hertz = words[2] * HERTZ_PER_COUNT, words[3] * HERTZ_PER_COUNT
    if phase == STOPPED and words[3] and not fault_code:
        raise ValueError(f"status {words[1]:04X}h stands at {output_hertz:.2f} Hz")
    return DriveState(
        is_running=phase != STOPPED and not fault_code,
        is_slowing=phase == DECELERATING,
        is_at_speed=phase == RUNNING and words[2] == words[3],
        output_hertz=output_hertz,
        setpoint_hertz=command_hertz,
        fault_code=fault_code,
        fault=FAULTS.get(fault_code, f"fault {fault_code}") if fault_code else "",
    )
