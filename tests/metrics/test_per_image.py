import pytest
import torch
from torch import Tensor

from segsr.metrics.per_image import PerImageMean


def brightness(restored: Tensor, hq: Tensor) -> Tensor:
    return restored.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("sizes", [[6], [1, 5], [2, 2, 2]])
def test_every_image_counts_once_however_the_set_is_batched(sizes: list[int]) -> None:
    images = torch.rand(6, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    metric = PerImageMean(brightness)
    for batch in images.split(sizes):
        metric.update(batch, batch)
    torch.testing.assert_close(metric.compute(), images.mean())


def test_reset_forgets_and_an_empty_set_is_nan() -> None:
    metric = PerImageMean(brightness)
    metric.update(torch.ones(2, 3, 8, 8), torch.ones(2, 3, 8, 8))
    metric.reset()
    with pytest.warns(UserWarning, match="before the ``update``"):
        assert metric.compute().isnan()
