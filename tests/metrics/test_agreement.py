import pytest
import torch

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.metrics.agreement import MaskAgreement, accuracy_of_set, confusion, miou_of_set


def test_counts_by_hand():
    label = torch.tensor([[[0, 0, 1], [1, IGNORE_INDEX, 1]]])
    mask = torch.tensor([[[0, 1, 1], [IGNORE_INDEX, 0, 1]]])
    (counts,) = confusion(mask, label, 2)
    assert counts.tolist() == [[1, 1, 0], [0, 2, 1], [0, 0, 0]]
    assert accuracy_of_set(counts[None].numpy().astype(float)) == pytest.approx(3 / 5)
    # class 0: 1 of {1 + 1}; class 1: 2 of {3 + 1}; the open class is in no truth
    assert miou_of_set(counts[None].numpy().astype(float)) == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_sets_are_pooled_not_averaged():
    metric = MaskAgreement(3)
    label = torch.tensor([[[0, 0, 0, 0]], [[1, IGNORE_INDEX, IGNORE_INDEX, IGNORE_INDEX]]])
    mask = torch.tensor([[[0, 0, 0, 0]], [[2, 0, 0, 0]]])
    counts = metric({"mask": mask, "label": label})["masks"]
    assert counts.shape == (2, 4, 4)
    assert accuracy_of_set(counts.numpy().astype(float)) == pytest.approx(4 / 5)
    assert [column.name for column in metric.columns] == ["mask_acc", "mask_miou"]


@pytest.mark.parametrize("role", ["mask", "label"])
def test_what_is_no_class_is_refused(role):
    images = {"mask": torch.zeros(1, 2, 2).long(), "label": torch.zeros(1, 2, 2).long()}
    images[role][0, 0, 0] = 40
    with pytest.raises(SegSRError, match="holds the value 40, but classes are 0 to 33"):
        MaskAgreement()(images)
