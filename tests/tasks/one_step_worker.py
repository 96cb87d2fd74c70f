"""One rank of two steps of `OneStep` under DDP; saves the gradient.

Run as `python one_step_worker.py RANK PORT OUTPUT`.
"""

import sys

import tiny
import torch
from ddp_worker import Step, part
from one_step import one_step, stable_diffusion
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


def main(rank: int, port: str, output: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    task = one_step(stable_diffusion(), lora_rank=2, drop=0.5)
    step = DistributedDataParallel(Step(task))
    for _ in range(2):
        step.zero_grad()
        step(part(tiny.batch(2, 32), rank, 2)).backward()
    torch.save({n: p.grad for n, p in task.named_parameters() if p.requires_grad}, output)
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
