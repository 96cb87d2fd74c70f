"""What a fit changes, as opposed to what it only reads."""

from __future__ import annotations

from torch import Tensor, nn


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The trainable parameters of `module` by name, and the buffers that move with them.

    A buffer moves if a trainable parameter stands beside it (the running statistics of a
    BatchNorm); schedules, stored prompts and everything of a frozen network stay as they were.
    """
    found: dict[str, Tensor] = {}
    for prefix, part in module.named_modules():
        own = list(part.named_parameters(recurse=False))
        trainable = [(name, p) for name, p in own if p.requires_grad]
        beside = list(part.named_buffers(recurse=False)) if trainable else []
        found |= {f"{prefix}.{name}" if prefix else name: t for name, t in [*trainable, *beside]}
    return found


def frozen_names(module: nn.Module) -> list[str]:
    """The names of all other parameters and buffers of `module`, every one that a tensor has."""
    trained = trained_tensors(module)
    return [name for name in all_tensors(module) if name not in trained]


def all_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The parameters and buffers of `module`; what two networks share stands under both names."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }
