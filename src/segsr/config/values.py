"""Values of a recipe against the annotations of the constructors that will get them."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from segsr.config.located import located, signatures
from segsr.errors import SegSRError

UNKNOWN = "<open>"
"""Stands for a value that is not known yet, and fits everywhere."""
RUN_VALUES: dict[str, Any] = {
    "name": str,
    "seed": int,
    "run_dir": str | None,
    "ckpt_path": str | None,
    "matmul_precision": Literal["medium", "high", "highest"] | None,
    "device": str,
    "batch_size": int,
    "examples": int,
    "figures": int,
    "vocabulary": dict[str, Any] | None,
    "vocabulary.names": list[str],
}
"""What recipes state beside constructors, where they have these keys."""
_HYDRAS_OWN = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_"}
_WORDS = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
    type(None): "null",
    Path: "a path",
}


def check_run_values(recipe: Mapping[str, Any]) -> None:
    """Check what `recipe` states of `RUN_VALUES`.

    Raises:
        SegSRError: Naming the key, the value and what is expected.
    """
    for key, hint in RUN_VALUES.items():
        section, _, name = key.rpartition(".")
        holder = recipe.get(section) or {} if section else recipe
        if name in holder:
            _check(key, holder[name], hint)


def check_values(node: Any, key: str = "") -> None:
    """Check the plain values in `node`; what is to be built is checked where it stands.

    A number that is whole may stand for any number, a list for a tuple, and a text for a path;
    nothing else is taken for what it is not: neither "3" nor true for 3.

    Args:
        node: Resolved dicts and lists.
        key: Where `node` stands in the recipe, for the error.

    Raises:
        SegSRError: Naming the key, the value and what is expected.
    """
    for place, target, arguments in constructors(node, key):
        hints = argument_types(target)
        for name, value in arguments.items():
            if name in hints:
                _check(f"{place}.{name}" if place else name, value, hints[name])


def constructors(node: Any, key: str = "") -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every `_target_` in `node`: where it stands, its name, and the arguments it is given."""
    if isinstance(node, dict):
        if isinstance(node.get("_target_"), str):
            arguments = {name: v for name, v in node.items() if name not in _HYDRAS_OWN}
            yield key, node["_target_"], arguments
        for name, value in node.items():
            yield from constructors(value, f"{key}.{name}" if key else str(name))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from constructors(value, f"{key}[{index}]")


@cache
def argument_types(target: str) -> dict[str, Any]:
    """The annotations of the arguments that `target` takes, where they can be had."""
    found: dict[str, Any] = {}
    for part in signatures(located(target)):
        function = part.__init__ if inspect.isclass(part) else part
        try:
            hints = typing.get_type_hints(function)
        except Exception:  # a name that only a type checker knows
            continue
        found = {**{name: _listed(hint) for name, hint in hints.items()}, **found}
    return found


def _listed(hint: Any) -> Any:
    """`hint` with lists for iterables, whose items nobody looks at before they are wanted."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Iterable and arguments:
        return list[arguments[0]]  # type: ignore[valid-type]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_listed, arguments))]  # noqa: UP007
    return hint


def in_words(hint: Any) -> str:
    """What `hint` asks for, as a part of a sentence."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        kinds = [each for each in arguments if not (each is int and float in arguments)]
        words = " or ".join(in_words(each) for each in kinds).split(" or ")
        return " or ".join(dict.fromkeys(words))
    if origin is Literal:
        return " or ".join(dict.fromkeys(str(each) for each in arguments))
    if origin is not None and arguments and inspect.isclass(origin):
        if issubclass(origin, Mapping):
            return "a mapping"
        item = "words" if arguments[0] is str else in_words(arguments[0]).partition(" ")[2]
        return f"a list of {item or 'values'}"
    return _WORDS.get(hint) or f"a {getattr(hint, '__name__', str(hint))}"


def _check(key: str, value: Any, hint: Any) -> None:
    if _is_built(value):
        return
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):  # from Python a value may be anything
        return
    try:
        _adapter(hint).validate_json(text, strict=True)
    except ValidationError as error:
        quotes = isinstance(value, int | float) and _takes_text(hint)
        remedy = f"put it in quotes, {key}=\"'{value}'\"" if quotes else "correct it"
        if hint == list[str] and isinstance(value, list):
            remedy = 'put what YAML takes for a number or a truth value (no, on, 1) in quotes, "no"'
        shown = "null" if value is None else value
        raise SegSRError(f"{key} must be {in_words(hint)}, got {shown}: {remedy}") from error


def _takes_text(hint: Any) -> bool:
    return hint is str or str in typing.get_args(hint)


def _is_built(value: Any) -> bool:
    """Whether there is something in `value` that is still to be built, or not known."""
    if isinstance(value, dict):
        dropped = all(part is None for part in value.values())  # callbacks, by name
        return "_target_" in value or dropped or any(map(_is_built, value.values()))
    if isinstance(value, list):
        return any(map(_is_built, value))
    return isinstance(value, str) and UNKNOWN in value


def _adapter(hint: Any) -> Any:
    """The pydantic TypeAdapter of `hint`."""
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a class with a validation of its own, or a name not defined
        return TypeAdapter(hint)
