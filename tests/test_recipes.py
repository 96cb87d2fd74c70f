"""Every recipe composes, names constructors that exist, and builds what can be built here."""

import re
from functools import cache
from pathlib import Path

import pytest
import torch
from hydra.utils import get_object
from lightning import LightningDataModule, LightningModule, Trainer
from omegaconf import DictConfig, OmegaConf

from segsr.checkpoints.folder import PACKAGED
from segsr.cli import run
from segsr.config import build, load_recipe, packaged_conf
from segsr.errors import SegSRError

RECIPES = sorted(path.stem for path in packaged_conf().glob("*.yaml"))
COMPACT = [name for name in RECIPES if name.startswith("compact")]
NETWORKS = sorted(
    {path.stem for path in (packaged_conf() / "model").glob("*.yaml")} - {"pretrained"}
)
OPEN = {
    "joint": ["weights=W", "data.root=D"],
    "srdm": ["base_model=B", "data.root=D"],
    "one_step": ["weights=W", "data.root=D"],
    "prior": ["data.root=D"],
    "segdm": ["weights=W", "data.root=D"],
    "table1": ["root=R"],
}


OPTIONS = sorted((path.parent.name, path.stem) for path in packaged_conf().glob("*/*.yaml"))


@cache
def choices() -> list[tuple[str, str, list[str]]]:
    """The recipes that choose options of groups, by what key, and which."""
    return [
        (name, key, [options] if isinstance(options, str) else list(options))
        for name in reversed(RECIPES)
        for default in OmegaConf.load(packaged_conf() / f"{name}.yaml").defaults
        for key, options in (default.items() if isinstance(default, DictConfig) else ())
    ]


@cache
def composed(name: str, *overrides: str) -> dict:
    return OmegaConf.to_container(load_recipe(Path(name), list(overrides)))


def check_stated(stated: dict, composed: dict) -> None:
    """Every key of an option must arrive in the recipe, every constructor exist."""
    for key, value in stated.items():
        assert key in composed
        if isinstance(value, dict):
            check_stated(value, composed[key])
        elif key in ("_target_", "path") and "segsr." in value:
            assert get_object(value)


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


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_of_a_group_arrives_in_a_recipe(group, option) -> None:
    found = [each for each in choices() if each[1].partition("@")[0] == group]
    chosen = [each for each in found if option in each[2]]
    name, key, _ = (chosen or found or [("compact", f"+{group}", [])])[0]
    path = packaged_conf() / group / f"{option}.yaml"
    header = re.match(r"# @package (\S+)", path.read_text(encoding="utf-8"))
    package = header[1] if header else key.partition("@")[2] or group
    node = composed(name, *([] if chosen else [f"{key}={option}"]))
    for part in () if package == "_global_" else package.split("."):
        node = node[part]
    stated = OmegaConf.to_container(OmegaConf.load(path))
    stated.pop("defaults", None)
    check_stated(stated, node)


@pytest.mark.parametrize("option", NETWORKS)
def test_every_option_of_networks_builds_in_the_joint_recipe(option) -> None:
    nets = recipe("joint", f"model=[{option},pretrained]").nets
    with torch.device("meta"):
        built = [build(nets[name]) for name in ("controller", "prior", "seg_denoiser", "bridge")]
    assert {net.config.num_classes for net in built[1:]} == {34}
    assert len(build(nets.scheduler).betas) == 1000


@pytest.mark.parametrize(
    ("group", "key"),
    [
        ("optimizer", "model.optimizer"),
        ("schedule", "trainer.callbacks.budget"),
        ("scheduler", "nets.scheduler"),
    ],
)
def test_what_recipes_share_stands_in_a_group_and_gives_way_to_overrides(group, key) -> None:
    for path in (packaged_conf() / group).glob("*.yaml"):
        cfg = recipe("compact_prior", f"{group}@{key}={path.stem}")
        assert "_target_" in OmegaConf.select(cfg, key)
    cfg = recipe("compact_srdm", "model.optimizer.lr=1e-7", "trainer.callbacks.budget.floor=0.5")
    optimizer = build(cfg.model.optimizer)([torch.zeros(1, requires_grad=True)])
    assert optimizer.defaults["lr"] == 1e-7
    assert optimizer.defaults["betas"] == (0.9, 0.99)
    assert build({**cfg.trainer.callbacks.budget, "steps": 9}).floor == 0.5


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
    assert [m.shape for m in guidance] == [m.shape for m in control]
    assert [m.shape[-1] for m in guidance] == [64, 32, 16, 8]
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
    del v.nets.scheduler.prediction_type  # DDIM predicts the noise else
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
