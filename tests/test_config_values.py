"""A value that a constructor cannot take is refused in one sentence, before anything is built."""

import copy
import inspect
from functools import cache
from typing import Any

import pytest

from segsr.cli import main
from segsr.config import build, check, filled, load_recipe, packaged_conf
from segsr.config.constructors import LIBRARIES
from segsr.config.located import located
from segsr.config.values import UNKNOWN, argument_types, check_values, constructors
from segsr.errors import SegSRError

RECIPES = sorted(path.stem for path in packaged_conf().glob("*.yaml"))
C_CODE = {"hydra.utils.get_object"}  # takes one text, a full name, and says itself what is wrong


@cache
def sections(recipe: str) -> dict[str, Any]:
    content = filled(load_recipe(recipe), UNKNOWN)
    return {key: node for key, node in content.items() if key not in LIBRARIES}


def scalars(recipe: str) -> list[tuple[str, str, Any]]:
    """Every scalar argument of a recipe: the key of its constructor, its name and value."""
    found = {}
    for section, node in sections(recipe).items():
        for place, target, arguments in constructors(node, section):
            for name, value in arguments.items():
                if not isinstance(value, dict | list) and target not in C_CODE:
                    found.setdefault((target, name), (place, target, name, value))
    return list(found.values())


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_wrong_type_is_refused_for_every_scalar_argument(recipe) -> None:
    for place, target, name, value in scalars(recipe):
        hint = argument_types(target).get(name)
        assert hint is not None, f"{target} does not say of what type {name} is"
        wrong: list[Any] = [[{"no": "such"}], {"no": ["such"]}]
        if isinstance(value, int | float) and "str" not in str(hint):
            wrong.append("abc")
        if isinstance(value, str) and "int" not in str(hint):
            wrong.append(5)
        for each in wrong:
            with pytest.raises(SegSRError) as error:
                check_values({"_target_": target, name: each}, place)
            assert str(error.value).startswith(f"{place}.{name} must be "), error.value
            assert f", got {each}: " in str(error.value)


@pytest.mark.parametrize("recipe", RECIPES)
def test_what_recipes_state_is_accepted(recipe) -> None:
    check(load_recipe(recipe))


def test_every_annotation_can_be_read() -> None:
    for recipe in RECIPES:
        for _, target, arguments in constructors(sections(recipe)):
            signature = inspect.signature(located(target)).parameters
            assert set(signature) & set(arguments) <= set(argument_types(target)), target


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("trainer.devices=abc", "trainer.devices=abc: lightning.Trainer refuses it (`devices` "),
        ("trainer.devices=0", "trainer.devices=0: lightning.Trainer refuses it (`Trainer(dev"),
        ("trainer.strategy=abc", "trainer.strategy=abc: lightning.Trainer refuses it (You "),
        ("trainer.max_steps=abc", "trainer.max_steps must be a whole number, got abc: correct it"),
        ("trainer.max_steps=1e4", "trainer.max_steps must be a whole number, got 10000.0: corr"),
        ("trainer.precision=abc", "trainer.precision must be 64 or 32 or 16 or transformer-eng"),
        ("run_dir=nan", "run_dir must be a text or null, got nan: put it in quotes, run_dir=\"'n"),
        ("run_dir=2024", "run_dir must be a text or null, got 2024: put it in quotes, run_dir="),
        ("seed=abc", "seed must be a whole number, got abc: correct it"),
        ("model.srdm.branch.steps=abc", "model.srdm.branch.steps must be a whole number, got a"),
        ("model.optimizer.lr=abc", "model.optimizer.lr must be a number or a Tensor, got abc: c"),
        ("model.srdm=abc", "model.srdm must be a SRDM, got abc: correct it"),
        ("data.batch_size=true", "data.batch_size must be a whole number, got True: correct it"),
        ("data=null", "data must be one of camvid, compact, "),
        ("model.srdm=null", "model.srdm must be a SRDM, got null: correct it"),
    ],
)
def test_fit_ends_in_one_sentence_and_status_2(value, sentence, alone, capsys) -> None:
    assert main(["fit", value]) == 2
    (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("segsr: ")]
    assert line.startswith(f"segsr: {sentence}")
    assert not list(alone.rglob("*.yaml"))


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("executor.trainer.devices=0", "executor.trainer.devices=0: lightning.Trainer refuses "),
        ("executor.trainer.devices=abc", "executor.trainer.devices=abc: lightning.Trainer refu"),
        ("labeler.short_side=abc", "labeler.short_side must be a whole number, got abc: correct"),
        ("labeler=null", "labeler must be one of compact, eomt, mask2former, "),
        ("batch_size=abc", "batch_size must be a whole number, got abc: correct it"),
    ],
)
def test_label_ends_in_one_sentence_and_status_2(value, sentence, alone, picture, capsys) -> None:
    picture(alone / "photos" / "a.png")
    assert main(["label", "photos", "-o", "masks", value]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"segsr: {sentence}")


def test_values_are_taken_for_nothing_but_what_they_are() -> None:
    node = {"_target_": "segsr.training.budget.Budget", "steps": 3, "hold": 1}
    assert build(node).hold == 1  # a whole number is a number
    for wrong in ({"steps": "3"}, {"steps": True}, {"warmup": 1.5}, {"warmup": None}):
        with pytest.raises(SegSRError, match=f"^{next(iter(wrong))} must be a whole number"):
            build({**copy.deepcopy(node), **wrong})


def test_what_a_constructor_itself_refuses_is_a_sentence_too() -> None:
    node = {"_target_": "torch.optim.AdamW", "params": [], "lr": 0.1}
    with pytest.raises(SegSRError, match=r"AdamW refuses its arguments \(optimizer got an empty"):
        build(node)
