"""Parts of recipes that send signals to their own process, amid a step."""

import os
import signal

from lightning import Callback


class Send(Callback):
    """Sends signal `name` to this process in the batch `batch` of the run, `times` times."""

    def __init__(self, name: str, batch: int, times: int = 1) -> None:
        self.number, self.batch, self.times = signal.Signals[name], batch, times

    def on_before_backward(self, trainer, pl_module, loss) -> None:
        if trainer.fit_loop.total_batch_idx == self.batch:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)
