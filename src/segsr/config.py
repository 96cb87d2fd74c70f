"""Recipes: found, composed and built with hydra, whose errors become one clear sentence each.

A recipe is a YAML file of constructors and their arguments. Its folder comes first on hydra's
search path, the folder that ships with segsr second, so a recipe of the user's own may draw on the
packaged groups (`model`, `data`, `degradation`, `trainer`, ...) from anywhere.
"""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, OverrideType
from hydra.errors import (
    ConfigCompositionException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, OmegaConfBaseException

from segsr.errors import SegSRError
from segsr.nearest import nearest

RUN_DEFAULTS = {"seed": 0, "run_dir": None, "ckpt_path": None, "matmul_precision": None}
"""What a recipe need not state; nor its `name`, which is that of its file."""

_OPEN_VALUES = {
    "base_model": "FOLDER (Stable Diffusion 2.1 base in diffusers layout, with vae/ and unet/), "
    "FILE (its original .safetensors or .ckpt) or a hub id that carries it",
    "labeler.checkpoint": "FILE (X-Decoder's public xdecoder_focall_last.pt or "
    "xdecoder_focalt_last.pt, from huggingface.co/xdecoder/X-Decoder)",
    "root": "FOLDER (of the test sets; conf/test_sets/ says of each how to lay it out)",
    "data.root": "FOLDER (your photographs; conf/data/ says of each data set where to get it and "
    "how to lay it out)",
    "weights": "FOLDER (the model folder that the stages before wrote: segsr fit -c "
    "conf/srdm.yaml, conf/prior.yaml and conf/segdm.yaml, each with output=FOLDER)",
}
"""How to get what a recipe cannot know, by key."""
_RUN_DIR_MARK = "__run_dir__"


OmegaConf.register_new_resolver("count", len, replace=True)  # ${count:${vocabulary.names}}


def packaged_conf() -> Path:
    """The folder of recipes and groups: `segsr/conf` of a wheel, `conf` of a checkout."""
    installed = Path(__file__).parent / "conf"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "conf"


def load_config(
    file: Path | None, overrides: Sequence[str], default: str = "compact"
) -> DictConfig:
    """The recipe in `file` with `overrides` applied.

    Interpolations were tried and all resolve; they stay live, so that what interpolates `run_dir`
    follows once the run folder is known.

    An override may name any key of the recipe, and any argument of a constructor that the recipe
    names: `trainer.max_time=00:01:00` needs no `+` although no recipe states it.

    Args:
        file: A YAML file, or the name of a packaged recipe (`joint`, `conf/joint.yaml`).
        overrides: `key=value`, `group=option`, `+key=value`, `~key`: hydra's grammar.
        default: Name of the packaged recipe to use without `file`.

    Raises:
        SegSRError: No such file, group option or key; or a value that does not parse or resolve.
    """
    recipe = _find_recipe(file or Path(default))
    parsed = _parse(overrides)
    with initialize_config_dir(str(recipe.parent), version_base="1.3"):
        free = [override for override in parsed if not _names_a_key(override, recipe)]
        base = _compose(recipe, [_text(override) for override in free])
        known = [_text(each) if each in free else _known(each, base) for each in parsed]
        cfg = _compose(recipe, known)
    for key, value in {"name": recipe.stem, **RUN_DEFAULTS}.items():
        if key not in cfg:
            OmegaConf.update(cfg, key, value, force_add=True)
    try:
        OmegaConf.to_container(cfg, resolve=True)
    except InterpolationToMissingValueError:
        pass  # `require` names the value that is missing
    except OmegaConfBaseException as error:
        raise SegSRError(f"{recipe}: {_one_line(error)}") from error
    return cfg


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
    values = dict(_flat(cfg))
    absent = [section for section in sections if section not in values]
    if absent:
        raise SegSRError(
            f"the recipe lacks {', '.join(absent)}: "
            "a recipe is a file such as conf/compact.yaml, not one of a group's options"
        )
    if complete and (missing := [key for key, value in values.items() if value == "???"]):
        remedy = "; ".join(f"{key}={_OPEN_VALUES.get(key, '...')}" for key in missing)
        raise SegSRError(f"the recipe leaves {' and '.join(missing)} open: give {remedy}")


def filled(cfg: DictConfig, value: str) -> dict[str, Any]:
    """`cfg` as plain dicts and lists, resolved, with `value` for all that it leaves open."""
    cfg = cfg.copy()
    for key in [key for key, given in _flat(cfg) if given == "???"]:
        OmegaConf.update(cfg, key, value)
    content: Any = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(content, dict)
    return content


def build(node: Any) -> Any:
    """What `node` describes: every `_target_` called, with plain dicts and lists as arguments.

    Raises:
        SegSRError: A constructor that is not to be found or does not know an argument; or what
            the constructor itself raised as a SegSRError.
    """
    if OmegaConf.is_config(node):
        node = OmegaConf.to_container(node, resolve=True)
    if not isinstance(node, dict | list):
        raise SegSRError(f"cannot build {node!r}: a node is a _target_ and its arguments")
    _check_arguments(node)
    try:
        return instantiate(node, _convert_="all")
    except InstantiationException as error:
        if isinstance(error.__cause__, SegSRError):
            raise error.__cause__ from None
        raise


def _find_recipe(file: Path) -> Path:
    packaged = packaged_conf()
    if file.is_file():
        if file.suffix != ".yaml":
            raise SegSRError(f"a config file must be named *.yaml, got {file}: rename it")
        return file.resolve()
    name = Path(*file.parts[1:]) if file.parts[0] == "conf" else file
    recipe = packaged / name.with_suffix(".yaml")
    if (len(file.parts) == 1 or file.parts[0] == "conf") and recipe.is_file():
        return recipe
    available = sorted(f"conf/{path.name}" for path in packaged.glob("*.yaml"))
    raise SegSRError(
        f"no config file {file}{nearest(str(file), available)}"
        f" Give a path, or one of the packaged {', '.join(available)}"
    )


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
        (root / override.key_or_group).is_dir() for root in (recipe.parent, packaged_conf())
    )
    return not is_group and override.type in (OverrideType.CHANGE, OverrideType.DEL)


def _known(override: Override, base: DictConfig) -> str:
    """`override` as hydra takes it: with `++` for an optional key that the recipe does not state.

    Raises:
        SegSRError: Neither the recipe nor the constructor has that key.
    """
    key = override.key_or_group
    section, _, name = key.rpartition(".")
    parent = OmegaConf.select(base, section) if section else base
    candidates = {each for each, _ in _flat(base)}
    if isinstance(parent, DictConfig):
        if name in list(parent):  # `in parent` is false while the value is ???
            return _text(override)
        arguments = _parameters(parent._target_) or set() if "_target_" in parent else set()
        optional = arguments if section else {"name", *RUN_DEFAULTS}
        if name in optional and override.type == OverrideType.CHANGE:
            return f"++{_text(override)}"
        candidates |= {f"{section}.{each}" if section else each for each in optional}
    hint = nearest(key, candidates) or ": --print-config shows the keys there are"
    raise SegSRError(f"unknown key {key}{hint}")


def _compose(recipe: Path, overrides: list[str]) -> DictConfig:
    quoted = str(packaged_conf()).replace("'", r"\'")
    search = f"hydra.searchpath=['file://{quoted}']"
    try:
        return compose(recipe.stem, [search, *overrides])
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


def _check_arguments(node: Any) -> None:
    for target, arguments in _constructors(node):
        known = _parameters(target)
        if known is None:
            continue
        for name in arguments:
            if name not in known:
                raise SegSRError(f"{target} has no argument {name}{nearest(name, known)}")


def _constructors(node: Any) -> Iterator[tuple[str, list[str]]]:
    """Every `_target_` in `node` with the names of the arguments it is given."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            hydras_own = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
            yield node["_target_"], [name for name in node if name not in hydras_own]
        for value in node.values():
            yield from _constructors(value)
    elif isinstance(node, list):
        for value in node:
            yield from _constructors(value)


def _parameters(target: str) -> set[str] | None:
    """The names of the arguments `target` takes; None if it takes any.

    Where a class hands `**options` on, the arguments of the classes it inherits from count too.
    """
    constructor: Any = pydoc.locate(target)
    if constructor is None:
        raise SegSRError(f"no {target}: a _target_ is the full name of a class or function")
    names: set[str] = set()
    for part in constructor.__mro__ if inspect.isclass(constructor) else (constructor,):
        try:
            parameters = inspect.signature(part).parameters
        except (TypeError, ValueError):  # written in C
            return None
        kinds = inspect.Parameter
        names |= {
            name
            for name, parameter in parameters.items()
            if parameter.kind not in (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
        }
        if not any(parameter.kind is kinds.VAR_KEYWORD for parameter in parameters.values()):
            return names
    return None


def _flat(node: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every key within `node`, dotted, with its value before interpolation."""
    if OmegaConf.is_config(node):
        node = OmegaConf.to_container(node)
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{prefix}{key}", value
            yield from _flat(value, f"{prefix}{key}.")


def _text(override: Override) -> str:
    assert override.input_line is not None
    return override.input_line


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
