"""A table that fills row by row while there is time, and is on disk after every row."""

from __future__ import annotations

import gc
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass
class Row:
    """A line of the table.

    Attributes:
        value: The median of what was measured; None if it failed or was left out.
        unit: Of the value.
        note: What to compare it with; or why there is no value.
        runs: How many the median is of.
        name: What was measured.
        at: Seconds since the start.
    """

    value: float | None = None
    unit: str = ""
    note: str = ""
    runs: int = 0
    name: str = ""
    at: float = 0.0

    @property
    def text(self) -> str:
        """Value and unit."""
        return "" if self.value is None else f"{self.value:.4g} {self.unit}"


class Table:
    """Rows in `out`/gpu.json and `out`/gpu.md.

    Args:
        out: Made if missing.
        title: What stands over the table: device, versions.
        begin: When the minutes began, by `time.perf_counter`.
        minutes: After which nothing is begun any more, and what runs is stopped.
    """

    def __init__(self, out: Path, title: dict[str, Any], begin: float, minutes: float) -> None:
        self.out, self.title = out, title
        self.begin, self.deadline = begin, begin + 60 * minutes
        self.rows: dict[str, Row] = {}
        out.mkdir(parents=True, exist_ok=True)
        self.write()

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self.deadline - time.perf_counter()

    def measure(self, name: str, act: Callable[[], Row], needs: float) -> None:
        """Add a row if `needs` seconds are left. Never raises: a failure is the row's note."""
        row = Row()
        if self.left < needs:
            row.note = f"left out: it needs {needs:.0f} s, {max(self.left, 0):.0f} s are left"
        else:
            try:
                with limited(self.left):
                    row = act()
            except Exception as error:
                row.note = f"failed: {sentence(error)}"
        release()
        row.name, row.at = name, round(time.perf_counter() - self.begin, 1)
        self.rows[name] = row
        self.write()
        print(f"{row.at:6.1f} s  {name}: {row.text} {row.note}", flush=True)

    def write(self) -> None:
        """Write what there is."""
        content = {**self.title, "rows": [asdict(row) for row in self.rows.values()]}
        (self.out / "gpu.json").write_text(json.dumps(content, indent=2) + "\n")
        (self.out / "gpu.md").write_text(self.markdown())

    def markdown(self) -> str:
        """The table for people."""
        lines = [", ".join(f"{key} {value}" for key, value in self.title.items()), ""]
        lines += ["| what | median | runs | |", "|---|---:|---:|---|"]
        for row in self.rows.values():
            lines.append(f"| {row.name} | {row.text} | {row.runs or ''} | {row.note} |")
        return "\n".join(lines) + "\n"


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Within it, a TimeoutError once `seconds` are over."""

    def stop(*_: Any) -> None:
        raise TimeoutError("the minutes were over")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def sentence(error: BaseException) -> str:
    """What an error says, in one line without the Markdown of a table."""
    text = " ".join(str(error).split())[:300].replace("|", "/")
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def release() -> None:
    """Give memory back, as far as the device still answers."""
    gc.collect()
    if torch.cuda.is_available():
        try:
            torch.cuda.empty_cache()
        except RuntimeError as error:  # after a fault CUDA answers every call with it
            print(sentence(error), flush=True)
