import sys

import pytest
import torch

from segsr.errors import SegSRError
from segsr.metrics.iqa import COLUMNS, Pyiqa

RANDOM = {
    "lpips": {"pretrained": False, "net": "squeeze"},
    "musiq": {"pretrained": False},
}
"""What pyiqa builds of random weights, with a random SqueezeNet in the folder."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torchvision = pytest.importorskip("torchvision")
    path = tmp_path_factory.mktemp("weights")
    (path / "checkpoints").mkdir()
    torch.manual_seed(0)
    state = torchvision.models.squeezenet1_1().state_dict()
    torch.save(state, path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth")
    return path


@pytest.fixture
def images():
    draw = torch.Generator().manual_seed(0)
    hq = torch.rand(2, 3, 96, 96, generator=draw)
    restored = (hq + 0.1 * torch.randn(hq.shape, generator=draw)).clamp(0, 1)
    return {"restored": restored, "hq": hq}


def test_a_missing_pyiqa_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(SegSRError, match=r"lpips comes from pyiqa, .*pip install 'segsr\[iqa\]'"):
        Pyiqa("lpips")


def test_an_unknown_metric_is_refused():
    with pytest.raises(SegSRError, match="one of psnr, ssim, lpips"):
        Pyiqa("fid")


@pytest.mark.parametrize("metric", ["lpips", "dists", "musiq", "maniqa", "clipiqa", "niqe"])
def test_missing_weights_are_one_sentence_and_nothing_is_downloaded(metric, tmp_path, monkeypatch):
    pytest.importorskip("pyiqa")
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("went to the network"))
    with pytest.raises(SegSRError, match=rf"the weights of {metric} cannot be had from {tmp_path}"):
        Pyiqa(metric, weights=tmp_path)


@pytest.mark.parametrize("metric", RANDOM)
def test_a_score_belongs_to_its_image_not_to_the_batch(metric, images, folder):
    pytest.importorskip("pyiqa")
    torch.manual_seed(0)
    score = Pyiqa(metric, weights=folder, options=RANDOM[metric])
    together = score(images)[metric]
    alone = [score({k: v[i : i + 1] for k, v in images.items()})[metric] for i in range(2)]
    assert together.shape == (2,)
    assert together == pytest.approx(torch.cat(alone), rel=1e-4)
    assert COLUMNS[metric].higher_is_better is (metric == "musiq")


def test_lpips_is_a_distance(images, folder):
    pytest.importorskip("pyiqa")
    score = Pyiqa("lpips", weights=folder, options=RANDOM["lpips"])
    assert score.inputs == ("restored", "hq")
    assert score({**images, "restored": images["hq"]})["lpips"].abs().max() < 1e-6
    assert score(images)["lpips"].abs().min() > 1e-6


def test_niqe_reads_its_parameters_from_the_folder(tmp_path, images):
    pytest.importorskip("pyiqa")
    scipy_io = pytest.importorskip("scipy.io")
    (tmp_path / "pyiqa").mkdir()
    parameters = {
        "mu_prisparam": torch.zeros(1, 36).numpy(),
        "cov_prisparam": torch.eye(36).numpy(),
        "gaussian_window": torch.ones(7, 7).numpy() / 49,
    }
    scipy_io.savemat(tmp_path / "pyiqa" / "niqe_modelparameters.mat", parameters)
    large = {k: v.repeat(1, 1, 4, 4) for k, v in images.items()}
    score = Pyiqa("niqe", weights=tmp_path)
    assert score.inputs == ("restored",)
    assert torch.isfinite(score(large)["niqe"]).all()
