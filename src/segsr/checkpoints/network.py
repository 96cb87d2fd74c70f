"""One network from its constructor's arguments and its weights, checked before it takes memory."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from diffusers import ModelMixin
from torch import Tensor, nn
from torch.nn.modules.module import register_module_module_registration_hook

from segsr.checkpoints.state_dict import enumerate_all, first_line, not_finite, read_state_dict
from segsr.errors import SegSRError

CONFIG = "config.json"
WEIGHTS = "diffusion_pytorch_model.safetensors"
_LARGEST_NUMBER = 1 << 20
"""No width, depth or size in a configuration comes near it."""
_LARGEST_JSON = 1 << 20
_MODULES_PER_TENSOR = 16
_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Names that autoencoders saved with diffusers before 0.17 have."""


def load_network(cls: type[ModelMixin], folder: str | Path) -> ModelMixin:
    """Return the network of a diffusers component folder, in float32 and eval mode.

    Raises:
        SegSRError: If its configuration or its weights cannot be read or do not fit each other.
    """
    path = Path(folder, CONFIG)
    public = {k: v for k, v in read_json(path).items() if not k.startswith("_")}
    unknown = [name for name in public if name not in inspect.signature(cls.__init__).parameters]
    unknown += [name for name in _nested_keys(public) if name.startswith("_")]
    if unknown:
        raise SegSRError(
            f"{path} holds {unknown[0]!r}, which is no argument of {cls.__name__}: it is damaged or"
            " of a newer version; get it anew, or update."
        )
    weights = Path(folder, WEIGHTS)
    if not weights.is_file():
        raise SegSRError(
            f"{weights} is missing: a network's weights are in a safetensors file of that name."
        )
    state = {_modern(name): value for name, value in read_state_dict(weights).items()}
    return build_network(cls, public, state, str(folder))


def build_network(
    cls: type[ModelMixin], arguments: Mapping[str, Any], state: Mapping[str, Tensor], origin: str
) -> ModelMixin:
    """Return `cls(**arguments)` with the weights `state`, in float32 and eval mode.

    The network is first laid out without memory and compared with the weights, so that absurd
    arguments cost nothing.

    Args:
        cls: The network's class.
        arguments: Of its constructor.
        state: All its parameters and stored buffers, by name.
        origin: Where both come from, for the error.

    Raises:
        SegSRError: If the arguments build no network, or one that the weights do not fit, or a
            weight is not finite.
    """
    try:
        with torch.device("meta"), _at_most(_MODULES_PER_TENSOR * len(state) + 1000):
            network = cls(**arguments)
    except Exception as error:  # whatever a constructor makes of arguments from a file
        raise SegSRError(
            f"the configuration in {origin} builds no {cls.__name__} ({first_line(error)}): it is"
            " damaged or of another version, get it anew."
        ) from error
    _check_shapes(network, state, origin)
    if broken := not_finite(state):
        raise SegSRError(
            f"the weights in {origin} hold values that are not finite, in"
            f" {enumerate_all(broken, 3)}: their training diverged; take those of an earlier"
            " checkpoint, or get them anew."
        )
    state = {n: v.float() if v.is_floating_point() else v for n, v in state.items()}
    network.load_state_dict(state, assign=True)
    if any(name not in state for name, _ in network.named_buffers()):
        # What is not stored only the constructor knows.
        network = cls(**arguments)
        network.load_state_dict(state)
    return network.eval()


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a small JSON file.

    Raises:
        SegSRError: If the file is missing, no JSON object, or holds an absurd number.
    """
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise SegSRError(
                f"{path} is larger than 1 MiB, which no configuration is: get it anew."
            )
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise SegSRError(
            f"{path} is missing: the folder holds no such component; train that stage or give"
            " another folder."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise SegSRError(f"{path} cannot be read as JSON ({first_line(error)}).") from error
    if not isinstance(content, dict):
        raise SegSRError(f"{path} must hold a JSON object, got a {type(content).__name__}.")
    for number in _numbers(content):
        if abs(number) > _LARGEST_NUMBER:
            raise SegSRError(
                f"{path} holds the number {number:.3g}, but none may exceed {_LARGEST_NUMBER}: the"
                " file is damaged, get it anew."
            )
    return content


def _modern(name: str) -> str:
    place, _, part = name.rpartition(".")
    place, _, layer = place.rpartition(".")
    old = ".attentions." in place and layer in _OLD_ATTENTION
    return f"{place}.{_OLD_ATTENTION[layer]}.{part}" if old else name


def _nested_keys(content: Any) -> Iterator[str]:
    for value in content.values() if isinstance(content, dict) else content:
        if isinstance(value, dict):
            yield from value
        if isinstance(value, dict | list):
            yield from _nested_keys(value)


def _numbers(content: Any) -> Iterator[float]:
    if isinstance(content, dict):
        content = list(content.values())
    if isinstance(content, list):
        for value in content:
            yield from _numbers(value)
    elif isinstance(content, int | float):
        yield content


@contextmanager
def _at_most(modules: int) -> Iterator[None]:
    """Stops a constructor that makes more modules than the weights could fill."""
    made = 0

    def count(parent: nn.Module, name: str, child: nn.Module | None) -> None:
        nonlocal made
        made += 1
        if made > modules:
            raise ValueError(f"it describes more than {modules} modules")

    handle = register_module_module_registration_hook(count)
    try:
        yield
    finally:
        handle.remove()


def _check_shapes(network: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    given = {name: tuple(value.shape) for name, value in state.items()}
    faults = [f"{name} is missing" for name in expected if name not in given]
    faults += [f"{name} has no place" for name in given if name not in expected]
    faults += [
        f"{name} is {given[name]} instead of {shape}"
        for name, shape in expected.items()
        if name in given and given[name] != shape
    ]
    if faults:
        raise SegSRError(
            f"the weights in {origin} do not fit the {type(network).__name__} they come with:"
            f" {enumerate_all(faults)}; they are damaged or do not belong together."
        )
