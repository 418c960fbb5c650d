"""Drivers of other packages, found by their entry points: what is wrong with one stays with it."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint, distributions
from typing import Any, cast

from drivers.about import About
from drivers.entries import ROLE_PROTOCOLS, Driver, StreamedLoadCell

GROUP = "presscell.drivers"
_NAME = re.compile(r"[a-z][a-z0-9_]*\.[a-z0-9_]+")


class _NotADriverError(ValueError):
    """What an entry point names is none."""


@dataclass(frozen=True)
class BrokenPackage:
    """A package whose drivers can't be used, and why. `prefix` is what their names begin with; empty if not known."""

    package: str
    prefix: str
    why: str

    def __str__(self) -> str:
        drivers = f", drivers {self.prefix}.…" if self.prefix else ""
        return f"{self.package}{drivers}: {self.why}"


@dataclass(frozen=True)
class Found:
    """What was found: drivers with the package each is from, by name, and what can't be used."""

    drivers: tuple[Driver, ...]
    package_by_driver: dict[str, str]
    broken: tuple[BrokenPackage, ...]


def find_drivers(taken: Collection[str], path: list[str] | None = None) -> Found:
    """The drivers that installed packages offer under `GROUP`. Raises nothing, whatever a package does.

    An entry point is one driver or several: a `Driver`, an iterable of them, or a function that answers either. Its
    name is a prefix that is nobody else's, and the name of each driver is `prefix.model`. With one wrong driver all of
    its entry point are left out: half a package is worse than none.

    Args:
        taken: prefixes that are ours.
        path: folders to look in; those that Python imports from when None.
    """
    broken: list[BrokenPackage] = []
    offers = sorted(_offers(path, broken), key=lambda offer: (offer[0], offer[1].name))
    owners: dict[str, set[str]] = {}
    for package, point in offers:
        owners.setdefault(point.name, set()).add(package)
    drivers: list[Driver] = []
    package_by_driver: dict[str, str] = {}
    for package, point in offers:
        try:
            _check_prefix(point.name, taken, owners[point.name] - {package})
            loaded = _loaded(point)
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever a stranger's module does when it is imported)
            broken.append(BrokenPackage(package, point.name, _why(error)))
            continue
        drivers += loaded
        package_by_driver |= dict.fromkeys((driver.about.name for driver in loaded), package)
    return Found(tuple(drivers), package_by_driver, tuple(broken))


def _offers(path: list[str] | None, broken: list[BrokenPackage]) -> Iterable[tuple[str, EntryPoint]]:
    """Entry points with name and version of their package; of two copies of one package the first that Python finds.

    A package of ours or of strangers whose list of entry points can't be read is added to `broken`.
    """
    seen: set[str] = set()
    for distribution in distributions() if path is None else distributions(path=path):
        name = distribution.metadata["Name"]
        if not name or name in seen:
            continue  # what was removed half has no name
        seen.add(name)
        package = f"{name} {distribution.version}"
        try:
            points = list(distribution.entry_points.select(group=GROUP))
        except (ValueError, TypeError, OSError) as error:
            broken.append(BrokenPackage(package, "", f"its entry points can't be read: {_why(error)}"))
            continue
        yield from ((package, point) for point in points)


def _check_prefix(prefix: str, taken: Collection[str], others: Collection[str]) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", prefix):
        raise _NotADriverError(
            f"the entry point's name {prefix!r} is no prefix: a-z, 0-9 and _, beginning with a letter"
        )
    if prefix in taken:
        raise _NotADriverError(f"{prefix}.… are drivers of presscell itself; name the entry point otherwise")
    if others:
        raise _NotADriverError(f"{prefix}.… are drivers of {', '.join(sorted(others))} too; remove one of the packages")


def _loaded(point: EntryPoint) -> list[Driver]:
    offered = point.load()
    if callable(offered) and not isinstance(offered, Driver):
        offered = offered()
    drivers = [offered] if isinstance(offered, Driver) else list(offered)
    if not drivers:
        raise _NotADriverError("it offers no driver")
    for driver in drivers:
        _check(driver, point.name)
    names = [driver.about.name for driver in drivers]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise _NotADriverError(f"{', '.join(twice)} is offered twice")
    return [_guarded(driver) for driver in drivers]


def _check(driver: object, prefix: str) -> None:
    if not isinstance(driver, Driver):
        raise _NotADriverError(f"{type(driver).__name__} is no driver of drivers.entries")
    about = driver.about
    if not isinstance(about, About):
        raise _NotADriverError(f"its about is {type(about).__name__}, not drivers.about.About")
    if not _NAME.fullmatch(about.name) or not about.name.startswith(f"{prefix}."):
        raise _NotADriverError(f"{about.name!r} is not {prefix}.model: a-z, 0-9 and _ on either side of one dot")
    if about.missing:
        raise _NotADriverError(f"{about.name} does not say its {', '.join(about.missing)}")
    if not callable(driver.make):
        raise _NotADriverError(f"{about.name} has no function that makes it")


def _guarded(driver: Driver) -> Driver:
    """The same driver, whose `make` raises `ValueError` for whatever goes wrong, and for what does not fit its role."""
    make: Callable[..., Any] = driver.make
    wanted = ROLE_PROTOCOLS[driver.role]

    @functools.wraps(make)
    def guarded(*arguments: Any) -> Any:  # noqa: ANN401  (each role has arguments of its own)
        try:
            made = make(*arguments)
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"{driver.about.name} can't be made: {_why(error)}") from error
        instrument = made.load_cell if isinstance(made, StreamedLoadCell) else made
        if driver.role == "load_cell" and instrument is made:
            raise ValueError(f"{driver.about.name} is made as {type(made).__name__}, not StreamedLoadCell")
        if missing := [verb for verb in _members(wanted) if not hasattr(instrument, verb)]:
            raise ValueError(f"{driver.about.name} is no {driver.role}: it has no {', '.join(missing)}")
        return made

    return cast(Driver, replace(cast(Any, driver), make=guarded))


def _members(protocol: type) -> list[str]:
    methods = [name for name, value in vars(protocol).items() if callable(value) and not name.startswith("_")]
    return [*protocol.__annotations__, *methods]


def _why(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    text = said[0] if said else ""
    return text if isinstance(error, _NotADriverError) else f"{type(error).__name__}: {text}".rstrip(": ")
