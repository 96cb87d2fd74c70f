"""Every recipe composes, names constructors that exist, and builds what can be built here."""

from pathlib import Path

import pytest
import torch
from lightning import LightningDataModule, LightningModule, Trainer
from omegaconf import OmegaConf

from segsr.checkpoints.folder import PACKAGED
from segsr.cli import run
from segsr.config import build, load_recipe, packaged_conf
from segsr.errors import SegSRError

RECIPES = sorted(path.stem for path in packaged_conf().glob("*.yaml"))
COMPACT = [name for name in RECIPES if name.startswith("compact")]
OPEN = {
    "joint": ["weights=W", "data.root=D"],
    "srdm": ["base_model=B", "data.root=D"],
    "prior": ["data.root=D"],
    "segdm": ["weights=W", "data.root=D"],
    "table1": ["root=R"],
}


def recipe(name: str, *overrides: str):
    return load_recipe(Path("conf", f"{name}.yaml"), [*OPEN.get(name, []), *overrides])


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_composes_and_leaves_nothing_open(name) -> None:
    cfg = recipe(name)
    assert not OmegaConf.missing_keys(cfg)
    assert cfg.name == name


@pytest.mark.parametrize("name", COMPACT)
def test_a_compact_recipe_builds(name, tmp_path) -> None:
    cfg = recipe(name, f"run_dir={tmp_path}")
    model, data = build(cfg.model), build(cfg.data)
    assert isinstance(model, LightningModule)
    assert isinstance(data, LightningDataModule)
    assert isinstance(run._trainer(cfg.trainer, tmp_path), Trainer)
    optimizers = model.configure_optimizers()
    assert optimizers


@pytest.mark.parametrize("group", ["model", "data", "degradation", "trainer", "vocabulary"])
def test_every_option_of_a_group_composes(group) -> None:
    for path in (packaged_conf() / group).glob("*.yaml"):
        if group == "model":
            continue  # recipes name them, in lists
        assert group in load_recipe("compact", [f"{group}={path.stem}"])


def test_the_papers_networks_fit_together() -> None:
    nets = recipe("joint").nets
    with torch.device("meta"):
        built = {
            name: build(nets[name]) for name in ("controller", "prior", "seg_denoiser", "bridge")
        }
    assert built["prior"].feature_channels == built["seg_denoiser"].config.feature_channels
    z, t = torch.empty(1, 4, 64, 64, device="meta"), torch.empty(1, device="meta").long()
    masks = torch.empty(1, 64, 64, device="meta").long()
    guidance, control = built["controller"](z, t), built["bridge"].control(masks, t)
    assert {w: m.shape for w, m in guidance.items()} == {w: m.shape for w, m in control.items()}
    assert sorted(guidance) == [8, 16, 32, 64]
    prior = built["prior"](torch.empty(1, 3, 512, 512, device="meta"))
    assert prior.logits.shape == (1, 34, 128, 128)
    logits = built["seg_denoiser"](masks, t, prior.features, built["bridge"].aid(z, t))
    assert logits.shape == (1, 34, 64, 64)


def test_a_vocabulary_of_ones_own_sets_the_number_of_classes(tmp_path) -> None:
    (tmp_path / "vocabulary").mkdir()
    (tmp_path / "vocabulary" / "mine.yaml").write_text("names: [sky, lion, zebra]\n")
    (tmp_path / "mine.yaml").write_text("defaults: [joint, override vocabulary: mine, _self_]\n")
    cfg = load_recipe(tmp_path / "mine.yaml", OPEN["joint"])
    with torch.device("meta"):
        built = {name: build(cfg.nets[name]) for name in ("prior", "seg_denoiser", "bridge")}
    assert {net.config.num_classes for net in built.values()} == {3}
    assert build(cfg.data).num_classes == 3
    assert build(recipe("joint").data).num_classes == 34


def test_the_variant_that_predicts_v_differs_in_nothing_else() -> None:
    noise, v = (recipe("srdm", f"model={name}") for name in ("sd21", "sd21v"))
    assert v.nets.scheduler.prediction_type == "v_prediction"
    v.nets.scheduler.prediction_type = "epsilon"
    assert OmegaConf.to_container(v, resolve=True) == OmegaConf.to_container(noise, resolve=True)


def test_what_is_missing_is_told_with_how_to_get_it(tmp_path) -> None:
    with pytest.raises(SegSRError, match=r"weights and data.root|data.root and weights") as error:
        run.fit(load_recipe(Path("conf/joint.yaml"), [f"run_dir={tmp_path}"]))
    assert "conf/srdm.yaml" in str(error.value)
    with pytest.raises(SegSRError, match=r"no model 'W': give a folder"):
        run.fit(recipe("joint", f"run_dir={tmp_path}", "trainer=cpu"))
    with pytest.raises(SegSRError, match=r"Stable Diffusion 2.1"):
        run.fit(recipe("srdm", f"run_dir={tmp_path}", "trainer=cpu"))


def test_the_packaged_weights_are_small() -> None:
    files = [path for path in (PACKAGED / "compact").rglob("*") if path.is_file()]
    assert 1e6 < sum(path.stat().st_size for path in files) <= 40e6
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".md"}
