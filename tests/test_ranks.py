from __future__ import annotations

import pytest

from segsr.ranks import is_rank_zero


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"RANK": 0, "LOCAL_RANK": 0, "SLURM_PROCID": 1}, True),  # torchrun on a SLURM node
        ({"RANK": 2, "LOCAL_RANK": 0, "SLURM_PROCID": 0}, False),
        ({"LOCAL_RANK": 1}, False),
        ({"LOCAL_RANK": 0, "NODE_RANK": 1}, False),
    ],
)
def test_one_rank_writes(variables, expected, alone, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    assert is_rank_zero() is expected
