"""A restoration as one module of tensors in, tensors out, with its steps unrolled."""

from __future__ import annotations

from dataclasses import replace

import torch
from diffusers import DDIMScheduler
from jaxtyping import Float, Int
from torch import Tensor, nn

from segsr.batch import IGNORE_INDEX
from segsr.diffusion.categorical import log_one_hot, posterior, sample_classes
from segsr.diffusion.gaussian import predict_x0, q_sample
from segsr.diffusion.joint_sampler import held
from segsr.diffusion.state import State
from segsr.errors import SegSRError
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas


class RestorationGraph(nn.Module):
    """What `segsr.inference.restoration.restore` does between padding and cropping.

    Random numbers are inputs, so that a graph is a function. What a silent bridge would add, zero,
    is left out.

    Args:
        model: The model, in eval mode.
        options: How it samples.

    Raises:
        SegSRError: If its scheduler draws numbers of its own, or the options do not fit.
    """

    def __init__(self, model: JointModel, options: SamplingOptions) -> None:
        super().__init__()
        model.image.check(options)
        if not isinstance(model.image.scheduler, DDIMScheduler):
            kind = type(model.image.scheduler).__name__
            raise SegSRError(
                f"the model samples with {kind}, but a graph has neither memory nor noise between"
                " steps: put a DDIMScheduler into scheduler/."
            )
        if model.mask_first > 1:
            raise SegSRError(
                f"the model lets SegDM take {model.mask_first} steps first, but a graph has noise"
                " for one: distil it with mask_first=1."
            )
        self.model = model
        self.options = replace(
            model.image.settled(options),
            guidance=0 if model.bridge.silent else options.guidance,
            exchange=options.exchange and not model.bridge.gives_no_aid,
        )
        self.scheduler = model.image.timed_scheduler(self.options.steps)
        self.times = [int(t) for t in self.scheduler.timesteps]
        self.eval()

    def forward(
        self,
        lq: Float[Tensor, "1 3 h w"],
        noise: Float[Tensor, "1 c gh gw"],
        classes: Int[Tensor, "1 gh gw"],
        given: Int[Tensor, "1 gh gw"],
        uniform: Float[Tensor, "n k gh gw"] | None = None,
    ) -> tuple[Float[Tensor, "1 3 sh sw"], Int[Tensor, "1 sh sw"]]:
        """Return the restored image, in [0, 1], and its classes, 255 where they are unsure.

        Args:
            lq: The photograph, RGB in [0, 1]; sides multiples of `image.multiple` / SCALE.
            noise: Standard normal, on the latent grid.
            classes: Uniformly random: where the mask starts.
            given: Classes held fixed; 255 leaves a cell free.
            uniform: Random numbers in [0, 1) for every step but the last.
        """
        model, options = self.model, self.options
        conditions = model.read(to_canvas(lq), given)
        latents = self._start(conditions.lq_latents, noise)
        masks, kind = classes, self.scheduler.config.prediction_type
        if model.mask_first:
            begun = State(latents, torch.where(given == IGNORE_INDEX, masks, given))
            alone = replace(conditions, mask_only=True)
            log_mask = model.predict_mask(begun, alone, len(model.mask.abar) - 1, options)
            conditions = replace(conditions, estimate=held(log_mask, given))
        for i, t in enumerate(self.times):
            masks = torch.where(given == IGNORE_INDEX, masks, given)
            found = model.predict(State(latents, masks), conditions, t, options)
            log_mask = held(found.mask_log_probs, given)
            abar = self.scheduler.alphas_cumprod[t].view(1, 1, 1, 1)
            clean = predict_x0(kind, found.image, latents, abar)
            if uniform is not None and i + 1 < len(self.times):
                latents = self.scheduler.step(found.image, t, latents).prev_sample
                keep = (model.mask.abar[s].view(1) for s in (t, self.times[i + 1]))
                log_x_t = log_one_hot(masks, model.mask.num_classes)
                masks = sample_classes(posterior(log_mask, log_x_t, *keep), uniform[i : i + 1])
        image = model.image.decode(clean, conditions.lq_latents, conditions.canvas, options)
        found_classes, sure = model.mask.decode(log_mask)
        known_rows = (given != IGNORE_INDEX).repeat_interleave(model.mask.factor, 1)
        sure = sure | known_rows.repeat_interleave(model.mask.factor, 2)
        return image, found_classes.masked_fill(~sure, IGNORE_INDEX)

    def _start(self, lq_latents: Tensor, noise: Tensor) -> Tensor:
        """See `ImageBranch.start_state`."""
        image, options = self.model.image, self.options
        temperature = image.temperature if options.temperature is None else options.temperature
        drawn = options.strength * temperature * noise
        if options.start == "noise":
            return drawn
        state = image.to_state(lq_latents, lq_latents)
        if options.start == "latent":
            return state
        return q_sample(state, drawn, image.abar[self.times[0]].view(1, 1, 1, 1))
