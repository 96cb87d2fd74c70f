"""Recipes composed with hydra, whose errors become one clear sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import (
    ConfigCompositionException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from segsr.config import packaged
from segsr.config.content import flat, open_keys, set_help
from segsr.config.located import parameters
from segsr.config.open_values import help_texts
from segsr.errors import SegSRError
from segsr.nearest import nearest

RUN_DEFAULTS = {"seed": 0, "run_dir": None, "ckpt_path": None, "matmul_precision": None}
"""What a recipe need not state; nor its `name`, which is that of its file."""


OmegaConf.register_new_resolver("count", len, replace=True)  # ${count:${vocabulary.names}}


def load_recipe(recipe: str | Path = "compact", overrides: Sequence[str] = ()) -> DictConfig:
    """A recipe with `overrides` applied: `load_recipe("joint", ["data.root=photos"])`.

    Interpolations were tried and all resolve; they stay live, so that what interpolates `run_dir`
    follows once the run folder is known.

    An override may name any key of the recipe, and any argument of a constructor that the recipe
    names: `trainer.max_time=00:01:00` needs no `+` although no recipe states it.

    Args:
        recipe: A YAML file, or the name of a packaged recipe (`joint`, `conf/joint.yaml`).
        overrides: `key=value`, `group=option`, `+key=value`, `~key`: hydra's grammar.

    Raises:
        SegSRError: No such file, group option or key; or a value that does not parse or resolve.
    """
    file = packaged.find_recipe(Path(recipe))
    parsed = _parse(overrides)
    with initialize_config_dir(str(file.parent), version_base="1.3"):
        free = [override for override in parsed if not _names_a_key(override, file)]
        for override in free:
            _check_choice(override)
        base, _ = _compose(file, [_text(override) for override in free])
        known = [_text(each) if each in free else _known(each, base) for each in parsed]
        cfg, choices = _compose(file, known)
    for key, value in {"name": file.stem, **RUN_DEFAULTS}.items():
        if key not in cfg:
            OmegaConf.update(cfg, key, value, force_add=True)
    try:
        OmegaConf.to_container(cfg, resolve=True)
    except InterpolationToMissingValueError:
        pass  # `require` names the value that is missing
    except OmegaConfBaseException as error:
        raise SegSRError(f"{file}: {_one_line(error)}") from error
    if keys := open_keys(cfg):
        set_help(cfg, help_texts(keys, file, packaged.packaged_conf(), choices))
    return cfg


def _parse(overrides: Sequence[str]) -> list[Override]:
    for text in overrides:
        if "=" not in text and not text.startswith("~"):
            remedy = f": write -c {text}" if text.endswith((".yaml", ".yml")) else ""
            raise SegSRError(f"{text} is no key=value{remedy}")
    try:
        return OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        raise SegSRError(
            f"{error.override} is no key=value ({error.message.splitlines()[0]}): "
            "a value with = or brackets in it needs quotes, \"key='a=b'\""
        ) from error


def _names_a_key(override: Override, recipe: Path) -> bool:
    """Whether `override` is a `key=value` or `~key` of what is there, not a choice in a group."""
    is_group = any(
        (root / override.key_or_group).is_dir()
        for root in (recipe.parent, packaged.packaged_conf())
    )
    return not is_group and override.type in (OverrideType.CHANGE, OverrideType.DEL)


def _check_choice(override: Override) -> None:
    """Check that an option of a group is called by its name."""
    value = None if override.is_delete() else override.value()
    if override.type == OverrideType.CHANGE and not isinstance(value, str | list):
        key = override.key_or_group
        shown = "null" if value is None else value
        options = sorted(path.stem for path in (packaged.packaged_conf() / key).glob("*.yaml"))
        raise SegSRError(
            f"{key} must be one of {', '.join(options)}, or a file {key}/NAME.yaml of your own,"
            f" got {shown}: name one"
        )


def _known(override: Override, base: DictConfig) -> str:
    """`override` as hydra takes it: with `++` for an optional key that the recipe does not state.

    Raises:
        SegSRError: Neither the recipe nor the constructor has that key.
    """
    key = override.key_or_group
    section, _, name = key.rpartition(".")
    parent = OmegaConf.select(base, section) if section else base
    candidates = {each for each, _ in flat(base)}
    if isinstance(parent, DictConfig):
        if name in list(parent):  # `in parent` is false while the value is ???
            return _text(override)
        arguments = parameters(parent._target_) or set() if "_target_" in parent else set()
        optional = arguments if section else {"name", *RUN_DEFAULTS}
        if name in optional and override.type == OverrideType.CHANGE:
            return f"++{_text(override)}"
        candidates |= {f"{section}.{each}" if section else each for each in optional}
    hint = nearest(key, candidates) or ": --print-config shows the keys there are"
    raise SegSRError(f"unknown key {key}{hint}")


def _compose(recipe: Path, overrides: list[str]) -> tuple[DictConfig, dict[str, Any]]:
    """The recipe and what it chose of each group."""
    quoted = str(packaged.packaged_conf()).replace("'", r"\'")
    search = f"hydra.searchpath=['file://{quoted}']"
    try:
        cfg = compose(recipe.stem, [search, *overrides], return_hydra_config=True)
    except MissingConfigException as error:
        wanted = error.missing_cfg_file or ""
        options = sorted(error.options or ())
        available = f" Available: {', '.join(options)}" if options else ""
        raise SegSRError(
            f"no config {wanted}.yaml{nearest(wanted.rpartition('/')[2], options)}{available}"
        ) from error
    except (ConfigCompositionException, yaml.YAMLError) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else None
        detail = f" ({_one_line(cause)})" if cause else ""
        raise SegSRError(f"{recipe}: {_one_line(error)}{detail}") from error
    choices = dict(cfg.hydra.runtime.choices)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg, choices


def _text(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
