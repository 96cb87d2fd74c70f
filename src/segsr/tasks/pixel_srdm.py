"""A few-step SRDM, trained on the pictures that it predicts at the sampler's own steps."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from segsr.batch import Batch
from segsr.diffusion import gaussian
from segsr.diffusion.gaussian import draw_normal
from segsr.diffusion.schedules import node_weights
from segsr.nets.resize_codec import to_canvas
from segsr.seeding import generator
from segsr.tasks.predictions import Predictions
from segsr.tasks.srdm import SRDM
from segsr.tasks.task import Task, draw_keep, draw_timesteps
from segsr.training.picture_loss import PictureLoss


class PixelSRDM(Task):
    """Trains an SRDM whose few steps are known: on decoded pictures, at those steps alone.

    The steps must be deterministic given the noise they start from (DDIM).

    In part of the steps the states are not the noised truth but what the sampler itself arrives at
    from pure noise, so that the network is trained on what it meets in use (a roll-out, without
    gradient).

    This is where the refinement of a `PatchAutoencoder` learns, the rest of which stays frozen.

    Args:
        srdm: The branch; its scheduler predicts x0 ("sample"), its `steps` are the nodes.
        loss: What a predicted picture is trained on.
        first: Weight of the first node beside the others' 1: what one step alone has to do.
        rollout: Share of steps whose states are the sampler's own.
        **task: See `Task`.
    """

    def __init__(
        self,
        srdm: SRDM,
        loss: PictureLoss,
        *,
        first: float | int = 2.0,
        rollout: float = 0.5,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        self.srdm = srdm
        srdm.branch.autoencoder.train_refinement()
        self.loss = loss
        self.rollout = rollout
        self.first = first
        self.metrics["restored"] = srdm.metrics["restored"]

    @cached_property
    def node_weights(self) -> Tensor:
        """How often each timestep is drawn, of shape (T,): 0 but at the sampler's own."""
        return node_weights(self.srdm.branch.abar.cpu(), self.srdm.branch.steps, self.first)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of the pictures predicted at one node, drawn for the whole batch.

        A batch of one node takes no more roll-out than that node needs.
        """
        draws = generator(self.seed, "node", self.global_step)
        node = draw_timesteps(self.node_weights, [draws])
        t = node.expand(len(batch["name"]))  # on the CPU, which then need not wait
        branch = self.srdm.branch
        now = t.to(self.device, non_blocking=True)
        own = 1 - draw_keep(self.rollout, [generator(self.seed, "rollout", self.global_step)])
        with torch.no_grad():
            truth = batch["hq"]
            lq_latents = branch.encode(to_canvas(batch["lq"]))
            noise = torch.zeros_like(lq_latents)
            if branch.temperature or not own:
                noise = draw_normal(lq_latents, self.generators(batch))
            if own:
                state = self.srdm.roll_out(lq_latents, noise, t)
            else:
                x0 = branch.to_state(branch.encode(truth), lq_latents)
                state = gaussian.q_sample(x0, noise, branch.abar[now].view(-1, 1, 1, 1))
        clean = branch.denoise(state, now, lq_latents)
        terms = self.loss(
            branch.picture(clean.float(), lq_latents),
            truth,
            self.global_step,
            generator(self.seed, "window", self.global_step),
        )
        for name, term in terms.items():
            self.log_loss(name, term)
        return torch.stack(list(terms.values())).sum()

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the SRDM into the model folder `folder`."""
        self.srdm.save_pretrained(folder)

    def evaluate(self, batch: Batch) -> Predictions:
        """Restore, measure and picture the batch as the SRDM does."""
        restored = self.srdm.restore(batch["lq"], self.evaluation_noise(batch))
        self.measure("restored", restored, batch["hq"])
        return Predictions(batch["name"], restored, None)
