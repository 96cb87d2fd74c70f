"""SegSRPipeline: a trained model as a `diffusers.DiffusionPipeline`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import PIL.Image
from diffusers import DiffusionPipeline
from jaxtyping import Float, Int
from torch import Tensor

from segsr.inference.restoration import Restoration, restore
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.seeding import generator


class SegSRPipeline(DiffusionPipeline):
    """Restores photographs: the one road from Python, the command line and the benchmark.

    `to` and `progress_bar` come from diffusers. Loading and saving are ours: the classes of a
    model folder come from a fixed table, never from a name in a file.

    Args:
        model: The model that restores.
    """

    def __init__(self, model: JointModel) -> None:
        super().__init__()
        self.register_modules(model=model)

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "compact", *, revision: str | None = None
    ) -> SegSRPipeline:
        """Return the pipeline of `compact`, a model folder, or a hub id.

        Raises:
            SegSRError: If the model or a component of it cannot be had.
        """
        return cls(JointModel.from_pretrained(model, revision=revision))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder `folder`."""
        self.model.save_pretrained(folder)

    def __call__(
        self,
        image: PIL.Image.Image | Float[Tensor, "3 h w"],
        options: SamplingOptions | None = None,
        *,
        seed: int = 0,
        name: str | None = None,
        mask: Int[Tensor, "mh mw"] | None = None,
        trajectory: bool = False,
        on_step: Callable[[int], None] | None = None,
        **values: Any,
    ) -> Restoration:
        """Return the photograph at SCALE times its size, with its mask.

        Args:
            image: The LQ photograph: RGB, in [0, 1] if a tensor.
            options: How to sample; as the model was trained if None.
            seed: Key of the noise.
            name: A file name that joins the seed in the key, as `segsr upscale` does.
            mask: Classes to hold fixed, at LQ or HQ size; 255 leaves a pixel to SegDM.
            trajectory: Also decode what every step predicts.
            on_step: Called with t after every step; a progress bar of diffusers if None.
            **values: Single values of `SamplingOptions`, in place of those of `options`.

        Raises:
            SegSRError: If the image, the mask or an option does not fit.
        """
        options = replace(options or SamplingOptions(), **values)
        noise = generator(seed) if name is None else generator(seed, name)
        if on_step is not None:
            return restore(
                self.model, image, noise, options, mask=mask, trajectory=trajectory, on_step=on_step
            )
        with self.progress_bar(total=options.steps or self.model.image.steps) as progress:
            return restore(
                self.model,
                image,
                noise,
                options,
                mask=mask,
                trajectory=trajectory,
                on_step=lambda t: progress.update(),
            )
