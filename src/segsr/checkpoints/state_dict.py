"""A foreign checkpoint file to its tensors, and to nothing else."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from segsr.errors import SegSRError

SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin")
NESTS = ("state_dict", "model")
"""Names under which trainers keep the state dict among other things."""
_BYSTANDERS = ("pytorch_lightning.", "lightning.", "numpy.")
"""Packages whose objects Lightning leaves beside a state dict; read as empty stand-ins."""
_CONVERT = (
    "where you trust the file, write its state dict as safetensors (safetensors.torch.save_file)"
    " and give that"
)


class _StandIn:
    """Takes the place of a training state's object when a checkpoint is read; does nothing."""

    def __init__(self, *arguments: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass


def read_state_dict(path: str | Path, sha256: str | None = None) -> dict[str, Tensor]:
    """Return the tensors of a `.safetensors` or a zipped PyTorch file by name, mapped into memory.

    What stands beside a nested `state_dict` or `model` (epochs, optimizer, callbacks) is left out.
    No code of the file runs: pickles are read with `weights_only=True`, and one that asks for
    anything but tensors and plain values is refused.

    Args:
        path: The checkpoint.
        sha256: Digest the file must have; not checked if None.

    Raises:
        SegSRError: If the file is missing, damaged, of another digest, or more than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise SegSRError(f"no checkpoint {path}: give a {', '.join(SUFFIXES)} file.")
    if path.suffix not in SUFFIXES:
        raise SegSRError(f"{path} is no checkpoint: its name must end in {', '.join(SUFFIXES)}.")
    if sha256 is not None:
        _check_digest(path, sha256)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    for nest in NESTS:
        if isinstance(content, Mapping) and isinstance(content.get(nest), Mapping):
            content = content[nest]
    if not isinstance(content, Mapping) or not content:
        raise SegSRError(f"{path} holds no state dict but a {type(content).__name__}: {_CONVERT}.")
    size = path.stat().st_size
    for name, value in content.items():
        _check_entry(path, name, value, size)
    return {name: value.detach() for name, value in content.items()}


def _check_entry(path: Path, name: object, value: object, size: int) -> None:
    if not isinstance(name, str) or not isinstance(value, Tensor):
        raise SegSRError(
            f"{path} must map names to tensors, but its entry {str(name)[:80]!r} is a"
            f" {type(value).__name__}: {_CONVERT}."
        )
    if value.layout != torch.strided or value.is_quantized:
        raise SegSRError(f"{path} holds {name!r} sparse or quantized: give plain dense weights.")
    if value.numel() * value.element_size() > size:
        raise SegSRError(
            f"{path} claims {name!r} to be {tuple(value.shape)}, which is more than the whole file"
            " holds: it is damaged or a trap, get it anew."
        )


def _check_digest(path: Path, sha256: str) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256.lower():
        raise SegSRError(
            f"{path} has the sha256 {digest}, but {sha256} was asked for: get the file anew, or"
            " correct the digest."
        )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, RuntimeError, MemoryError) as error:
        raise SegSRError(
            f"{path} is no readable safetensors file ({first_line(error)}): it is damaged or"
            " incomplete, get it anew."
        ) from error


def _read_pickle(path: Path) -> Any:
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [e for e in archive.infolist() if e.compress_type != zipfile.ZIP_STORED]
        foreign = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except zipfile.BadZipFile as error:
        raise SegSRError(
            f"{path} is not a file that torch.save has written since 2020 ({first_line(error)}):"
            " it is damaged, incomplete or too old; get it anew or as .safetensors."
        ) from error
    except Exception as error:  # damaged pickles fail in as many ways as there are bytes
        raise _damaged(path, error) from error
    if packed:
        raise SegSRError(f"{path} is a compressed archive, which torch.save never writes: refused.")
    if refused := sorted(name for name in foreign if not name.startswith(_BYSTANDERS)):
        raise SegSRError(
            f"{path} asks for {', '.join(refused)[:200]} besides tensors and could run code, so"
            f" nothing of it was loaded: {_CONVERT}."
        )
    try:
        with torch.serialization.safe_globals([(_StandIn, name) for name in foreign]):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> SegSRError:
    return SegSRError(
        f"{path} cannot be read as tensors alone ({first_line(error)}): it is damaged, get it anew;"
        f" or {_CONVERT}."
    )


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of tensors that hold a NaN or an infinity; on `meta` none do."""
    valued = {n: t for n, t in tensors.items() if t.is_floating_point() and not t.is_meta}
    return [name for name, tensor in valued.items() if not tensor.isfinite().all()]


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, shortened to 200 characters."""
    lines = str(error).strip().splitlines()
    return lines[0][:200].rstrip(". ") if lines else type(error).__name__


def enumerate_all(names: Sequence[str], most: int = 20) -> str:
    """Return `names` as a list in a sentence; what exceeds `most` as a number."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
