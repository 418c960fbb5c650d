"""Writes docs/reference/instruments.md from the registry of drivers: `make_instruments_page.py > the page`."""

import sys
from collections.abc import Iterator

from drivers.about import Against
from drivers.entries import ROLE_PROTOCOLS, Driver
from drivers.listing import limits_of
from drivers.registry import OURS

INTRODUCTION = """\
# Instruments

Every driver that comes with presscell, made from the registry by `docs/make_instruments_page.py`; change `about.py`
beside a driver, not this page. `presscell drivers` lists them too, with those of
[other packages](../how-to/add-a-driver.md). What goes into the station file: [station.md](station.md).

{hardware}Each is held by a contract suite to a simulator that was written from the maker's documentation and shares no
code with it, over its cables, whole and spoilt. *Other programs* are public clients, unchanged, that `make interop`
lets talk to the same simulator: they speak for the simulator, and so at second hand for the driver. `[manual]` the
maker says so, `[simulated]` tests show it, `[unverified]` nobody has confirmed it.
"""
NO_HARDWARE = "**No driver has been tried on hardware yet.** "
HEADINGS = {
    "potentiostat": "Potentiostats",
    "load_cell": "Load cells",
    "thermometer": "Thermometers",
    "chamber": "Chambers",
    "chiller": "Chillers",
    "mill_drive": "Mill drives",
}
TRIED = {
    Against.SIMULATOR: "simulator and contract suite",
    Against.CLIENT: "other programs, on the simulator",
    Against.HARDWARE: "hardware",
}


def section(role: str, drivers: list[Driver]) -> Iterator[str]:
    """One role: a table of all, then what each was tried against."""
    yield f"\n## {HEADINGS[role]}\n\n"
    yield "| driver | instruments | cables | limits | when the host dies |\n|---|---|---|---|---|\n"
    for driver in drivers:
        about = driver.about
        name = f"[`{about.name}`]({about.page})" if about.page else f"`{about.name}`"
        cells = (name, about.instruments, ", ".join(about.transports), "; ".join(limits_of(driver)), about.host_loss)
        yield _row(cells)
    yield "\n| driver | " + " | ".join(TRIED.values()) + " | `[unverified]` |\n|---|---|---|---|---|\n"
    for driver in drivers:
        tried = ("; ".join(_trials(driver, against)) or "nothing yet" for against in TRIED)
        yield _row((f"`{driver.about.name}`", *tried, "; ".join(driver.about.unverified)))


def _trials(driver: Driver, against: Against) -> Iterator[str]:
    for trial in driver.about.trials:
        if trial.against is against:
            yield f"{trial.what} ([{trial.where.rpartition('/')[2]}](../../{trial.where}))"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def page() -> str:
    """The whole page."""
    is_tried = any(driver.about.is_on_hardware for driver in OURS)
    parts = [INTRODUCTION.format(hardware="" if is_tried else NO_HARDWARE)]
    for role in ROLE_PROTOCOLS:
        parts.extend(section(role, [driver for driver in OURS if driver.role == role]))
    return "".join(parts)


if __name__ == "__main__":
    sys.stdout.write(page())
