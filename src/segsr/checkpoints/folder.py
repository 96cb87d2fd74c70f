"""A model folder: one subfolder per component and `segsr.json` with the settings that join them.

    compact/
      segsr.json          format, and the settings of SRDM and SegDM
      scheduler/          scheduler_config.json
      autoencoder/ controller/ denoiser/ prior/ seg_denoiser/ bridge/
      cfw/                (optional)
                          config.json and diffusion_pytorch_model.safetensors each

Which class reads a component is looked up in a fixed table; a name from a file that is not in it
is an error.
"""

from __future__ import annotations

import copy
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    ModelMixin,
)

from segsr.checkpoints.hub import SETTINGS, download, split_id
from segsr.checkpoints.network import CONFIG, load_network, read_json
from segsr.checkpoints.state_dict import first_line
from segsr.errors import SegSRError
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.nets.seg_denoiser import SegDenoiser
from segsr.nets.seg_prior import SegPrior

FORMAT = 1
PACKAGED = Path(__file__).parents[1] / "weights"

_CLASSES: dict[str, tuple[type[ModelMixin], ...]] = {
    "autoencoder": (AutoencoderKL, PatchAutoencoder),
    "controller": (ImageController,),
    "denoiser": (ImageDenoiser,),
    "prior": (SegPrior,),
    "seg_denoiser": (SegDenoiser,),
    "bridge": (DualModalityBridge,),
    "cfw": (ControllableDecoder,),
}
_SCHEDULERS = (DDPMScheduler, DDIMScheduler, DPMSolverMultistepScheduler)


def find_folder(name: str | Path, revision: str | None = None, sha256: str | None = None) -> Path:
    """Return the local folder of a model.

    Args:
        name: `compact` (ships with the package), a folder, or a hub id, `owner/name` or
            `owner/name@revision`.
        revision: Branch, tag or commit, for a hub id.
        sha256: The model's digest, as `segsr push` and `segsr models` print it, for a hub id.

    Raises:
        SegSRError: If there is no such model, it cannot be downloaded, or has another digest.
    """
    folder = Path(name)
    if folder.is_dir():
        return folder
    if (PACKAGED / str(name)).is_dir():
        return PACKAGED / str(name)
    hub_id = split_id(str(name))
    if hub_id is None:
        packaged = ", ".join(packaged_models())
        raise SegSRError(
            f"no model {str(name)!r}: give a folder, a hub id owner/name, or a packaged model"
            f" ({packaged or 'none here'})."
        )
    return download(hub_id[0], revision or hub_id[1], sha256)


def packaged_models() -> list[str]:
    """Names of the models that ship with the package."""
    return sorted(path.name for path in PACKAGED.glob("*") if (path / SETTINGS).is_file())


def load_component(folder: str | Path, component: str) -> ModelMixin:
    """Return one network of a model folder, in float32 and eval mode.

    Args:
        folder: See `find_folder`.
        component: `autoencoder`, `controller`, `denoiser`, `prior`, `seg_denoiser`, `bridge` or
            `cfw`.

    Raises:
        SegSRError: If the component is missing, of an unknown class, or its weights do not fit.
    """
    path = find_folder(folder) / component
    return load_network(component_class(component, read_json(path / CONFIG), path / CONFIG), path)


def component_class(component: str, config: Mapping[str, Any], path: Path) -> type[ModelMixin]:
    """Return the class that a component's configuration names, if it is one of the table.

    Args:
        component: See `load_component`.
        config: What the file `path` holds.
        path: For the error.

    Raises:
        SegSRError: If it names any other.
    """
    classes = {cls.__name__: cls for cls in _CLASSES[component]}
    cls = classes.get(str(config.get("_class_name")))
    if cls is None:
        raise SegSRError(
            f"{path} names the class {config.get('_class_name')!r}, but a {component} must be one"
            f" of {', '.join(classes)}."
        )
    return cls


def has_component(folder: str | Path, component: str) -> bool:
    """Whether a model folder holds an optional network."""
    return (find_folder(folder) / component / CONFIG).is_file()


def load_scheduler(folder: str | Path) -> Any:
    """Return the diffusers scheduler of a model folder (DDPM, DDIM or DPM-Solver++).

    Raises:
        SegSRError: If it is missing or of another class.
    """
    path = find_folder(folder) / "scheduler" / "scheduler_config.json"
    config = read_json(path)
    classes = {cls.__name__: cls for cls in _SCHEDULERS}
    cls = classes.get(str(config.get("_class_name")))
    if cls is None:
        raise SegSRError(
            f"{path} names the class {config.get('_class_name')!r}, but a scheduler must be one"
            f" of {', '.join(classes)}."
        )
    try:
        return cls.from_config(config)
    except Exception as error:  # whatever a scheduler makes of numbers from a file
        raise SegSRError(f"{path} describes no {cls.__name__} ({first_line(error)}).") from error


def load_settings(folder: str | Path) -> dict[str, Any]:
    """Return what `segsr.json` says beside its format: keyword arguments by branch.

    Raises:
        SegSRError: If the file is missing or of a newer format.
    """
    path = find_folder(folder) / SETTINGS
    settings = read_json(path)
    if settings.pop("format", None) != FORMAT:
        raise SegSRError(f"{path} is not of format {FORMAT}: this segsr cannot read it, update it.")
    for branch, values in settings.items():
        plain = isinstance(values, dict) and not any(
            isinstance(value, dict | list) for value in values.values()
        )
        if not plain:
            raise SegSRError(f"{path} must give {branch!r} an object of plain values: get it anew.")
    return settings


def save_folder(
    folder: str | Path,
    components: Mapping[str, ModelMixin],
    settings: Mapping[str, Any],
    scheduler: Any = None,
    dtype: torch.dtype | None = None,
) -> None:
    """Write components and settings into `folder`, beside those of other stages.

    Each component's files are complete before they take the place of older ones.

    Args:
        folder: Made if missing.
        components: Networks by component name.
        settings: Merged into `segsr.json`.
        scheduler: A diffusers scheduler, if the components come with one.
        dtype: Type of the stored weights; their own if None.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, component in components.items():
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            stored = component if dtype is None else copy.deepcopy(component).to(dtype)
            stored.save_pretrained(temporary)
            _forget_origin(Path(temporary, CONFIG))
            _move_files(Path(temporary), folder / name)
    if scheduler is not None:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            scheduler.save_config(temporary)
            _move_files(Path(temporary), folder / "scheduler")
    path = folder / SETTINGS
    known = load_settings(folder) if path.exists() else {}
    text = json.dumps({"format": FORMAT, **known, **settings}, indent=2) + "\n"
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.replace(path)


def _forget_origin(config: Path) -> None:
    """Drop the folder that the component was once loaded from."""
    content = read_json(config)
    content.pop("_name_or_path", None)
    config.write_text(json.dumps(content, indent=2) + "\n")


def _move_files(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for file in source.iterdir():
        file.chmod(0o644)  # safetensors makes its files private
        os.replace(file, target / file.name)
