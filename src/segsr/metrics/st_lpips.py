"""ST-LPIPS: a shift-tolerant perceptual distance (Ghildyal and Liu, ECCV 2022), VGG variant.

It is **not** LPIPS: the two numbers do not compare. What differs is that every max-pool of VGG16
is split into a dense max-pool and a fixed low-pass filter with stride 2, which makes the distance
indifferent to shifts of a pixel or two: the misalignments real photo pairs have.

The forward pass is written anew from that description; the weights are BSD-2 licensed, are not
part of this package and are read from the wheel of `stlpips-pytorch` 0.0.2 (file
`stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth`, 59 MB, sha256
44597da68f49c1837c100ff52299050f274d102eb102e5837178c79be6f0e250).

Check: bicubic enlargement (Pillow) of every fourth image of the RealSR benchmark, 25 pairs of 128
to 512 px, gives 0.4176.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.errors import SegSRError
from segsr.metrics.column import Column
from segsr.metrics.image_metric import Inputs
from segsr.metrics.per_image import PerImageMean

FILE = "vgg_shift_tolerant.pth"
"""Name of the weight file."""

# VGG16 as in torchvision's `vgg16().features`, cut before each pooling. The keys of the weight
# file count its layers, and a pooling counts twice: max-pool, then low-pass filter.
_WIDTHS = (64, 128, 256, 512, 512)
_CONVOLUTIONS = ((0, 2), (6, 8), (12, 14, 16), (20, 22, 24), (28, 30, 32))
_LOW_PASS = (None, 5, 11, 19, 27)
_SMALLEST = 18  # pixels: below, the last reflection pad is wider than what it reflects

_REMEDY = (
    "Run `pip download --no-deps stlpips-pytorch==0.0.2`, unzip the wheel and give the path of "
    "its stlpips_pytorch/weights/vST0.0/vgg_shift_tolerant.pth."
)


class STLPIPS(PerImageMean):
    """Mean ST-LPIPS distance over images: 0 for equal images, lower is better.

    The network is frozen by construction: its weights are buffers, so no optimizer and no
    distributed wrapper ever sees them, and they stay out of every checkpoint.

    Args:
        weights: The file `vgg_shift_tolerant.pth`; see the module's docstring.

    Raises:
        SegSRError: If the file is missing or holds something else.
    """

    higher_is_better = False

    def __init__(self, weights: str | Path) -> None:
        super().__init__(_Network(load_weights(weights)))


class StLpips:
    """ST-LPIPS as a metric of a protocol.

    Args:
        weights: The file `vgg_shift_tolerant.pth`, or the folder it lies in.
        device: Where it runs.

    Raises:
        SegSRError: If the file is missing or holds something else.
    """

    columns = (Column("st_lpips", "ST-LPIPS", False, 4, "st_lpips"),)
    inputs = ("restored", "hq")

    def __init__(self, weights: str | Path | None, device: str | torch.device = "cpu") -> None:
        if weights is None:
            raise SegSRError(f"ST-LPIPS needs its weights. {_REMEDY}")
        path = Path(weights)
        self.network = _Network(load_weights(path / FILE if path.is_dir() else path)).to(device)
        self.device = torch.device(device)

    def __call__(self, images: Inputs) -> dict[str, Tensor]:
        """Return `st_lpips` (b,)."""
        pair = (images[role].to(self.device) for role in self.inputs)
        return {"st_lpips": self.network(*pair)}


@torch.no_grad()
def st_lpips(
    restored: Float[Tensor, "b 3 h w"],
    hq: Float[Tensor, "b 3 h w"],
    weights: Mapping[str, Tensor],
) -> Float[Tensor, " b"]:
    """Return the distance of each pair: weighted squared differences of unit-length features.

    Always in float32, inside autocast too: half precision would cost a decimal.

    Args:
        restored: Images in [0, 1]; values outside are clipped. Sides of 18 pixels and more.
        hq: The true images in [0, 1].
        weights: As `load_weights` returns them, on the images' device.

    Raises:
        SegSRError: If the images are too small for the network.
    """
    height, width = hq.shape[-2:]
    if min(height, width) < _SMALLEST:
        raise SegSRError(
            f"ST-LPIPS needs images of at least {_SMALLEST}x{_SMALLEST} pixels, got "
            f"{height}x{width}: leave such images out of the evaluation."
        )
    distance = torch.zeros(len(hq), device=hq.device)
    with torch.autocast(hq.device.type, enabled=False):
        images = (image.float().clamp(0, 1) for image in (restored, hq))
        pairs = zip(*(features(image, weights) for image in images), strict=True)
        for stage, (x, y) in enumerate(pairs):
            difference = (_unit_length(x) - _unit_length(y)).square()
            seen = F.conv2d(difference, weights[f"lin{stage}.model.1.weight"])
            distance = distance + seen.mean(dim=(1, 2, 3))
    return distance


def load_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the weights of the file `path` on the CPU, read without unpickling objects.

    The file is the wheel's, or a safetensors file of the same tensors.

    Raises:
        SegSRError: If the file is missing, unreadable, or not the VGG variant of ST-LPIPS.
    """
    path = Path(path)
    if not path.is_file():
        raise SegSRError(f"The ST-LPIPS weights are not at {path}. {_REMEDY}")
    try:
        if path.suffix == ".safetensors":
            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise SegSRError(f"{path} is no readable PyTorch weight file. {_REMEDY}") from error
    shapes = weight_shapes()
    if not isinstance(state, dict) or any(
        not isinstance(state.get(key), Tensor) or tuple(state[key].shape) != shape
        for key, shape in shapes.items()
    ):
        raise SegSRError(f"{path} does not hold ST-LPIPS weights of the VGG variant. {_REMEDY}")
    return {key: state[key].float() for key in shapes}


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every tensor of the weight file, by its key there."""
    shapes: dict[str, tuple[int, ...]] = {
        "scaling_layer.shift": (1, 3, 1, 1),
        "scaling_layer.scale": (1, 3, 1, 1),
    }
    channels = 3
    for stage, (width, low_pass) in enumerate(zip(_WIDTHS, _LOW_PASS, strict=True)):
        if low_pass is not None:
            shapes[f"net.slice{stage + 1}.{low_pass}.filt"] = (channels, 1, 3, 3)
        for layer in _CONVOLUTIONS[stage]:
            shapes[f"net.slice{stage + 1}.{layer}.weight"] = (width, channels, 3, 3)
            shapes[f"net.slice{stage + 1}.{layer}.bias"] = (width,)
            channels = width
        shapes[f"lin{stage}.model.1.weight"] = (1, width, 1, 1)
    return shapes


class _Network(nn.Module):
    """`st_lpips` with its weights bound: they follow `.to(device)` and nothing else."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        for key, tensor in weights.items():
            self.register_buffer(_buffer_name(key), tensor, persistent=False)

    def forward(
        self, restored: Float[Tensor, "b 3 h w"], hq: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, " b"]:
        weights = {key: self.get_buffer(_buffer_name(key)) for key in weight_shapes()}
        return st_lpips(restored, hq, weights)


def features(
    images: Float[Tensor, "b 3 h w"], weights: Mapping[str, Tensor]
) -> Iterator[Float[Tensor, "b c fh fw"]]:
    """Yield the output of each of VGG16's five stages, for `images` in [0, 1]."""
    x = images * 2 - 1  # the scaling layer speaks of [-1, 1]
    x = (x - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
    for stage, low_pass in enumerate(_LOW_PASS):
        prefix = f"net.slice{stage + 1}"
        if low_pass is not None:
            x = F.max_pool2d(x, kernel_size=2, stride=1)
            x = F.pad(x, (2, 2, 2, 2), mode="reflect")
            x = F.conv2d(x, weights[f"{prefix}.{low_pass}.filt"], stride=2, groups=x.shape[1])
        for layer in _CONVOLUTIONS[stage]:
            kernel, bias = weights[f"{prefix}.{layer}.weight"], weights[f"{prefix}.{layer}.bias"]
            x = F.relu(F.conv2d(x, kernel, bias, padding=1))
        yield x


def _unit_length(features: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Return `features` divided by their length over the channels."""
    length = features.square().sum(dim=1, keepdim=True).sqrt()
    return features / (length + 1e-10)


def _buffer_name(key: str) -> str:
    return key.replace(".", "_")  # PyTorch forbids dots in the names of buffers
