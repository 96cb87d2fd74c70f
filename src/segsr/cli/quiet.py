"""Nothing is said in the terminal that is not segsr's own."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

_HINTS = (
    ".*treespec, LeafSpec.*",
    "Checkpoint directory .* exists and is not empty",
    ".*does not have many workers which may be a bottleneck.*",
)
"""Lightning's warnings of its own to itself, and of what is meant here."""


class _Ours(logging.Filter):
    """Lets the lines through that segsr has Lightning say on rank zero, and all warnings."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO or "lightning" not in Path(record.pathname).parts


_OURS = _Ours()


def quieten() -> None:
    """Leave out what libraries say of themselves when they are imported and used."""
    # diffusers imports it wherever it is installed, and it looks for a kernel of its own
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    logging.getLogger("lightning.pytorch.utilities.rank_zero").addFilter(_OURS)
    for hint in _HINTS:
        warnings.filterwarnings("ignore", message=hint)
