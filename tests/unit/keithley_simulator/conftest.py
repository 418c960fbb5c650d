"""A bench of one simulated Keithley and a stand-in cell, moved as `Device` says."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from simulators.device import SECOND_NS, CellUnderTest, Forecast
from simulators.keithley import KeithleySMU

UTC_START_SECOND = 1_767_225_600


class LinearCell:
    """V = V0 + Q / C + I R. Counts how often it was asked; refuses to be asked about the past or moved back."""

    def __init__(self, *, start_volt: float = 2.5, farad: float = 5.0, ohm: float = 100.0) -> None:
        self.now_ns = 0
        self.forecasts = 0
        self._start_volt, self._farad, self._ohm = start_volt, farad, ohm
        self._since_ns, self._ampere, self._is_held = 0, 0.0, False
        self._coulomb, self._in_coulomb, self._out_coulomb = 0.0, 0.0, 0.0

    @property
    def current_ampere(self) -> float:
        return float(self._amperes(np.array([self.now_ns]))[0])

    @property
    def charge_in_coulomb(self) -> float:
        return self._in_coulomb + max(self._passed(self.now_ns), 0.0)

    @property
    def charge_out_coulomb(self) -> float:
        return self._out_coulomb + max(-self._passed(self.now_ns), 0.0)

    def set_current(self, current_ampere: float) -> None:
        self._begin(current_ampere, is_held=False)

    def set_voltage(self, voltage_volt: float) -> None:
        self._begin(self.current_at_voltage(voltage_volt), is_held=True)

    def forecast(self, times_ns: NDArray[np.int64]) -> Forecast:
        self.forecasts += 1
        assert len(times_ns)
        assert times_ns[0] >= self.now_ns
        assert (np.diff(times_ns) > 0).all()
        volts = self._open_volt(times_ns) + self._amperes(times_ns) * self._ohm
        return Forecast(volts, np.zeros(len(volts)), np.full(len(volts), 25.0))

    def forecast_current(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        assert times_ns[0] >= self.now_ns
        return self._amperes(times_ns)

    def voltage_volt(self) -> float:
        return float(self.forecast(np.array([self.now_ns], dtype=np.int64)).voltage_volt[0])

    def current_at_voltage(self, voltage_volt: float) -> float:
        return float(voltage_volt - self._open_volt(np.array([self.now_ns]))[0]) / self._ohm

    def advance_to(self, time_ns: int) -> None:
        assert time_ns >= self.now_ns
        self.now_ns = time_ns

    def _begin(self, ampere: float, *, is_held: bool) -> None:
        self._in_coulomb, self._out_coulomb = self.charge_in_coulomb, self.charge_out_coulomb
        self._coulomb += self._passed(self.now_ns)
        self._since_ns, self._ampere, self._is_held = self.now_ns, ampere, is_held

    def _amperes(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        second = (times_ns - self._since_ns) / SECOND_NS
        if not self._is_held:
            return np.full(len(times_ns), self._ampere)
        return self._ampere * np.exp(-second / (self._ohm * self._farad))

    def _passed(self, time_ns: int) -> float:
        second = (time_ns - self._since_ns) / SECOND_NS
        if not self._is_held:
            return self._ampere * second
        decay_second = self._ohm * self._farad
        return self._ampere * decay_second * -np.expm1(-second / decay_second)

    def _open_volt(self, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        if self._is_held:
            passed = np.array([self._passed(int(time_ns)) for time_ns in times_ns])
        else:
            passed = self._ampere * ((times_ns - self._since_ns) / SECOND_NS)
        return self._start_volt + (self._coulomb + passed) / self._farad


class Bench:
    """One instrument on one cell, and what it told its listener."""

    def __init__(self, cell: CellUnderTest, model: str, seed: int, **options: object) -> None:
        self.cell = cell
        self.heard: list[tuple[str, dict[str, object]]] = []
        self.late = b""
        self.smu = KeithleySMU(
            "smu",
            model,
            "04451117",
            "1.7.12b",
            cell,
            seed,
            on_change=self._hear,
            utc_start_second=UTC_START_SECOND,
            **options,
        )

    def _hear(self, kind: str, details: dict[str, object]) -> None:
        self.heard.append((kind, {key: value() if callable(value) else value for key, value in details.items()}))

    def say(self, *messages: str) -> str:
        """Send messages, a line each; the answer without its last line end."""
        data = "".join(message + "\n" for message in messages).encode()
        return self.smu.receive(data, self.cell.now_ns).decode().removesuffix("\n")

    def tell(self, *messages: str) -> None:
        """Send messages that must neither be answered nor be wrong."""
        for message in messages:
            assert self.say(message) == "", message
            assert self.say(":SYST:ERR?") == '0,"No error;0;0 0"', message

    def codes(self) -> list[int]:
        """Take all errors that wait."""
        count = int(self.say(":SYST:ERR:COUN?"))
        return [int(self.say(":SYST:ERR:CODE?")) for _ in range(count)]

    def run(self, until_second: float, cuts_ns: Sequence[int] = ()) -> None:
        """Move time on, stopping at the cuts on the way as well."""
        until_ns = round(until_second * SECOND_NS)
        for limit_ns in [*(cut for cut in sorted(cuts_ns) if self.cell.now_ns < cut < until_ns), until_ns]:
            while self.cell.now_ns < limit_ns:
                stop_ns = self.smu.run_to(limit_ns)
                assert self.cell.now_ns <= stop_ns <= limit_ns
                self.cell.advance_to(stop_ns)
                self.smu.settle(stop_ns)

    def rows(self, buffer: str, *elements: str) -> NDArray[np.float64]:
        """All readings of a buffer; shape (readings, elements)."""
        count = int(self.say(f':TRAC:ACT? "{buffer}"'))
        if not count:
            return np.empty((0, len(elements)))
        reply = self.say(f':TRAC:DATA? 1,{count},"{buffer}",{",".join(elements)}')
        return np.array(reply.split(","), dtype=np.float64).reshape(count, len(elements))

    def of_kind(self, kind: str) -> list[dict[str, object]]:
        """What the listener heard of one kind."""
        return [details for heard, details in self.heard if heard == kind]

    @property
    def relay_closed(self) -> bool:
        return self.smu.instrument.regulator.connected


MakeBench = Callable[..., Bench]


@pytest.fixture(scope="session")
def make_bench() -> MakeBench:
    """Builds a bench: `cell` defaults to a `LinearCell` with the rest of the keywords it knows."""

    def make(
        cell: CellUnderTest | None = None,
        *,
        model: str = "2450",
        seed: int = 1,
        options: dict[str, object] | None = None,
        **linear: float,
    ) -> Bench:
        return Bench(LinearCell(**linear) if cell is None else cell, model, seed, **(options or {}))

    return make


@pytest.fixture
def bench(make_bench: MakeBench) -> Bench:
    """A 2450 with its output on a cell of 2.5 V and its off-state HIMP."""
    made = make_bench()
    made.tell(":OUTP:SMOD HIMP", "*CLS")
    return made


@pytest.fixture(scope="session")
def programs() -> "Programs":
    return Programs()


class Programs:
    """The programs of the reference, as lines to send; `:INIT` is left to the test."""

    @staticmethod
    def source_current(
        ampere: float, *, limit_volt: float = 3.75, nplc: float = 5, ampere_range: float = 10e-3
    ) -> list[str]:
        return [
            ":FORM:DATA ASC",
            ":ROUT:TERM REAR",
            ":SOUR:FUNC CURR",
            ':SENS:FUNC "VOLT"',
            ":OUTP:CURR:SMOD HIMP",
            ":OUTP:VOLT:SMOD HIMP",
            ":SENS:VOLT:RSEN ON",
            ":SOUR:VOLT:PROT PROT5",
            f":SOUR:CURR:RANG {ampere_range}",
            f":SOUR:CURR {ampere}",
            f":SOUR:CURR:VLIM {limit_volt}",
            ":SOUR:CURR:READ:BACK ON",
            ":SENS:VOLT:RANG 20",
            f":SENS:VOLT:NPLC {nplc}",
            ":SENS:VOLT:AZER ON",
        ]

    @staticmethod
    def source_voltage(volt: float, limit_ampere: float) -> list[str]:
        return [
            ":SOUR:FUNC VOLT",
            ':SENS:FUNC "CURR"',
            ":OUTP:VOLT:SMOD HIMP",
            ":SENS:CURR:RSEN ON",
            ":SOUR:VOLT:RANG 20",
            f":SOUR:VOLT {volt}",
            f":SOUR:VOLT:ILIM {limit_ampere}",
            ":SOUR:VOLT:READ:BACK ON",
            ":SENS:CURR:RANG 10E-3",
            ":SENS:CURR:NPLC 5",
        ]

    @staticmethod
    def buffer(name: str, size: int, mode: str = "ONCE") -> list[str]:
        return [f':TRAC:MAKE "{name}",{size},STAN', f':TRAC:FILL:MODE {mode},"{name}"']

    @staticmethod
    def timers(tick_second: float, duration_second: float, *, ticks: int = 0) -> list[str]:
        return [
            ":TRIG:TIM1:STAT OFF",
            ":TRIG:TIM1:STAR:STIM NOT1",
            ":TRIG:TIM1:STAR:GEN ON",
            f":TRIG:TIM1:DEL {tick_second}",
            f":TRIG:TIM1:COUN {ticks}",
            ":TRIG:TIM1:STAT ON",
            ":TRIG:TIM2:STAT OFF",
            ":TRIG:TIM2:STAR:STIM NOT1",
            ":TRIG:TIM2:STAR:GEN OFF",
            f":TRIG:TIM2:DEL {duration_second}",
            ":TRIG:TIM2:COUN 1",
            ":TRIG:TIM2:STAT ON",
        ]

    @staticmethod
    def blocks(*lines: str) -> list[str]:
        return [':TRIG:LOAD "Empty"', *(f":TRIG:BLOC:{line}" for line in lines)]

    def one_rate(self, buffer: str, first: str, second: str, count: int) -> list[str]:
        """Programs A and B: every tick is a row; two tests of it, a duration and a count end it."""
        return self.blocks(
            "SOUR:STAT 1,ON",
            "NOT 2,1",
            "WAIT 3,TIM1",
            f'MEAS 4,"{buffer}"',
            f"BRAN:LIM:CONS 5,{first},9,4",
            f"BRAN:LIM:CONS 6,{second},9,4",
            "BRAN:EVEN 7,TIM2,9",
            f"BRAN:COUN 8,{count},3",
            "SOUR:STAT 9,OFF",
        )

    def two_rate(self, rows: str, scratch: str, *, every: int, upper: float, lower: float, count: int) -> list[str]:
        """Every tick is tested, every n-th is a row, and so are the first and the last reading."""
        return self.blocks(
            "SOUR:STAT 1,ON",
            "NOT 2,1",
            "WAIT 3,TIM1",
            f'MEAS 4,"{rows}"',
            f"BRAN:LIM:CONS 5,ABOV,0,{upper},16,4",
            f"BRAN:LIM:CONS 6,BEL,{lower},10,16,4",
            "WAIT 7,TIM1",
            f'MEAS 8,"{scratch}"',
            f"BRAN:LIM:CONS 9,ABOV,0,{upper},15,8",
            f"BRAN:LIM:CONS 10,BEL,{lower},10,15,8",
            "BRAN:EVEN 11,TIM2,15",
            f"BRAN:COUN 12,{every},7",
            f'MEAS 13,"{rows}"',
            f"BRAN:COUN 14,{count},7",
            f'MEAS 15,"{rows}"',
            "SOUR:STAT 16,OFF",
        )
