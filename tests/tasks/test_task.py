from __future__ import annotations

from types import SimpleNamespace

import pytest
import tiny

from segsr.data import ImageFolder, MaskedPairDataModule, PairDataModule
from segsr.errors import SegSRError


def start(task, data):
    task.trainer = SimpleNamespace(datamodule=data)
    task.on_train_start()


def test_masks_of_more_classes_than_the_networks_are_refused():
    task = tiny.joint()
    known = task.segdm.branch.num_classes
    source = [ImageFolder(masks="masks")]
    start(task, MaskedPairDataModule(train=source, num_classes=known))
    with pytest.raises(SegSRError, match=rf"masks have {known + 1} classes .* built for {known}"):
        start(task, MaskedPairDataModule(train=source, num_classes=known + 1))


def test_photographs_without_masks_have_no_classes():
    start(tiny.joint(), PairDataModule(num_classes=255))
