"""What a composed recipe holds: as text, as plain values, and whether it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, OmegaConf

from segsr.config.open_values import OPEN
from segsr.errors import SegSRError

_HELP = "segsr.open_values"
_RUN_DIR_MARK = "__run_dir__"


def resolved_yaml(cfg: DictConfig) -> str:
    """`cfg` as YAML, every interpolation resolved but those of `run_dir`.

    They stay, so that the text is a recipe whose next run writes to its own folder.
    """
    resolved = cfg.copy()
    resolved.run_dir = _RUN_DIR_MARK
    OmegaConf.resolve(resolved)
    resolved.run_dir = cfg.run_dir
    return OmegaConf.to_yaml(resolved).replace(_RUN_DIR_MARK, "${run_dir}")


def require(cfg: DictConfig, *sections: str, complete: bool = True) -> None:
    """Checks that `cfg` has these sections, and that no value is left open (`???`).

    Args:
        cfg: A recipe.
        sections: Keys it must have.
        complete: Whether it may leave nothing open.

    Raises:
        SegSRError: Naming what is missing.
    """
    values = dict(flat(cfg))
    absent = [section for section in sections if values.get(section) is None]
    if absent:
        raise SegSRError(
            f"the recipe lacks {', '.join(absent)}: "
            "a recipe is a file such as conf/compact.yaml, not one of a group's options"
        )
    if complete and (missing := open_keys(cfg)):
        texts = OmegaConf.get_cache(cfg).get(_HELP, {})
        remedy = "; ".join(f"{key}={texts.get(key, '...')}" for key in missing)
        raise SegSRError(f"the recipe leaves {' and '.join(missing)} open: give {remedy}")


def set_help(cfg: DictConfig, texts: dict[str, str]) -> None:
    """Have `require` tell how to fill the open values of `cfg`, by key."""
    OmegaConf.get_cache(cfg)[_HELP] = texts


def open_keys(cfg: DictConfig) -> list[str]:
    """The keys of `cfg`, dotted, whose values are left open."""
    return [key for key, value in flat(cfg) if value == OPEN]


def filled(cfg: DictConfig, value: str) -> dict[str, Any]:
    """`cfg` as plain dicts and lists, resolved, with `value` for all that it leaves open."""
    cfg = cfg.copy()
    for key in open_keys(cfg):
        OmegaConf.update(cfg, key, value)
    content: Any = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    return content


def flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key within `node`, dotted, with its value before interpolation."""
    if OmegaConf.is_config(node):
        node = OmegaConf.to_container(node)
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}", value
            yield from flat(value, f"{prefix}{key}.")
