"""Runs: what fit, test and predict do with a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import DictConfig, OmegaConf

from segsr.cli.run_folder import discard, newest_checkpoint, run_folder, save_config
from segsr.cli.stopping import lightnings_exit_unwrapped
from segsr.config import build, require, resolved_yaml
from segsr.errors import SegSRError

if TYPE_CHECKING:
    from lightning import Trainer


def fit(cfg: DictConfig) -> None:
    """Trains `cfg.model` on `cfg.data`, from `cfg.ckpt_path` on if that is set.

    Raises:
        SegSRError: The recipe is not complete, or names what is not there.
        KeyboardInterrupt: Ctrl-C was pressed, or SIGTERM came (then `segsr.errors.Interrupted`).
    """
    _run("fit", cfg)


def test(cfg: DictConfig) -> dict[str, float]:
    """The metrics of `cfg.model`, with the weights of `cfg.ckpt_path` if set, on `cfg.data`."""
    results = _run("test", cfg, verbose=False)
    return {name: value for result in results for name, value in result.items()}


def predict(cfg: DictConfig) -> None:
    """Runs `cfg.model` over the prediction set of `cfg.data`; callbacks write the results."""
    _run("predict", cfg, return_predictions=False)


def _run(stage: Literal["fit", "test", "predict"], cfg: DictConfig, **options: Any) -> Any:
    """What `Trainer.<stage>` returns; on the way `cfg.run_dir` becomes the run folder."""
    import lightning
    import torch
    from lightning.pytorch.utilities import rank_zero_info

    require(cfg, "model", "data", "trainer")
    ckpt_path = _checkpoint(cfg.ckpt_path, cfg.run_dir)
    new = not (cfg.run_dir and Path(cfg.run_dir).exists())
    folder = run_folder(cfg.name, cfg.run_dir)
    save_config(folder, resolved_yaml(cfg))
    cfg.run_dir = str(folder)
    rank_zero_info(f"run folder: {folder}")
    try:
        if cfg.matmul_precision:
            torch.set_float32_matmul_precision(cfg.matmul_precision)
        lightning.seed_everything(cfg.seed, workers=True, verbose=False)
        model, data, trainer = build(cfg.model), build(cfg.data), _trainer(cfg.trainer, folder)
        if stage == "fit":
            _show_steps(trainer)
        with lightnings_exit_unwrapped():
            return getattr(trainer, stage)(
                model, datamodule=data, ckpt_path=ckpt_path, weights_only=True, **options
            )
    except BaseException:
        if new:
            discard(folder)
        raise


def _trainer(node: DictConfig, folder: Path) -> Trainer:
    """The trainer, writing to `folder`.

    A recipe names its callbacks and loggers (`callbacks: {ema: ...}`), so that an override can
    reach one (`trainer.callbacks.ema.decay=0.99`) or drop it (`trainer.callbacks.ema=null`);
    Lightning wants lists.
    """
    settings: Any = OmegaConf.to_container(node, resolve=True)
    for key in ("callbacks", "logger"):
        named = settings.get(key)
        if isinstance(named, dict):
            settings[key] = [part for part in named.values() if part is not None]
    trainer: Trainer = build({**settings, "default_root_dir": str(folder)}, "trainer")
    return trainer


def _show_steps(trainer: Any) -> None:
    """Have our bar in place of Lightning's, which counts epochs and cuts names."""
    from lightning.pytorch.callbacks import ProgressBar

    from segsr.cli.bar import Bar
    from segsr.training.steps_bar import StepsBar

    trainer.callbacks = [
        StepsBar(Bar()) if isinstance(callback, ProgressBar) else callback
        for callback in trainer.callbacks
    ]


def _checkpoint(ckpt_path: str | None, run_dir: str | None) -> str | None:
    if ckpt_path is None:
        return None
    if ckpt_path != "last":
        if not Path(ckpt_path).exists():
            raise SegSRError(f"no checkpoint {ckpt_path}: give a file, or last with run_dir=FOLDER")
        return ckpt_path
    if run_dir is None:
        raise SegSRError("ckpt_path=last is the newest checkpoint of a run: add run_dir=FOLDER")
    newest = newest_checkpoint(Path(run_dir))
    if newest is None:
        raise SegSRError(f"no complete checkpoint in {run_dir}: drop ckpt_path=last to start anew")
    return str(newest)
