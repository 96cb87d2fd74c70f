from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from segsr import config
from segsr.config import build, load_recipe, packaged_conf, require, resolved_yaml
from segsr.errors import SegSRError

PARTS = """
from segsr.errors import SegSRError

class Net:
    def __init__(self, widths, options=None, inner=None):
        self.widths, self.options, self.inner = widths, options, inner

def needs_weights(folder):
    raise SegSRError(f"no weights in {folder}")
"""


@pytest.fixture
def parts(write, monkeypatch):
    """An importable module of constructors, called `toy_parts`."""
    monkeypatch.syspath_prepend(write("modules/toy_parts.py", PARTS).parent)


def test_the_packaged_folder_is_the_one_at_the_root_of_a_checkout():
    assert config.packaged_conf() == Path(__file__).parents[1] / "conf"


def test_without_a_file_the_default_recipe_is_loaded(toy_conf):
    cfg = load_recipe("compact")
    assert cfg.name == "toy"
    assert cfg.trainer._target_ == "lightning.Trainer"
    assert "hydra" not in cfg


@pytest.mark.parametrize("name", ["compact", "compact.yaml", "conf/compact.yaml"])
def test_a_packaged_recipe_is_found_by_name(name, toy_conf, alone):
    assert load_recipe(Path(name), []).name == "toy"


def test_a_file_of_that_name_in_the_working_folder_comes_first(toy_conf, alone):
    (alone / "conf").mkdir()
    (alone / "conf/compact.yaml").write_text("name: mine\n")
    assert load_recipe(Path("conf/compact.yaml"), []).name == "mine"


def test_an_own_file_draws_on_packaged_groups_from_anywhere(toy_conf, write, alone):
    mine = write("else where/mine.yaml", "defaults: [{trainer: cpu}, _self_]\nname: mine\n")
    cfg = load_recipe(mine, ["trainer.max_steps=9"])
    assert (cfg.name, cfg.trainer.accelerator, cfg.trainer.max_steps) == ("mine", "cpu", 9)


def test_an_own_file_extends_a_packaged_recipe(toy_conf, write):
    mine = write("mine/mine.yaml", "defaults: [compact, _self_]\nseed: 1\n")
    cfg = load_recipe(mine)
    assert (cfg.name, cfg.seed, cfg.trainer.max_steps) == ("toy", 1, 2)


def test_groups_beside_the_own_file_come_before_packaged_ones(toy_conf, write):
    write("mine/trainer/cpu.yaml", "max_steps: 77\n")
    mine = write("mine/mine.yaml", "defaults: [{trainer: cpu}]\n")
    assert load_recipe(mine).trainer == {"max_steps": 77}


def test_a_missing_file_is_an_error_that_lists_the_packaged_ones(toy_conf, alone):
    with pytest.raises(SegSRError, match=r"compat\.yaml.* did you mean conf/compact\.yaml\?"):
        load_recipe(Path("conf/compat.yaml"), [])
    with pytest.raises(SegSRError, match=r"no config file elsewhere/compact\.yaml"):
        load_recipe(Path("elsewhere/compact.yaml"), [])


def test_another_suffix_is_refused(toy_conf, write):
    with pytest.raises(SegSRError, match=r"must be named \*\.yaml, got .*mine\.yml"):
        load_recipe(write("mine.yml", "name: mine\n"), [])


def test_a_file_that_is_not_yaml_is_an_error_with_its_line(toy_conf, write):
    with pytest.raises(SegSRError, match=r"mine\.yaml.* line 2"):
        load_recipe(write("mine.yaml", "name: mine\n  seed: 3\n"), [])


def test_overrides_follow_hydras_grammar(toy_conf):
    cfg = load_recipe(
        "compact", ["seed=3", "+new.key=[1,2]", "++name=other", "~width", "trainer.logger=false"]
    )
    assert (cfg.seed, cfg.new.key, cfg.name) == (3, [1, 2], "other")
    assert "width" not in cfg
    assert cfg.trainer.logger is False


def test_the_last_of_two_overrides_holds(toy_conf):
    assert load_recipe("compact", ["seed=3", "seed=4"]).seed == 4


def test_name_seed_and_run_folder_need_not_be_stated(toy_conf, write):
    mine = write("mine.yaml", "defaults: [{trainer: cpu}]\n")
    cfg = load_recipe(mine)
    assert (cfg.name, cfg.seed, cfg.run_dir, cfg.ckpt_path) == ("mine", 0, None, None)
    cfg = load_recipe(mine, ["name=other", "seed=2", "run_dir=run"])
    assert (cfg.name, cfg.seed, cfg.trainer.logger.csv.save_dir) == ("other", 2, "run")


def test_an_argument_of_the_constructor_needs_no_plus(toy_conf):
    assert (
        load_recipe("compact", ["trainer.gradient_clip_val=0.5"]).trainer.gradient_clip_val == 0.5
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer.max_stepz=3", r"trainer\.max_stepz, did you mean trainer\.max_steps\?"),
        ("trainer.gradient_clip=3", r"did you mean trainer\.gradient_clip_val\?"),
        ("max_step=3", r"did you mean trainer\.max_steps\?"),
        ("trainr.max_steps=3", r"did you mean trainer\.max_steps\?"),
        ("trainer.callbacks.checkpoints.dirpath=x", r"trainer\.callbacks\.checkpoint\.dirpath\?"),
        ("modl=boring", r"unknown key modl, did you mean model\?"),
        ("~widht", r"unknown key widht, did you mean width\?"),
        ("~trainer.gradient_clip_val", r"unknown key trainer\.gradient_clip_val"),
        ("nothing_like_it=1", r"unknown key nothing_like_it: --print-config"),
        ("model=borin", r"no config model/borin\.yaml, did you mean boring\? Available: boring"),
        ("+model=boring", r"compact\.yaml: .*[Mm]odel"),
        ("seed", r"seed is no key=value"),
        ("joint.yaml", r"write -c joint\.yaml"),
        ("ckpt_path=a=b", r"needs quotes"),
        ("seed=${nothing}", r"nothing.*seed"),
    ],
)
def test_a_wrong_override_is_one_helpful_sentence(override, message, toy_conf):
    with pytest.raises(SegSRError, match=message) as caught:
        load_recipe("compact", [override])
    assert "\n" not in str(caught.value)


def test_interpolations_of_the_run_folder_follow_it(toy_conf):
    cfg = load_recipe("compact")
    cfg.run_dir = "runs/mine"
    assert cfg.trainer.logger.csv.save_dir == "runs/mine"


def test_the_printed_recipe_is_resolved_and_loads_to_itself(toy_conf, write):
    cfg = load_recipe("compact", ["+twice=${width}", "seed=5"])
    text = resolved_yaml(cfg)
    plain = yaml.safe_load(text)
    assert (plain["twice"], plain["seed"], plain["run_dir"]) == (8, 5, None)
    assert plain["trainer"]["callbacks"]["checkpoint"]["dirpath"] == "${run_dir}/checkpoints"
    assert resolved_yaml(load_recipe(write("runs/config.yaml", text), [])) == text
    assert resolved_yaml(cfg) == text


def test_an_incomplete_recipe_names_what_it_lacks(toy_conf, write):
    text = "data:\n  # FOLDER of your\n  # photographs\n  root: ???\n  twin: ${data.root}\n"
    cfg = load_recipe(write("mine.yaml", text))
    with pytest.raises(SegSRError, match="lacks model, trainer"):
        require(cfg, "data", "model", "trainer")
    with pytest.raises(SegSRError, match=r"leaves data\.root open: give data\.root=FOLDER of your"):
        require(cfg, "data")
    assert yaml.safe_load(resolved_yaml(cfg))["data"]["root"] == "???"


def remedy(cfg) -> str:
    with pytest.raises(SegSRError) as caught:
        require(cfg)
    return str(caught.value).partition(" open: give ")[2]


def test_how_to_fill_an_open_value_stands_above_it_wherever_it_is(toy_conf, write):
    write("packaged/data/photos.yaml", "# Photographs of\n# mine.\nkind: a\nroot: ???\n")
    write("packaged/sets/one.yaml", "# @package _global_\n# A set.\n\n# FOLDER\nplace: ???\n")
    base = "# A base.\ndefaults: [{data: photos}]\nx: 1\n# FILE of weights\nweights: ???\n"
    write("packaged/base.yaml", base)
    mine = write(
        "mine.yaml", "# Mine.\ndefaults: [/base, {sets: one}, {sets@inner: one}]\nnothing: ???\n"
    )
    assert remedy(load_recipe(mine, ["weights=w", "place=p", "inner.place=p", "nothing=n"])) == (
        "data.root=... (Photographs of mine.)"
    )
    assert remedy(load_recipe(mine, ["~data", "nothing=n"])) == (
        "weights=FILE of weights; place=FOLDER; inner.place=FOLDER"
    )
    assert (
        remedy(load_recipe(mine, ["~data", "weights=w", "place=p", "inner.place=p"]))
        == "nothing=... (Mine.)"
    )


def test_where_no_comment_helps_the_key_is_named_alone(toy_conf, write):
    assert remedy(load_recipe(write("mine.yaml", "data:\n  root: ???\n"))) == "data.root=..."


PACKAGED = [path for path in sorted(packaged_conf().rglob("*.yaml")) if "???" in path.read_text()]


@pytest.mark.parametrize("file", PACKAGED, ids=lambda path: path.stem)
def test_what_packaged_files_leave_open_is_explained(file):
    lines = file.read_text().splitlines()
    is_group = file.parent != packaged_conf() and not lines[0].startswith("# @")
    for line, text in enumerate(lines):
        if text.endswith(": ???"):  # of an option of a group the file's own comment will do
            assert lines[line - 1].startswith("#") or (is_group and lines[0].startswith("#"))
        else:
            assert "???" not in text


def test_constructors_get_plain_containers(parts):
    net = build({"_target_": "toy_parts.Net", "widths": [1, 2], "options": {"depth": {"a": [1]}}})
    assert type(net.widths) is list
    assert type(net.options) is type(net.options["depth"]) is dict
    assert type(net.options["depth"]["a"]) is list


def test_interpolations_resolve_against_the_whole_recipe(toy_conf, parts, write):
    recipe = "width: 3\nmodel: {_target_: toy_parts.Net, widths: ['${width}']}\n"
    assert build(load_recipe(write("mine.yaml", recipe), []).model).widths == [3]


def test_nested_constructors_and_partials_are_built(parts):
    partial = {"_target_": "toy_parts.Net", "_partial_": True, "widths": [2]}
    net = build({"_target_": "toy_parts.Net", "widths": [1], "inner": partial})
    assert net.inner().widths == [2]


def test_an_error_meant_for_the_user_is_not_wrapped(parts):
    node = {"_target_": "toy_parts.needs_weights", "folder": "here"}
    with pytest.raises(SegSRError, match=r"^no weights in here$"):
        build(node)
    with pytest.raises(SegSRError, match=r"^no weights in here$"):
        build({"_target_": "toy_parts.Net", "widths": [1], "inner": node})


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"_target_": "toy_parts.Net", "width": [1]}, r"no argument width, did you mean widths\?"),
        ([{"_target_": "toy_parts.Nett"}], r"no toy_parts\.Nett: a _target_ is the full name"),
        ("boring", "cannot build 'boring'"),
    ],
)
def test_a_node_that_cannot_be_built_is_named(node, message, parts):
    with pytest.raises(SegSRError, match=message):
        build(node)
