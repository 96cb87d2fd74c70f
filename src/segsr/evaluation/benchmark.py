"""Methods x test sets, run and measured."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from segsr.errors import SegSRError
from segsr.evaluation.figures.canvas import write_figure
from segsr.evaluation.figures.trajectory import draw_trajectory
from segsr.evaluation.image_set import ImageSet
from segsr.evaluation.methods import Method, Outputs, SegSR
from segsr.evaluation.pairing import pair_files
from segsr.evaluation.runner import Result, run_method
from segsr.files.photo import read_photo
from segsr.metrics.image_metric import ImageMetric
from segsr.progress import SILENT, Progress


@dataclass
class Run:
    """What the methods made of the test sets.

    Attributes:
        results: By name of the test set, those of the methods that have some.
        problems: One sentence each for what went wrong.
    """

    results: dict[str, list[Result]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def run_methods(
    methods: Mapping[str, Callable[[], Method | Outputs]],
    test_sets: Sequence[ImageSet],
    metrics: Mapping[str, ImageMetric],
    settings: Mapping[str, str],
    output: Path,
    *,
    batch_size: int = 4,
    device: str = "cpu",
    trajectories: bool = False,
    progress: Progress = SILENT,
) -> Run:
    """Run every method on every test set; what is in `output` from an earlier call is kept.

    Args:
        methods: By name, made one at a time, as one at a time is in memory.
        test_sets: What they run on.
        metrics: By name.
        settings: Settings of each metric by name, as text.
        output: Folder; `<test set>/<method>/` holds the results and records.
        batch_size: Images measured at once.
        device: Of the metrics.
        trajectories: Whether to draw how a joint model goes from noise to the first photograph.
        progress: Hears of each photograph and each problem.
    """
    run = Run({test_set.name: [] for test_set in test_sets})
    for name, make in methods.items():
        try:
            method = make()
        except SegSRError as error:
            run.problems.append(f"no method {name}: {error}")
            continue
        for test_set in test_sets:
            folder = output / folder_name(test_set.name)
            found = run_method(
                method,
                test_set,
                test_set.folders(folder),
                metrics,
                settings,
                folder / folder_name(name),
                batch_size=batch_size,
                device=device,
                progress=progress,
            )
            if found is not None:
                run.results[test_set.name].append(found)
                run.problems.extend(found.evaluation.problems)
                if trajectories and isinstance(method, SegSR) and method.options.exchange:
                    _draw_trajectory(method, found, output / "figures" / folder_name(test_set.name))
        del method
        gc.collect()
    run.results = {name: found for name, found in run.results.items() if found}
    return run


def folder_name(name: str) -> str:
    """Return `name` as the name of a folder."""
    kept = "".join(c if c.isalnum() or c in "-_." else "_" for c in name)
    return kept.strip(".") or "_"


def _draw_trajectory(method: SegSR, found: Result, folder: Path) -> None:
    first = pair_files({role: found.folders[role] for role in ("restored", "lq")}).photos[0]
    restoration = method.trajectory(read_photo(first.files["lq"]).image, first.name)
    write_figure(draw_trajectory(restoration), folder / f"{first.name}_trajectory")
