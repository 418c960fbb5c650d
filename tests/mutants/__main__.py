"""`python -m tests.mutants`: plants the bugs of `list.toml` one by one, and sees the test of each fail."""

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.planting import PASSED, Copy, Ended, Mutant, mutants

WORKERS = 2
INTACT_LIMIT_SECOND = 1800.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", default="", help="only those with this in their line, file or test")
    only = parser.parse_args().only
    wanted = [mutant for mutant in mutants() if any(only in text for text in (str(mutant), mutant.file, mutant.test))]
    if not wanted:
        _tell(f"no mutant has {only!r} in it")
        return 2
    with tempfile.TemporaryDirectory(prefix="presscell_mutants_") as folder:
        first = Copy.make(Path(folder).resolve() / "0")
        copies = [first, *(first.again(first.folder.with_name(str(number))) for number in range(1, WORKERS))]
        failures = [ended for ended in _intact(copies, wanted) if ended.answer != PASSED]
        for ended in failures:
            _tell(f"{ended.said}\ntests must pass before bugs are planted")
        return 2 if failures else _plant(copies, wanted)


def _intact(copies: list[Copy], wanted: Iterable[Mutant]) -> list[Ended]:
    """How the tests end without any bug."""
    tests = sorted({mutant.test for mutant in wanted})
    with ThreadPoolExecutor(len(copies)) as workers:
        parts = [(copy, tests[at :: len(copies)]) for at, copy in enumerate(copies) if tests[at :: len(copies)]]
        return list(workers.map(lambda part: part[0].run(*part[1], within_second=INTACT_LIMIT_SECOND), parts))


def _plant(copies: list[Copy], wanted: list[Mutant]) -> int:
    caught = 0
    for mutant, ended in _tried(copies, wanted):
        caught += ended.verdict == "caught"
        by = "" if ended.verdict == "caught" else f" ({mutant.test})"
        _tell(f"{ended.verdict:8} {ended.lasted_second:5.1f} s  {mutant}{by}")
    survived = len(wanted) - caught
    _tell(f"{len(wanted)} mutants, {caught} caught, {survived} survived")
    return 1 if survived else 0


def _tried(copies: list[Copy], wanted: list[Mutant]) -> Iterator[tuple[Mutant, Ended]]:
    free: SimpleQueue[Copy] = SimpleQueue()
    for copy in copies:
        free.put(copy)

    def try_out(mutant: Mutant) -> Ended:
        copy = free.get()
        try:
            return copy.try_out(mutant)
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as workers:
        yield from zip(wanted, workers.map(try_out, wanted), strict=True)


def _tell(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
