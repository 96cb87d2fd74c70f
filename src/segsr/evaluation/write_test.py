"""What `segsr test` leaves behind: images, masks, records of each, tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from segsr.evaluation.differences import between_rows, differences_markdown
from segsr.evaluation.evaluate import Evaluation
from segsr.evaluation.measure import measure
from segsr.evaluation.records import ImageRecord, as_line, read_records
from segsr.evaluation.render import latex, markdown
from segsr.evaluation.summary import summarise
from segsr.evaluation.table import Row, Table
from segsr.files.atomic import write_text
from segsr.metrics.agreement import MaskAgreement
from segsr.metrics.fidelity import Psnr, Ssim
from segsr.metrics.image_metric import ImageMetric
from segsr.metrics.restoration import eight_bit
from segsr.nets.resize_codec import pillow_bicubic
from segsr.tasks.predictions import Predictions
from segsr.tasks.write_predictions import write

RESTORED, BICUBIC = "restored", "bicubic"


class WriteTest(Callback):
    """Writes what a model made of the test set, and measures it image by image.

    `<stem>.png` and `<stem>_mask.png` of every photograph, `restored.jsonl` and `bicubic.jsonl`
    with a line per photograph, `table.md` and `table.tex`. Every rank writes its own photographs;
    the first one joins the records, each photograph counting once however often it was sampled.

    Args:
        folder: Where to.
        metrics: By name; PSNR and SSIM on Y and the agreement of masks if None.
    """

    def __init__(
        self, folder: str | Path, metrics: Mapping[str, ImageMetric] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.metrics = metrics or {"psnr": Psnr(), "ssim": Ssim(), "mask": MaskAgreement()}

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Forget the records of an earlier test in the same folder."""
        for which in (RESTORED, BICUBIC):
            write_text(self._part(which, trainer.global_rank), "")

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Write and measure one batch."""
        assert isinstance(outputs, Predictions)
        write(self.folder, outputs)
        rank = trainer.global_rank
        roles = {"hq": "hq", "label": "mask"}
        truth = {role: batch[key] for role, key in roles.items() if key in batch}
        found = {"mask": outputs.masks} if outputs.masks is not None else {}
        if outputs.images is not None:
            found["restored"] = eight_bit(outputs.images.detach()) / 255
            if "hq" in batch and outputs.images.shape == batch["hq"].shape:
                bicubic = {"restored": eight_bit(pillow_bicubic(batch["lq"])) / 255}
                self._record(BICUBIC, rank, outputs.names, {**bicubic, **truth})
        self._record(RESTORED, rank, outputs.names, {**found, **truth})

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Join the records of all ranks and write the tables."""
        trainer.strategy.barrier()
        if not trainer.is_global_zero:
            return
        evaluations = {}
        for which in (BICUBIC, RESTORED):
            parts = sorted(self.folder.glob(f".{which}.*.jsonl"))
            records = {r.name: r for part in parts for r in read_records(part).values()}
            for part in parts:
                part.unlink()
            if not any(record.values for record in records.values()):
                continue
            ordered = {name: records[name] for name in sorted(records)}
            write_text(self.folder / f"{which}.jsonl", "".join(map(as_line, ordered.values())))
            evaluations[which] = Evaluation(ordered, expected=len(ordered))
        if evaluations:
            self._write_tables(evaluations, type(pl_module).__name__)

    def _record(
        self, which: str, rank: int, names: list[str], images: Mapping[str, Tensor]
    ) -> None:
        metrics = {n: m for n, m in self.metrics.items() if set(m.inputs) <= set(images)}
        with self._part(which, rank).open("a", encoding="utf-8") as file:
            for name, measured in zip(names, measure(metrics, images), strict=True):
                values = {k: v for found in measured.values.values() for k, v in found.items()}
                file.write(as_line(ImageRecord(Path(name).stem, values=values)))

    def _part(self, which: str, rank: int) -> Path:
        return self.folder / f".{which}.{rank}.jsonl"

    def _write_tables(self, evaluations: Mapping[str, Evaluation], model: str) -> None:
        columns = tuple(c for metric in self.metrics.values() for c in metric.columns)
        rows = tuple(
            Row(which, summarise(evaluation.records, columns))
            for which, evaluation in evaluations.items()
        )
        shown = tuple(c for c in columns if any(c.name in row.values for row in rows))
        count = max(len(evaluation.records) for evaluation in evaluations.values())
        notes = (f"{count} images; in brackets 95 % bootstrap intervals over images.",)
        table = Table(f"Test of {model}", shown, rows, notes)
        text = markdown(table)
        if len(evaluations) > 1:
            text += "\n" + differences_markdown(
                table.title, between_rows(evaluations, shown), shown
            )
        write_text(self.folder / "table.md", text)
        write_text(self.folder / "table.tex", latex(table))
