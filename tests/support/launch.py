"""Starts `segsr` and workers as the user and the launchers do: in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

import segsr

TESTS = Path(__file__).parents[1]
SEGSR = [sys.executable, "-m", "segsr.cli"]


def environment(**variables: str) -> dict[str, str]:
    """That of a shell in which this segsr and the tests' modules can be imported."""
    paths = [TESTS / "support", TESTS / "training", Path(segsr.__file__).parents[1]]
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SEGSR_", "PL_", "SLURM_", "TORCHELASTIC_", "MASTER_"))
    }
    ours = {
        "PYTHONPATH": os.pathsep.join(map(str, paths)),
        "OMP_NUM_THREADS": str(torch.get_num_threads()),
    }
    return {**inherited, **ours, **variables}


def run(command: Sequence[str], *, timeout: float = 200, **variables: str) -> str:
    """What `command` prints to standard output; fails with what it prints to the other."""
    done = subprocess.run(
        command,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


def stop(
    command: Sequence[str], number: signal.Signals, when: Path, *, timeout: float = 200
) -> tuple[int, str]:
    """The exit status and output of `command`, which is sent a signal once `when` exists.

    SIGINT goes to the command's whole process group, as Ctrl-C does; others to its first process.
    """
    process = subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + timeout
    try:
        while not when.exists():
            assert process.poll() is None, process.communicate()[0][-4000:]
            assert time.monotonic() < deadline, f"no {when} after {timeout} s"
            time.sleep(0.02)
        (os.killpg if number == signal.SIGINT else os.kill)(process.pid, number)
        output, _ = process.communicate(timeout=max(1, deadline - time.monotonic()))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return process.returncode, output
