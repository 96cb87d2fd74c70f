"""What `segsr evaluate` does with a recipe: metrics built, folders measured, tables written."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from segsr.config import build, require, resolved_yaml
from segsr.errors import SegSRError
from segsr.evaluation.evaluate import Evaluation, evaluate_folders
from segsr.evaluation.protocol import Protocol, fingerprint
from segsr.evaluation.render import latex, markdown, print_table
from segsr.evaluation.summary import summarise
from segsr.evaluation.table import Row, Table
from segsr.files.atomic import write_text
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


def evaluate(cfg: DictConfig, folders: Mapping[str, Path], output: Path, label: str) -> list[str]:
    """Measure the images of `folders`, write and print what was found, return the problems.

    Args:
        cfg: Recipe such as conf/evaluate.yaml.
        folders: By role; see `segsr.evaluation.evaluate.evaluate_folders`.
        output: Folder of `records.jsonl`, `summary.json`, `table.md`, `table.tex`.
        label: The method's name in the tables.

    Raises:
        SegSRError: If nothing can be measured.
    """
    chosen = choose_metrics(cfg)
    chosen.problems.extend(drop_without_inputs(chosen, folders))
    if not chosen.metrics:
        raise SegSRError("; ".join(chosen.problems))
    evaluation = evaluate_folders(
        folders,
        chosen.metrics,
        chosen.settings,
        output,
        batch_size=cfg.batch_size,
        device=cfg.device,
        label_map=build(cfg.label_map),
    )
    problems = [*chosen.problems, *evaluation.problems]
    table = make_table(chosen, {label: evaluation}, title=_title(chosen.protocol, evaluation))
    write_text(output / "config.yaml", resolved_yaml(cfg))
    write_summary(output / "summary.json", table, {label: evaluation}, problems)
    write_text(output / "table.md", markdown(table))
    write_text(output / "table.tex", latex(table))
    print_table(table)
    return problems


def drop_without_inputs(chosen: Chosen, folders: Collection[str]) -> list[str]:
    """Remove the metrics that look at a role that is not there; return a sentence for each."""
    problems = []
    for name, metric in list(chosen.metrics.items()):
        lacking = [role for role in metric.inputs if role not in folders]
        if lacking:
            options = " and ".join(OPTIONS[role] for role in lacking)
            problems.append(f"no {name}: it needs {options}")
            del chosen.metrics[name]
    return problems


OPTIONS = {
    "restored": "--sr FOLDER",
    "hq": "--hq FOLDER",
    "lq": "--lq FOLDER",
    "mask": "--masks FOLDER",
    "label": "--labels FOLDER",
}
"""The option that gives a role."""


def make_table(chosen: Chosen, evaluations: Mapping[str, Evaluation], *, title: str) -> Table:
    """Return the table of methods on one test set, its protocol below."""
    rows = tuple(
        Row(label, summarise(evaluation.records, chosen.columns()))
        for label, evaluation in evaluations.items()
    )
    measured = {name for row in rows for name in row.values}
    columns = tuple(column for column in chosen.columns() if column.name in measured)
    notes = []
    for label, evaluation in evaluations.items():
        count = f"{len(evaluation.records)} of {evaluation.expected} images"
        if len(evaluation.records) < evaluation.expected:
            notes.append(f"INCOMPLETE: {label} was measured on {count}.")
    first = next(iter(evaluations.values()))
    notes.append(f"{len(first.records)} images; in brackets 95 % bootstrap intervals over images.")
    return Table(title, columns, rows, (*notes, *chosen.protocol.notes(first.digests)))


def write_summary(
    path: Path, table: Table, evaluations: Mapping[str, Evaluation], problems: list[str]
) -> None:
    """Write a table's figures, its notes and the problems as JSON."""
    content = {
        "title": table.title,
        "notes": table.notes,
        "test_set_sha256": {label: e.digests for label, e in evaluations.items()},
        "images": {label: list(e.records) for label, e in evaluations.items()},
        "figures": {
            row.label: {name: asdict(value) for name, value in row.values.items()}
            for row in table.rows
        },
        "problems": problems,
    }
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _title(protocol: Protocol, evaluation: Evaluation) -> str:
    return protocol.test_sets.get(evaluation.digests.get("hq", ""), "Evaluation")
