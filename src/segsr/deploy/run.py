"""Restoring with an exported graph: numpy and onnxruntime, no PyTorch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.seeding import derive_seed

Array = npt.NDArray[Any]


class OnnxRestorer:
    """A graph of `segsr export` under onnxruntime, on the CPU.

    Args:
        path: The file.
        threads: Of a call; onnxruntime's own choice if None.

    Raises:
        SegSRError: If onnxruntime is not installed or the file is no such graph.
    """

    def __init__(self, path: str | Path, threads: int | None = None) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise SegSRError(
                f"{path} is run by onnxruntime, which cannot be imported ({error}):"
                " pip install 'segsr[onnx]'"
            ) from error
        options = onnxruntime.SessionOptions()
        if threads is not None:
            options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
            self.facts = json.loads(self.session.get_modelmeta().custom_metadata_map["segsr"])
        except Exception as error:  # whatever onnxruntime makes of a foreign file
            reason = str(error).splitlines()[0]
            raise SegSRError(f"{path} is no graph of segsr export ({reason}).") from error

    def __call__(
        self, lq: Array, *, seed: int = 0, mask: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the restored image (3, SCALE * h, SCALE * w) in [0, 1], and its classes.

        Args:
            lq: The photograph, float32 (3, h, w), RGB in [0, 1].
            seed: Key of the noise, which is numpy's: other than that of PyTorch.
            mask: Classes to hold fixed, at the result's size; 255 leaves a pixel free.

        Raises:
            SegSRError: If the photograph is too large, or the mask of another size.
        """
        height, width = lq.shape[-2:]
        return self.run(lq, self.draw(height, width, seed), mask)

    def draw(self, height: int, width: int, seed: int) -> dict[str, Array]:
        """Return the random inputs for a photograph of so many pixels."""
        draws = np.random.default_rng(derive_seed(seed, "onnx"))
        cells = self._cells(height, width)
        known = self.facts
        numbers: dict[str, Array] = {
            "noise": draws.standard_normal((1, known["channels"], *cells), dtype=np.float32),
            "classes": draws.integers(known["classes"], size=(1, *cells)),
        }
        if known["steps"] > 1:
            shape = (known["steps"] - 1, known["classes"], *cells)
            numbers["uniform"] = draws.random(shape, dtype=np.float32)
        return numbers

    def run(
        self, lq: Array, numbers: dict[str, Array], mask: Array | None = None
    ) -> tuple[Array, Array]:
        """Return what the graph makes of a photograph and given random numbers; see `__call__`."""
        known = self.facts
        height, width = lq.shape[-2:]
        hq = known["scale"] * height, known["scale"] * width
        if hq[0] * hq[1] > known["most"]:
            raise SegSRError(
                f"a result of {hq[1]}x{hq[0]} px is more than the {known['most']} px of a graph:"
                " cut the photograph, or use segsr upscale, which has tiles."
            )
        tall, wide = self._padded(height), self._padded(width)
        beyond = ((0, 0), (0, tall - height), (0, wide - width))
        mode = "reflect" if wide - width < width and tall - height < height else "edge"
        padded = np.pad(lq.astype(np.float32), beyond, mode=mode)  # type: ignore[call-overload]
        given = np.full((1, *self._cells(height, width)), IGNORE_INDEX, np.int64)
        if mask is not None:
            if mask.shape != hq:
                raise SegSRError(
                    f"the mask is {mask.shape[1]}x{mask.shape[0]}, but must be as large as the"
                    f" result, {hq[1]}x{hq[0]}: resize it with nearest."
                )
            factor = known["factor"]
            cells = mask[factor // 2 :: factor, factor // 2 :: factor]  # the nearest pixel
            given[0, : cells.shape[0], : cells.shape[1]] = cells
        values = {"lq": padded[None], "given": given, **numbers}
        asked = {one.name: values[one.name] for one in self.session.get_inputs()}
        image, classes = self.session.run(["image", "mask"], asked)
        return image[0, :, : hq[0], : hq[1]], classes[0, : hq[0], : hq[1]]

    def _padded(self, side: int) -> int:
        multiple = self.facts["multiple"]
        return int(-(-max(side, self.facts["smallest"]) // multiple) * multiple)

    def _cells(self, height: int, width: int) -> tuple[int, int]:
        scale, factor = self.facts["scale"], self.facts["factor"]
        return scale * self._padded(height) // factor, scale * self._padded(width) // factor
