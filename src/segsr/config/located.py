"""What a `_target_` names, and the signatures through which it takes its arguments."""

from __future__ import annotations

import inspect
import pydoc
from collections.abc import Iterator
from typing import Any

from segsr.errors import SegSRError


def located(target: str) -> Any:
    """Return the class or function of that full name.

    Raises:
        SegSRError: If there is none.
    """
    constructor = pydoc.locate(target)
    if constructor is None:
        raise SegSRError(f"no {target}: a _target_ is the full name of a class or function")
    return constructor


def signatures(constructor: Any) -> Iterator[Any]:
    """Yield `constructor` and, while a class hands `**options` on, those it inherits from."""
    for part in constructor.__mro__ if inspect.isclass(constructor) else (constructor,):
        yield part
        try:
            parameters = inspect.signature(part).parameters
        except (TypeError, ValueError):  # written in C
            return
        if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
            return


def parameters(target: str) -> set[str] | None:
    """The names of the arguments `target` takes; None if it takes any.

    Where a class hands `**options` on, the arguments of the classes it inherits from count too.
    """
    names: set[str] = set()
    for part in signatures(located(target)):
        try:
            found = inspect.signature(part).parameters
        except (TypeError, ValueError):  # written in C
            return None
        kinds = inspect.Parameter
        variable = (kinds.VAR_KEYWORD, kinds.VAR_POSITIONAL)
        names |= {name for name, parameter in found.items() if parameter.kind not in variable}
        if not any(parameter.kind is kinds.VAR_KEYWORD for parameter in found.values()):
            return names
    return None
