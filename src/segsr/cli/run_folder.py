"""Where a run writes: one folder, the same on every rank, whoever launched the ranks."""

from __future__ import annotations

import os
import time
import zipfile
from itertools import count
from pathlib import Path

from segsr.errors import SegSRError
from segsr.ranks import is_rank_zero

INHERITED = "SEGSR_RUN_DIR"
"""Environment variable through which the ranks that Lightning starts learn rank zero's folder."""


def run_folder(name: str, run_dir: str | None = None) -> Path:
    """The folder of this run: `run_dir`, or a new `runs/<name>/<YYYYmmdd-HHMMSS>`.

    Without `run_dir` the ranks agree through what started them: torchrun's store, SLURM's job id,
    or, where Lightning relaunches the command, a variable its children inherit.

    Args:
        name: Name of the recipe.
        run_dir: A folder the user chose, new or not.

    Raises:
        SegSRError: Nothing tells this rank which folder rank zero took.
    """
    if run_dir:
        return Path(run_dir)
    runs = Path("runs", name)
    proposal = runs / time.strftime("%Y%m%d-%H%M%S")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _agree_over_torchrun(proposal)
    if int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        return runs / "slurm-{SLURM_JOB_ID}-{SLURM_STEP_ID}".format_map(os.environ)
    if is_rank_zero():
        folder = _reserve(proposal)
        os.environ[INHERITED] = str(folder)
        return folder
    if INHERITED in os.environ:
        return Path(os.environ[INHERITED])
    raise SegSRError(
        f"the ranks cannot agree on a new folder below {runs}, "
        "they were started by neither torchrun, srun nor segsr itself: set run_dir=FOLDER"
    )


def save_config(folder: Path, text: str) -> None:
    """Writes `text` to `config.yaml` in `folder`: whole or not at all, and on rank zero only.

    Raises:
        SegSRError: The folder cannot be written.
    """
    if not is_rank_zero():
        return
    part = folder / "config.yaml.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(folder / "config.yaml")
    except OSError as error:
        raise _not_writable(folder, error) from error


def discard(folder: Path) -> None:
    """Removes `folder` if it holds nothing but its config, as after a run that could not start."""
    if is_rank_zero() and [path.name for path in folder.glob("*")] == ["config.yaml"]:
        (folder / "config.yaml").unlink()
        folder.rmdir()


def newest_checkpoint(folder: Path) -> Path | None:
    """The newest complete `*.ckpt` anywhere below `folder`; None if there is none.

    A checkpoint is a zip archive, whose directory is written last: what a killed run left half
    written is passed over.
    """
    complete = filter(zipfile.is_zipfile, folder.rglob("*.ckpt"))
    return max(complete, key=lambda path: path.stat().st_mtime_ns, default=None)


def _agree_over_torchrun(proposal: Path) -> Path:
    """The path that the first rank to reach torchrun's store proposed.

    The agent hosts the store for as long as the job lives, on all nodes and over restarts; run ids
    would not do, they are "none" unless the user sets one.
    """
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
        raise SegSRError(
            "this torchrun shares no store, so the ranks cannot agree on a new run folder: "
            "set run_dir=FOLDER"
        )
    from torch.distributed import TCPStore  # type: ignore[attr-defined]

    store = TCPStore(
        os.environ["MASTER_ADDR"],
        int(os.environ["MASTER_PORT"]),
        is_master=False,
        wait_for_workers=False,
    )
    return Path(store.compare_set(f"segsr/{proposal.parent}", "", str(proposal)).decode())


def _reserve(proposal: Path) -> Path:
    """Creates `proposal`, or `proposal-1`, `-2`, ... where a run of the same second has it."""
    for attempt in count():
        folder = proposal.with_name(f"{proposal.name}-{attempt}") if attempt else proposal
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise _not_writable(folder, error) from error
        return folder
    raise AssertionError("unreachable")


def _not_writable(folder: Path, error: OSError) -> SegSRError:
    return SegSRError(
        f"run folder {folder} cannot be written ({error.strerror}): set run_dir=FOLDER"
    )
