"""The settings of the source, the sense side and the output: their headers, bounds and defaults, as a table."""

from dataclasses import dataclass

from simulators.keithley.events import CommandError
from simulators.keithley.models import Model
from simulators.keithley.scpi import short_form

Value = float | bool | str


@dataclass(frozen=True)
class Number:
    """A number within bounds; a whole one is answered without decimals."""

    default: float
    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Word:
    """One of some words, written like `NORMal`; the first is the default."""

    names: tuple[str, ...]

    @property
    def default(self) -> str:
        """The short form of the first."""
        return short_form(self.names[0])


@dataclass(frozen=True)
class Flag:
    """On or off."""

    default: bool


@dataclass(frozen=True)
class Setting:
    """One setting. `group` is what it belongs to: only those of `free` may be changed while a trigger model runs.

    Settings without a header have commands of their own.
    """

    key: str
    kind: Number | Word | Flag
    group: str
    header: str | None = None


SOURCE_FUNCTIONS = {"CURR": "CURRent", "VOLT": "VOLTage"}
SENSE_FUNCTIONS = {"VOLT": "VOLTage[:DC]", "CURR": "CURRent[:DC]", "RES": "RESistance"}
OFF_STATES = ("NORMal", "HIMPedance", "ZERO", "GUARd")
PROTECTION = ("NONE", *(f"PROT{volt}" for volt in (2, 5, 10, 20, 40, 60, 80, 100, 120, 140, 160, 180)))


def _source_settings(model: Model) -> list[Setting]:
    largest = {"CURR": model.largest_ampere, "VOLT": model.largest_volt}
    ranges = {"CURR": model.current_ranges_ampere, "VOLT": model.voltage_ranges_volt}
    settings = [
        Setting("SOUR:FUNC", Word(("VOLTage", "CURRent")), "source", ":SOURce[1]:FUNCtion[:MODE]"),
        Setting(
            "SOUR:CURR:VLIM", Number(model.default_volt_limit, model.smallest_volt_limit, model.largest_volt), "source"
        ),
        Setting(
            "SOUR:VOLT:ILIM",
            Number(model.default_ampere_limit, model.smallest_ampere_limit, model.largest_ampere),
            "source",
        ),
        Setting("SOUR:PROT", Word(PROTECTION), "source"),
    ]
    for name, word in SOURCE_FUNCTIONS.items():
        key, header = f"SOUR:{name}", f":SOURce[1]:{word}"
        settings += [
            Setting(f"{key}:LEV", Number(0.0, -largest[name], largest[name]), "source"),
            Setting(f"{key}:RANG", Number(ranges[name][-1], 0.0, ranges[name][-1]), "source"),
            Setting(f"{key}:RANG:AUTO", Flag(default=True), "source"),
            Setting(f"{key}:READ:BACK", Flag(default=True), "source", f"{header}:READ:BACK"),
            Setting(f"{key}:DEL", Number(0.0, 0.0, 10_000.0), "source"),
            Setting(f"{key}:DEL:AUTO", Flag(default=True), "source", f"{header}:DELay:AUTO"),
            Setting(f"{key}:HIGH:CAP", Flag(default=False), "source", f"{header}:HIGH:CAPacitance"),
            Setting(f"OUTP:{name}:SMOD", Word(OFF_STATES), "output", f":OUTPut[1]:{word}:SMODe"),
        ]
        settings += [
            Setting(f"{key}:DEL:USER{n}", Number(0.0, 0.0, 10_000.0), "source", f"{header}:DELay:USER{n}")
            for n in range(1, 6)
        ]
    return settings


def _sense_settings(model: Model) -> list[Setting]:
    top = {"VOLT": model.voltage_ranges_volt[-1], "CURR": model.current_ranges_ampere[-1], "RES": 200e6}
    settings = [
        Setting("SENS:FUNC", Word(("CURR", "VOLT", "RES")), "sense"),
        Setting("SENS:COUN", Number(1, 1, 300_000, whole=True), "sense", ":SENSe[1]:COUNt"),
        Setting("ROUT:TERM", Word(("FRONt", "REAR")), "output"),
    ]
    for name, word in SENSE_FUNCTIONS.items():
        key, header = f"SENS:{name}", f":SENSe[1]:{word}"
        settings += [
            Setting(f"{key}:RSEN", Flag(default=False), "sense"),
            Setting(f"{key}:NPLC", Number(1.0, 0.01, 10.0), "sense", f"{header}:NPLCycles"),
            Setting(f"{key}:AZER", Flag(default=True), "sense", f"{header}:AZERo[:STATe]"),
            Setting(f"{key}:RANG", Number(top[name], 0.0, top[name]), "sense"),
            Setting(f"{key}:RANG:AUTO", Flag(default=True), "sense", f"{header}:RANGe:AUTO"),
            Setting(f"{key}:RANG:AUTO:LLIM", Number(0.0, 0.0, top[name]), "sense", f"{header}:RANGe:AUTO:LLIMit"),
            Setting(f"{key}:RANG:AUTO:REB", Flag(default=False), "sense", f"{header}:RANGe:AUTO:REBound"),
            Setting(f"{key}:REL", Number(0.0, -2 * top[name], 2 * top[name]), "sense", f"{header}:RELative"),
            Setting(f"{key}:REL:STAT", Flag(default=False), "sense", f"{header}:RELative:STATe"),
            Setting(f"{key}:AVER", Flag(default=False), "sense", f"{header}:AVERage[:STATe]"),
            Setting(f"{key}:AVER:COUN", Number(10, 1, 100, whole=True), "sense", f"{header}:AVERage:COUNt"),
            Setting(f"{key}:AVER:TCON", Word(("REPeat", "MOVing")), "sense", f"{header}:AVERage:TCONtrol"),
        ]
    return settings


def _other_settings() -> list[Setting]:
    big = 9.999_99e11
    settings = [
        Setting("FORM:DATA", Word(("ASCii", "REAL", "SREal")), "free", ":FORMat[:DATA]"),
        Setting("FORM:PREC", Number(0, 0, 16, whole=True), "free", ":FORMat:ASCii:PRECision"),
        Setting("FORM:BORD", Word(("SWAPped", "NORMal")), "free", ":FORMat:BORDer"),
        Setting("SYST:POS", Word(("RST", "SAV0", "SAV1", "SAV2", "SAV3", "SAV4")), "free"),
        Setting("SYST:ACC", Word(("FULL", "EXCLusive", "PROTected", "LOCKout")), "free", ":SYSTem:ACCess"),
        Setting("OUTP:INT", Flag(default=False), "output", ":OUTPut[1]:INTerlock:STATe"),
    ]
    for name, word in SENSE_FUNCTIONS.items():
        for limit in (1, 2):
            key, header = f"CALC2:{name}:LIM{limit}", f":CALCulate2:{word}:LIMit{limit}"
            settings += [
                Setting(f"{key}:LOW", Number(-1.0, -big, big), "sense", f"{header}:LOWer[:DATA]"),
                Setting(f"{key}:UPP", Number(1.0, -big, big), "sense", f"{header}:UPPer[:DATA]"),
                Setting(f"{key}:STAT", Flag(default=False), "sense", f"{header}:STATe"),
            ]
    return settings


def settings_of(model: Model) -> dict[str, Setting]:
    """All settings of a model, by key."""
    every = [*_source_settings(model), *_sense_settings(model), *_other_settings()]
    return {setting.key: setting for setting in every}


class Settings:
    """The present values. `version` rises with every change."""

    def __init__(self, table: dict[str, Setting]) -> None:
        self.table = table
        self.version = 0
        self._values: dict[str, Value] = {}
        self.reset()

    def reset(self) -> None:
        """Back to the defaults."""
        self._values = {key: setting.kind.default for key, setting in self.table.items()}
        self.version += 1

    def put(self, key: str, value: Value) -> None:
        """Change one."""
        self._values[key] = value
        self.version += 1

    def number(self, key: str) -> float:
        """The value of a number."""
        return float(self._values[key])

    def flag(self, key: str) -> bool:
        """The value of a flag."""
        return bool(self._values[key])

    def word(self, key: str) -> str:
        """The value of a word, in its short form."""
        return str(self._values[key])

    def value(self, key: str) -> Value:
        """The value of any setting."""
        return self._values[key]

    def group(self, group: str) -> dict[str, Value]:
        """A copy of all values of a group, as a configuration list keeps it."""
        return {key: value for key, value in self._values.items() if self.table[key].group == group}

    def all(self) -> dict[str, Value]:
        """A copy of all values."""
        return dict(self._values)

    def restore(self, values: dict[str, Value]) -> None:
        """Take values over from a copy."""
        self._values.update(values)
        self.version += 1


class ConfigurationLists:
    """Named lists of copies of one group of settings; indices count from 1."""

    def __init__(self, group: str, missing: tuple[int, str]) -> None:
        self.group = group
        self._missing = missing
        self._lists: dict[str, list[dict[str, Value]]] = {}
        self._told = 0

    def names(self) -> list[str]:
        """All lists, oldest first."""
        return list(self._lists)

    def next_name(self) -> str:
        """The names one after the other, then an empty one, then from the start."""
        names = [*self._lists, ""]
        self._told = self._told % len(names)
        name, self._told = names[self._told], self._told + 1
        return name

    def copy(self) -> "ConfigurationLists":
        """Lists of their own with the same points."""
        twin = ConfigurationLists(self.group, self._missing)
        twin._lists = {name: list(points) for name, points in self._lists.items()}
        return twin

    def create(self, name: str) -> None:
        """A new, empty list."""
        self._lists[name] = []

    def get(self, name: str) -> list[dict[str, Value]]:
        """A list. Raises CommandError when there is none of this name."""
        if name not in self._lists:
            raise CommandError(*self._missing)
        return self._lists[name]

    def store(self, name: str, index: int | None, values: dict[str, Value]) -> None:
        """Put a copy at an index, or at the end."""
        points = self.get(name)
        if index is None or index == len(points) + 1:
            points.append(values)
        elif 1 <= index <= len(points):
            points[index - 1] = values
        else:
            raise CommandError(*self._missing)

    def recall(self, name: str, index: int) -> dict[str, Value]:
        """The copy at an index. Raises CommandError when there is none."""
        points = self.get(name)
        if not 1 <= index <= len(points):
            raise CommandError(*self._missing)
        return points[index - 1]

    def delete(self, name: str, index: int | None) -> None:
        """Remove a list, or one point of it."""
        if index is None:
            self.get(name)
            del self._lists[name]
        else:
            self.recall(name, index)
            del self._lists[name][index - 1]

    def clear(self) -> None:
        """Forget all lists."""
        self._lists.clear()
