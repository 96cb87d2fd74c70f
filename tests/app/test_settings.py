"""The record of a restoration, and the command line in it."""

import json
import shlex
from dataclasses import replace

from segsr.app.settings import Settings, command, model_name, record
from segsr.model.options import SamplingOptions


def test_the_command_says_what_was_chosen_and_no_more():
    plain = Settings(0, SamplingOptions())
    assert command("a b.png", "compact", plain, None) == (
        "segsr upscale 'a b.png' -o restored --model compact --seed 0"
    )
    options = SamplingOptions(steps=4, guidance=2, start="lq", temperature=0.5, fidelity=0.25)
    options = replace(options, strength=0.5, colour="adain")
    words = shlex.split(command("a.png", "compact", Settings(7, options, 2.5), "a_held.png"))
    for pair in ("--strength 0.5", "--colour adain", "--scale 2.5", "--fidelity 0.25"):
        assert pair in " ".join(words)
    for pair in ("--seed 7", "--steps 4", "--guidance 2", "--start lq", "--temperature 0.5"):
        assert pair in " ".join(words)
    assert words[-2:] == ["--mask", "a_held.png"]


def test_a_name_cannot_be_an_option():
    hostile = command("--device=cuda", "compact", Settings(0, SamplingOptions()), None)
    words = shlex.split(hostile)
    assert words.index("--device=cuda") == words.index("--") + 1


def test_a_record_names_photograph_and_mask_by_their_content():
    told = json.loads(
        record("a.png", b"abc", (3, 4), "m", Settings(1, SamplingOptions()), ("h.png", b""))
    )
    assert told["photo"]["sha256"].startswith("ba7816bf")
    assert (told["photo"]["height"], told["photo"]["width"]) == (3, 4)
    assert told["mask"]["sha256"].startswith("e3b0c442")
    assert told["options"]["guidance"] == 1.0


def test_of_a_folder_only_the_last_name_is_told(tmp_path):
    (tmp_path / "mine").mkdir()
    assert model_name(str(tmp_path / "mine")) == "mine"
    assert model_name("owner/name") == "owner/name"
