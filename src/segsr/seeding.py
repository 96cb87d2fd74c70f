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


def generator(*key: int | str, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator seeded with `derive_seed(*key)`.

    Args:
        *key: What it is for.
        device: Where it draws. Numbers drawn on the CPU and moved are equal on every device, as
            restorations need; what training draws by the million is drawn where it is used.
    """
    import torch

    return torch.Generator(device).manual_seed(derive_seed(*key))
