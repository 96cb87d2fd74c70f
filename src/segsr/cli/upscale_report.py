"""What `segsr upscale` says of photographs: to people at the end, to scripts as it goes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from segsr.inference.outcomes import Outcome, Summary

_NAMED = 3  # results with the same difference that are named one by one


def json_line(outcome: Outcome, photo: str) -> str:
    """An outcome as one line of JSON.

    Args:
        outcome: What became of a photograph.
        photo: What to call it.
    """
    return json.dumps(
        {
            "input": photo,
            "output": _text(outcome.result),
            "mask": _text(outcome.mask),
            "status": outcome.status,
            "reason": outcome.reason or None,
            "seconds": outcome.seconds,
            "size": outcome.photo_size,
            "output_size": outcome.result_size,
        }
    )


def differing(outcomes: Collection[Outcome]) -> list[str]:
    """A sentence for each result that differs, or for many that differ in the same."""
    by_reason: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.status == "differs":
            by_reason[outcome.reason].append(outcome)
    sentences = []
    for reason, those in by_reason.items():
        if len(those) > _NAMED:
            sentences.append(f"{len(those)} results, such as {those[0].result}: {reason}")
        else:
            sentences += [f"{outcome.result}: {reason}" for outcome in those]
    return sentences


def closing(summary: Summary, output: str) -> list[str]:
    """The lines at the end."""
    counts = {
        "restored": len(summary.restored),
        "skipped (the same already)": len(summary.skipped),
        "differ": len(summary.differing),
        "failed": summary.failed,
    }
    told = [f"{count} {what}" for what, count in counts.items() if count or what == "restored"]
    lines = [f"{', '.join(told)}; results in {output}"]
    if summary.differing:
        lines.append("what differs was left alone: --overwrite replaces it")
    if summary.ignored:
        ignored = [f"{suffix} {count}" for suffix, count in summary.ignored.most_common()]
        lines.append(f"no photographs, left out: {', '.join(ignored)}")
    return lines


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)
