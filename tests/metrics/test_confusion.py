import pytest
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX
from segsr.errors import SegSRError
from segsr.metrics.confusion import confusion, iou_per_class, mean_iou, pixel_accuracy


def test_counts_by_hand():
    label = torch.tensor([[[0, 0, 1], [1, IGNORE_INDEX, 1]]])
    mask = torch.tensor([[[0, 1, 1], [IGNORE_INDEX, 0, 1]]])
    (counts,) = confusion(mask, label, 2)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert pixel_accuracy(counts).item() == pytest.approx(3 / 5)
    # class 0: 1 of {1 + 1}; class 1: 2 of {3 + 1}; the open class is in no truth
    assert mean_iou(counts).item() == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_each_image_has_the_matrix_of_torchmetrics():
    draw = torch.Generator().manual_seed(0)
    masks, labels = (torch.randint(7, (3, 12, 10), generator=draw) for _ in range(2))
    labels[torch.rand(labels.shape, generator=draw) < 0.2] = IGNORE_INDEX
    ours = confusion(masks, labels, 7)
    for i in range(3):
        theirs = multiclass_confusion_matrix(masks[i], labels[i], 7, ignore_index=IGNORE_INDEX)
        assert torch.equal(ours[i, :7, :7], theirs)
    assert ours.sum() == (labels != IGNORE_INDEX).sum()


@pytest.mark.parametrize("nothing", [IGNORE_INDEX, UNKNOWN_INDEX])
def test_no_image_and_no_label_count_nothing(nothing):
    mask, label = torch.zeros(1, 2, 2).long(), torch.full((1, 2, 2), nothing)
    assert confusion(mask, label, 3).tolist() == [[[0] * 4] * 4]
    assert confusion(mask[:0], label[:0], 3).shape == (0, 4, 4)


def test_iou_per_class_is_nan_where_the_truth_has_no_pixel():
    confusion = torch.tensor([[3, 1, 0], [0, 0, 0], [0, 0, 2]])
    expected = torch.tensor([0.75, float("nan"), 1.0])
    torch.testing.assert_close(iou_per_class(confusion), expected, equal_nan=True)


@pytest.mark.parametrize(("what", "value"), [("true", -1), ("true", 3), ("predicted", 254)])
def test_what_is_no_class_is_refused(what, value):
    masks = {"predicted": torch.zeros(2, 2, 2).long(), "true": torch.zeros(2, 2, 2).long()}
    masks[what][1, 0, 1] = value
    with pytest.raises(SegSRError, match=rf"A {what} mask holds the value {value}, .* 0 to 2"):
        confusion(masks["predicted"], masks["true"], 3)
