"""SegSRPipeline: the model folder as a `diffusers.DiffusionPipeline`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import PIL.Image
from diffusers import DiffusionPipeline, ModelMixin
from jaxtyping import Float, Int
from torch import Tensor

from segsr.checkpoints.folder import (
    find_folder,
    has_component,
    load_component,
    load_scheduler,
    load_settings,
)
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.seg_denoiser import SegDenoiser
from segsr.nets.seg_prior import SegPrior
from segsr.seeding import generator
from segsr.tasks.joint import JointSegSR
from segsr.tasks.restoration import Restoration, restore
from segsr.tasks.segdm import SegDM
from segsr.tasks.srdm import SRDM, Start


class SegSRPipeline(DiffusionPipeline):
    """Restores photographs with the networks of a model folder.

    `to`, `progress_bar` and `components` come from diffusers. Loading and saving are ours: the
    classes of a model folder come from a fixed table, never from a name in a file.
    """

    def __init__(
        self,
        autoencoder: ModelMixin,
        controller: ImageController,
        denoiser: ImageDenoiser,
        prior: SegPrior,
        seg_denoiser: SegDenoiser,
        bridge: DualModalityBridge,
        scheduler: Any,
        settings: dict[str, Any] | None = None,
        cfw: ControllableDecoder | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            autoencoder=autoencoder,
            controller=controller,
            denoiser=denoiser,
            prior=prior,
            seg_denoiser=seg_denoiser,
            bridge=bridge,
            scheduler=scheduler,
            cfw=cfw,
        )
        settings = settings or {}
        self.model = JointSegSR(
            SRDM(autoencoder, controller, denoiser, scheduler, cfw=cfw, **settings.get("srdm", {})),
            SegDM(prior, seg_denoiser, **settings.get("segdm", {})),
            bridge,
        ).eval()

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "compact", *, revision: str | None = None
    ) -> SegSRPipeline:
        """Return the pipeline of `compact`, a model folder, or a hub id.

        Raises:
            SegSRError: If the model or a component of it cannot be had.
        """
        folder = find_folder(model, revision)
        names = ("autoencoder", "controller", "denoiser", "prior", "seg_denoiser", "bridge")
        present = [*names, "cfw"] if has_component(folder, "cfw") else names
        components = {name: load_component(folder, name) for name in present}
        return cls(
            **components,
            scheduler=load_scheduler(folder),
            settings=load_settings(folder),
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder `folder`."""
        self.model.save_pretrained(folder)

    def __call__(
        self,
        image: PIL.Image.Image | Float[Tensor, "3 h w"],
        *,
        num_inference_steps: int | None = None,
        seed: int = 0,
        name: str | None = None,
        mask: Int[Tensor, "mh mw"] | None = None,
        guidance_scale: float = 1.0,
        start: Start = "noise",
        trajectory: bool = False,
    ) -> Restoration:
        """Return the photograph at SCALE times its size, with its mask.

        Args:
            image: The LQ photograph: RGB, in [0, 1] if a tensor.
            num_inference_steps: Sampling steps; the model's own number if None.
            seed: Key of the noise.
            name: A file name that joins the seed in the key, as `segsr upscale` does.
            mask: Classes to hold fixed, at LQ or HQ size; 255 leaves a pixel to SegDM.
            guidance_scale: Semantic guidance scale: 0 ignores the mask, 1 as trained.
            start: Start from pure noise or from the LQ latent at t=999.
            trajectory: Also decode what every step predicts.

        Raises:
            SegSRError: If the image or the mask does not fit.
        """
        steps = num_inference_steps or self.model.srdm.steps
        key = (seed,) if name is None else (seed, name)
        with self.progress_bar(total=steps) as progress:
            return restore(
                self.model,
                image,
                generator(*key),
                steps=steps,
                mask=mask,
                guidance=guidance_scale,
                start=start,
                trajectory=trajectory,
                on_step=lambda t: progress.update(),
            )
