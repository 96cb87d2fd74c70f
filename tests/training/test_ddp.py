"""Two processes on the CPU: no unused parameter, and the gradient of the global batch."""

import socket
import subprocess
import sys
from pathlib import Path

import launch
import tiny
import torch

TESTS = Path(__file__).parents[1]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def test_two_processes_give_the_gradient_of_one(tmp_path) -> None:
    sys.path.insert(0, str(TESTS / "training"))
    import ddp_worker

    output = tmp_path / "gradient.pt"
    command = [sys.executable, str(TESTS / "training" / "ddp_worker.py")]
    environment = launch.environment()
    port = str(free_port())
    workers = [
        subprocess.Popen([*command, str(rank), "2", port, str(output)], env=environment)
        for rank in range(2)
    ]
    assert [worker.wait(timeout=200) for worker in workers] == [0, 0]
    ours = torch.load(output, weights_only=True)

    model = ddp_worker.joint()
    model.training_step(tiny.batch(ddp_worker.SIZE), 0).backward()
    theirs = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    assert ours.keys() == theirs.keys()
    scale = max(float(g.abs().max()) for g in theirs.values())
    for name, gradient in theirs.items():
        torch.testing.assert_close(ours[name], gradient, rtol=1e-4, atol=1e-6 * scale, msg=name)
    assert sum(bool(g.any()) for g in theirs.values()) > 0.9 * len(theirs)
