"""What a conversion gives: a text, and all that can be said of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from protocols.errors import Path, Problem, Severity, errors_in, in_reading_order
from protocols.source import Source


@dataclass(frozen=True)
class Converted:
    """A protocol in another language.

    `text` is empty when there are errors. `losses` say what the other language has no word for, `notes` what was made
    explicit. Each has its place in the file that was read.
    """

    text: str
    errors: tuple[Problem, ...] = ()
    losses: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()


@dataclass
class Report:
    """Gathers what a conversion has to say of one file."""

    source: Source
    errors: list[Problem] = field(default_factory=list)
    losses: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    def cannot(self, path: Path, what: str, what_to_write: str) -> None:
        """Note what keeps the file from being converted at all."""
        self.errors.append(self.source.problem(path, what, what_to_write))

    def lost(self, path: Path, what: str) -> None:
        """Note what the other language does not say."""
        self.losses.append(self._said(path, f"lost: {what}"))

    def note(self, path: Path, what: str) -> None:
        """Note what is now said that was not."""
        self.notes.append(self._said(path, what))

    def converted(self, text: str) -> Converted:
        """The result; without its text if there are errors."""
        ordered = (tuple(in_reading_order(found)) for found in (self.errors, self.losses, self.notes))
        return Converted("" if errors_in(self.errors) else text, *ordered)

    def _said(self, path: Path, what: str) -> Problem:
        return self.source.problem(path, what, "", at_key=True, severity=Severity.WARNING)
