"""From what is true at the terminals to what the instrument reads: errors, noise, ranges, digits."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulators.keithley.models import OVERFLOW, RANGE_OVERREACH, Model, smallest_range
from simulators.keithley.settings import Settings
from simulators.noise import key_of, normal, uniform

Floats = NDArray[np.float64]

# Source: potentiostat.md §3. Gains are one-year specifications of the 2450; offsets are in parts of the range.
MEASURE_VOLT_GAIN, MEASURE_VOLT_OFFSET = 1.5e-4, 5e-5
MEASURE_AMPERE_GAIN = 2e-4
SOURCE_VOLT_GAIN, SOURCE_VOLT_OFFSET = 1.5e-4, 1.2e-4
SOURCE_AMPERE_GAIN, SOURCE_AMPERE_OFFSET = 2e-4, 1.5e-4
VOLT_NOISE, AMPERE_NOISE = 95e-6 / 20.0, 153e-9 / 10e-3
AMPERE_OFFSET = -38e-9 / 10e-3
NOISE_NPLC = 0.5
NOISE_AHEAD = 256
READING_OVERHEAD_SECOND = 2.4e-3
PART_OF_SPECIFICATION = 0.3
PART_OF_SOURCE_OFFSET = 0.1


class NoiseStream:
    """The noise of one channel by the number of the reading; few at a time come from a store made ahead."""

    def __init__(self, key: int) -> None:
        self._key = key
        self._first = 0
        self._store = np.empty(0)

    def at(self, first_number: int, count: int) -> Floats:
        """Values for readings `first_number …`, shape (count,)."""
        if count > NOISE_AHEAD // 4:
            return self._make(first_number, count)
        start = first_number - self._first
        if not 0 <= start <= len(self._store) - count:
            self._first, start = first_number, 0
            self._store = self._make(first_number, NOISE_AHEAD)
        return self._store[start : start + count]

    def _make(self, first_number: int, count: int) -> Floats:
        return normal(self._key, np.arange(first_number, first_number + count).astype(np.uint64))


@dataclass(frozen=True)
class Channel:
    """One measuring channel: arrays of shape (ranges,), rising; `fixed` is the index of a fixed range, None is auto."""

    ranges: Floats
    gain: Floats
    offset: Floats
    noise_per_range: float
    steps_per_unit: Floats
    fixed: int | None

    def read(self, true: Floats, noise: Floats) -> Floats:
        """What is shown for true values: with errors, rounded to 6½ digits, 9.9e37 when out of range."""
        if self.fixed is None:
            reach = self.ranges * RANGE_OVERREACH
            index = np.minimum(np.searchsorted(reach, np.abs(true)), len(self.ranges) - 1)
            full, gain, offset, steps = (a[index] for a in (self.ranges, self.gain, self.offset, self.steps_per_unit))
        else:
            full, gain, offset, steps = (
                a[self.fixed] for a in (self.ranges, self.gain, self.offset, self.steps_per_unit)
            )
        value = true * gain + offset + (self.noise_per_range * full) * noise
        value = np.rint(value * steps) / steps
        shown: Floats = np.where(np.abs(value) > RANGE_OVERREACH * full, np.copysign(OVERFLOW, value), value)
        return shown


@dataclass(frozen=True)
class FrontEnd:
    """The analog side under today's settings.

    Source: noise and offset of the readback are those of potentiostat.md §3 (real data on the 20 V and the 10 mA range
    at NPLC 0.5), scaled with the range and with 1/sqrt(NPLC) [scaling unverified].
    """

    volt: Channel
    ampere: Channel
    sense: str
    source: str
    reads_back: bool
    level: float
    reading_ns: int
    volt_noise: NoiseStream
    ampere_noise: NoiseStream

    def read(self, true_volt: Floats, true_ampere: Floats, first_number: int) -> tuple[Floats, Floats]:
        """Readings and source values, shape (n,), for true voltages and currents.

        `first_number` is how many readings were made since power-on; it picks the noise.
        """
        count = len(true_volt)
        wanted = {self.sense, self.source if self.reads_back else self.sense}
        volts = amperes = np.empty(0)
        if wanted & {"VOLT", "RES"}:
            volts = self.volt.read(true_volt, self.volt_noise.at(first_number, count))
        if wanted & {"CURR", "RES"}:
            amperes = self.ampere.read(true_ampere, self.ampere_noise.at(first_number, count))
        shown = {"VOLT": volts, "CURR": amperes}
        reading = _ohms(volts, amperes) if self.sense == "RES" else shown[self.sense]
        source = shown[self.source] if self.reads_back else np.full(count, self.level)
        return reading, source


def _ohms(volts: Floats, amperes: Floats) -> Floats:
    beyond = (amperes == 0) | (np.abs(volts) >= OVERFLOW) | (np.abs(amperes) >= OVERFLOW)
    ohms: Floats = np.where(beyond, OVERFLOW, volts / np.where(beyond, 1.0, amperes))
    return ohms


class Calibration:
    """The errors one instrument was built with: constants of its seed and serial number, within its specification."""

    def __init__(self, model: Model, seed: int, serial_number: str) -> None:
        self.model = model
        self._identity = (seed, serial_number)

    def _gain(self, what: str, full_scale: float, specified: float) -> float:
        return 1.0 + PART_OF_SPECIFICATION * specified * uniform(*self._identity, what, "gain", full_scale)

    def _offset(self, what: str, full_scale: float, specified: float) -> float:
        return full_scale * specified * uniform(*self._identity, what, "offset", full_scale)

    def true_ampere(self, programmed: float, full_scale: float) -> float:
        """The current that really flows when one is programmed on a range."""
        offset = self._offset("source current", full_scale, PART_OF_SOURCE_OFFSET * SOURCE_AMPERE_OFFSET)
        return programmed * self._gain("source current", full_scale, SOURCE_AMPERE_GAIN) + offset

    def true_volt(self, programmed: float, full_scale: float) -> float:
        """The voltage that really is held when one is programmed on a range."""
        offset = self._offset("source voltage", full_scale, PART_OF_SPECIFICATION * SOURCE_VOLT_OFFSET)
        return programmed * self._gain("source voltage", full_scale, SOURCE_VOLT_GAIN) + offset

    def protection_volt(self, nominal: float) -> float:
        """Where an overvoltage protection really limits: within 5 % of its name."""
        return nominal * (1 + 0.05 * uniform(*self._identity, "protection", nominal))

    def front_end(self, settings: Settings, line_frequency_hertz: float, power_on_count: int) -> FrontEnd:
        """The analog side under some settings."""
        sense, source = settings.word("SENS:FUNC"), settings.word("SOUR:FUNC")
        nplc, averaged = settings.number(f"SENS:{sense}:NPLC"), 1
        if settings.flag(f"SENS:{sense}:AVER"):
            averaged = int(settings.number(f"SENS:{sense}:AVER:COUN"))
        quiet = math.sqrt(NOISE_NPLC / (nplc * averaged))
        repeated = averaged if settings.word(f"SENS:{sense}:AVER:TCON") == "REP" else 1
        reading_second = repeated * (nplc / line_frequency_hertz + READING_OVERHEAD_SECOND)
        return FrontEnd(
            volt=self._volt_channel(settings, quiet),
            ampere=self._ampere_channel(settings, quiet),
            sense=sense,
            source=source,
            reads_back=settings.flag(f"SOUR:{source}:READ:BACK"),
            level=settings.number(f"SOUR:{source}:LEV"),
            reading_ns=round(reading_second * 1e9),
            volt_noise=NoiseStream(key_of(*self._identity, power_on_count, "voltage noise")),
            ampere_noise=NoiseStream(key_of(*self._identity, power_on_count, "current noise")),
        )

    def _volt_channel(self, settings: Settings, quiet: float) -> Channel:
        ranges = self.model.voltage_ranges_volt
        return Channel(
            np.array(ranges),
            np.array([self._gain("voltage", full, MEASURE_VOLT_GAIN) for full in ranges]),
            np.array([self._offset("voltage", full, PART_OF_SPECIFICATION * MEASURE_VOLT_OFFSET) for full in ranges]),
            VOLT_NOISE * quiet,
            _steps(ranges),
            _fixed(settings, "VOLT", ranges),
        )

    def _ampere_channel(self, settings: Settings, quiet: float) -> Channel:
        ranges = self.model.current_ranges_ampere
        return Channel(
            np.array(ranges),
            np.array([self._gain("current", full, MEASURE_AMPERE_GAIN) for full in ranges]),
            np.array(ranges) * AMPERE_OFFSET,
            AMPERE_NOISE * quiet,
            _steps(ranges),
            _fixed(settings, "CURR", ranges),
        )


def _steps(ranges: tuple[float, ...]) -> Floats:
    """How many of the smallest steps of 6½ digits one unit has on each range."""
    return np.array([10.0 ** (6 - math.floor(math.log10(full * 1.000001))) for full in ranges])


def _fixed(settings: Settings, quantity: str, ranges: tuple[float, ...]) -> int | None:
    """Index of the range a quantity is measured on: the source's own when it is what is sourced."""
    if settings.word("SOUR:FUNC") == quantity:
        return ranges.index(source_range(settings, quantity, ranges))
    if settings.flag(f"SENS:{quantity}:RANG:AUTO"):
        return None
    return ranges.index(settings.number(f"SENS:{quantity}:RANG"))


def source_range(settings: Settings, quantity: str, ranges: tuple[float, ...]) -> float:
    """The range the source is on: the fixed one, or with autorange the smallest that holds the level."""
    if settings.flag(f"SOUR:{quantity}:RANG:AUTO"):
        return smallest_range(ranges, settings.number(f"SOUR:{quantity}:LEV")) or ranges[-1]
    return settings.number(f"SOUR:{quantity}:RANG")
