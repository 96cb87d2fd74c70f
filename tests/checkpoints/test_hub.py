"""Models that travel: pushed, listed, fetched, resumed and refused, with a stand-in for the hub."""

from __future__ import annotations

import hashlib

import pytest
import tiny
import torch
import yaml
from hub import hub
from huggingface_hub import constants, file_download

from segsr import JointSegSR
from segsr.checkpoints.card import Statement, model_card
from segsr.checkpoints.folder import find_folder
from segsr.checkpoints.hub import SUMS, verify
from segsr.cli import main
from segsr.errors import SegSRError

__all__ = ["hub"]
NAME = "owner/model"
STATEMENT = Statement("cc-by-4.0", "Ten photographs of ours.", "It is a toy.")
TERMS = ["--licence", STATEMENT.licence, "--data", STATEMENT.data, "--limits", STATEMENT.limits]
LARGEST = "denoiser/diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "model"
    tiny.joint(seed=3).eval().save_pretrained(folder)
    return folder


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    verify.cache_clear()
    monkeypatch.setattr(file_download.time, "sleep", lambda seconds: None)


def pushed(made, capsys) -> tuple[str, str]:
    """The revision and the digest of a model that the command line pushed."""
    assert main(["push", str(made), NAME, *TERMS]) == 0
    words = capsys.readouterr().out.split()
    return words[words.index("revision") + 1], words[words.index("sha256") + 1]


def fetched(hub, ending: str) -> list[str | None]:
    """The ranges in which files were asked for."""
    return [part for verb, path, part in hub.asked if verb == "GET" and path.endswith(ending)]


def test_what_is_pushed_comes_back(made, hub, capsys):
    revision, sha256 = pushed(made, capsys)
    files = hub.commits[revision]
    assert {"segsr.json", "README.md", SUMS, LARGEST, "scheduler/scheduler_config.json"} <= set(
        files
    )
    assert all(
        name.endswith((".json", ".safetensors", ".md", "SUMS", ".gitattributes")) for name in files
    )
    assert sha256 == hashlib.sha256(files[SUMS]).hexdigest()
    lq = tiny.batch()["lq"][0]
    found = JointSegSR.from_pretrained(NAME, revision=revision, sha256=sha256)
    expected = JointSegSR.from_pretrained(made).restore(lq, seed=5).image
    assert torch.equal(found.restore(lq, seed=5).image, expected)


def test_a_trained_model_pushes_itself(hub):
    model = tiny.joint(seed=4).eval()
    where = model.push_to_hub(NAME, STATEMENT, revision="trial")
    assert set(hub.branches[NAME]) == {"main", "trial"}
    assert "segsr.json" not in hub.commits[hub.branches[NAME]["main"]]
    again = JointSegSR.from_pretrained(f"{NAME}@trial", sha256=where.sha256)
    for ours, theirs in zip(again.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_pushing_again_sends_no_weights_and_takes_old_ones_away(made, hub, capsys):
    pushed(made, capsys)
    hub.asked.clear()
    old = {
        **hub.commits[hub.branches[NAME]["main"]],
        "cfw/diffusion_pytorch_model.safetensors": b"x",
    }
    hub.commit(NAME, "main", old)
    revision, _ = pushed(made, capsys)
    assert not [path for verb, path, _ in hub.asked if verb == "PUT"]
    assert "cfw/diffusion_pytorch_model.safetensors" not in hub.commits[revision]


def test_the_list_names_packaged_and_cached_models(made, hub, capsys):
    revision, sha256 = pushed(made, capsys)
    assert main(["models"]) == 0
    assert NAME not in capsys.readouterr().out
    find_folder(NAME)
    assert main(["models"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["compact", "compact_labeler", f"{NAME}@main"]
    assert lines[2][1] == "cached"
    assert lines[2][-1] == sha256
    assert find_folder(f"{NAME}@{revision}") == find_folder(NAME)


def test_what_is_cached_is_not_fetched_again_and_works_offline(made, hub, capsys, monkeypatch):
    pushed(made, capsys)
    folder = find_folder(NAME)
    hub.asked.clear()
    assert find_folder(NAME) == folder
    assert not fetched(hub, "")[1:]  # what the branch is, and no file
    hub.closed = True
    assert find_folder(NAME) == folder
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    hub.asked.clear()
    assert find_folder(NAME) == folder
    assert not hub.asked


def test_a_download_that_is_cut_goes_on_where_it_was(made, hub, capsys, monkeypatch):
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1024)  # what of a cut one is kept
    _, sha256 = pushed(made, capsys)
    size = (made / LARGEST).stat().st_size
    hub.cut[LARGEST] = size // 3
    assert (find_folder(NAME, sha256=sha256) / LARGEST).stat().st_size == size
    begins = [int(part[6:-1]) for part in fetched(hub, LARGEST) if part]
    assert len(begins) == 3
    assert size // 3 - 1024 < begins[0] <= size // 3


def test_after_a_broken_download_only_what_lacks_is_fetched(made, hub, capsys):
    pushed(made, capsys)
    hub.cut[LARGEST] = 0
    with pytest.raises(
        SegSRError, match=r"could not be downloaded \(.+\): check the name, the net"
    ):
        find_folder(NAME)
    hub.cut.clear()
    hub.asked.clear()
    find_folder(NAME)
    assert fetched(hub, LARGEST) == [None]
    assert not fetched(hub, "segsr.json")


def test_bytes_that_were_changed_on_the_way_are_refused(made, hub, capsys):
    pushed(made, capsys)
    hub.forged.add(LARGEST)
    with pytest.raises(
        SegSRError, match=rf"{LARGEST} of 'owner/model' is not the file that was pu"
    ):
        find_folder(NAME)


def test_without_sums_a_file_has_the_digest_it_is_kept_under(made, hub, capsys):
    revision, _ = pushed(made, capsys)
    hub.commit(NAME, "main", {k: v for k, v in hub.commits[revision].items() if k != SUMS})
    find_folder(NAME)
    verify.cache_clear()
    hub.forged.add(LARGEST)
    weights = find_folder(NAME) / LARGEST
    content = weights.read_bytes()
    weights.resolve().write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    verify.cache_clear()
    with pytest.raises(SegSRError, match="is not the file that was pushed"):
        find_folder(NAME)


def test_another_model_than_was_meant_is_refused(made, hub, capsys):
    pushed(made, capsys)
    with pytest.raises(SegSRError, match=r"has the digest .{64}, but must have 0{64}"):
        find_folder(NAME, sha256="0" * 64)


def test_a_file_that_the_sums_name_and_nobody_sends_is_missed(made, hub, capsys):
    revision, _ = pushed(made, capsys)
    hub.commit(NAME, "main", {k: v for k, v in hub.commits[revision].items() if k != LARGEST})
    with pytest.raises(SegSRError, match=rf"{LARGEST} of 'owner/model' is missing, though {SUMS}"):
        find_folder(NAME)


@pytest.mark.parametrize("name", ["owner/nothing", "owner/model@nowhere"])
def test_what_is_not_there_is_a_sentence(name, made, hub, capsys):
    pushed(made, capsys)
    with pytest.raises(
        SegSRError, match="is no folder, is not cached, and could not be downloaded"
    ):
        find_folder(name)


def test_no_network_is_a_sentence_both_ways(made, hub, capsys, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(SegSRError, match=r"could not be downloaded .* check the name, the network"):
        find_folder(NAME)
    assert main(["push", str(made), NAME, *TERMS]) == 2
    assert "could not be pushed to 'owner/model'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["push", "{folder}", "model", *TERMS], "'model' is no name on a hub: give owner/name"),
        (["push", "{folder}", NAME], "give --licence ID and --data TEXT, or a card of your own"),
        (["push", "{folder}", NAME, *TERMS, "--results", "{folder}"], "no results in"),
        (["push", "{folder}/bridge", NAME, *TERMS], "segsr.json is missing"),
        (["push", "{folder}", NAME, "--card", "{folder}"], "no card"),
    ],
)
def test_what_cannot_be_pushed_is_a_sentence(arguments, sentence, made, hub, capsys):
    assert main([each.format(folder=made) for each in arguments]) == 2
    assert sentence in capsys.readouterr().err
    assert not hub.branches


def test_a_dry_run_sends_nothing(made, hub, capsys):
    assert main(["push", str(made), NAME, *TERMS, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert LARGEST in printed
    assert STATEMENT.data in printed
    assert not hub.asked


def test_the_card_says_what_the_folder_is(made, tmp_path):
    (tmp_path / "table.md").write_text("| PSNR |\n|---|\n| 30.1 |\n\nprotocol: segsr_paper\n")
    card = model_card(made, NAME, STATEMENT, [(tmp_path / "table.md").read_text()])
    _, head, body = card.split("---\n", 2)
    assert yaml.safe_load(head)["license"] == "cc-by-4.0"
    parameters = sum(p.numel() for p in tiny.denoiser().state_dict().values())
    assert f"| `denoiser` | ImageDenoiser | {parameters:,} | F32 |" in body
    assert "protocol: segsr_paper" in body
    assert "It is a toy." in body
    assert "untrained" not in body


def test_a_card_of_a_silent_bridge_without_results(tmp_path):
    tiny.bridge().save_pretrained(tmp_path / "bridge")
    (tmp_path / "segsr.json").write_text('{"format": 1}')
    card = model_card(tmp_path, NAME, STATEMENT)
    assert "Nothing was measured" in card
    assert (
        "Not a whole model, it lacks: autoencoder, controller, denoiser, prior, seg_denoiser."
        in card
    )
    assert "The bridge is untrained: masks do not steer the picture." in card
