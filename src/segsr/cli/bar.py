"""What a verb shows in the terminal while it goes through many files."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from segsr.progress import Kind


class Bar:
    """A bar on standard error: what is done, of how many, the time so far and left.

    A `segsr.progress.Progress`, to be entered with `with`. Every piece of work gets a line of its
    own, which stays when it ends.

    Args:
        visible: Whether to show anything but what is not as it should be.
    """

    def __init__(self, *, visible: bool = True) -> None:
        self._visible = visible
        self._console = Console(stderr=True)
        self._drawn: Progress | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    def start(self, what: str, total: int | None) -> None:
        """Begin a new line."""
        self.end()
        self._drawn = Progress(
            TextColumn("{task.description}", table_column=self._what()),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._visible,
        )
        self._drawn.add_task(escape(what), total=total)
        self._drawn.start()

    def advance(self, count: int = 1) -> None:
        """Move the bar."""
        assert self._drawn is not None
        self._drawn.advance(self._drawn.task_ids[0], count)

    def reach(self, done: int, what: str, total: int | None = None) -> None:
        """Move the bar to where it should be, and rename it."""
        assert self._drawn is not None
        self._drawn.update(
            self._drawn.task_ids[0], completed=done, description=escape(what), total=total
        )

    def tell(self, kind: Kind, sentence: str) -> None:
        """Print `sentence` above the bar, as it is: names of files may look like rich's markup."""
        if kind == "note" and not self._visible:
            return
        colour = {"failed": "red", "differs": "yellow", "note": "yellow"}[kind]
        text = f"[{colour}]{kind}[/{colour}] {escape(sentence)}"
        self._console.print(text, soft_wrap=True, highlight=False)

    def _what(self) -> Column:
        """Of what is done: a long name is cut, lest the numbers be."""
        return Column(
            no_wrap=True, overflow="ellipsis", max_width=max(16, self._console.width - 46)
        )

    def end(self) -> None:
        """Leave the line as it is; what is printed now stands below it."""
        if self._drawn is not None:
            self._drawn.stop()
