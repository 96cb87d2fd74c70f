"""A recipe's model without its weights: what files would give is built from configurations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusers import AutoencoderKL

from segsr.checkpoints.folder import component_class, find_folder
from segsr.checkpoints.network import CONFIG, read_json
from segsr.config import build, filled
from segsr.errors import SegSRError
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.tasks.task import Task
from segsr.training.perceptual import TimmFeatures

if TYPE_CHECKING:
    from omegaconf import DictConfig

_LOADERS = "segsr.checkpoints."
_FEATURES = "segsr.training.perceptual.load_timm_features"
SD21_UNET = {
    "sample_size": 64,
    "cross_attention_dim": 1024,
    "attention_head_dim": [5, 10, 20, 20],
    "use_linear_projection": True,
}
"""Stable Diffusion 2.1's U-Net, where it differs from diffusers' defaults (facts: StableSR's
configs/stableSRNew/v2-finetune_text_T_512.yaml)."""
SD21_VAE = {
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "layers_per_block": 2,
}


def lay_out(cfg: DictConfig) -> Task:
    """The model of a recipe, its networks as their constructors make them.

    Within a `FakeTensorMode` or on the meta device that costs no memory. A network that the recipe
    reads from a model folder has the configuration found there; where there is none yet, the one
    the recipe's own `nets` state; Stable Diffusion has the base model's, or that of 2.1.

    Args:
        cfg: A recipe; the values it leaves open need not be given.

    Raises:
        SegSRError: The recipe has no task for a model, or names what is not known.
    """
    content = filled(cfg, "OPEN")
    model = build(_with_networks(content["model"], content.get("nets", {})))
    if not isinstance(model, Task):
        raise SegSRError(f"the recipe's model is a {type(model).__name__}, no task: give a recipe")
    return model


def lay_out_component(folder: str, component: str) -> Any:
    """A network of a model folder, by its configuration alone."""
    path = find_folder(folder) / component / CONFIG
    config = read_json(path)
    return component_class(component, config, path)(**_public(config))


def lay_out_vae(base_model: str | None) -> AutoencoderKL:
    """The autoencoder of a base model."""
    return AutoencoderKL(**_base_config(base_model, "vae", SD21_VAE))


def lay_out_denoiser(
    base_model: str | None, guidance_channels: int, sft_hidden: int
) -> ImageDenoiser:
    """The U-Net of a base model, with SFTs."""
    unet = _base_config(base_model, "unet", SD21_UNET)
    denoiser: ImageDenoiser = ImageDenoiser(unet, guidance_channels, sft_hidden, prompt_tokens=77)
    return denoiser


def lay_out_features(name: str | None) -> TimmFeatures | None:
    """A feature network of timm."""
    return None if name is None else TimmFeatures(name, pretrained=False)


def _with_networks(node: Any, nets: dict[str, Any]) -> Any:
    """`node`, in which what would read a file lays out a network instead."""
    if isinstance(node, list):
        return [_with_networks(value, nets) for value in node]
    if not isinstance(node, dict):
        return node
    target = str(node.get("_target_", ""))
    if target == _FEATURES:
        return {"_target_": f"{__name__}.lay_out_features", "name": node["name"]}
    if not target.startswith(_LOADERS):
        return {key: _with_networks(value, nets) for key, value in node.items()}
    here = f"{__name__}."
    if target.endswith(".load_vae"):
        return {"_target_": f"{here}lay_out_vae", "base_model": node["base_model"]}
    if target.endswith(".load_denoiser"):
        kept = ("base_model", "guidance_channels", "sft_hidden")
        return {"_target_": f"{here}lay_out_denoiser"} | {key: node[key] for key in kept}
    if target.endswith(".load_scheduler"):
        return node if _is_there(node["folder"], "scheduler") else nets["scheduler"]
    if _is_there(node["folder"], node["component"]):
        return node | {"_target_": f"{here}lay_out_component"}
    return _with_networks(nets[node["component"]], nets)


def _is_there(folder: str, component: str) -> bool:
    try:
        return (find_folder(folder) / component).is_dir()
    except SegSRError:
        return False


def _base_config(base_model: str | None, part: str, default: dict[str, Any]) -> dict[str, Any]:
    path = Path(str(base_model), part, CONFIG)
    return _public(read_json(path)) if path.is_file() else default


def _public(config: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not key.startswith("_")}
