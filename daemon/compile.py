"""A protocol and a cell file, for one model of potentiostat, to a checked plan; or all that is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from daemon.compiling.bounds import Bounds, bounds_for, lowest_volt, tightened
from daemon.compiling.drafts import (
    CurrentDraft,
    Draft,
    HeldDraft,
    LimitedDraft,
    MeasuredDraft,
    MillDraft,
    RestDraft,
    SetDraft,
    WaitDraft,
    lay_flat,
    needs_rate,
)
from daemon.compiling.fitting import DEFAULT_SAMPLING_SECOND, Fitting, record_in_si, sampling_second
from daemon.compiling.interlock_table import interlock_table
from daemon.compiling.limits_in_plan import Scale, needs_cell, needs_pressure, needs_temperature
from daemon.compiling.mill_fitting import mills, note_cell_steps
from daemon.compiling.mill_interlocks import mill_interlocks
from daemon.compiling.resume_policy import link_loss, resume_policy
from daemon.compiling.unexecuted import note_unexecuted
from daemon.plan import CellFacts, Interlock, Plan
from daemon.rows.readings import AIR_TEMPERATURE, BATH_TEMPERATURE
from drivers.roles import PotentiostatLimits
from protocols import units
from protocols.cell import Cell, CellFile, read_cell
from protocols.errors import Path, Problem, ProblemsFound, errors_in, in_reading_order
from protocols.guesses import SAME_BUT_FOR_A_SLIP, did_you_mean
from protocols.protocol import CyclingProtocol, ProtocolFile, read_protocol, step_path
from protocols.settings import Safety, Window
from protocols.source import Findings
from protocols.steps import ConstantCurrent, ConstantPower, ConstantVoltage, CycleStep, Measured, VoltageScan
from protocols.structure import read_structure

NAME_TO_FILL_IN = "$NAME"
"""What a unicycler file says for a sample that is named later."""


def load_plan(
    protocol_text: str,
    protocol_name: str,
    cell_text: str,
    cell_name: str,
    limits: PotentiostatLimits | None,
    *,
    station_safety: Sequence[Safety] = (),
) -> tuple[Plan, list[Problem]]:
    """Compile the texts of two files; the names are those of the files, for messages.

    `limits` is None for a rig without a potentiostat, on which no current can flow. `station_safety` is what the
    station file says for all its rigs and for this one: a protocol can tighten it and cannot loosen it.

    Returns:
        The plan, and warnings: what is legal but odd.

    Raises:
        ProblemsFound: all that is wrong with both, and what is odd.
    """
    protocol, cell = read_protocol(protocol_text, protocol_name), read_cell(cell_text, cell_name)
    return compile_protocol(protocol, cell, limits, station_safety=station_safety)


def compile_protocol(
    file: ProtocolFile,
    cell_file: CellFile,
    limits: PotentiostatLimits | None,
    *,
    station_safety: Sequence[Safety] = (),
) -> tuple[Plan, list[Problem]]:
    """Compile files that were read. Returns and raises as `load_plan`."""
    structure = read_structure(file)
    unexecuted = Findings(file.source)
    note_unexecuted(file, unexecuted)
    note_cell_steps(file, unexecuted)
    work = None
    if file.top is not None and cell_file.cell is not None:
        findings, cell_findings = Findings(file.source), Findings(cell_file.source)
        work = _Compilation(
            file, file.top, cell_file, cell_file.cell, limits, findings, cell_findings, tuple(station_safety)
        )
    plan = work.plan(structure.loop_starts) if work else None
    found = [*work.findings.problems, *work.cell_findings.problems] if work else []
    said = [*file.problems, *structure.problems, *unexecuted.problems, *cell_file.problems, *found]
    problems = in_reading_order(said)
    if plan is None or errors_in(problems):
        raise ProblemsFound(tuple(problems))
    return plan, problems


@dataclass(frozen=True)
class _Compilation:
    file: ProtocolFile
    top: CyclingProtocol
    cell_file: CellFile
    cell: Cell
    limits: PotentiostatLimits | None
    findings: Findings
    cell_findings: Findings
    station_safety: tuple[Safety, ...] = ()

    def plan(self, loop_starts: dict[int, int]) -> Plan | None:
        """The plan; None when the cell file says too little for one."""
        self._check_reference()
        self._check_currents()
        one_C_ampere = self._current_of_one_C()
        mass_gram = 0.0 if self._mills else self.cell.active_mass_gram
        if not self._check_cell(one_C_ampere) or mass_gram is None:
            return None
        scale = Scale(one_C_ampere, mass_gram, self._diameter_mm, lowest_volt(self.top.safety, self.station_safety))
        drafts = lay_flat(self.file, loop_starts, scale)
        self._check_step_ids(drafts)
        largest_ampere = _largest_ampere(drafts, one_C_ampere)
        samplings = [sampling_second(draft, self.top) for draft in drafts if isinstance(draft, MeasuredDraft)]
        bounds = bounds_for(
            self.top.safety,
            largest_ampere=largest_ampere,
            active_mass_gram=mass_gram,
            slowest_sampling_second=max(samplings, default=DEFAULT_SAMPLING_SECOND),
            station=self.station_safety,
        )
        self._check_bounds(bounds)
        table = self._table(bounds)
        own_bounds = dict(self._own_bounds(bounds, table))
        fitting = Fitting(self.top, self.limits, bounds, one_C_ampere, largest_ampere, self.findings, own_bounds)
        lower_volt, upper_volt = self._window(drafts, bounds)
        steps = tuple(fitting.step(draft) for draft in drafts)
        fitting.check_neighbours(drafts, steps)
        return Plan(
            protocol_name=self.top.name or self.top.title or _stem(self.file.source.file),
            steps=steps,
            cell=self._facts(mass_gram, one_C_ampere),
            lower_voltage_volt=lower_volt,
            upper_voltage_volt=upper_volt,
            cycle_starts_with=self.top.cycle_starts_with,
            counts_explicitly=self.top.cycle == "explicit",
            interlocks=table,
            record=record_in_si(self.top.record) or {},
            needs=tuple(self._needs(drafts)),
            resume=resume_policy(
                self.top.on_resume,
                lower_guard_volt=bounds.rest_low_volt,
                upper_guard_volt=bounds.high_volt.value,
            ),
            link=link_loss(self.top.on_link_loss),
        )

    @property
    def _mills(self) -> bool:
        return mills(self.file)

    def _table(self, bounds: Bounds) -> tuple[Interlock, ...]:
        if self._mills:
            return (*interlock_table(bounds, has_potentiostat=False), *mill_interlocks(bounds))
        return interlock_table(bounds, has_potentiostat=self.limits is not None, is_symmetric=self.cell.cell.symmetric)

    def _own_bounds(
        self, bounds: Bounds, table: tuple[Interlock, ...]
    ) -> Iterator[tuple[int, tuple[Bounds, tuple[Interlock, ...]]]]:
        """The bounds of each step that says something of its own, by its place in the file, and what that changes."""
        for index, step in enumerate(self.file.steps):
            if not isinstance(step, Measured) or step.safety is None:
                continue
            own, overruled = tightened(bounds, step.safety)
            for key, in_force in overruled:
                what = f"looser than what holds for the whole run, {in_force}, which is in force"
                path = step_path(index, "safety", key)
                self.findings.warning(path, what, "remove it, or say it at the top")
            yield index, (own, tuple(row for row in self._table(own) if row not in table))

    @property
    def _diameter_mm(self) -> float | None:
        return self.cell.fixture.diameter_mm if self.cell.fixture else None

    def _needs(self, drafts: list[Draft]) -> Iterator[str]:
        """The roles without which a rig can't do this."""
        said = set((self.top.safety or Safety()).model_dump(exclude_none=True))
        for step in self.file.steps:
            if isinstance(step, Measured) and step.safety is not None:
                said |= set(step.safety.model_dump(exclude_none=True))
        limits = [limit for draft in drafts if isinstance(draft, LimitedDraft) for limit in draft.limits]
        drives = any(isinstance(draft, CurrentDraft | HeldDraft) for draft in drafts)
        if drives or any(map(needs_cell, limits)):
            yield "potentiostat"
        if any("pressure" in key for key in said) or any(map(needs_pressure, limits)):
            yield "load_cell"
        waits = [draft.until_equilibrated for draft in drafts if isinstance(draft, RestDraft | WaitDraft)]
        awaited = {wait.quantity for wait in waits if wait is not None}
        bounds_jig = any("temperature" in key for key in said) and not self._mills
        if awaited - {BATH_TEMPERATURE} or bounds_jig or any(map(needs_temperature, limits)):
            yield "thermometer"
        roles = {draft.role for draft in drafts if isinstance(draft, SetDraft)}
        if "chamber" in roles or AIR_TEMPERATURE in awaited:
            yield "chamber"
        if BATH_TEMPERATURE in awaited or "chiller" in roles:
            yield "chiller"
        if any(isinstance(draft, MillDraft) for draft in drafts):
            yield "mill_drive"

    def _facts(self, mass_gram: float, one_C_ampere: float | None) -> CellFacts:
        return CellFacts(
            name=self.cell.cell.name,
            active_mass_gram=mass_gram,
            active_mass_uncertainty_gram=self.cell.active_mass_uncertainty_gram,
            one_C_ampere=one_C_ampere,
            reference_electrode=self.cell.reference.name,
            reference_offset_volt=self.cell.reference.offset_V,
        )

    def _window(self, drafts: list[Draft], bounds: Bounds) -> tuple[float, float]:
        """The window as written; else the outermost voltages that end a step; else the guards."""
        if self.top.window is not None:
            return self.top.window.lower_voltage_V, self.top.window.upper_voltage_V
        ends = [draft.until_voltage_volt for draft in drafts if isinstance(draft, CurrentDraft)]
        known = [volt for volt in ends if volt is not None]
        return min(known, default=bounds.low_volt.value), max(known, default=bounds.high_volt.value)

    def _current_of_one_C(self) -> float | None:
        own = self.cell.one_C_ampere
        sample = self.top.sample
        said = units.ampere_hour(sample.capacity_mAh) if sample and sample.capacity_mAh is not None else None
        if own is not None and said is not None and not math.isclose(own, said, rel_tol=1e-6):
            here, wins = units.current_text(said), units.current_text(own)
            what = f"1 C would be {here} here; the cell file says {wins}, and wins"
            self.findings.warning(("sample", "capacity_mAh"), what, "remove it, or correct one of the two")
        name = sample.name if sample else None
        if name not in (None, NAME_TO_FILL_IN, self.cell.cell.name):
            what = f"the sample is {name} here; the cell file says {self.cell.cell.name}, and wins"
            self.findings.warning(("sample", "name"), what, "remove it: a protocol holds for many cells")
        return own if own is not None else said

    def _check_reference(self) -> None:
        windows: list[tuple[Path, Window | None]] = [(("window",), self.top.window)]
        windows += [
            (step_path(index, "window"), step.window)
            for index, step in enumerate(self.file.steps)
            if isinstance(step, Measured)
        ]
        for path, window in windows:
            if window is not None and window.vs is not None:
                self._check_reference_of((*path, "vs"), window, window.vs)

    def _check_reference_of(self, path: Path, window: Window, vs: str) -> None:
        reference = self.cell.reference
        if vs.casefold() == reference.name.casefold():
            return
        what = f"the window is against {vs}; {self.cell_findings.source.file} measures against {reference.name}"
        hint = f"write the voltages against {reference.name}"
        if did_you_mean(vs, [reference.name], SAME_BUT_FOR_A_SLIP):
            hint = f"did you mean {reference.name}? Else {hint}"
        if reference.of is not None and vs.casefold() == reference.of.casefold():
            low_volt, high_volt = (
                volt - reference.offset_V for volt in (window.lower_voltage_V, window.upper_voltage_V)
            )
            hint = f"write lower_voltage_V: {low_volt:g}, upper_voltage_V: {high_volt:g}, vs: {reference.name}"
        self.findings.error(path, what, hint)

    def _check_currents(self) -> None:
        if self.limits is not None:
            return
        for index, step in enumerate(self.file.steps):
            if isinstance(step, ConstantCurrent | ConstantPower | ConstantVoltage | VoltageScan | CycleStep):
                what = f"{step.step} needs a potentiostat, and this rig has none"
                hint = "write {step: open_circuit_voltage, until_time: 10 h}, or use a rig that has one"
                self.findings.error(step_path(index), what, hint)

    def _check_cell(self, one_C_ampere: float | None) -> bool:
        """Whether the cell file says what this protocol needs of it; if not, why, at its place in the cell file."""
        if self._mills:
            return True
        needing = [index for index, step in enumerate(self.file.steps) if needs_rate(step)]
        mass_gram = self.cell.active_mass_gram
        if mass_gram is not None and (one_C_ampere is not None or not needing):
            return True
        if any(problem.path.startswith(("composite", "c_rate")) for problem in errors_in(self.cell_file.problems)):
            return False
        path, what, hint = _first_missing(self.cell)
        if needing and one_C_ampere is None:
            line = self.findings.source.key_at(step_path(needing[0], "rate_C")).line
            needed_by = f"step {needing[0] + 1} of {self.findings.source.file}, rate_C on line {line},"
            what += f"; {needed_by} needs the current of 1 C"
        else:
            what += "; capacities are given per gram of active mass"
        self.cell_findings.error(path, what, hint, at_key=True)
        return False

    def _check_step_ids(self, drafts: list[Draft]) -> None:
        lines: dict[str, int] = {}
        for draft in drafts:
            path = step_path(draft.index, "id")
            if draft.step_id in lines:
                what = f"the step id {draft.step_id} is also on line {lines[draft.step_id]}"
                self.findings.error(path, what, "give each step its own id")
            lines.setdefault(draft.step_id, self.findings.source.value_at(path).line)

    def _check_bounds(self, bounds: Bounds) -> None:
        self._check_order("voltage", bounds.low_volt.value, bounds.high_volt.value, "V")
        low_pascal, high_pascal = bounds.low_pascal.value, bounds.high_pascal.value
        self._check_order("pressure", units.megapascal(low_pascal), units.megapascal(high_pascal), "MPa")
        if bounds.low_ampere.value > 0 or bounds.high_ampere.value < 0:
            what = "the bounds of the current leave out 0, where every run begins and ends"
            self.findings.error(("safety",), what, "write min_current_mA below 0, max_current_mA above", at_key=True)
        self._check_measurable(bounds)
        for key, default in bounds.loosenings():
            self.findings.warning(("safety", key), f"looser than the default, {default}", "keep it only if meant")
        for key, station in bounds.overruled():
            what = f"looser than the station's, {station}, which holds"
            self.findings.warning(("safety", key), what, "remove it, or let the station file say more")

    def _check_order(self, quantity: str, low: float, high: float, unit: str) -> None:
        if low >= high:
            what = f"the lowest {quantity}, {low:g} {unit}, is not below the highest, {high:g} {unit}"
            hint = f"write min_{quantity}_{unit} below max_{quantity}_{unit}"
            self.findings.error(("safety",), what, hint, at_key=True)

    def _check_measurable(self, bounds: Bounds) -> None:
        if self.limits is None:
            return
        for key, volt in (("min_voltage_V", bounds.low_volt.value), ("max_voltage_V", bounds.high_volt.value)):
            if abs(volt) > self.limits.voltage_volt:
                what = f"{volt:g} V is more than the {self.limits.model} measures"
                self.findings.error(("safety", key), what, f"write {self.limits.voltage_volt:g} at most")


def _largest_ampere(drafts: Sequence[Draft], one_C_ampere: float | None) -> float:
    """The largest current of any step, in size; where voltages are held and no current is set, that of 1 C."""
    currents = [abs(draft.current_ampere) for draft in drafts if isinstance(draft, CurrentDraft)]
    holds = any(isinstance(draft, HeldDraft) for draft in drafts)
    return max(currents, default=(one_C_ampere or 0.0) if holds else 0.0)


def _first_missing(cell: Cell) -> tuple[Path, str, str]:
    """Place, lack and remedy of the first thing a cell file does not say on the way to mass and 1 C."""
    composite = cell.composite
    if composite is None or composite.mass_mg is None:
        return ("composite", "mass_mg"), "the mass of the composite is missing", "write composite: {mass_mg: 10.00, …}"
    if composite.active_fraction_percent is None and composite.cam_fraction is None:
        path: Path = ("composite", "active_fraction_percent")
        return path, "the fraction of active material is missing", "write active_fraction_percent: 75"
    if cell.active_mass_gram is None:
        return ("composite", "core_fraction"), "the mass fraction of the core is missing", "write core_fraction: 0.95"
    return ("c_rate",), "what 1 C means is missing", "write c_rate: {mode: mass, specific_capacity_mAh_g: 200}"


def _stem(file: str) -> str:
    name = file.replace("\\", "/").rpartition("/")[2]
    return name.rpartition(".")[0] or name
