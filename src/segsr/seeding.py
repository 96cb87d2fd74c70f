"""Random generators keyed by what they are for, never by when they are asked for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive_seed(*key: int | str) -> int:
    """A 63-bit seed that depends on every part of `key` and on nothing else.

    `derive_seed(seed, "photo.jpg")` is the same on every machine, in every process and in every
    order of files, which is what makes a restoration independent of its batch.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*key: int | str) -> torch.Generator:
    """A CPU generator seeded with `derive_seed(*key)`.

    Always on the CPU: numbers drawn there and moved are equal on every device.
    """
    import torch

    return torch.Generator().manual_seed(derive_seed(*key))
