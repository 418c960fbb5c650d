"""What is known of a driver, as texts and as JSON: what `presscell drivers` and the page of instruments show."""

from __future__ import annotations

from typing import Any

from drivers.entries import Driver, PotentiostatDriver
from drivers.roles import PotentiostatLimits, SegmentMode

ENDS_BY_ITSELF = "instrument"
_PREFIXES = ((1.0, "A"), (1e-3, "mA"), (1e-6, "µA"), (1e-9, "nA"))


def limits_of(driver: Driver) -> tuple[str, ...]:
    """What an instrument can't do or a driver refuses: of a potentiostat its numbers, then what the driver says."""
    numbers = _numbers(driver.limits) if isinstance(driver, PotentiostatDriver) else ()
    return (*numbers, *driver.about.limits)


def as_object(driver: Driver, package: str) -> dict[str, Any]:
    """All of it as JSON has it. `package` is where the driver comes from."""
    about = driver.about
    return {
        "role": driver.role,
        "driver": about.name,
        "package": package,
        "instruments": about.instruments,
        "transports": list(about.transports),
        "limits": list(limits_of(driver)),
        "host_loss": about.host_loss,
        "has_serial_number": about.has_serial_number,
        "tried_against": [
            {"kind": str(trial.against), "what": trial.what, "where": trial.where} for trial in about.trials
        ],
        "on_hardware": about.is_on_hardware,
        "unverified": list(about.unverified),
        "page": about.page,
    }


def _numbers(limits: PotentiostatLimits) -> tuple[str, ...]:
    smallest_ampere = limits.current_ranges[0].full_scale_ampere
    cannot = [str(mode) for mode in SegmentMode if mode not in limits.modes]
    where = "by itself" if limits.segment_runs_in == ENDS_BY_ITSELF else "only while the host lives"
    return (
        f"ranges of {ampere_text(smallest_ampere)} to {ampere_text(limits.current_ranges[-1].full_scale_ampere)}",
        f"{limits.voltage_volt:g} V",
        f"limits tested every {limits.shortest_cutoff_second:g} s at most",
        f"{limits.rows_per_segment:,} rows a segment".replace(",", " "),
        f"ends a segment {where}",
        *((f"no segment of {', '.join(cannot)}",) if cannot else ()),
    )


def ampere_text(ampere: float) -> str:
    """A current above 0 for people: `1 µA`, `150 mA`, `7 A`."""
    factor, unit = next((entry for entry in _PREFIXES if ampere >= entry[0] * (1 - 1e-9)), _PREFIXES[-1])
    return f"{ampere / factor:g} {unit}"
