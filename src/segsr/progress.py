"""What a verb shows in the terminal while it goes through many files."""

from __future__ import annotations

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


def file_progress(*, visible: bool = True) -> Progress:
    """Return a bar on standard error: what is done, of how many, the time so far and left."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not visible,
    )


def tell(progress: Progress, kind: str, sentence: str) -> None:
    """Print `sentence` above the bar, as it is: names of files may look like rich's markup.

    Args:
        progress: The bar.
        kind: `failed` or `note`, printed in red or yellow before it.
        sentence: What happened.
    """
    colour = {"failed": "red", "note": "yellow"}[kind]
    text = f"[{colour}]{kind}[/{colour}] {escape(sentence)}"
    progress.console.print(text, soft_wrap=True, highlight=False)
