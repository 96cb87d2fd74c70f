"""Counting the bytes that are alive."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary


class LiveMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of every storage that comes alive within it, and remembers the most.

    Fake tensors have no values: where code asks for one, to branch on it, it gets `answer`.

    Args:
        answer: None asks the tensor itself, which must be a real one then.

    Attributes:
        bytes: Alive now.
        peak: Alive at the worst moment so far.
        answer: What code gets that asks a tensor for its value.
    """

    def __init__(self, answer: int | None = 0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0
        self.peak = 0
        self.answer = answer
        self._seen = WeakIdKeyDictionary()

    def count(self, tensor: Tensor) -> None:
        """Counts the storage of `tensor`, once, for as long as it lives."""
        storage = tensor.untyped_storage()
        if storage in self._seen:
            return
        size = storage.nbytes()
        self._seen[storage] = size
        self.bytes += size
        self.peak = max(self.peak, self.bytes)
        weakref.finalize(storage, self._forget, size)

    @contextmanager
    def answering(self, value: int) -> Iterator[None]:
        """Within it, code that asks a tensor for its value gets this one."""
        before, self.answer = self.answer, value
        yield
        self.answer = before

    def _forget(self, size: int) -> None:
        self.bytes -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and self.answer is not None:
            return self.answer
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self.count(value)
        return result
