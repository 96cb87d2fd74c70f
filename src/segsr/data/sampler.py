"""Which sample comes when: one endless stream of positions, cut among the ranks.

Position p = 0, 1, 2, ... of the stream stands for one training sample. Everything random about it
is keyed by (seed, p), and a data loader only ever has to know at which position to begin: so an
interrupted run goes on exactly where its last checkpoint stood.

Both samplers are `DistributedSampler`s by type, which tells Lightning not to wrap them in another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sized
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from segsr.seeding import generator


def index_at(seed: int, position: int, n: int) -> int:
    """Which of `n` files stands at `position`; every n positions are a new permutation."""
    epoch, place = divmod(position, n)
    return int(_permutation(seed, epoch, n)[place])


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, n: int) -> Tensor:
    return torch.randperm(n, generator=generator(seed, "permutation", epoch))


class PositionSampler(DistributedSampler[Any]):
    """Yields this rank's positions of the stream; the batches of all ranks are one run of it.

    W ranks of batch size B share the next B*W positions, of which rank r takes every W-th, from
    the r-th on. So together they see what one rank would see with batches of B*W.

    Args:
        dataset: Its length is that of one pass over the files.
        batch_size: Samples per batch and rank.
        position: Called at the start of every pass: the first position not trained on by any rank.
        passes: Passes over the files until Lightning calls it an epoch.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(
        self,
        dataset: Sized,
        batch_size: int,
        position: Callable[[], int],
        *,
        passes: int = 1,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        super().__init__(dataset, num_replicas=world_size, rank=rank, shuffle=False)  # type: ignore[arg-type]
        self.batch_size = batch_size
        self.position = position
        self.batches = -(-passes * len(dataset) // (batch_size * world_size))

    def __len__(self) -> int:
        """Positions of a rank in one pass: always whole batches, equally many on every rank."""
        return self.batches * self.batch_size

    def __iter__(self) -> Iterator[int]:
        """Positions of one pass, from the first one not trained on."""
        start, step = self.position(), self.num_replicas
        return iter(range(start + self.rank, start + len(self) * step, step))


class EvaluationSampler(DistributedSampler[Any]):
    """Yields this rank's share of the indices, in order.

    Args:
        dataset: What is to be evaluated.
        even: Give every rank equally many, by repeating the first few: validation during training
            needs that, since its ranks wait for each other. Else each index comes exactly once.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(
        self, dataset: Sized, *, even: bool = False, rank: int = 0, world_size: int = 1
    ) -> None:
        super().__init__(dataset, num_replicas=world_size, rank=rank, shuffle=False)  # type: ignore[arg-type]
        n = len(dataset)
        padded = -(-n // world_size) * world_size if even else n
        self.indices = [i % n for i in range(rank, padded, world_size)]

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)
