"""Prompt embeddings: OpenCLIP's text tower, converted, against its own formulation."""

import json

import pytest
import stablesr
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from segsr.checkpoints.prompt import (
    OPEN_CLIP,
    empty_prompt,
    encode_prompt,
    load_prompt,
    open_clip_text_model,
    save_prompt,
)
from segsr.errors import SegSRError


def penultimate(weights: dict, tokens: torch.Tensor, heads: int) -> torch.Tensor:
    """OpenCLIP's text transformer up to its last layer but one, as pre-norm attention in torch."""
    w = {name.removeprefix(OPEN_CLIP): value for name, value in weights.items()}
    width = w["ln_final.weight"].shape[0]
    x = w["token_embedding.weight"][tokens] + w["positional_embedding"]
    causal = torch.full((len(tokens), len(tokens)), -torch.inf).triu(1)
    layers = {name.split(".")[2] for name in w if name.startswith("transformer.")}
    for i in range(len(layers) - 1):
        at = f"transformer.resblocks.{i}."
        attention = nn.MultiheadAttention(width, heads)
        attention.load_state_dict(
            {k.removeprefix(f"{at}attn."): v for k, v in w.items() if k.startswith(f"{at}attn.")}
        )
        h = F.layer_norm(x, (width,), w[f"{at}ln_1.weight"], w[f"{at}ln_1.bias"])
        x = x + attention(h, h, h, attn_mask=causal, need_weights=False)[0]
        h = F.layer_norm(x, (width,), w[f"{at}ln_2.weight"], w[f"{at}ln_2.bias"])
        h = F.gelu(F.linear(h, w[f"{at}mlp.c_fc.weight"], w[f"{at}mlp.c_fc.bias"]))
        x = x + F.linear(h, w[f"{at}mlp.c_proj.weight"], w[f"{at}mlp.c_proj.bias"])
    return F.layer_norm(x, (width,), w["ln_final.weight"], w["ln_final.bias"])


def test_the_empty_prompt_is_open_clips() -> None:
    weights = stablesr.text_encoder_weights(layers=3, width=24, tokens=7)
    tokens = torch.tensor([48, 49, 0, 0, 0, 0, 0])  # start, end, padding; 50 words
    with torch.no_grad():
        expected = penultimate(weights, tokens, heads=3)
    torch.testing.assert_close(empty_prompt(weights, head_dim=8), expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(empty_prompt(weights, head_dim=4), expected, atol=1e-3)


def test_any_prompt_is_open_clips() -> None:
    weights = stablesr.text_encoder_weights(layers=2, width=16, tokens=5)
    tower = {name.removeprefix(OPEN_CLIP): value for name, value in weights.items()}
    tokens = torch.tensor([48, 7, 31, 49, 0])
    with torch.no_grad():
        ours = open_clip_text_model(tower, 4)(tokens[None]).last_hidden_state[0]
        expected = penultimate(weights, tokens, heads=4)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_names_that_are_not_open_clips_are_listed() -> None:
    weights = stablesr.text_encoder_weights()
    for extra in ("visual.proj", "transformer.resblocks.0.ls_1.gamma"):
        with pytest.raises(SegSRError, match=extra.replace(".", r"\.")):
            empty_prompt({**weights, OPEN_CLIP + extra: torch.ones(2)})
    del weights[f"{OPEN_CLIP}transformer.resblocks.1.mlp.c_proj.bias"]
    with pytest.raises(SegSRError, match="no OpenCLIP text tower"):
        empty_prompt(weights)


@pytest.fixture
def diffusers_folder(tmp_path):
    """text_encoder/ and tokenizer/ of a diffusers folder, with a vocabulary of nine."""
    torch.manual_seed(0)
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=9,
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=6,
            hidden_act="gelu",
        )
    ).eval()
    model.save_pretrained(tmp_path / "text_encoder")
    words = ["!", "a</w>", "s", "k", "y</w>", "sk", "sky</w>", "<|startoftext|>", "<|endoftext|>"]
    files = tmp_path / "words"
    files.mkdir()
    (files / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (files / "merges.txt").write_text("#version: 0.2\ns k\nsk y</w>\n")
    CLIPTokenizer.from_pretrained(files, pad_token="!").save_pretrained(tmp_path / "tokenizer")
    return tmp_path, model


def test_a_diffusers_text_encoder_gives_the_empty_prompt_and_others(diffusers_folder) -> None:
    folder, model = diffusers_folder
    with torch.no_grad():
        empty = model(torch.tensor([[7, 8, 0, 0, 0, 0]])).last_hidden_state[0]
        words = model(torch.tensor([[7, 6, 1, 8, 0, 0]])).last_hidden_state[0]
    torch.testing.assert_close(encode_prompt(folder), empty)
    torch.testing.assert_close(encode_prompt(folder, "Sky a"), words)
    with pytest.raises(SegSRError, match="no readable text_encoder/ and tokenizer/"):
        encode_prompt(folder / "tokenizer")


def test_a_prompt_file_holds_one_matrix(tmp_path) -> None:
    path, prompt = tmp_path / "prompt.safetensors", torch.randn(7, 5)
    save_prompt(path, prompt)
    assert torch.equal(load_prompt(path), prompt)
    save_file({"prompt": prompt[0]}, path)
    with pytest.raises(SegSRError, match=r"one tensor 'prompt' of shape \(tokens, width\)"):
        load_prompt(path)
