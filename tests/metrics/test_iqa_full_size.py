"""pyiqa's larger metrics at full size, from a folder of random weights in their public layout."""

from __future__ import annotations

import pytest
import torch

from segsr.metrics.iqa import Pyiqa

pytestmark = pytest.mark.slow


@pytest.fixture
def images():
    draw = torch.Generator().manual_seed(0)
    hq = torch.rand(1, 3, 224, 224, generator=draw)
    return {"restored": (hq + 0.1).clamp(0, 1), "hq": hq}


def score(metric, folder, images):
    found = Pyiqa(metric, weights=folder)(images)[metric]
    assert found.shape == (1,)
    assert torch.isfinite(found).all()


def test_lpips_and_dists(tmp_path, images):
    models = pytest.importorskip("torchvision.models")
    pytest.importorskip("pyiqa")
    from pyiqa.archs.dists_arch import DISTS
    from pyiqa.archs.lpips_arch import LPIPS

    for folder in ("checkpoints", "pyiqa"):
        (tmp_path / folder).mkdir()
    files = {"alexnet": "alexnet-owt-7be5be79.pth", "vgg16": "vgg16-397923af.pth"}
    for name, file in files.items():
        torch.save(getattr(models, name)().state_dict(), tmp_path / "checkpoints" / file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
        lpips = LPIPS(pretrained=False).state_dict()
        dists = DISTS(pretrained=False).state_dict()
    lins = {key: value.abs() for key, value in lpips.items() if key.startswith("lin")}
    torch.save(lins, tmp_path / "pyiqa" / "LPIPS_v0.1_alex-df73285e.pth")
    weights = {key: dists[key] for key in ("alpha", "beta")}
    torch.save(weights, tmp_path / "pyiqa" / "DISTS_weights-f5e65c96.pth")
    for metric in ("lpips", "dists"):
        score(metric, tmp_path, images)


def test_musiq(tmp_path, images):
    pytest.importorskip("pyiqa")
    from pyiqa.archs.musiq_arch import MUSIQ

    (tmp_path / "pyiqa").mkdir()
    state = MUSIQ(pretrained=False).state_dict()
    torch.save(state, tmp_path / "pyiqa" / "musiq_koniq_ckpt-e95806b9.pth")
    score("musiq", tmp_path, images)


@pytest.mark.parametrize(
    ("metric", "file"),
    [("maniqa", "ckpt_koniq10k.pt"), ("maniqa-pipal", "MANIQA_PIPAL-ae6d356b.pth")],
)
def test_maniqa(metric, file, tmp_path, images, monkeypatch):
    pytest.importorskip("pyiqa")
    import timm
    from pyiqa.archs import maniqa_arch

    create = timm.create_model
    monkeypatch.setattr(
        maniqa_arch.timm, "create_model", lambda name, pretrained: create(name, pretrained=False)
    )
    (tmp_path / "pyiqa").mkdir()
    monkeypatch.setattr(maniqa_arch, "load_pretrained_network", lambda *_, **__: None)
    options = {"train_dataset": "koniq", "scale": 0.8} if metric == "maniqa" else {}
    state = maniqa_arch.MANIQA(**options).state_dict()
    monkeypatch.undo()
    monkeypatch.setattr(
        maniqa_arch.timm, "create_model", lambda name, pretrained: create(name, pretrained=False)
    )
    torch.save(state, tmp_path / "pyiqa" / file)
    score(metric, tmp_path, images)


def test_clipiqa(tmp_path, images):
    pytest.importorskip("pyiqa")
    from pyiqa.archs.clip_model import CLIP

    torch.manual_seed(0)
    network = CLIP(1024, 224, (3, 4, 6, 3), 64, None, 77, 49408, 512, 8, 12).eval()
    example = (torch.rand(1, 3, 224, 224), torch.ones(1, 77, dtype=torch.long))
    (tmp_path / "clip").mkdir()
    with torch.no_grad():
        traced = torch.jit.trace(network, example, check_trace=False)
    traced.save(str(tmp_path / "clip" / "RN50.pt"))
    score("clipiqa", tmp_path, images)
