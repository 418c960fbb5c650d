"""What binds the steps of a protocol together: tags, loops, branches, and where one step's voltage leaves the next."""

from __future__ import annotations

from dataclasses import dataclass

from protocols.branches import check_branches, tags_of
from protocols.directions import check_directions
from protocols.errors import Problem, in_reading_order
from protocols.guesses import did_you_mean
from protocols.protocol import ProtocolFile, read_protocol, step_path
from protocols.source import Findings
from protocols.steps import AdvanceCycle, BrokenStep, Loop, Step, Tag


@dataclass(frozen=True)
class Structure:
    """How the steps are bound together, by position from 0.

    `loop_starts`: a sound loop to the first step of its body that is no tag. `tags`: a tag to its place.
    """

    loop_starts: dict[int, int]
    problems: tuple[Problem, ...]
    tags: dict[str, int]


def read_structure(file: ProtocolFile) -> Structure:
    """Check tags, loops, branches, windows and the direction of every current; steps with an error are passed over."""
    findings = Findings(file.source)
    loop_starts = _loops(file, findings)
    _check_tags(file, findings)
    _check_crossings(file, loop_starts, findings)
    check_branches(file, findings)
    check_directions(file, loop_starts, findings)
    return Structure(loop_starts, tuple(findings.problems), tags_of(file))


def check_protocol(text: str, file: str) -> list[Problem]:
    """All that can be said against a protocol without a cell or an instrument, in reading order. Raises nothing."""
    read = read_protocol(text, file)
    return in_reading_order([*read.problems, *read_structure(read).problems])


def _is_executed(step: Step) -> bool:
    return not isinstance(step, Tag | Loop | AdvanceCycle)


def _check_tags(file: ProtocolFile, findings: Findings) -> None:
    first_seen: dict[str, int] = {}
    for index, step in enumerate(file.steps):
        if not isinstance(step, Tag):
            continue
        if step.tag in first_seen:
            line = file.source.value_at(step_path(first_seen[step.tag], "tag")).line
            what = f"the tag {step.tag} is also on line {line}"
            findings.error(step_path(index, "tag"), what, "give it another name")
        first_seen.setdefault(step.tag, index)


def _loops(file: ProtocolFile, findings: Findings) -> dict[int, int]:
    targets = {
        index: _target(file, findings, index, step) for index, step in enumerate(file.steps) if isinstance(step, Loop)
    }
    return {index: target for index, target in targets.items() if target is not None}


def _target(file: ProtocolFile, findings: Findings, index: int, loop: Loop) -> int | None:
    """Where a loop goes back to; None when it goes nowhere, or when a broken step may be the tag it looks for."""
    here = step_path(index, "loop_to")
    target = loop.loop_to - 1 if isinstance(loop.loop_to, int) else _tag_above(file, findings, index, loop.loop_to)
    if target is None:
        return None
    if not 0 <= target < index:
        what = f"step {loop.loop_to} is not above this loop, which is step {index + 1}"
        findings.error(here, what, f"write the number of a step from 1 to {index}, or a tag")
    elif isinstance(file.steps[target], Loop):
        findings.error(here, f"step {target + 1} is itself a loop", "write the step that its body begins with")
    elif not any(_is_executed(step) for step in file.steps[target:index]):
        findings.error(here, "nothing stands between this loop and its start", "move it below the steps to repeat")
    else:
        return next(at for at in range(target, index) if not isinstance(file.steps[at], Tag))
    return None


def _tag_above(file: ProtocolFile, findings: Findings, index: int, name: str) -> int | None:
    here, tags = step_path(index, "loop_to"), tags_of(file)
    if name not in tags:
        if not any(isinstance(step, BrokenStep) and step.step in ("tag", None) for step in file.steps):
            close = did_you_mean(name, list(tags))
            hint = f"did you mean {close}?" if close else f"write {{step: tag, tag: {name}}} where it begins"
            findings.error(here, f"there is no tag {name}", hint)
        return None
    if tags[name] > index:
        line = file.source.value_at(step_path(tags[name])).line
        what = f"the tag {name} is below this loop, on line {line}"
        findings.error(here, what, "a loop goes back: move the tag above the steps to repeat")
        return None
    return tags[name]


def _check_crossings(file: ProtocolFile, loop_starts: dict[int, int], findings: Findings) -> None:
    for end, start in loop_starts.items():
        for inner_end, inner_start in loop_starts.items():
            if inner_start < start <= inner_end < end:
                line = file.source.value_at(step_path(inner_end)).line
                what = f"this loop begins inside the loop that ends on line {line}, and ends outside it"
                findings.error(step_path(end, "loop_to"), what, "let one loop lie wholly inside the other")
