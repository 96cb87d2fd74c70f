"""Nodes of recipes to objects, with hydra, whose errors become one clear sentence each."""

from __future__ import annotations

from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from segsr.config.content import filled
from segsr.config.located import parameters
from segsr.config.values import UNKNOWN, check_run_values, check_values, constructors
from segsr.errors import SegSRError
from segsr.nearest import nearest

LIBRARIES = ("nets", "pretrained")
"""Sections of nodes that others refer to; what nobody refers to is not built."""


def build(node: Any, key: str = "") -> Any:
    """What `node` describes: every `_target_` called, with plain dicts and lists as arguments.

    Args:
        node: Of a recipe, or plain dicts and lists.
        key: Where plain ones stand in the recipe, for errors.

    Raises:
        SegSRError: A constructor that is not to be found, does not know an argument or takes no
            such value; or what the constructor itself raised as a SegSRError.
    """
    if OmegaConf.is_config(node):
        key = node._get_full_key("")
        node = OmegaConf.to_container(node, resolve=True)
    if not isinstance(node, dict | list):
        raise SegSRError(f"cannot build {node!r}: a node is a _target_ and its arguments")
    _check_names(node, key)
    check_values(node, key)
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        cause = error.__cause__
        if isinstance(cause, SegSRError):
            raise cause from None
        if cause is not None and _is_refusal(cause):
            raise SegSRError(_refusal(node, key, error, cause)) from cause
        raise


def check(cfg: DictConfig) -> None:
    """Check names and values of everything that the recipe `cfg` describes, and build nothing.

    Raises:
        SegSRError: See `build`; naming the first key.
    """
    cfg = cfg.copy()
    check_run_values(filled(cfg, UNKNOWN))
    if cfg.get("run_dir") is None:
        cfg.run_dir = UNKNOWN
    for section, node in filled(cfg, UNKNOWN).items():
        if section not in LIBRARIES:
            _check_names(node, section)
            check_values(node, section)


def _check_names(node: Any, key: str) -> None:
    for _, target, arguments in constructors(node, key):
        known = parameters(target)
        if known is None:
            continue
        for name in arguments:
            if name not in known:
                raise SegSRError(f"{target} has no argument {name}{nearest(name, known)}")


def _is_refusal(cause: BaseException) -> bool:
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    return isinstance(cause, TypeError | ValueError | MisconfigurationException)


def _refusal(node: Any, key: str, error: InstantiationException, cause: BaseException) -> str:
    """`trainer.devices=0: lightning.Trainer refuses it (...): correct it`."""
    complaint = " ".join(str(cause).split())[:200].rstrip(". ")
    target = next((w for w in str(error).split("'")[1::2]), "the constructor")
    for place, name, arguments in constructors(node, key):
        if name.rpartition(".")[2] != target.rpartition(".")[2]:
            continue
        for argument, value in arguments.items():
            if f"{argument}={value!r}" in complaint or f"`{argument}`" in complaint:
                place = f"{place}.{argument}" if place else argument
                return f"{place}={value}: {name} refuses it ({complaint}): correct it"
        place = f"{place}: " if place else ""
        return f"{place}{name} refuses its arguments ({complaint}): correct them"
    return f"{key or target}: refused ({complaint}): correct it"
