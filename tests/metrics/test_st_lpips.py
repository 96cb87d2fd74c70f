import copy
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models import vgg16

from segsr.errors import SegSRError
from segsr.metrics.st_lpips import STLPIPS, load_weights, st_lpips, weight_shapes


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    """Random weights with the names and shapes of the real file; `lin` and `filt` positive."""
    generator = torch.Generator().manual_seed(0)
    drawn = {}
    for key, shape in weight_shapes().items():
        noise = torch.randn(shape, generator=generator)
        scale = (2 / max(1, noise[0].numel())) ** 0.5 if key.endswith("weight") else 0.1
        drawn[key] = noise * scale
        if "lin" in key or "filt" in key or key == "scaling_layer.scale":
            drawn[key] = drawn[key].abs() + 0.01
    return drawn


@pytest.fixture(scope="module")
def weights_file(weights: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vgg_shift_tolerant.pth"
    torch.save(weights, path)
    return path


@pytest.fixture(scope="module")
def pair() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 40, 52, generator=generator), torch.rand(
        2, 3, 40, 52, generator=generator
    )


class LowPass(nn.Module):
    def __init__(self, kernel: Tensor) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(
            len(kernel),
            len(kernel),
            3,
            stride=2,
            padding=2,
            padding_mode="reflect",
            groups=len(kernel),
            bias=False,
        )
        self.convolution.weight.data = kernel

    def forward(self, x: Tensor) -> Tensor:
        return self.convolution(x)


def vgg_stages(weights: dict[str, Tensor]) -> list[nn.Module]:
    """VGG16's five stages, from torchvision's own layers with each max-pool replaced."""
    with torch.device("meta"):
        layers = list(vgg16(weights=None).features)[:-1]
    kernels = iter([tensor for key, tensor in weights.items() if ".filt" in key])
    filled = iter(
        [tensor for key, tensor in weights.items() if "slice" in key and "filt" not in key]
    )
    stages: list[list[nn.Module]] = [[]]
    for layer in layers:
        if isinstance(layer, nn.MaxPool2d):
            stages.append([nn.MaxPool2d(2, stride=1), LowPass(next(kernels))])
        elif isinstance(layer, nn.Conv2d):
            layer.weight = nn.Parameter(next(filled))
            layer.bias = nn.Parameter(next(filled))
            stages[-1].append(layer)
        else:
            stages[-1].append(nn.ReLU())
    return [nn.Sequential(*stage) for stage in stages]


@torch.no_grad()
def reference(x: Tensor, y: Tensor, weights: dict[str, Tensor]) -> Tensor:
    distances = torch.zeros(len(x))
    images = torch.cat([x, y]) * 2 - 1
    features = (images - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
    for stage, layers in enumerate(vgg_stages(weights)):
        features = layers(features)
        a, b = nn.functional.normalize(features, dim=1).chunk(2)
        lin = weights[f"lin{stage}.model.1.weight"][0, :, 0, 0]
        distances += torch.einsum("bchw,c->bhw", (a - b) ** 2, lin).mean(dim=(1, 2))
    return distances


def test_distance_is_that_of_torchvisions_vgg_with_its_pools_replaced(
    weights: dict[str, Tensor], pair: tuple[Tensor, Tensor]
) -> None:
    expected = reference(*pair, weights)
    assert (expected > 0.01).all()
    torch.testing.assert_close(st_lpips(*pair, weights), expected, rtol=1e-4, atol=1e-6)


def test_equal_images_are_at_distance_zero(
    weights: dict[str, Tensor], pair: tuple[Tensor, Tensor]
) -> None:
    assert torch.equal(st_lpips(pair[0], pair[0], weights), torch.zeros(2))


def test_mixed_precision_does_not_move_the_distance(
    weights: dict[str, Tensor], pair: tuple[Tensor, Tensor]
) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = st_lpips(*pair, weights)
    assert torch.equal(inside, st_lpips(*pair, weights))


def test_the_metric_averages_over_images(
    weights_file: Path, weights: dict[str, Tensor], pair: tuple[Tensor, Tensor]
) -> None:
    metric = STLPIPS(weights_file)
    for index in range(2):
        metric.update(pair[0][[index]], pair[1][[index]])
    torch.testing.assert_close(metric.compute(), st_lpips(*pair, weights).mean())


def test_the_network_is_frozen_and_stays_out_of_checkpoints(weights_file: Path) -> None:
    metric = STLPIPS(weights_file)
    assert list(metric.parameters()) == []
    assert metric.state_dict() == {}


def test_a_copy_measures_the_same(weights_file: Path, pair: tuple[Tensor, Tensor]) -> None:
    metric = STLPIPS(weights_file)
    metric.update(*pair)
    for twin in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        torch.testing.assert_close(twin.compute(), metric.compute())


def test_missing_weights_name_the_package_that_carries_them(tmp_path: Path) -> None:
    with pytest.raises(SegSRError, match=r"not at .*nowhere.pth.*stlpips-pytorch==0\.0\.2"):
        STLPIPS(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("missing", ["net.slice5.32.bias", "lin0.model.1.weight"])
def test_weights_of_another_network_are_refused(
    weights: dict[str, Tensor], tmp_path: Path, missing: str
) -> None:
    torch.save({key: value for key, value in weights.items() if key != missing}, tmp_path / "w")
    with pytest.raises(SegSRError, match="does not hold ST-LPIPS weights"):
        load_weights(tmp_path / "w")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    torch.save({"net": Path}, tmp_path / "evil.pth")
    (tmp_path / "text.pth").write_text("not weights")
    for name in ("evil.pth", "text.pth"):
        with pytest.raises(SegSRError, match="no readable PyTorch weight file"):
            load_weights(tmp_path / name)


def test_the_smallest_size_is_exact(weights: dict[str, Tensor]) -> None:
    smallest = torch.rand(1, 3, 18, 18)
    assert st_lpips(smallest, smallest, weights).item() == 0
    with pytest.raises(SegSRError, match="at least 18x18 pixels, got 18x17"):
        st_lpips(smallest[..., 1:], smallest[..., 1:], weights)
