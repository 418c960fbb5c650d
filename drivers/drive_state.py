"""What the registers of a variable-frequency drive say, in the words that all makes have in common."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DriveState:
    """What a drive's registers say, all read in one go. With a fault it does not run."""

    is_running: bool
    is_slowing: bool
    is_at_speed: bool
    output_hertz: float
    setpoint_hertz: float
    fault_code: int
    fault: str

    @property
    def is_standing(self) -> bool:
        """Whether it has stopped and nothing comes out of it."""
        return not self.is_running and self.output_hertz == 0
