"""The class token, the masks that steer attention, and the positions."""

import torch

from segsr.labeling.xdecoder.pixel_decoder import sine_position
from segsr.labeling.xdecoder.transformer_decoder import (
    background,
    class_token_apart,
    gather_class_token,
    unit,
)


def test_the_class_token_becomes_the_objects_mean_by_likeness() -> None:
    x = torch.tensor([[[2.0, 0.0], [0.0, 4.0], [5.0, 0.0]]])
    e = torch.e
    expected = torch.tensor([2 * e / (e + 1), 4 / (e + 1)])
    y = gather_class_token(x)
    torch.testing.assert_close(y[0, 2], expected)
    torch.testing.assert_close(y[:, :2], x[:, :2], rtol=0, atol=0)


def test_no_query_is_blind_everywhere() -> None:
    logits = torch.full((1, 3, 8, 8), -1.0)
    logits[0, 1] = 1.0
    logits[0, 2, :, :4] = 1.0
    blind = background(logits, (4, 4)).reshape(3, 4, 4)
    assert not blind[:2].any()
    assert not blind[2, :, 0].any()
    assert blind[2, :, 3].all()


def test_the_class_token_and_the_objects_do_not_see_each_other(reference) -> None:
    stored = reference["self_attn_mask"][0, :21, :21]
    assert torch.equal(class_token_apart(torch.zeros(21, 4)), stored)
    assert stored.any()


def test_a_unit_vector_has_length_one_and_zero_stays_zero() -> None:
    x = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    torch.testing.assert_close(unit(x), torch.tensor([[0.6, 0.8], [0.0, 0.0]]))


def test_positions_turn_once_over_the_image() -> None:
    position = sine_position(torch.zeros(2, 8, 3, 5))[0]
    rows = 2 * torch.pi * torch.arange(1, 4) / 3
    columns = 2 * torch.pi * torch.arange(1, 6) / 5
    torch.testing.assert_close(position[0], rows.sin()[:, None].expand(3, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(position[1], rows.cos()[:, None].expand(3, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(position[4], columns.sin().expand(3, 5), atol=1e-5, rtol=0)
    slow = (columns / 100).sin().expand(3, 5)
    torch.testing.assert_close(position[6], slow, atol=1e-5, rtol=0)
