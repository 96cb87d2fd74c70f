"""Turn a foreign checkpoint into a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from segsr.cli.argument_types import positive
from segsr.cli.statuses import DONE


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A checkpoint, where to, and what it does not tell of itself."""
    add = parser.add_argument
    add("kind", choices=("stablesr",), help="what the checkpoint is of")
    add("checkpoint", type=Path, metavar="CKPT", help="its .ckpt, or its tensors as .safetensors")
    add("-o", "--output", type=Path, required=True, metavar="DIR", help="model folder to write")
    add("--cfw", type=Path, metavar="FILE", help="autoencoder checkpoint with StableSR's CFW")
    add("--base-model", metavar="MODEL", help="whence autoencoder and prompt, if CKPT has none")
    add("--prompt-embedding", type=Path, metavar="FILE", help="instead of the empty prompt")
    add("--head-dim", type=positive, metavar="N", help="channels per head of the U-Net (64)")
    add("--encoder-heads", type=positive, default=4, metavar="N", help="of the time-aware encoder")
    add("--prediction-type", choices=("epsilon", "v_prediction"), default="epsilon")
    add("--sha256", metavar="HEX", help="digest that CKPT must have")


def run(arguments: argparse.Namespace) -> int:
    """Import; print what was read, what was set aside and what to know."""
    from segsr.checkpoints.stablesr import NOT_KNOWN, import_stablesr
    from segsr.checkpoints.state_dict import enumerate_all

    read = import_stablesr(
        arguments.checkpoint,
        arguments.output,
        cfw=arguments.cfw,
        base_model=arguments.base_model,
        prompt_embedding=arguments.prompt_embedding,
        head_dim=arguments.head_dim,
        encoder_heads=arguments.encoder_heads,
        prediction_type=arguments.prediction_type,
        sha256=arguments.sha256,
    )
    for name, network in read.components.items():
        print(f"{name:<12} {sum(p.numel() for p in network.parameters()):>13,} parameters")
    for reason, keys in read.set_aside.items():
        most = len(keys) if reason == NOT_KNOWN else 5
        print(f"not read, {reason} ({len(keys)}): {enumerate_all(keys, most)}")
    for note in read.notes:
        print(note)
    print(f"written to {arguments.output}")
    return DONE
