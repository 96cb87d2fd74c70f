"""Nodes of recipes to objects, with hydra, whose errors become one clear sentence each."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from segsr.errors import SegSRError
from segsr.nearest import nearest


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


def _check_arguments(node: Any) -> None:
    for target, arguments in _constructors(node):
        known = parameters(target)
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


def parameters(target: str) -> set[str] | None:
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
