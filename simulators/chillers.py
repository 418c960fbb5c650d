"""Builds the chiller that a bench file describes, of whichever make."""

from simulators.bath import Bath
from simulators.circulator import Circulator
from simulators.huber import HuberChiller
from simulators.instrument_sections import ChillerSection, JulaboSection, LaudaSection
from simulators.julabo import JulaboChiller
from simulators.lauda import LaudaChiller

AnyChiller = LaudaChiller | JulaboChiller | HuberChiller


def make_chiller(section: ChillerSection) -> AnyChiller:
    """The chiller, at bench time 0. What it cools is coupled to `circulator.bath` afterwards."""
    circulator = _make_circulator(section)
    low_celsius, high_celsius = section.low_limit_temperature_C, section.high_limit_temperature_C
    match section:
        case LaudaSection():
            return LaudaChiller(
                section.name,
                circulator,
                model=section.device_type,
                firmware=section.firmware,
                bus_address=section.bus_address,
                safe_mode_is_activated=section.safe_mode,
                low_limit_celsius=low_celsius,
                high_limit_celsius=high_celsius,
            )
        case JulaboSection():
            return JulaboChiller(
                section.name,
                circulator,
                layout=section.family,
                version=f"JULABO {section.device_type} VERSION {section.firmware}",
                bus_address=section.bus_address,
                has_even_parity=section.character == "7E1",
                low_limit_celsius=low_celsius,
                high_limit_celsius=high_celsius,
            )
    return HuberChiller(section.name, circulator, low_limit_celsius=low_celsius, high_limit_celsius=high_celsius)


def _make_circulator(section: ChillerSection) -> Circulator:
    build = section.bath.make()
    started_celsius = section.bath_temperature_C
    bath = Bath(build, build.room_celsius if started_celsius is None else started_celsius)
    return Circulator(
        bath,
        setpoint_celsius=section.setpoint_temperature_C,
        is_on=section.running,
        external_celsius_at=(lambda _: bath.bath_celsius) if section.external_probe else None,
    )
