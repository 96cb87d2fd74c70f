import pytest
import torch

from segsr.batch import IGNORE_INDEX
from segsr.errors import SegSRError
from segsr.metrics.agreement import MaskAgreement, accuracy_of_set


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
