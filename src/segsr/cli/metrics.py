"""The metrics that a recipe names."""

from __future__ import annotations

from typing import NamedTuple

from omegaconf import DictConfig

from segsr.config import build, require
from segsr.errors import SegSRError
from segsr.evaluation.protocol import Protocol, fingerprint
from segsr.inference.upscale import find_device
from segsr.metrics.column import Column
from segsr.metrics.image_metric import ImageMetric


class Chosen(NamedTuple):
    """The metrics of a recipe.

    Attributes:
        protocol: Where they come from.
        metrics: Those that could be built, by name.
        settings: Their settings as text.
        problems: One sentence for each of the others.
    """

    protocol: Protocol
    metrics: dict[str, ImageMetric]
    settings: dict[str, str]
    problems: list[str]

    def columns(self) -> tuple[Column, ...]:
        """Return the columns of the metrics, in order."""
        return tuple(column for metric in self.metrics.values() for column in metric.columns)


def choose_metrics(cfg: DictConfig) -> Chosen:
    """Return the metrics that `cfg.metrics` names in `cfg.protocol`; one that fails is reported.

    Raises:
        SegSRError: If the protocol has no such metric.
    """
    require(cfg, "protocol", "metrics", "device", complete=False)
    cfg.device = str(find_device(cfg.device))
    protocol: Protocol = build(cfg.protocol)
    names = cfg.metrics if isinstance(cfg.metrics, str) else list(cfg.metrics)
    metrics: dict[str, ImageMetric] = {}
    settings, problems = {}, []
    for name, node in protocol.choose(names).items():
        try:
            metrics[name] = build(dict(node))
            settings[name] = fingerprint(node)
        except SegSRError as error:
            problems.append(f"no {name}: {error}")
    return Chosen(protocol, metrics, settings, problems)
