"""Shards labelled by a Ray cluster: `segsr[ray]`."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from segsr.checkpoints.state_dict import first_line
from segsr.errors import SegSRError
from segsr.files.atomic import write_text
from segsr.labeling.base import Labeler
from segsr.labeling.label_shard import OnPhoto, Settings, label_shard
from segsr.labeling.photos import PhotoToLabel
from segsr.labeling.shards import FOLDER, Shard, ShardRecord, write_record

BLOCKS = 1000
"""Ray's units of work, at most: the shards of one are begun again together."""
TRIES = 5
"""How often a shard is begun before it is given up; it might kill its actor for ever."""


class OnRay:
    """Labels with a pool of Ray actors, which read, label and write a shard at a time.

    An actor or a machine that dies is replaced, as Ray Data does, and its shard begun again, where
    the masks that are there already are kept. The photographs and the folder of masks must have
    the same paths on all machines.

    Args:
        workers: Actors.
        cpus: Cores of each; as many threads compute.
        gpus: GPUs of each, parts of one allowed; 0 labels on the CPU.
        address: Of the cluster; None starts one on this machine, `auto` finds the running one.
    """

    def __init__(
        self, workers: int = 1, *, cpus: int = 1, gpus: float = 0, address: str | None = None
    ) -> None:
        if workers < 1 or cpus < 1:
            raise SegSRError(f"Ray needs at least 1 worker of 1 core, got {workers} of {cpus}")
        self.workers = workers
        self.cpus = cpus
        self.gpus = gpus
        self.address = address

    def __call__(
        self,
        make_labeler: Callable[[], Labeler],
        shards: Sequence[Shard],
        settings: Settings,
        on_photo: OnPhoto,
    ) -> None:
        """Label `shards` and record each that was gone through.

        Args:
            make_labeler: Makes the labeler once in each actor; it is pickled.
            shards: What to label.
            settings: How and where to.
            on_photo: Is told of the photographs of a shard when it is done.

        Raises:
            SegSRError: If Ray is not installed, there is no such cluster, or it failed; if an
                actor cannot make the labeler or write.
        """
        if not shards:
            return
        try:
            import ray
        except ImportError as error:
            raise SegSRError("Ray is not installed: pip install 'segsr[ray]'") from error
        for shard in shards:
            _tries(shard, settings).unlink(missing_ok=True)
        started = not ray.is_initialized()
        if started:
            self._start()
        try:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False  # on_photo's caller shows one
            worker: Any = _Worker
            logging.getLogger("ray.data").setLevel(logging.ERROR)
            rows = ray.data.from_items(
                [_row(place, shard) for place, shard in enumerate(shards)],
                override_num_blocks=min(len(shards), BLOCKS),
            ).map(
                worker,
                fn_constructor_args=(make_labeler, settings, self.cpus, self.gpus),
                compute=ray.data.ActorPoolStrategy(size=self.workers),
                num_cpus=self.cpus,
                num_gpus=self.gpus,
            )
            for row in rows.iter_rows():
                if row["problem"]:
                    raise SegSRError(row["problem"])
                for item, outcome in zip(shards[row["place"]].items, row["outcomes"], strict=True):
                    on_photo(item, outcome)
        except ray.exceptions.RayError as error:
            raise SegSRError(
                f"Ray gave up ({first_line(error)}): run the same command again to go on"
            ) from error
        finally:
            if started:
                ray.shutdown()

    def share(self, shards: Sequence[Shard]) -> Sequence[Shard]:
        """Return all of `shards`."""
        return shards

    def _start(self) -> None:
        import ray

        options: dict[str, Any] = {"logging_level": "warning", "log_to_driver": False}
        if self.address is None:
            options |= {"num_cpus": self.workers * self.cpus, "include_dashboard": False}
        on_sigterm = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(self.address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise SegSRError(
                f"no Ray cluster at {self.address} ({first_line(error)}): start one with"
                " `ray start --head`, or leave the address out"
            ) from error
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, on_sigterm)  # Ray's own would end in an abort


class _Worker:
    """An actor: a labeler that is asked for one shard after another."""

    def __init__(
        self,
        make_labeler: Callable[[], Labeler],
        settings: Settings,
        cpus: int,
        gpus: float,
    ) -> None:
        torch.set_num_threads(cpus)
        self.device = "cuda" if gpus else "cpu"
        self.settings = settings
        self.problem = ""
        try:
            labeler = make_labeler()
        except SegSRError as error:  # told by a row: Ray would begin again, then tell a traceback
            self.problem = str(error)
        else:
            self.labeler = labeler.to(self.device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if self.problem:
            return {"place": row["place"], "outcomes": [], "problem": self.problem}
        items = zip(row["photos"], row["masks"], strict=True)
        shard = Shard(row["index"], tuple(PhotoToLabel(Path(photo), mask) for photo, mask in items))
        outcomes: dict[str, str] = {}

        def remember(item: PhotoToLabel, outcome: str) -> None:
            outcomes[item.mask] = outcome

        tries = _tries(shard, self.settings)
        try:
            if _count_up(tries) > TRIES:
                reason = f"its worker died {TRIES} times over the shard {shard.index}: perhaps one"
                reason += " of its photographs is too large for the memory, label it without Ray"
                outcomes = {item.mask: reason for item in shard.items}
                record = ShardRecord(shard.digest, len(shard.items))
                record.failed = {str(item.photo): reason for item in shard.items}
            else:
                record = label_shard(
                    self.labeler, shard, self.settings, device=self.device, on_photo=remember
                )
            write_record(shard, self.settings.output, record)
            tries.unlink()
        except SegSRError as error:
            return {"place": row["place"], "outcomes": [], "problem": str(error)}
        told = [outcomes[item.mask] for item in shard.items]
        return {"place": row["place"], "outcomes": told, "problem": ""}


def _row(place: int, shard: Shard) -> dict[str, Any]:
    return {
        "place": place,
        "index": shard.index,
        "photos": [str(item.photo) for item in shard.items],
        "masks": [item.mask for item in shard.items],
    }


def _tries(shard: Shard, settings: Settings) -> Path:
    """The file that counts how often a shard was begun in this call."""
    return settings.output / FOLDER / f"{shard.index:05d}.tries"


def _count_up(path: Path) -> int:
    """Add one to the number in a file, which is 0 if there is none; return it."""
    number = int(path.read_text()) + 1 if path.exists() else 1
    write_text(path, str(number))
    return number
