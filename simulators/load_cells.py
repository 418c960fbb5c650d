"""From what a bench file says of a load cell to its simulated indicator."""

from simulators.and_indicator import AndIndicator
from simulators.device import CellUnderTest
from simulators.instrument_sections import LoadCellSection
from simulators.laumas import LaumasTransmitter
from simulators.mettler import MettlerTerminal

AnyIndicator = AndIndicator | MettlerTerminal | LaumasTransmitter

INDICATORS: dict[str, type[AndIndicator] | type[MettlerTerminal] | type[LaumasTransmitter]] = {
    "and_indicator": AndIndicator,
    "laumas": LaumasTransmitter,
    "mettler_sics": MettlerTerminal,
}


def make_load_cell(section: LoadCellSection, cell: CellUnderTest, *, seed: int, noise: bool) -> AnyIndicator:
    """The indicator, with the sensor below the cell. Raises ValueError for a unit that a make doesn't have."""
    make = INDICATORS[section.model]
    return make(section.name, cell, sensor=section.sensor.make(noise=noise), setup=section.setup.make(), seed=seed)
