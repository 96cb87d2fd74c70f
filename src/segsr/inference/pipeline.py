"""SegSRPipeline: a trained model as a `diffusers.DiffusionPipeline`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import PIL.Image
from diffusers import DiffusionPipeline
from jaxtyping import Float, Int
from torch import Tensor

from segsr.batch import SCALE
from segsr.diffusion.noise import Key, keyed
from segsr.inference.bands import bands
from segsr.inference.colour import match_colour_
from segsr.inference.memory import LARGEST, Layout, Tile, bytes_per_pixel, free_bytes, lay_out
from segsr.inference.restoration import Restoration, as_image, resized
from segsr.inference.size import Size, resize_mask
from segsr.inference.within_memory import restore_within_memory
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions


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
        self._bytes: dict[float, float] = {}  # per HQ pixel, by guidance

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "compact",
        *,
        revision: str | None = None,
        sha256: str | None = None,
    ) -> SegSRPipeline:
        """Return the pipeline of `compact`, a model folder, or a hub id.

        Raises:
            SegSRError: If the model or a component of it cannot be had, or it is another one.
        """
        return cls(JointModel.from_pretrained(model, revision=revision, sha256=sha256))

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
        tile: Tile = "auto",
        trajectory: bool = False,
        on_step: Callable[[int], None] | None = None,
        on_tile: Callable[[], None] = lambda: None,
        scale: float | int | None = None,
        long_side: int | None = None,
        size: tuple[int, int] | None = None,
        **values: Any,
    ) -> Restoration:
        """Return the photograph at SCALE times its size or any from 1 to 16, with its mask.

        The model restores it once, of more than SCALE times its own result again, and what comes
        out is resized to the exact size.

        Args:
            image: The LQ photograph: RGB, in [0, 1] if a tensor.
            options: How to sample; as the model was trained if None.
            seed: Key of the noise.
            name: A file name that joins the seed in the key, as `segsr upscale` does.
            mask: Classes to hold fixed, at LQ or HQ size; 255 leaves a pixel to SegDM.
            tile: Side of a tile in HQ pixels; `auto` as memory allows, `off` for none.
            trajectory: Also decode what every step predicts.
            on_step: Called with t after every step; a progress bar of diffusers if None.
            on_tile: Called after every tile of every step.
            scale: Times the photograph's size, from 1 to 16, if it is not to be SCALE.
            long_side: Pixels of the longer side, instead.
            size: Width and height, instead.
            **values: Single values of `SamplingOptions`, in place of those of `options`.

        Raises:
            SegSRError: If the image, the mask or an option does not fit.
        """
        options = replace(options or SamplingOptions(), **values)
        self.model.image.check(options)
        options = self.model.image.settled(options)
        photo = as_image(image)
        enlargement = Size(scale, long_side, size).of(*photo.shape[-2:])
        if mask is not None and tuple(mask.shape) == (enlargement.height, enlargement.width):
            mask = resize_mask(mask, *(SCALE * side for side in photo.shape[-2:]))
        key = (seed,) if name is None else (seed, name)
        restoration = self._restore(photo, options, key, mask, tile, trajectory, on_step, on_tile)
        if enlargement.passes == 2:
            photo = as_image(restoration.image)
            if mask is not None:
                mask = resize_mask(mask, *photo.shape[-2:])
            del restoration
            key = (*key, "again")
            restoration = self._restore(
                photo, options, key, mask, tile, trajectory, on_step, on_tile
            )
        if enlargement.resized:
            restoration = resized(restoration, enlargement.height, enlargement.width)
        return replace(restoration, options=options, enlargement=enlargement)

    def _restore(
        self,
        photo: Float[Tensor, "3 h w"],
        options: SamplingOptions,
        key: Key,
        mask: Int[Tensor, "mh mw"] | None,
        tile: Tile,
        trajectory: bool,
        on_step: Callable[[int], None] | None,
        on_tile: Callable[[], None],
    ) -> Restoration:
        """The model once: SCALE times the size, with the colours that `options` name."""
        height, width = photo.shape[-2:]
        layout = self.lay_out(height, width, options, tile)
        count = len(bands(height, layout)[1])
        with ExitStack() as stack:
            if on_step is None:
                total = count * (options.steps or self.model.image.steps)
                progress = stack.enter_context(self.progress_bar(total=total))
                on_step = partial(_update, progress)
            restoration = restore_within_memory(
                self.model,
                photo,
                keyed(*key),
                options,
                tile,
                partial(self.lay_out, height, width, options, tile),
                mask=mask,
                trajectory=trajectory,
                on_step=on_step,
                on_tile=on_tile,
            )
        steps = restoration.trajectory  # the last one's image is the restoration's
        for seen in [step.image for step in steps] or [restoration.image]:
            match_colour_(seen, photo, options.colour or "none")
        return restoration

    def lay_out(
        self,
        height: int,
        width: int,
        options: SamplingOptions,
        tile: Tile,
        largest: int = LARGEST,
        together: int = 1,
    ) -> Layout:
        """Return how a photograph of so many LQ pixels would be cut; see `segsr.inference.memory`.

        Raises:
            SegSRError: If `tile` is senseless, or a tile of that side cannot fit.
        """
        guidance = options.semantic_guidance

        def per_pixel() -> float:
            if guidance not in self._bytes:
                self._bytes[guidance] = bytes_per_pixel(self.model, guidance)
            return self._bytes[guidance]

        free = free_bytes(self.model.device)
        return lay_out(
            self.model,
            height,
            width,
            tile,
            free=free,
            per_pixel=per_pixel,
            steps=options.steps or self.model.image.steps,
            largest=largest,
            together=together,
        )


def _update(progress: Any, t: int) -> None:
    progress.update()
