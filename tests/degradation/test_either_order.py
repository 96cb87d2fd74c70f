from __future__ import annotations

import pytest
import torch
from distributions import assert_shares

from segsr.degradation import EitherOrder, Jpeg, Shrink
from segsr.errors import SegSRError


def test_the_last_two_steps_come_in_either_order(drawn):
    assert_shares([each["in_order"] for each in drawn["finish"]], {True: 1, False: 1})


def test_either_order_does_what_it_says(photos):
    image = photos[0][0, :, :64, :64]
    stage = EitherOrder({"shrink": Shrink(("area",))}, {"jpeg": Jpeg((20, 20))})
    params = {"first": {"shrink": {"mode": "area"}}, "second": {"jpeg": {"quality": 20}}}
    shrink, jpeg = stage.first["shrink"], stage.second["jpeg"]
    size = (16, 16)
    a, b = stage.apply(
        [image, image], [params | {"in_order": True}, params | {"in_order": False}], size
    )
    drawn_shrink, drawn_jpeg = [{"mode": "area"}], [{"quality": 20}]
    first = jpeg.apply(shrink.apply([image], drawn_shrink, size), drawn_jpeg, size)
    second = shrink.apply(jpeg.apply([image], drawn_jpeg, size), drawn_shrink, size)
    assert torch.equal(a, first[0])
    assert torch.equal(b, second[0])
    assert not torch.allclose(a, b, atol=1e-2)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: EitherOrder({}, {}, prob=-1), "prob must be a probability"),
    ],
)
def test_what_makes_no_sense_is_refused(make, sentence):
    with pytest.raises(SegSRError, match=sentence):
        make()
