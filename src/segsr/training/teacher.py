"""Real-ESRGAN as a teacher: a frozen network whose results a student imitates."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn

from segsr.batch import SCALE
from segsr.checkpoints.state_dict import first_line, read_state_dict
from segsr.errors import SegSRError

_REMEDY = "write the teacher's file with `python tools/realesrgan_from_ncnn.py FOLDER OUT`."


class Teacher(nn.Module):
    """A frozen GAN of factor 4 behind the contract of this package: images in [0, 1].

    Its weights ask for no gradient, so no optimizer, no distributed wrapper and no checkpoint of a
    task sees them. It runs in the surrounding autocast and on the memory format it is put into.

    Args:
        network: (b, 3, h, w) to (b, 3, 4h, 4w).
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.requires_grad_(False)
        self.eval()

    @torch.no_grad()
    def forward(self, lq: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 sh sw"]:
        """Return the results in [0, 1], float32 in autocast too."""
        restored: Tensor = self.network(lq)
        return restored.float().clamp(0, 1)


def load_teacher(path: str | Path | None) -> Teacher | None:
    """Return the RRDBNet (ESRGAN, Real-ESRGAN, BSRGAN) of a safetensors file, in float32, frozen.

    Args:
        path: As `tools/realesrgan_from_ncnn.py` writes it; any RRDBNet that spandrel knows will do.
            None where there is no teacher.

    Raises:
        SegSRError: If spandrel is not installed, or the file is missing, damaged, no RRDBNet, or
            one of another factor or number of channels.
    """
    if path is None:
        return None
    try:
        from spandrel.architectures.ESRGAN import ESRGANArch
    except ImportError as error:
        raise SegSRError(
            f"the teacher {path} is built by spandrel, which cannot be imported ({error}): "
            "pip install 'segsr[gan]'"
        ) from error
    path = Path(path)
    if not path.is_file():
        raise SegSRError(f"no teacher {path}: {_REMEDY}")
    state = read_state_dict(path)
    try:
        found = ESRGANArch().load(state)
    except Exception as error:  # whatever foreign keys and shapes raise
        raise SegSRError(
            f"{path} must hold an RRDBNet, but does not fit one ({first_line(error)}): {_REMEDY}"
        ) from error
    got = (found.scale, found.input_channels, found.output_channels)
    if got != (SCALE, 3, 3):
        raise SegSRError(
            f"{path} is an RRDBNet of factor {got[0]} from {got[1]} to {got[2]} channels, but a "
            f"teacher here has factor {SCALE}, 3 and 3: {_REMEDY}"
        )
    return Teacher(found.model)
