import pytest

from segsr.config import build, load_recipe
from segsr.errors import SegSRError
from segsr.evaluation.protocol import Protocol, fingerprint


@pytest.mark.parametrize("name", ["segsr_paper", "osediff"])
def test_packaged_protocols(name):
    cfg = load_recipe("evaluate", [f"protocol={name}", "device=cpu"])
    protocol = build(cfg.protocol)
    assert isinstance(protocol, Protocol)
    assert protocol.name == name
    nodes = protocol.choose(["psnr", "ssim", "maniqa"])
    assert nodes["psnr"] == {
        "_target_": "segsr.metrics.fidelity.Psnr",
        "channel": "y",
        "crop_border": 0,
    }
    expected = {"segsr_paper": "maniqa", "osediff": "maniqa-pipal"}
    assert nodes["maniqa"]["metric"] == expected[name]
    assert set(protocol.choose("all")) == set(protocol.metrics)


def test_choices_that_are_none():
    protocol = Protocol("p", "s", (), {"psnr": {}})
    with pytest.raises(SegSRError, match="no metric 'lpisp': it has psnr"):
        protocol.choose(["lpisp"])
    for nothing in ([], "psnr"):
        with pytest.raises(SegSRError, match=r"metrics=\[psnr,ssim\]"):
            protocol.choose(nothing)


def test_notes_name_the_test_set():
    protocol = Protocol("p", "a paper", ("Y only.",), {}, {"ab" * 32: "RealSR"})
    assert protocol.notes({"hq": "ab" * 32, "lq": "cd" * 32}) == (
        "Protocol p: a paper.",
        "Y only.",
        f"Pixels of the test set: hq RealSR (sha256 {'ab' * 8}), "
        f"lq not listed (sha256 {'cd' * 8}).",
    )
    assert protocol.notes({}) == ("Protocol p: a paper.", "Y only.")


def test_where_weights_lie_does_not_matter_to_figures():
    node = {"metric": "lpips", "weights": "here", "device": "cpu"}
    assert fingerprint(node) == fingerprint({"device": "cuda", "metric": "lpips", "weights": None})
    assert fingerprint(node) != fingerprint({**node, "metric": "dists"})
