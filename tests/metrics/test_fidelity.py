import numpy as np
import pytest
import skimage.data
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from segsr.errors import SegSRError
from segsr.metrics.fidelity import Psnr, Ssim


@pytest.fixture(scope="module", params=["real", "random"])
def images(request):
    rng = np.random.default_rng(0)
    if request.param == "real":
        hq = np.stack([skimage.data.astronaut()[:96, :128], skimage.data.coffee()[:96, :128]])
    else:
        hq = rng.integers(0, 256, (2, 96, 128, 3))
    restored = (hq + rng.normal(0, 12, hq.shape)).clip(0, 255).round()
    return {
        role: torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2) / 255
        for role, pixels in (("restored", restored), ("hq", hq))
    }


def bytes_of(image):
    return (image * 255).round().permute(1, 2, 0).numpy().astype(np.uint8)


@pytest.mark.parametrize("border", [0, 4])
def test_rgb_psnr_and_ssim_are_scikit_images(images, border):
    psnr, ssim = Psnr("rgb", border)(images)["psnr"], Ssim("rgb", border)(images)["ssim"]
    for i in range(2):
        pair = [bytes_of(images[role][i]) for role in ("hq", "restored")]
        if border:
            pair = [p[border:-border, border:-border] for p in pair]
        assert float(psnr[i]) == pytest.approx(peak_signal_noise_ratio(*pair), abs=1e-4)
        settings = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
        _, full = structural_similarity(*pair, channel_axis=2, full=True, **settings)
        inside = full[5:-5, 5:-5]  # scikit-image pads, the standard does not
        assert float(ssim[i]) == pytest.approx(inside.mean(), abs=1e-4)


def test_luma_psnr_and_ssim_are_pyiqas(images):
    pyiqa = pytest.importorskip("pyiqa")
    for metric, name in ((Psnr(), "psnr"), (Ssim(), "ssim")):
        theirs = pyiqa.create_metric(name, test_y_channel=True, color_space="ycbcr", device="cpu")
        expected = theirs(images["restored"], images["hq"]).double().flatten()
        assert metric(images)[name].double() == pytest.approx(expected, abs=1e-4)


def test_a_border_of_nothing_and_other_channels_are_refused(images):
    with pytest.raises(SegSRError, match="nothing left without a border of 48"):
        Psnr(crop_border=48)(images)
    with pytest.raises(SegSRError, match="channel must be one of y, rgb, got 'lab'"):
        Psnr("lab")
    with pytest.raises(SegSRError, match="0 or more"):
        Ssim(crop_border=-1)
