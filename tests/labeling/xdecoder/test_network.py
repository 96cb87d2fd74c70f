"""The network computes what the public code computes, from the photograph to the scores."""

import pytest
import torch
from torch import nn

from segsr.labeling.xdecoder.checkpoint import load_xdecoder
from segsr.labeling.xdecoder.network import normalize

SIZES = {"a": (96, 128), "b": (100, 150)}


@pytest.fixture(scope="module")
def net(weights):
    return load_xdecoder(weights, heads=4, text_heads=4).network


@pytest.mark.parametrize("case", SIZES)
def test_every_stage_is_the_public_codes(net, reference, case) -> None:
    image = reference[f"in.{case}.image"][None] / 255
    text = reference["in.text_embeddings"]
    maps = net.backbone(normalize(image))
    pixel = net.pixel_decoder(maps)
    *auxiliary, last = net(image, text)
    ours = {f"backbone.res{i}": x for i, x in enumerate(maps, start=2)}
    ours |= {f"pixel.multi_scale.{i}": x for i, x in enumerate(pixel.scales)}
    ours["pixel.mask_features"] = pixel.mask_features
    ours["pixel.transformer_encoder_features"] = pixel.encoded
    for place, p in [*((f"aux{i}.", p) for i, p in enumerate(auxiliary)), ("", last)]:
        ours[f"decoder.{place}pred_logits"] = p.class_logits
        ours[f"decoder.{place}pred_masks"] = p.mask_logits
    ours["sem_seg"] = net.semantic(image, text, SIZES[case])[0]
    prefix = f"out.{case}."
    expected = {k.removeprefix(prefix): v for k, v in reference.items() if k.startswith(prefix)}
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        actual = ours[name]
        if actual.shape != value.shape:
            actual = actual[..., ::3, ::3]  # see fixtures/README.md
        tolerance = 1e-4 * float(value.abs().max())
        torch.testing.assert_close(actual, value, rtol=0, atol=tolerance, msg=name)


def test_prompts_are_embedded_as_the_public_code_does(net, reference) -> None:
    ids = reference["in.text_ids"].long()
    each = net.text_encoder(ids[0])
    classes = torch.stack([net.text_encoder.class_embedding(i) for i in ids])
    torch.testing.assert_close(each, reference["out.text.per_template_class0"], rtol=0, atol=1e-5)
    torch.testing.assert_close(classes, reference["out.text.embeddings"], rtol=0, atol=1e-5)


def test_what_follows_the_end_of_a_prompt_has_no_influence(net, reference) -> None:
    ids = reference["in.text_ids"].long()[0, :5]
    end = int((ids == 63).int().argmax(dim=1).max()) + 1
    assert end < ids.shape[1]
    torch.testing.assert_close(net.text_encoder(ids[:, :end]), net.text_encoder(ids))


def test_a_batch_is_its_images_one_by_one(net, reference) -> None:
    image, text = reference["in.b.image"] / 255, reference["in.text_embeddings"]
    images = torch.stack([image, image.flip(-1)])
    together = net.semantic(images, text, (40, 60))
    apart = torch.cat([net.semantic(x[None], text, (40, 60)) for x in images])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)
    assert isinstance(net, nn.Module)
    assert not net.training


def test_padding_is_the_mean_colour() -> None:
    x = normalize(torch.ones(1, 3, 33, 64))
    assert x.shape == (1, 3, 64, 64)
    assert not x[..., 33:, :].any()
    torch.testing.assert_close(x[0, 0, 0, 0].item(), (255 - 123.675) / 58.395)
