"""A frozen network's features as a loss: how far two pictures are apart in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from segsr.checkpoints.state_dict import first_line, read_state_dict
from segsr.errors import SegSRError
from segsr.metrics.st_lpips import features, load_weights


class VGGFeatures(nn.Module):
    """The five stages of the shift-tolerant VGG16 whose weights ST-LPIPS reads, frozen.

    The weights are buffers, outside every checkpoint. Note that a network trained on these
    features is judged by ST-LPIPS with the eyes it was taught with: report another metric too.

    Args:
        weights: See `segsr.metrics.st_lpips.load_weights`.

    Raises:
        SegSRError: If the file is missing or holds something else.
    """

    channels = (64, 128, 256, 512, 512)

    def __init__(self, weights: str | Path) -> None:
        super().__init__()
        state = load_weights(weights)
        self.keys = {key: key.replace(".", "_") for key in state}
        for key, tensor in state.items():
            self.register_buffer(self.keys[key], tensor, persistent=False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return the feature maps of `images` in [0, 1], finest first."""
        return list(features(images, {key: self.get_buffer(n) for key, n in self.keys.items()}))


class TimmFeatures(nn.Module):
    """The stages of any classifier of timm that gives its features, frozen.

    Its weights ask for no gradient and are in no checkpoint. Note that a metric which looks through
    the same network will flatter what was trained with it: report another one too.

    Args:
        name: Of the model, such as `vgg16.tv_in1k` or `convnext_base.clip_laiona`.
        weights: A file with its weights, as the hub has it (`model.safetensors`); None asks the
            hub.
        pretrained: Whether it has any; else it is as its constructor makes it.

    Attributes:
        channels: Of the feature maps, finest first.

    Raises:
        SegSRError: If there is no such model, it gives no features, or the weights cannot be had.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, name: str, weights: str | Path | None = None, *, pretrained: bool = True
    ) -> None:
        super().__init__()
        import timm

        stored = None if weights is None else {"state_dict": read_state_dict(weights)}
        try:
            network: Any = timm.create_model(
                name, pretrained=pretrained, pretrained_cfg_overlay=stored, features_only=True
            )
        except Exception as error:  # whatever names, files and the hub lead to
            raise SegSRError(
                f"the feature network {name} cannot be had ({first_line(error)}): give a model of"
                " timm that knows features_only, and its weights as a file where the hub is out of"
                " reach"
            ) from error
        self.network = network
        if stored is not None:
            _check_loaded(network, stored["state_dict"], f"{weights} as {name}")
        self.channels: list[int] = network.feature_info.channels()
        config = network.pretrained_cfg
        for statistic in ("mean", "std"):
            values = torch.tensor(config[statistic]).view(3, 1, 1)
            self.register_buffer(statistic, values, persistent=False)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> TimmFeatures:
        """Stay in eval mode, whatever it is part of."""
        return super().train(False)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Float[Tensor, "b _ _ _"]]:
        """Return the feature maps of `images` in [0, 1], finest first."""
        maps: list[Tensor] = self.network((images - self.mean) / self.std)
        return maps


def _check_loaded(network: nn.Module, stored: Mapping[str, Tensor], what: str) -> None:
    """Check that no weight is left as it was drawn; timm only warns, and renames as it loads."""
    by_size: dict[int, list[Tensor]] = {}
    for tensor in stored.values():
        by_size.setdefault(tensor.numel(), []).append(tensor.flatten().float())
    for name, parameter in network.named_parameters():
        ours = parameter.detach().flatten()
        if not any(torch.equal(ours, theirs) for theirs in by_size.get(len(ours), [])):
            raise SegSRError(f"{what} has no weights for {name}: give the file of that very model")


def load_timm_features(name: str | None, weights: str | Path | None = None) -> TimmFeatures | None:
    """Return the feature network `name` of timm; None where none is named."""
    return None if name is None else TimmFeatures(name, weights)


def load_features(weights: str | Path | None) -> VGGFeatures | None:
    """Return the feature network of the file `weights`; None where no file is given."""
    return None if weights is None else VGGFeatures(weights)


def feature_distance(
    restored: Sequence[Float[Tensor, "b _ _ _"]], truth: Sequence[Float[Tensor, "b _ _ _"]]
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of feature maps, each in units of the truth's mean.

    So every stage counts alike, whatever the size of its activations.
    """
    distances = [
        (x.float() - y.float()).abs().mean() / (y.float().abs().mean() + 1e-6)
        for x, y in zip(restored, truth, strict=True)
    ]
    return torch.stack(distances).mean()
