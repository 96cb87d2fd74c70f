"""What work over many files tells whoever waits for it; `segsr.cli.bar` shows it in a terminal."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

Kind = Literal["failed", "differs", "note"]


@runtime_checkable
class Progress(Protocol):
    """Hears how far a piece of work is, and of what went wrong on the way."""

    def start(self, what: str, total: int | None) -> None:
        """A piece of work begins that has `total` steps, if known; the one before has ended."""
        ...

    def advance(self, count: int = 1) -> None:
        """`count` more steps are done."""
        ...

    def reach(self, done: int, what: str, total: int | None = None) -> None:
        """In all `done` steps are done, of `total` where that changed, and it is `what`'s turn."""
        ...

    def tell(self, kind: Kind, sentence: str) -> None:
        """Something happened that a person should know."""
        ...


class Silent:
    """A progress that nobody watches."""

    def start(self, what: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, count: int = 1) -> None:
        """Say nothing."""

    def reach(self, done: int, what: str, total: int | None = None) -> None:
        """Say nothing."""

    def tell(self, kind: Kind, sentence: str) -> None:
        """Say nothing."""


SILENT = Silent()
