"""What became of the photographs of one call."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Status = Literal["restored", "skipped", "differs", "failed"]
"""`skipped` is the same already; `differs` is there but made otherwise, and has been left alone."""


@dataclass(frozen=True)
class Outcome:
    """What became of a photograph.

    Attributes:
        photo: The photograph.
        status: See `Status`.
        result: The restored photograph, if there is one.
        mask: Its mask, if one was written.
        reason: Why it failed, or what differs.
        seconds: How long it took.
        photo_size: Width and height of the photograph, if known.
        result_size: Width and height of the result, if known.
    """

    photo: Path
    status: Status
    result: Path | None = None
    mask: Path | None = None
    reason: str = ""
    seconds: float = 0.0
    photo_size: tuple[int, int] | None = None
    result_size: tuple[int, int] | None = None


@dataclass
class Summary:
    """What became of the photographs of one call, and what was no photograph.

    Attributes:
        outcomes: Of every photograph, as they came to be known.
        ignored: How many files below the folders were left out, by suffix.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)

    @property
    def restored(self) -> list[Path]:
        """Photographs that were restored."""
        return [outcome.photo for outcome in self.outcomes if outcome.status == "restored"]

    @property
    def skipped(self) -> list[Path]:
        """Photographs whose result is there as wanted."""
        return [outcome.photo for outcome in self.outcomes if outcome.status == "skipped"]

    @property
    def differing(self) -> dict[Path, str]:
        """Photographs whose result is there but made otherwise, and what differs."""
        return {o.photo: o.reason for o in self.outcomes if o.status == "differs"}

    @property
    def errors(self) -> dict[Path, str]:
        """What could not be restored, or searched, and why."""
        return {o.photo: o.reason for o in self.outcomes if o.status == "failed"}

    @property
    def failed(self) -> int:
        """How many could not be restored."""
        return len(self.errors)
