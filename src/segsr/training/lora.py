"""Low-rank adapters: a few trained matrices beside frozen weights, and how they are merged."""

from __future__ import annotations

import copy
from typing import Any, TypeVar

from torch import nn

from segsr.errors import SegSRError

Network = TypeVar("Network", bound=nn.Module)


def add_lora(network: nn.Module, rank: int, within: tuple[str, ...] = ("",)) -> None:
    """Freeze `network` and put an adapter beside every linear map and convolution of it.

    A fresh adapter is silent: the network returns what it did, to the bit. Initialisation and scale
    are OSEDiff's: one factor normal, the other zero, their product times 2.

    Args:
        network: Changed in place.
        rank: Of the adapters.
        within: Beginnings of the names of the layers that get one.

    Raises:
        SegSRError: If peft is not installed, or the rank is none.
    """
    if rank < 1:
        raise SegSRError(f"the rank of adapters is {rank}, but must be 1 or more: 4 is usual")
    peft = _peft()
    layers = [
        name
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d) and name.startswith(within)
    ]
    network.requires_grad_(False)
    if not layers:
        return
    config = peft.LoraConfig(
        r=rank, lora_alpha=2 * rank, init_lora_weights="gaussian", target_modules=layers
    )
    peft.inject_adapter_in_model(config, network)
    del network.peft_config  # would go into the configuration of a saved network


def merged(network: Network) -> Network:
    """Return a copy of `network` with its adapters added to the weights beside them.

    A network without adapters is returned itself.
    """
    if not any(name.endswith("lora_A") for name, _ in network.named_modules()):
        return network
    from peft.tuners.lora import LoraLayer

    found = copy.deepcopy(network)
    for parent in list(found.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, LoraLayer):
                layer.merge()
                parent._modules[name] = layer.get_base_layer()
    return found


def copy_sharing(network: Network, *shared: object) -> Network:
    """Return a deep copy of `network` that holds these parts of it, not copies of them.

    So adapters can be put beside the copy's layers while their weights take memory once, and both
    can be called without one having to be switched to the other.
    """
    memo: dict[int, Any] = {id(part): part for part in shared}
    for tensor in (*network.parameters(), *network.buffers()):  # fake ones know no deepcopy
        if id(tensor) not in memo:
            twin = tensor.detach().clone()
            is_parameter = isinstance(tensor, nn.Parameter)
            memo[id(tensor)] = nn.Parameter(twin, tensor.requires_grad) if is_parameter else twin
    return copy.deepcopy(network, memo)


def _peft() -> Any:
    try:
        import peft
    except ImportError as error:
        raise SegSRError(
            f"adapters are made by peft, which cannot be imported ({error}): pip install"
            " 'segsr[lora]', or train all weights with lora_rank=null"
        ) from error
    return peft
