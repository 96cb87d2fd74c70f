"""A protocol: what exactly the figures of a table mean, by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from segsr.errors import SegSRError


@dataclass(frozen=True)
class Protocol:
    """Rules and metrics under which figures compare.

    Attributes:
        name: As in `protocol=NAME`.
        source: The publication or script whose figures it reproduces.
        rules: What stands under every table: colour space, border, rounding, weights.
        metrics: A node (`_target_` and arguments) for each metric, by the name that
            `metrics=[...]` chooses it with.
        test_sets: Names of known test sets by digest of their pixels; see
            `segsr.evaluation.inputs.set_digests`.
    """

    name: str
    source: str
    rules: Sequence[str]
    metrics: Mapping[str, Mapping[str, Any]]
    test_sets: Mapping[str, str] = field(default_factory=dict)

    def choose(self, names: Sequence[str] | str) -> dict[str, Mapping[str, Any]]:
        """Return the nodes of the metrics called `names`; of all for "all".

        Raises:
            SegSRError: If the protocol has no such metric, or none is asked for.
        """
        if names == "all":
            return dict(self.metrics)
        if isinstance(names, str) or not names:
            raise SegSRError(f"metrics must be a list of names, got {names!r}: metrics=[psnr,ssim]")
        for name in names:
            if name not in self.metrics:
                raise SegSRError(
                    f"protocol {self.name} has no metric {name!r}: it has {', '.join(self.metrics)}"
                )
        return {name: self.metrics[name] for name in names}

    def notes(self, digests: Mapping[str, str]) -> tuple[str, ...]:
        """Return the lines under a table.

        Args:
            digests: Of the test set's pixels by role; see `segsr.evaluation.inputs.set_digests`.
        """
        pixels = ", ".join(
            f"{role} {self.test_sets.get(sha, 'not listed')} (sha256 {sha[:16]})"
            for role, sha in digests.items()
        )
        return (
            f"Protocol {self.name}: {self.source}.",
            *self.rules,
            *([f"Pixels of the test set: {pixels}."] if pixels else []),
        )


def fingerprint(node: Mapping[str, Any]) -> str:
    """Return a metric's node as text, by which its earlier measurements are recognised.

    Where weights lie and which device computes does not matter to the figures.
    """
    kept = {key: value for key, value in node.items() if key not in ("weights", "device")}
    return json.dumps(kept, sort_keys=True)
