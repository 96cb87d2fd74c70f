"""`segsr fit` that is killed, without a chance to clean up, at the start of a given step.

Run as `python kill_worker.py RECIPE STEP OVERRIDE...`.
"""

import os
import signal
import sys
from pathlib import Path

from lightning import Callback

from segsr.cli import run
from segsr.config import load_recipe


class KillAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    kill = f"+trainer.callbacks.kill={{_target_: kill_worker.KillAt, step: {sys.argv[2]}}}"
    run.fit(load_recipe(Path(sys.argv[1]), [*sys.argv[3:], kill]))
