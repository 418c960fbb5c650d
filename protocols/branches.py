"""Where a protocol may branch to, and which block's cycles it compares with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protocols.ends import End, ends_of
from protocols.errors import Path, path_text
from protocols.guesses import did_you_mean
from protocols.limits import END, NEXT, PAUSE, RESERVED
from protocols.protocol import ProtocolFile, step_path
from protocols.settings import CRateBasis
from protocols.source import Findings
from protocols.steps import AdvanceCycle, BrokenStep, CycleStep, Loop, Tag

FIRST_BLOCK = "main"
"""The block of steps before any tag."""


@dataclass(frozen=True)
class Block:
    """Steps whose cycles are counted together, by their first and last position in the file, from 0."""

    first: int
    last: int


def tags_of(file: ProtocolFile) -> dict[str, int]:
    """Where each tag stands, from 0; the first of two of one name."""
    return {step.tag: at for at, step in reversed(list(enumerate(file.steps))) if isinstance(step, Tag)}


def blocks_of(file: ProtocolFile) -> dict[str, Block]:
    """The blocks of a protocol: of `main`, of each tag, of each `cycle`, and of each of its rates."""
    blocks = {FIRST_BLOCK: Block(0, max(0, len(file.steps) - 1))}
    tag = FIRST_BLOCK
    for index, step in enumerate(file.steps):
        if isinstance(step, Tag):
            blocks[tag] = Block(blocks[tag].first, max(blocks[tag].first, index - 1))
            tag = step.tag
            blocks.setdefault(tag, Block(index, len(file.steps) - 1))
        elif isinstance(step, CycleStep):
            for name in block_names(step, index):
                blocks.setdefault(name, Block(index, index))
    return blocks


def block_names(step: CycleStep, index: int) -> list[str]:
    """The block of each rate of a `cycle`; a rate that comes again is numbered."""
    name = step.id or f"cycle_{index + 1}"
    if len(step.rate_C) == 1:
        return [name]
    names = []
    for item, rate in enumerate(step.rate_C):
        again = step.rate_C[: item + 1].count(rate)
        names.append(f"{name} {rate:g} C ({again})" if again > 1 else f"{name} {rate:g} C")
    return names


def check_branches(file: ProtocolFile, findings: Findings) -> None:
    """Note every `goto` that leads nowhere or may go round for ever, and every cycle named that is never counted."""
    tags, blocks = tags_of(file), blocks_of(file)
    broken = {step.step for step in file.steps if isinstance(step, BrokenStep)}
    unread = not broken.isdisjoint({"tag", "cycle", None})
    for index, step in enumerate(file.steps):
        for end in ends_of(step, step_path(index)):
            _check_goto(file, findings, index, end, tags, unread=not broken.isdisjoint({"tag", None}))
        for path, block in _references(file, index):
            _check_block(findings, path, block, blocks, index, unread=unread)
    if file.top is not None and file.top.c_rate_basis is not None:
        _check_top_basis(file, findings, file.top.c_rate_basis, blocks, unread=unread)
    _check_counting(file, findings)


def _check_goto(
    file: ProtocolFile, findings: Findings, index: int, end: End, tags: dict[str, int], *, unread: bool
) -> None:
    here = (*end.path, "goto")
    if end.goto in RESERVED:
        if end.goto in tags:
            meant = {NEXT: "goes to the next step", END: "ends the run", PAUSE: "waits for a person"}[end.goto]
            findings.error(here, f"goto: {end.goto} {meant}, and a tag is called so too", "rename the tag")
        if end.at_most is not None:
            findings.error((*end.path, "at_most"), "only what goes back to a tag is counted", "remove it", at_key=True)
        return
    if end.goto not in tags:
        if unread:
            return
        close = did_you_mean(end.goto, [*tags, *RESERVED])
        hint = f"did you mean {close}?" if close else f"write a tag, or one of {', '.join(RESERVED)}"
        findings.error(here, f"there is no tag {end.goto}", hint)
        return
    backwards = tags[end.goto] <= index
    if backwards and end.at_most is None:
        line = file.source.value_at(step_path(tags[end.goto])).line
        what = f"goes back to line {line}, and may do so for ever"
        findings.error(here, what, "write at_most: 3, or how often it may")
    if not backwards and end.at_most is not None:
        findings.error((*end.path, "at_most"), "only what goes back is counted", "remove it", at_key=True)


def _references(file: ProtocolFile, index: int) -> Iterator[tuple[Path, str]]:
    """The blocks that a step names, and where."""
    step, path = file.steps[index], step_path(index)
    for limit_index, limit in enumerate(getattr(step, "limits", None) or ()):
        for condition_index, condition in enumerate(limit.when):
            if condition.relative_to is not None and condition.relative_to.block is not None:
                yield (
                    (*path, "limits", limit_index, "when", condition_index, "relative_to"),
                    condition.relative_to.block,
                )
    stop = step.stop_if if isinstance(step, CycleStep) else None
    if stop is not None and stop.relative_to is not None and stop.relative_to.block is not None:
        yield (*path, "stop_if", "relative_to"), stop.relative_to.block
    basis = getattr(step, "c_rate_basis", None)
    if isinstance(basis, CRateBasis) and basis.block is not None:
        yield (*path, "c_rate_basis"), basis.block


def _check_block(
    findings: Findings, path: Path, name: str, blocks: dict[str, Block], index: int, *, unread: bool
) -> None:
    here = (*path, "block")
    if name not in blocks:
        if not unread:
            close = did_you_mean(name, list(blocks))
            hint = f"did you mean {close}?" if close else f"write one of {', '.join(blocks)}"
            findings.error(here, f"there is no block {name}", hint)
        return
    is_basis = path[-1] == "c_rate_basis"
    if blocks[name].first > index or (is_basis and blocks[name].last >= index):
        what = f"the block {name} has counted no cycle when this step needs it"
        findings.error(here, what, "name a block that comes before it")


def _check_top_basis(
    file: ProtocolFile, findings: Findings, basis: CRateBasis, blocks: dict[str, Block], *, unread: bool
) -> None:
    """The block that measures the capacity cannot itself be measured by it: its own steps need a basis of their own."""
    if basis.block is None:
        return
    if basis.block not in blocks:
        _check_block(findings, ("c_rate_basis",), basis.block, blocks, len(file.steps), unread=unread)
        return
    last = blocks[basis.block].last
    for index, step in enumerate(file.steps[: last + 1]):
        by_rate = isinstance(step, CycleStep) or getattr(step, "rate_C", None) is not None
        if by_rate and getattr(step, "c_rate_basis", None) is None:
            what = f"this C-rate is of the capacity that {basis.block} measures, which is not measured yet"
            findings.error(step_path(index, "rate_C"), what, "write c_rate_basis: cell_file in this step", at_key=True)


def _check_counting(file: ProtocolFile, findings: Findings) -> None:
    if file.top is None or path_text(("cycle",)) in file.waiting:
        return
    counted = [index for index, step in enumerate(file.steps) if isinstance(step, AdvanceCycle)]
    if counted and file.top.cycle == "auto":
        what = "cycles are counted by their halves, and here once more"
        findings.error(step_path(counted[0]), what, "write cycle: explicit at the top, or leave this step out")
    repeats = any(isinstance(step, CycleStep | Loop) for step in file.steps)
    if file.top.cycle == "explicit" and not counted and repeats:
        hint = "write {step: advance_cycle} where one ends"
        findings.warning(("cycle",), "no step counts a cycle, so all is one", hint)
