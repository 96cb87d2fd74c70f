"""A degradation recipe: stages in order, and what becomes of the ground truth before them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, overload, runtime_checkable

import torch
from torch import Tensor

from segsr.batch import SCALE
from segsr.degradation import draws, ops
from segsr.degradation.draws import Number
from segsr.degradation.resize import Shrink
from segsr.degradation.stage import Params, Stage, apply_all
from segsr.errors import SegSRError

Generators = Sequence[torch.Generator]
T = TypeVar("T")
R = TypeVar("R")


@runtime_checkable
class Degradation(Protocol):
    """HQ images to (HQ, LQ) pairs; the HQ of a pair may have been sharpened on the way.

    HQ is (B, C, H, W), with a CPU generator per image, and LQ (B, C, H / SCALE, W / SCALE), both
    in [0, 1]. All that is random in a sample comes from its own generator.
    """

    def __call__(self, hq: Tensor, generators: Generators, /) -> tuple[Tensor, Tensor]: ...


BICUBIC: Mapping[str, Stage] = {"shrink": Shrink(("bicubic",), antialias=True)}
"""Antialiased bicubic shrinking alone."""


@dataclass(frozen=True)
class Pipeline:
    """Stages that take HQ images to LQ ones, each sample with parameters of its own.

    Nothing is drawn for a whole batch. Where samples differ in size, from the first random resize
    to the last, those that happen to agree go through an operation together.

    Args:
        stages: By name, in order; the last resize must be to the LQ size (`Shrink`).
        sharpen_hq: Sharpen the HQ image first: the pair's HQ is the sharpened one, and LQ is made
            of it (Real-ESRGAN).
        clean_prob: Probability that a sample is spared: antialiased bicubic shrinking alone
            (StableSR's `no_degradation_prob`).
        rounded: Round LQ, and HQ if sharpened, to multiples of 1/255, as files hold them
            (Real-ESRGAN; StableSR does not in training).

    Raises:
        SegSRError: `clean_prob` is no probability.
    """

    stages: Mapping[str, Stage] = field(default_factory=lambda: BICUBIC)
    sharpen_hq: bool = False
    clean_prob: Number = 0
    rounded: bool = True

    def __post_init__(self) -> None:
        draws.check_probability(clean_prob=self.clean_prob)

    @overload
    def __call__(
        self, hq: Tensor, generators: Generators, *, return_params: Literal[False] = ...
    ) -> tuple[Tensor, Tensor]: ...

    @overload
    def __call__(
        self, hq: Tensor, generators: Generators, *, return_params: Literal[True]
    ) -> tuple[Tensor, Tensor, list[Params]]: ...

    def __call__(
        self, hq: Tensor, generators: Generators, *, return_params: bool = False
    ) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, list[Params]]:
        """(HQ, LQ), or (HQ, LQ, the drawn parameters per sample); see `apply`.

        Args:
            hq: HQ images (B, C, H, W) in [0, 1], on any device.
            generators: One CPU generator per image.
            return_params: Also return what was drawn, with which `apply` repeats the pair.

        Raises:
            SegSRError: Images that cannot be degraded.
        """
        params = [self.draw(generator) for generator in generators]
        hq, lq = self.apply(hq, params)
        return (hq, lq, params) if return_params else (hq, lq)

    def draw(self, generator: torch.Generator) -> Params:
        """One sample's parameters by stage: numbers and words, fit for JSON."""
        clean = draws.chance(self.clean_prob, generator)
        stages = BICUBIC if clean else self.stages
        return {"clean": clean} | {name: stage.draw(generator) for name, stage in stages.items()}

    def apply(self, hq: Tensor, params: Sequence[Params]) -> tuple[Tensor, Tensor]:
        """(HQ, LQ) by given parameters, computed in float32 and of the type of `hq`.

        The same whenever it is called on a device, in whatever batch; devices differ in their
        noise. On a CPU every core takes one sample at a time, whose intermediate results stay in
        its cache; elsewhere samples of one size go through an operation together.

        Args:
            hq: HQ images (B, C, H, W) in [0, 1], grey or RGB, on any device; sides multiples of
                SCALE.
            params: What `draw` returned, one per image.

        Raises:
            SegSRError: Images that cannot be degraded, or stages that do not end at the LQ size.
        """
        size = lq_size(hq)
        if hq.device.type != "cpu":
            return self._apply(hq, params, size)
        pairs = on_all_cores(
            lambda i: self._apply(hq[i : i + 1], params[i : i + 1], size), range(len(hq))
        )
        sharp, lq = zip(*pairs, strict=True)
        return torch.cat(sharp), torch.cat(lq)

    @torch.no_grad()
    def _apply(
        self, hq: Tensor, params: Sequence[Params], size: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        sharp = ops.sharpen(hq.float()) if self.sharpen_hq else hq.float()
        lq = list(sharp)
        for clean, stages in ((False, self.stages), (True, BICUBIC)):
            chosen = [i for i, drawn in enumerate(params) if drawn["clean"] == clean]
            drawn = [params[i] for i in chosen]
            degraded = apply_all(stages, [lq[i] for i in chosen], drawn, size)
            for i, image in zip(chosen, degraded, strict=True):
                lq[i] = image
        if any(image.shape[-2:] != size for image in lq):
            raise SegSRError(
                "the stages of a degradation must end at the LQ size: make Shrink the last resize"
            )
        result = torch.stack(lq).clamp(0, 1)
        if self.rounded:
            result = ops.quantise(result)
            sharp = ops.quantise(sharp) if self.sharpen_hq else sharp
        return sharp.to(hq.dtype), result.to(hq.dtype)


def on_all_cores(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """The results of `work`, in order: as many items at a time as torch has threads, one each."""
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(item) for item in items]
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        results = list(pool.map(work, items))
    torch.set_num_threads(threads)  # the pool's setting is also that of threads yet to come
    return results


def lq_size(hq: Tensor) -> tuple[int, int]:
    """Height and width of the LQ images.

    Raises:
        SegSRError: If `hq` is no batch of grey or RGB images, or a side is no multiple of SCALE.
    """
    if hq.ndim != 4 or hq.shape[1] not in (1, 3) or not hq.is_floating_point():
        raise SegSRError(
            f"HQ must be float images (B, 1 or 3, H, W) in [0, 1], got {hq.dtype} of shape "
            f"{tuple(hq.shape)}: convert them"
        )
    height, width = hq.shape[-2:]
    if not height or not width or height % SCALE or width % SCALE:
        raise SegSRError(
            f"HQ size must be a multiple of {SCALE}, got {height}x{width}: "
            f"crop to {height - height % SCALE}x{width - width % SCALE}"
        )
    return height // SCALE, width // SCALE
