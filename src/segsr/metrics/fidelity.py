"""PSNR and SSIM as metrics of a protocol."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from segsr.errors import SegSRError
from segsr.metrics.column import Column
from segsr.metrics.image_metric import Inputs
from segsr.metrics.restoration import psnr_rgb, psnr_y, ssim_rgb, ssim_y

_CHANNELS = ("y", "rgb")


class _Fidelity:
    """What both share: channel and border.

    Args:
        channel: `y`, the luma of BT.601 YCbCr in studio range, or `rgb`.
        crop_border: Pixels left out at every side; 0 in the paper, the factor (4) in most papers
            on classical super-resolution.

    Raises:
        SegSRError: If the channel is another or the border negative.
    """

    inputs = ("restored", "hq")

    def __init__(self, channel: str = "y", crop_border: int = 0) -> None:
        if channel not in _CHANNELS:
            raise SegSRError(f"channel must be one of {', '.join(_CHANNELS)}, got {channel!r}")
        if crop_border < 0:
            raise SegSRError(f"crop_border must be 0 or more pixels, got {crop_border}")
        self.channel = channel
        self.crop_border = crop_border

    def _inside(self, images: Inputs) -> tuple[Tensor, Tensor]:
        """Return the restored and the true images without their border."""
        restored, hq = (_without_border(images[role], self.crop_border) for role in self.inputs)
        return restored, hq


class Psnr(_Fidelity):
    """Peak signal-to-noise ratio in dB, at most 80; see `segsr.metrics.restoration`."""

    columns = (Column("psnr", "PSNR", True, 2, "psnr"),)

    def __call__(self, images: Inputs) -> dict[str, Tensor]:
        """Return `psnr` (b,)."""
        measure = psnr_y if self.channel == "y" else psnr_rgb
        return {"psnr": measure(*self._inside(images))}


class Ssim(_Fidelity):
    """Structural similarity in [0, 1], the mean over channels; see `segsr.metrics.restoration`."""

    columns = (Column("ssim", "SSIM", True, 4, "ssim"),)

    def __call__(self, images: Inputs) -> dict[str, Tensor]:
        """Return `ssim` (b,)."""
        measure = ssim_y if self.channel == "y" else ssim_rgb
        return {"ssim": measure(*self._inside(images))}


def _without_border(images: Float[Tensor, "b 3 h w"], border: int) -> Float[Tensor, "b 3 ch cw"]:
    height, width = images.shape[-2:]
    if min(height, width) <= 2 * border:
        raise SegSRError(
            f"an image of {width}x{height} has nothing left without a border of {border} "
            "pixels: leave it out of the evaluation"
        )
    return images[..., border : height - border, border : width - border]
