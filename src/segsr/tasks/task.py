"""What every training task shares: its optimizer, its random draws, its frozen parts."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import MetricCollection

from segsr.batch import Batch
from segsr.diffusion.noise import Noise
from segsr.errors import SegSRError
from segsr.seeding import derive_seed, generator
from segsr.tasks.predictions import Predictions
from segsr.training.components import networks
from segsr.training.sharding import shard
from segsr.training.trained import frozen_names

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
ScheduleFactory = Callable[[Optimizer], LRScheduler]


class Task(LightningModule):
    """Base of the tasks.

    Args:
        optimizer: Called with the trainable parameters; AdamW at 5e-5 (StableSR's) if None.
        schedule: Called with the optimizer; the learning rate moves every step. None keeps it.
        seed: Key of the training's random draws, together with the step and the sample's name.

    Attributes:
        losses: The terms of the loss that were last logged, each without its weight.
    """

    def __init__(
        self,
        *,
        optimizer: OptimizerFactory | None = None,
        schedule: ScheduleFactory | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.optimizer_factory = optimizer or (lambda parameters: AdamW(parameters, lr=5e-5))
        self.schedule_factory = schedule
        self.seed = seed
        self.metrics = nn.ModuleDict()
        self.losses: dict[str, Tensor] = {}
        self.strict_loading = (
            False  # checkpoints hold no frozen weights; `on_load_checkpoint` looks
        )

    def evaluate(self, batch: Batch) -> Predictions:
        """Update `metrics` (torchmetrics collections by what they measure) and return the results.

        Args:
            batch: Of an evaluation set.
        """
        raise NotImplementedError(f"{type(self).__name__} does not evaluate")

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        """Evaluate a batch of the validation set."""
        self.evaluate(batch)

    def test_step(self, batch: Batch, batch_index: int) -> Any:
        """Evaluate a batch of the test set; return its `Predictions` for callbacks to write."""
        return self.evaluate(batch)

    def on_validation_epoch_end(self) -> None:
        """Log the metrics of the validation set as `val/<what>_<metric>`."""
        self._log_metrics("val")

    def on_test_epoch_end(self) -> None:
        """Log the metrics of the test set as `test/<what>_<metric>`."""
        self._log_metrics("test")

    def log_loss(self, name: str, loss: Tensor, *, shown: bool = True) -> None:
        """Log a training loss, the mean over all ranks; `shown` puts it into the progress bar."""
        self.losses[name] = loss.detach()
        self.log(f"train/{name}", loss, prog_bar=shown, sync_dist=True)

    def measure(self, what: str, predicted: Tensor, truth: Tensor) -> None:
        """Update one collection of `metrics`."""
        collection = self.metrics[what]
        assert isinstance(collection, MetricCollection)
        collection.update(predicted, truth)

    def _log_metrics(self, stage: str) -> None:
        for what, collection in self.metrics.items():
            assert isinstance(collection, MetricCollection)
            if any(metric.update_called for metric in collection.values()):
                values = collection.compute().items()
                self.log_dict({f"{stage}/{what}_{name}": value for name, value in values})
            collection.reset()

    def configure_optimizers(self) -> Any:
        """Return the optimizer of all parameters that require a gradient, and its schedule."""
        optimizer = self.optimizer_factory(p for p in self.parameters() if p.requires_grad)
        if self.schedule_factory is None:
            return optimizer
        schedule = {"scheduler": self.schedule_factory(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def setup(self, stage: str) -> None:
        """Keep DDP from sending around what every rank has read from the same files."""
        self._ddp_params_and_buffers_to_ignore = frozen_names(self)

    def on_train_start(self) -> None:
        """Check that the networks have the classes of the masks.

        Raises:
            SegSRError: If the masks may hold more.
        """
        data: Any = getattr(self.trainer, "datamodule", None)
        if getattr(data, "with_masks", False):
            self._check_classes(data.num_classes)

    def _check_classes(self, needed: int) -> None:
        for name, network in self.named_modules():
            known = getattr(getattr(network, "config", None), "num_classes", needed)
            if known < needed:
                raise SegSRError(
                    f"the masks have {needed} classes (data.num_classes, which follows the"
                    f" vocabulary), but {name} was built for {known}: give the vocabulary that it"
                    " was trained with, or train it anew"
                )

    def configure_model(self) -> None:
        """Shard the trained weights, if the trainer's strategy does that."""
        if self.device_mesh is not None:
            shard(self, self.device_mesh["data_parallel"])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave frozen weights out: a resumed run has them from where this one had them."""
        frozen = set(frozen_names(self))
        weights = checkpoint["state_dict"]
        checkpoint["state_dict"] = {key: weights[key] for key in weights if key not in frozen}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is one of this task.

        Raises:
            SegSRError: It lacks a trained weight, or has one that this task does not.
        """
        if "state_dict" not in checkpoint:  # a sharding strategy has loaded it already
            return
        found, known = set(checkpoint["state_dict"]), set(self.state_dict())
        foreign = sorted((known - set(frozen_names(self)) - found) | (found - known))
        if foreign:
            raise SegSRError(
                f"the checkpoint's weights are not those of this {type(self).__name__}, first at"
                f" {foreign[0]}: resume with the recipe saved beside it, -c RUN/config.yaml; a run"
                " of an earlier version begins anew from the model folder it exported"
            )

    def on_fit_start(self) -> None:
        """Put the networks, which load in eval mode, into training mode."""
        self.train()
        warnings.filterwarnings("ignore", r"Found \d+ module\(s\) in eval mode")  # the frozen ones

    def on_train_batch_start(self, batch: Batch, batch_index: int) -> None:
        """Key the networks' own randomness (dropout) by the step, so that a resumed run repeats."""
        torch.manual_seed(derive_seed(self.seed, "step", self.global_step, self.global_rank))

    def generators(self, batch: Batch) -> list[torch.Generator]:
        """One generator per sample, keyed by (seed, step, name): equal however a batch is split.

        They draw on the device that trains, where a step's millions of normals cost nothing.
        """
        device = self.device
        return [
            generator(self.seed, self.global_step, name, device=device) for name in batch["name"]
        ]

    def evaluation_noise(self, batch: Batch) -> Noise:
        """Noise keyed by (seed, name) as in `segsr upscale`."""
        return Noise([(self.seed, name) for name in batch["name"]])

    def train(self, mode: bool = True) -> Task:
        """Set training mode; networks without a trainable parameter stay in eval mode."""
        super().train(mode)
        for _, network in networks(self):
            if not any(p.requires_grad for p in network.parameters()):
                network.eval()
        return self


def draw_timesteps(weights: Tensor, generators: list[torch.Generator]) -> Tensor:
    """One timestep per sample, drawn with probabilities proportional to `weights` (T,).

    By inverting their sum, on the generators' device: unlike `multinomial` nothing waits for it.
    """
    u = torch.cat([torch.rand(1, generator=g, device=g.device) for g in generators])
    total = weights.to(u.device, torch.float64, non_blocking=True).cumsum(0)
    return torch.searchsorted(total, u * total[-1], right=True).clamp(max=len(weights) - 1)


def draw_keep(probability: float, generators: list[torch.Generator]) -> Tensor:
    """1 or 0 per sample: 0 with `probability`, to drop a condition."""
    drawn = [torch.rand(1, generator=g, device=g.device) for g in generators]
    return (torch.cat(drawn) >= probability).float()
