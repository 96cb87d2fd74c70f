"""Shards labelled by a Ray cluster: `segsr[ray]`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from typing import Any

import torch

from segsr.checkpoints.state_dict import first_line
from segsr.errors import SegSRError
from segsr.labeling.base import Labeler
from segsr.labeling.label_shard import OnPhoto, Settings, label_shard
from segsr.labeling.photos import Item
from segsr.labeling.shards import Shard, write_record

BLOCKS = 1000
"""Ray's units of work, at most: the shards of one are begun again together."""
RETRIES = 5
"""How often a block is begun again; a shard that kills its actor would do so for ever."""


class OnRay:
    """Labels with a pool of Ray actors, which read, label and write a shard at a time.

    An actor or a machine that dies is replaced and its shard begun again, where the masks that are
    there already are kept. The photographs and the folder of masks must have the same paths on all
    machines.

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
            make_labeler: Makes the labeller once in each actor; it is pickled.
            shards: What to label.
            settings: How and where to.
            on_photo: Is told of the photographs of a shard when it is done.

        Raises:
            SegSRError: If Ray is not installed, there is no such cluster, or it failed; if an
                actor cannot make the labeller or write.
        """
        if not shards:
            return
        try:
            import ray
        except ImportError as error:
            raise SegSRError("Ray is not installed: pip install 'segsr[ray]'") from error
        started = not ray.is_initialized()
        if started:
            self._start()
        try:
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False  # on_photo's caller shows one
            worker: Any = _Worker
            rows = ray.data.from_items(
                [{"place": place} for place in range(len(shards))],
                override_num_blocks=min(len(shards), BLOCKS),
            ).map(
                worker,
                fn_constructor_args=(make_labeler, list(shards), settings, self.cpus, self.gpus),
                compute=ray.data.ActorPoolStrategy(size=self.workers),
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                max_restarts=-1,
                max_task_retries=RETRIES,
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
    """An actor: a labeller and the shards it may be asked for."""

    def __init__(
        self,
        make_labeler: Callable[[], Labeler],
        shards: Sequence[Shard],
        settings: Settings,
        cpus: int,
        gpus: float,
    ) -> None:
        torch.set_num_threads(cpus)
        self.device = "cuda" if gpus else "cpu"
        self.shards = shards
        self.settings = settings
        self.problem = ""
        try:
            labeler: Any = make_labeler()
        except SegSRError as error:  # told by a row: Ray would begin again, then tell a traceback
            self.problem = str(error)
        else:
            self.labeler = labeler.to(self.device)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if self.problem:
            return {"place": row["place"], "outcomes": [], "problem": self.problem}
        shard = self.shards[row["place"]]
        outcomes: dict[str, str] = {}

        def remember(item: Item, outcome: str) -> None:
            outcomes[item.mask] = outcome

        try:
            record = label_shard(
                self.labeler, shard, self.settings, device=self.device, on_photo=remember
            )
            write_record(shard, self.settings.output, record)
        except SegSRError as error:
            return {"place": row["place"], "outcomes": [], "problem": str(error)}
        told = [outcomes[item.mask] for item in shard.items]
        return {"place": row["place"], "outcomes": told, "problem": ""}
