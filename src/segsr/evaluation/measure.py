"""Metrics of a batch of images; what one cannot measure the others still do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import Tensor

from segsr.errors import SegSRError
from segsr.evaluation.records import encode
from segsr.metrics.image_metric import ImageMetric, Inputs


class Measured(NamedTuple):
    """Measurements of one image by metric, then field; and why a metric has none."""

    values: dict[str, dict[str, Any]]
    problems: dict[str, str]


def measure(metrics: Mapping[str, ImageMetric], images: Inputs) -> list[Measured]:
    """Return what `metrics` say of each image of a batch.

    A metric that fails on a batch (out of memory, a broken image) is asked image by image.
    """
    count = len(next(iter(images.values())))
    found = [Measured({}, {}) for _ in range(count)]
    for name, metric in metrics.items():
        try:
            _add(found, name, metric(images))
        except Exception as error:  # a metric may be anybody's code
            if count == 1:
                found[0].problems[name] = _sentence(error)
                continue
            for i in range(count):
                alone = measure({name: metric}, {k: v[i : i + 1] for k, v in images.items()})[0]
                found[i].values.update(alone.values)
                found[i].problems.update(alone.problems)
    return found


def _add(found: list[Measured], name: str, scores: Mapping[str, Tensor]) -> None:
    encoded = [
        {field: encode(tensor[i]) for field, tensor in scores.items()} for i in range(len(found))
    ]
    for image, values in zip(found, encoded, strict=True):
        image.values[name] = values


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, SegSRError) else f"{type(error).__name__}: {text}"
