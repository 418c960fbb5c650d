"""`python -m tests.campaign`: the whole daemon against the bench, with a seeded schedule of faults, then a checker."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # only a process without threads may fork

import argparse
import gc
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from daemon.crash_points import NAMES
from tests.campaign.kills import run_kills
from tests.campaign.kinds import KINDS
from tests.campaign.mill_run import run_mill_seed
from tests.campaign.mill_schedule import DEATHS, TROUBLES
from tests.campaign.points import run_points
from tests.campaign.processes import Child, fork, own_standard_streams
from tests.campaign.seed_run import Verdict, run_seed

MILL_KINDS = DEATHS | TROUBLES
RunSeed = Callable[[int, tuple[str, ...]], Verdict]


def main() -> int:
    said = _arguments()
    own_standard_streams()
    gc.freeze()
    if said.kills:
        found = run_kills(said.kills, said.seed or 0, is_running=said.bench == "running", tell=_tell)
        for violation in found:
            _tell(violation)
        _tell(f"{said.kills} kills, bench {said.bench}, {len(found)} violations")
        return 1 if found else 0
    if said.points:
        found = run_points(_tell)
        for violation in found:
            _tell(violation)
        _tell(f"{len(NAMES)} crash points, {len(found)} violations")
        return 1 if found else 0
    verdicts = []
    run = partial(run_mill_seed if said.mill else run_seed, keep=said.keep, below=said.folder)
    for verdict in _verdicts(_wanted(said), said.jobs, run):
        verdicts.append(verdict)
        _tell(verdict.line())
    violated = _table(verdicts)
    return 1 if violated else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="only this one, as in a line of another campaign")
    kinds = [*KINDS, *MILL_KINDS]
    parser.add_argument("--kind", action="append", default=[], choices=kinds, help="only faults of this kind")
    parser.add_argument("--mill", action="store_true", help="instead: the recipe of the blade mill, killed anywhere")
    parser.add_argument("--each", action="store_true", help="one seed of each kind, from the first seed on")
    parser.add_argument("--kills", type=int, help="instead: one long run, killed so often")
    parser.add_argument("--points", action="store_true", help="instead: die once at every crash point")
    parser.add_argument("--bench", choices=("frozen", "running"), default="frozen", help="what it does meanwhile")
    parser.add_argument("--jobs", type=int, default=2, help="seeds at the same time")
    parser.add_argument("--keep", action="store_true", help="keep the folders of seeds that are well, too")
    parser.add_argument("--folder", type=Path, help="where the seeds' folders are; in memory it is faster")
    return parser.parse_args()


def _tell(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _wanted(said: argparse.Namespace) -> list[tuple[int, tuple[str, ...]]]:
    """Seeds, each with the kinds that may be drawn; none is all."""
    if said.seed is not None:
        return [(said.seed, tuple(said.kind))]
    if said.each:
        kinds = [kind for kind in (MILL_KINDS if said.mill else KINDS) if not said.kind or kind in said.kind]
        return [(seed, (kind,)) for seed, kind in enumerate(kinds, start=said.first)]
    return [(seed, tuple(said.kind)) for seed in range(said.first, said.first + said.seeds)]


def _verdicts(wanted: list[tuple[int, tuple[str, ...]]], jobs: int, run: RunSeed) -> Iterator[Verdict]:
    """Each seed in a process of its own, in the order in which they end."""
    left, running = list(reversed(wanted)), dict[int, tuple[Child, int]]()
    while left or running:
        while left and len(running) < jobs:
            seed, only = left.pop()
            running[seed] = _begin(run, seed, only)
        for seed, (child, output) in list(running.items()):
            if child.wait(0.02) is not None:
                del running[seed]
                yield _verdict_of(seed, child, output)


def _begin(run: RunSeed, seed: int, only: tuple[str, ...]) -> tuple[Child, int]:
    ours, theirs = os.pipe()

    def work() -> None:
        os.write(theirs, msgspec.json.encode(run(seed, only)))

    child = fork(work, folder=Path.cwd(), output=sys.stderr.fileno())
    os.close(theirs)
    return child, ours


def _verdict_of(seed: int, child: Child, output: int) -> Verdict:
    with os.fdopen(output, "rb") as pipe:
        text = pipe.read()
    if not text:
        return Verdict(seed, ("?",), "nothing", (f"the seed's process ended with {child.exit_code}",), 0.0)
    return msgspec.json.decode(text, type=Verdict)


def _table(verdicts: list[Verdict]) -> int:
    seeds, violated = Counter[str](), Counter[str]()
    for verdict in verdicts:
        seeds.update(verdict.kinds)
        violated.update(verdict.kinds if verdict.violations else ())
    _tell(f"\n{'kind':<20} {'seeds':>6} {'violations':>11}")
    for kind in sorted(seeds):
        _tell(f"{kind:<20} {seeds[kind]:>6} {violated[kind]:>11}")
    total = sum(1 for verdict in verdicts if verdict.violations)
    _tell(f"{len(verdicts)} seeds, {total} violations")
    return total


if __name__ == "__main__":
    sys.exit(main())
