"""What becomes of files that cannot be used: an error, or a warning each and a total."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Literal

from segsr.errors import SegSRError

OnError = Literal["raise", "skip"]

log = logging.getLogger(__name__)


class BadFiles:
    """Counts the files that were skipped; never silently.

    Args:
        on_error: "raise" makes the first complaint an error, "skip" a warning.
    """

    def __init__(self, on_error: OnError = "raise") -> None:
        if on_error not in ("raise", "skip"):
            raise SegSRError(f"on_error must be raise or skip, got {on_error}")
        self.on_error = on_error
        self.warned: set[str] = set()
        self.met = 0

    def meet(self, complaints: Sequence[tuple[str, str]]) -> None:
        """Takes in the complaints of one batch: pairs of a path and a sentence.

        Raises:
            SegSRError: The first sentence, unless bad files are to be skipped.
        """
        for file, sentence in complaints:
            if self.on_error == "raise":
                raise SegSRError(sentence)
            self.met += 1
            if file not in self.warned:
                self.warned.add(file)
                log.warning("skipped: %s", sentence)

    def report(self) -> None:
        """Logs how often bad files were met since the last report, if at all."""
        if self.met:
            log.warning(
                "bad files were met and replaced %d times in this epoch; %d files are bad so far",
                self.met,
                len(self.warned),
            )
        self.met = 0
