from __future__ import annotations

import numpy as np
import pytest
import tiny
import torch
from PIL import Image

from segsr.errors import SegSRError
from segsr.evaluation.methods import Bicubic, SegSR, Spandrel
from segsr.inference.restoration import prior_mask
from segsr.labeling.base import Labeler
from segsr.model.options import SamplingOptions

LQ = torch.rand(3, 20, 24, generator=torch.Generator().manual_seed(0))
ALONE = SamplingOptions(exchange=False)
HQ = torch.rand(3, 80, 96, generator=torch.Generator().manual_seed(1))


class Stripes(Labeler):
    """A labeler that sees class 3 on the left and class 5 on the right of any photograph."""

    def __init__(self):
        super().__init__("abcdef")

    def scores(self, images, size):
        scores = torch.zeros(len(images), 6, *size)
        scores[:, 3, :, : size[1] // 2] = 1
        scores[:, 5, :, size[1] // 2 :] = 1
        return scores


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    tiny.joint(awake=True).save_pretrained(path)
    return path


def test_bicubic():
    found = Bicubic().restore(LQ, None, "a")
    small = Image.fromarray((LQ * 255).round().byte().permute(1, 2, 0).numpy())
    pixels = (found.image * 255).round().byte().permute(1, 2, 0).numpy()
    assert np.array_equal(pixels, np.array(small.resize((96, 80), Image.Resampling.BICUBIC)))
    assert found.mask is None


def test_the_papers_settings_differ_in_what_they_should(folder):
    settings = {
        1: {"options": SamplingOptions(guidance=0, exchange=False)},
        2: {"options": ALONE, "mask": "prior"},
        3: {"options": ALONE},
        4: {},
        5: {"options": ALONE, "mask": "hq", "labeler": Stripes()},
    }
    found = {
        n: SegSR(model=folder, **options).restore(LQ, HQ, "a") for n, options in settings.items()
    }
    images = [result.image for result in found.values()]
    assert all(image.shape == (3, 80, 96) for image in images)
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert not torch.equal(one, other)
    assert found[1].mask is None
    model = SegSR(model=folder).pipeline.model
    assert torch.equal(found[2].mask, prior_mask(model, LQ))
    assert found[5].mask[:, 0].unique().tolist() == [3]
    assert found[5].mask[:, -1].unique().tolist() == [5]


def test_exp1_is_the_srdm_alone_whatever_the_bridge(folder):
    one = SegSR(model=folder, options=SamplingOptions(guidance=0, exchange=False))
    before = one.restore(LQ, None, "a").image
    for parameter in one.pipeline.model.bridge.parameters():
        parameter.data.normal_()
    assert torch.equal(one.restore(LQ, None, "a").image, before)


def test_noise_is_keyed_by_name_and_seed(folder):
    method = SegSR(model=folder)
    image = method.restore(LQ, None, "a").image
    assert torch.equal(method.restore(LQ, None, "a").image, image)
    assert not torch.equal(method.restore(LQ, None, "b").image, image)
    assert not torch.equal(SegSR(model=folder, seed=1).restore(LQ, None, "a").image, image)


def test_contradictions_are_refused(folder):
    with pytest.raises(SegSRError, match="mask must be one of own, prior, hq, got 'gt'"):
        SegSR(model=folder, mask="gt")
    with pytest.raises(SegSRError, match="needs a labeler"):
        SegSR(model=folder, mask="hq")
    with pytest.raises(SegSRError, match="needs the HQ photograph of a"):
        SegSR("Exp. (5)", folder, mask="hq", labeler=Stripes()).restore(LQ, None, "a")


def test_spandrel_reads_a_single_file_model(tmp_path):
    pytest.importorskip("spandrel")
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

    torch.manual_seed(0)
    network = SRVGGNetCompact(num_feat=8, num_conv=2, upscale=4).eval()
    torch.save({"params": network.state_dict()}, tmp_path / "tiny.pth")
    found = Spandrel("tiny", tmp_path / "tiny.pth").restore(LQ, None, "a")
    with torch.no_grad():
        assert torch.equal(found.image, network(LQ[None])[0].clamp(0, 1))

    torch.save(SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2).state_dict(), tmp_path / "2.pth")
    with pytest.raises(SegSRError, match="of factor 2: tables here are of factor 4"):
        Spandrel("x2", tmp_path / "2.pth")
    (tmp_path / "junk.pth").write_bytes(b"junk")
    with pytest.raises(SegSRError, match=r"junk.pth is no model that spandrel"):
        Spandrel("junk", tmp_path / "junk.pth")
    with pytest.raises(SegSRError, match="no file"):
        Spandrel("none", tmp_path / "none.pth")
