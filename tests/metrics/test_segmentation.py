import numpy as np
import pytest
import torch

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX
from segsr.errors import SegSRError
from segsr.metrics.segmentation import MeanIoU, labelling_metrics, segmentation_metrics


def by_hand(predicted: torch.Tensor, truth: torch.Tensor) -> tuple[float, float]:
    """Mean IoU and pixel accuracy from sets of pixels, without a confusion matrix."""
    p, t = predicted.numpy().ravel(), truth.numpy().ravel()
    p, t = p[t != IGNORE_INDEX], t[t != IGNORE_INDEX]
    ious = [((p == k) & (t == k)).sum() / ((p == k) | (t == k)).sum() for k in np.unique(t)]
    return float(np.mean(ious)), float((p == t).mean())


def random_masks(seed: int, num_classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(num_classes, (4, 24, 32), generator=generator)
    wrong = torch.rand(truth.shape, generator=generator) < 0.4
    guess = torch.randint(num_classes, truth.shape, generator=generator)
    unknown = torch.rand(truth.shape, generator=generator) < 0.1
    return torch.where(wrong, guess, truth), truth.masked_fill(unknown, IGNORE_INDEX)


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_counted_by_hand_over_the_whole_set(seed: int) -> None:
    predicted, truth = random_masks(seed, num_classes=9)
    metrics = segmentation_metrics(num_classes=34)
    for batch in ([0], [1, 2, 3]):
        metrics.update(predicted[batch], truth[batch])
    miou, accuracy = by_hand(predicted, truth)
    scores = metrics.compute()
    assert set(scores) == {"miou", "pixel_accuracy"}
    assert scores["miou"].item() == pytest.approx(miou, abs=1e-6)
    assert scores["pixel_accuracy"].item() == pytest.approx(accuracy, abs=1e-6)


def test_classes_absent_from_the_truth_do_not_count_but_predicting_them_costs() -> None:
    truth = torch.tensor([[[0, 0, 0, 0, 1, 1, 1, 1]]])
    predicted = torch.tensor([[[0, 0, 0, 0, 1, 1, 2, 2]]])  # class 2 is absent, 3 to 33 unheard of
    metric = MeanIoU(34)
    metric.update(predicted, truth)
    assert metric.compute().item() == pytest.approx((1 + 0.5) / 2)


def test_a_set_without_any_label_has_no_score() -> None:
    metrics = segmentation_metrics(5)
    metrics.update(torch.zeros(1, 4, 4).long(), torch.full((1, 4, 4), IGNORE_INDEX))
    assert all(score.isnan() for score in metrics.compute().values())


@pytest.mark.parametrize("value", [-1, 34, IGNORE_INDEX])
def test_a_predicted_value_that_is_no_class_is_refused(value: int) -> None:
    predicted = torch.zeros(1, 4, 4).long()
    predicted[0, 1, 2] = value
    with pytest.raises(SegSRError, match=rf"predicted mask holds the value {value}, .* 0 to 33"):
        MeanIoU(34).update(predicted, torch.zeros(1, 4, 4).long())


def test_a_true_value_that_is_no_class_is_refused() -> None:
    with pytest.raises(SegSRError, match="true mask holds the value 40"):
        MeanIoU(34).update(torch.zeros(1, 4, 4).long(), torch.full((1, 4, 4), 40))


def test_unknown_pixels_of_the_truth_do_not_count() -> None:
    predicted, truth = random_masks(0, num_classes=9)
    ignored, unknown = segmentation_metrics(9), segmentation_metrics(9)
    ignored.update(predicted, truth)
    unknown.update(predicted, truth.masked_fill(truth == IGNORE_INDEX, UNKNOWN_INDEX))
    assert ignored.compute() == unknown.compute()


@pytest.mark.parametrize("nothing", [IGNORE_INDEX, UNKNOWN_INDEX])
def test_what_is_labelled_is_counted_over_the_whole_set(nothing: int) -> None:
    predicted, truth = random_masks(1, num_classes=9)
    predicted[0, :12] = IGNORE_INDEX
    metrics = labelling_metrics()
    for batch in ([0], [1, 2, 3]):
        metrics.update(predicted[batch], truth.masked_fill(truth == IGNORE_INDEX, nothing)[batch])
    p, t = predicted.numpy(), truth.numpy()
    judged = (p != IGNORE_INDEX) & (t != IGNORE_INDEX)
    scores = metrics.compute()
    assert scores["share"].item() == pytest.approx(1 - 12 / (4 * 24))
    assert scores["accuracy"].item() == pytest.approx((p == t)[judged].mean())


def test_a_mask_that_labels_nothing_has_no_accuracy() -> None:
    metrics = labelling_metrics()
    metrics.update(torch.full((1, 4, 4), IGNORE_INDEX), torch.zeros(1, 4, 4).long())
    scores = metrics.compute()
    assert scores["share"] == 0
    assert scores["accuracy"].isnan()
