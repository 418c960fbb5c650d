"""The instruments that act on one cell at a time, and the way a plan's steps become programs for them."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, replace

from daemon.host_timer import HostTimer
from daemon.mill.bay import MillBay, MillProgram
from daemon.mill.cooling import Cooling
from daemon.plan import CurrentStep, MeasuredStep, MillStep, PowerStep, RestStep, ScanStep, VoltageStep
from daemon.rows.pressure import PressureCalibration
from drivers.roles import Chamber, Identity, LoadCell, Potentiostat, SegmentMode, SegmentProgram, Thermometer

REST_RANGE_AMPERE = 1e-6
"""The range on which 0 A is sourced to measure the open-circuit voltage, as the maker's own script does."""


@dataclass
class Rig:
    """One cell's instruments by role, and who answered when they were connected.

    A mill with its drive takes the potentiostat's place.

    A load cell comes with the calibration that makes pressures of what it shows.
    """

    name: str
    potentiostat: Potentiostat
    identities: dict[str, Identity]
    load_cell: LoadCell | None = None
    pressure_calibration: PressureCalibration | None = None
    thermometer: Thermometer | None = None
    temperature_every_second: float = 1.0
    chamber: Chamber | None = None
    cooling: Cooling | None = None

    @property
    def host_timer(self) -> HostTimer | None:
        """What times the rests of a rig without a potentiostat; None when there is one."""
        return self.potentiostat if isinstance(self.potentiostat, HostTimer) else None

    @property
    def mill(self) -> MillBay | None:
        """What turns the blade of a rig that has a mill; None when it has none."""
        return self.potentiostat if isinstance(self.potentiostat, MillBay) else None

    def temperature_setting(self, role: str) -> Callable[[float], Awaitable[None]] | None:
        """What gives the chamber, or the chiller, a setpoint, and answers when it reads back; None without one."""
        if role == "chiller":
            return self.cooling.cool_to if self.cooling is not None else None
        return self.chamber.set_celsius if self.chamber is not None else None

    async def close(self) -> None:
        """Close all links. The instruments go on with what they do."""
        for instrument in (self.potentiostat, self.load_cell, self.thermometer, self.chamber, self.cooling):
            if instrument is not None:
                await instrument.close()


def segment_token(run_id: str, segment: int) -> str:
    """The name of a segment's buffer in the instrument: the same for the same run and segment, always.

    The last six characters of a run's id are random; they and the segment's number tell one run's rows from another's.
    """
    return f"p{run_id[-6:]}_{segment:06d}"


def program_for(step: MeasuredStep) -> SegmentProgram:
    """What a potentiostat must run for a step."""
    rest = SegmentProgram(
        current_ampere=0.0,
        current_range_ampere=REST_RANGE_AMPERE,
        until_voltage_volt=None,
        lower_guard_volt=step.lower_guard_volt,
        upper_guard_volt=step.upper_guard_volt,
        duration_second=step.until_time_second if isinstance(step, RestStep) else step.longest_second,
        sampling_second=step.sampling_second,
        cutoff_second=step.cutoff_second,
    )
    match step:
        case MillStep():
            return MillProgram(**asdict(rest), speed_rpm=step.speed_rpm)
        case RestStep():
            return rest
        case PowerStep() | CurrentStep():
            return replace(
                rest,
                mode=SegmentMode.POWER if isinstance(step, PowerStep) else SegmentMode.CURRENT,
                power_watt=step.power_watt if isinstance(step, PowerStep) else None,
                current_ampere=step.current_ampere,
                current_range_ampere=step.current_range_ampere,
                until_voltage_volt=step.until_voltage_volt,
            )
        case VoltageStep():
            return replace(
                rest,
                mode=SegmentMode.VOLTAGE,
                current_range_ampere=step.current_range_ampere,
                current_limit_ampere=step.current_limit_ampere,
                voltage_volt=step.voltage_volt,
                until_current_ampere=step.until_current_ampere,
            )
        case ScanStep():
            return replace(
                rest,
                mode=SegmentMode.SCAN,
                current_range_ampere=step.current_range_ampere,
                current_limit_ampere=step.current_limit_ampere,
                voltage_volt=step.start_voltage_volt,
                end_voltage_volt=step.end_voltage_volt,
                scan_rate_volt_per_second=step.scan_rate_volt_per_second,
            )
