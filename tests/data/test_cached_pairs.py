"""Pairs made beforehand: each once a pass, cut alike, and refused where they will not do."""

from __future__ import annotations

import pytest
import torch
from lightning import Trainer
from safetensors.torch import save_file

from segsr.data import MaskedPairDataModule, PairDataModule
from segsr.data.cached_pairs import CachedPairs
from segsr.data.colour_jitter import jitter_colours
from segsr.errors import SegSRError


def shard(n: int, side: int = 32, **others):
    """Pairs whose LQ is every fourth pixel of their HQ, so that it shows whether both were cut."""
    hq = torch.randint(0, 256, (n, 3, side, side), dtype=torch.uint8)
    return {"hq": hq, "lq": hq[..., ::4, ::4].contiguous(), **others}


@pytest.fixture
def pairs(tmp_path):
    folder = tmp_path / "pairs"
    folder.mkdir()
    for i in range(2):
        mask = torch.randint(0, 34, (4, 32, 32), dtype=torch.uint8)
        save_file(
            shard(4, mask=mask, taught=torch.full_like(shard(4)["hq"], 7)),
            folder / f"{i}.safetensors",
        )
    return folder


def test_every_pass_holds_every_pair_once(pairs) -> None:
    cached = CachedPairs(pairs, crop_size=32)
    assert len(cached) == 8
    first, second = (cached.batch(list(range(p, p + 8)))["name"] for p in (0, 8))
    assert sorted(first) == sorted(second) == sorted(map(str, range(8)))
    assert first != second


@pytest.mark.parametrize("turn", [False, True])
def test_photograph_lq_and_mask_are_cut_and_turned_alike(pairs, turn) -> None:
    cached = CachedPairs(pairs, crop_size=16, turn=turn)
    cached.tensors["mask"] = cached.tensors["hq"][:, 0].clone()
    seen = set()
    for start in range(0, 64, 4):
        batch = cached.batch(list(range(start, start + 4)))
        assert batch["hq"].shape == (4, 3, 16, 16)
        assert torch.equal(batch["mask"], batch["hq"][:, 0])
        for hq, lq in zip(batch["hq"], batch["lq"], strict=True):
            corners = [hq[:, r::4, c::4] for r in (0, 3) for c in (0, 3)]  # mirrored: the last of 4
            assert any(torch.equal(corner, lq) for corner in corners)
        seen.add(tuple(batch["hq"][0, 0, 0, :2].tolist()))
    assert len(seen) > 4


def test_draws_depend_on_seed_and_position_alone(pairs) -> None:
    one, again, other = (CachedPairs(pairs, crop_size=16, seed=s) for s in (1, 1, 2))
    assert torch.equal(one.batch([3, 9])["hq"], again.batch([3, 9])["hq"])
    assert one.batch([3, 9])["name"] != other.batch([3, 9])["name"] or not torch.equal(
        one.batch([3, 9])["hq"], other.batch([3, 9])["hq"]
    )


def test_a_module_trains_on_them(pairs) -> None:
    data = MaskedPairDataModule(root=pairs.parent, pairs="pairs", crop_size=16, batch_size=4)
    data.setup("fit")
    batches = [data.on_after_batch_transfer(batch) for batch in data.train_dataloader()]
    assert len(batches) == 2
    assert sorted(batches[0]) == ["hq", "lq", "mask", "name"]
    assert batches[0]["hq"].shape == (4, 3, 16, 16)
    assert batches[0]["lq"].shape == (4, 3, 4, 4)
    assert batches[0]["hq"].is_floating_point()
    assert 0 <= batches[0]["hq"].min() <= batches[0]["hq"].max() <= 1
    assert batches[0]["mask"].dtype == torch.int64


def test_a_resumed_module_goes_on(pairs) -> None:
    def names(module):
        module.setup("fit")
        loader = module.train_dataloader()
        return [module.on_after_batch_transfer(batch)["name"] for batch in loader]

    whole, rest = (PairDataModule(pairs=pairs, crop_size=16, batch_size=2, passes=2) for _ in "ab")
    expected = names(whole)
    rest.setup("fit")
    rest.load_state_dict({"position": 6, "batches": 3})
    loader = rest.train_dataloader()
    found = [rest.on_after_batch_transfer(batch)["name"] for batch in loader]
    assert found[:5] == expected[3:]


def test_a_teachers_results_take_the_photographs_place(pairs) -> None:
    data = PairDataModule(pairs=pairs, crop_size=16, batch_size=4, target="taught")
    data.setup("fit")
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())))
    assert batch["hq"].unique().tolist() == pytest.approx([7 / 255])


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda folder: [f.unlink() for f in folder.iterdir()], "no pairs in"),
        (lambda folder: (folder / "0.safetensors").write_bytes(b"no"), "cannot be read"),
        (lambda folder: save_file({"hq": shard(1)["hq"]}, folder / "0.safetensors"), "has no lq"),
        (lambda folder: save_file(shard(1), folder / "0.safetensors"), "others none"),
        (
            lambda folder: save_file(
                shard(1, 64, mask=torch.zeros(1, 64, 64, dtype=torch.uint8)),
                folder / "0.safetensors",
            ),
            "several sizes",
        ),
    ],
)
def test_a_folder_that_will_not_do(pairs, spoil, complaint) -> None:
    spoil(pairs)
    with pytest.raises(SegSRError, match=complaint):
        CachedPairs(pairs, crop_size=16)


def test_what_pairs_cannot_give_is_said(pairs) -> None:
    with pytest.raises(SegSRError, match="crop_size is 64"):
        CachedPairs(pairs, crop_size=64)
    for file in pairs.iterdir():
        save_file(shard(2), file)
    data = MaskedPairDataModule(pairs=pairs, crop_size=16)
    data.setup("fit")
    with pytest.raises(SegSRError, match="without"):
        data.train_dataloader()
    with pytest.raises(SegSRError, match="has no taught"):
        CachedPairs(pairs, crop_size=16, target="taught")


def test_colours_change_alike_and_stay_where_factors_are_one() -> None:
    images = torch.rand(2, 3, 8, 8)
    torch.testing.assert_close(jitter_colours(images, torch.ones(2, 3)), images)
    grey = jitter_colours(images, torch.tensor([[1.0, 1.0, 0.0]] * 2))
    torch.testing.assert_close(grey[:, 0], grey[:, 2])
    flat = jitter_colours(images, torch.tensor([[1.0, 0.0, 1.0]] * 2))
    torch.testing.assert_close(flat, torch.full_like(flat, 0.5))
    brighter = jitter_colours(images * 0.5, torch.tensor([[1.2, 1.0, 1.0]] * 2))
    torch.testing.assert_close(brighter, images * 0.6)


def test_jitter_is_the_positions(pairs) -> None:
    def batch(jitter, size):
        data = PairDataModule(
            pairs=pairs, crop_size=32, batch_size=size, flip=False, jitter=jitter, seed=3
        )
        data.setup("fit")
        return data.on_after_batch_transfer(next(iter(data.train_dataloader())))

    plain, small, large = batch(0, 4), batch(0.3, 2), batch(0.3, 4)
    assert not torch.equal(plain["hq"], large["hq"])
    assert torch.equal(small["hq"], large["hq"][:2])
    assert torch.equal(large["lq"], large["hq"][..., ::4, ::4])  # pixel by pixel, so alike


def test_a_trainer_takes_a_step(pairs) -> None:
    from lightning import LightningModule

    class Mean(LightningModule):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.seen = []

        def training_step(self, batch, index):
            self.seen += batch["name"]
            return (self.weight * batch["hq"].mean()).square()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), 0.1)

    model = Mean()
    data = PairDataModule(pairs=pairs, crop_size=16, batch_size=4, passes=2)
    Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(model, data)
    assert sorted(model.seen) == sorted(map(str, [*range(8)] * 2))
