"""Which of the processes of a run this one is."""

from __future__ import annotations

import os


def is_rank_zero() -> bool:
    """Whether this process is the one that writes, by the variables its launcher set."""
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    return all(
        os.environ.get(variable, "0") == "0"
        for variable in ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
    )
