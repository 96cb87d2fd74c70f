from __future__ import annotations

import torch

from segsr.live_memory import LiveMemory

KIB = 1024


def test_what_comes_and_goes_is_counted() -> None:
    live = LiveMemory()
    with live:
        a = torch.empty(256)  # 1 KiB
        b = a + 1
        assert live.bytes == 2 * KIB
        view = b[:10].view(2, 5)
        assert live.bytes == 2 * KIB  # a view is no memory of its own
        del b
        assert live.bytes == 2 * KIB
        del view
        assert live.bytes == KIB
        (torch.empty(1024) + 1).sum()
        del a
    assert live.bytes < 16
    assert live.peak == 9 * KIB


def test_a_backward_pass_holds_what_the_forward_kept() -> None:
    """x -> exp -> exp: each keeps its result, and the backward frees them one by one."""
    live = LiveMemory()
    with live:
        x = torch.empty(256, requires_grad=True)
        y = x.exp().exp()
        assert live.bytes == 3 * KIB
        loss = y.sum()
        del y
        held = live.bytes
        loss.backward()
    assert held == 3 * KIB + 4
    assert x.grad is not None
    assert live.bytes <= 2 * KIB + 16


def test_code_that_asks_for_a_value_gets_the_answer() -> None:
    live = LiveMemory()
    with live:
        tensor = torch.ones(3)
        assert not (tensor > 0).all()
        with live.answering(1):
            assert (tensor > 0).all()
        assert tensor.sum().item() == 0
