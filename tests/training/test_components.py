"""The table of networks, and what counts as trained."""

import tiny
import torch
from lightning import Trainer

from segsr.model.image_branch import ImageBranch
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.tasks.segprior import SegPriorTask
from segsr.tasks.srdm import SRDM
from segsr.training.components import ComponentTable, components
from segsr.training.trained import frozen_names, trained_tensors


def test_a_row_per_network_of_both_branches() -> None:
    model = tiny.joint()
    rows = {row.name: row for row in components(model)}
    image = [f"srdm.branch.{name}" for name in ("autoencoder", "controller", "denoiser")]
    assert list(rows) == [*image, "segdm.branch.prior", "segdm.branch.denoiser", "bridge"]
    assert rows[image[0]].trainable == rows["segdm.branch.prior"].trainable == 0
    bridge = sum(p.numel() for p in model.bridge.parameters())
    assert rows["bridge"] == ("bridge", bridge, bridge, "float32")
    assert sum(row.parameters for row in rows.values()) == sum(
        p.numel() for p in model.parameters()
    )


def test_a_network_of_two_types_says_both() -> None:
    task = tiny.srdm()
    task.branch.denoiser.net.conv_in.to(torch.bfloat16)
    rows = {row.name: row.dtype for row in components(task)}
    assert rows["branch.denoiser"] == "bfloat16 + float32"


def test_stage_one_of_the_paper_trains_what_stablesr_trains() -> None:
    unet = {
        "sample_size": 64,
        "attention_head_dim": [5, 10, 20, 20],
        "cross_attention_dim": 1024,
        "use_linear_projection": True,
    }
    with torch.device("meta"):
        networks = PatchAutoencoder(4, 12), ImageController(), ImageDenoiser(unet)
    rows = {row.name: row for row in components(SRDM(ImageBranch(*networks, tiny.scheduler())))}
    assert rows["branch.denoiser"].parameters == 865_910_724 + 53_020_160
    assert rows["branch.denoiser"].trainable == 53_020_160
    assert sum(row.trainable for row in rows.values()) == 105_514_240


def test_the_table_is_printed(capsys) -> None:
    trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    ComponentTable().on_fit_start(trainer, tiny.joint())
    printed = capsys.readouterr().out
    for word in ("component", "trainable", "dtype", "segdm.branch.prior", "bridge", "all"):
        assert word in printed


def test_statistics_beside_trained_weights_count_as_trained() -> None:
    task = SegPriorTask(tiny.prior())
    trained = set(trained_tensors(task))
    assert {n for n, p in task.named_parameters()} <= trained
    assert any(name.endswith("running_mean") for name in trained)
    assert "prior.mean" not in trained
    everything = [*dict(task.named_parameters()), *dict(task.named_buffers())]
    assert sorted([*trained, *frozen_names(task)]) == sorted(everything)
    frozen = tiny.segdm()
    assert not [name for name in trained_tensors(frozen) if name.startswith("branch.prior.")]
    assert "branch.abar" in frozen_names(frozen)


def test_ddp_is_told_what_every_rank_has_read_for_itself() -> None:
    task = tiny.segdm()
    task.setup("fit")
    ignored = set(task._ddp_params_and_buffers_to_ignore)  # read by torch's DDP under this name
    assert {n for n, p in task.named_parameters() if not p.requires_grad} < ignored
    assert not ignored & {n for n, p in task.named_parameters() if p.requires_grad}
