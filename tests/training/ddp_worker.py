"""One rank of a joint training step under DDP; rank zero saves the gradient.

Run as `python ddp_worker.py RANK WORLD_SIZE PORT OUTPUT`.
"""

import sys

import tiny
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from segsr.batch import Batch

SIZE = 4


class Step(nn.Module):
    """A task's training step as a forward, which is what DDP wraps."""

    def __init__(self, task) -> None:
        super().__init__()
        self.task = task

    def forward(self, batch: Batch):
        return self.task.training_step(batch, 0)


def joint():
    model = tiny.joint(seed=0, drop=0.5).train()
    model.log = lambda *args, **kwargs: None
    return model


def part(batch: Batch, rank: int, world_size: int) -> Batch:
    return {key: value[rank::world_size] for key, value in batch.items()}


def main(rank: int, world_size: int, port: str, output: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=world_size
    )
    model = joint()
    step = DistributedDataParallel(Step(model))  # raises at the next forward if one goes unused
    for _ in range(2):
        step.zero_grad()
        step(part(tiny.batch(SIZE), rank, world_size)).backward()
    if rank == 0:
        torch.save({n: p.grad for n, p in model.named_parameters() if p.requires_grad}, output)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
