"""Foreign checkpoint files: tensors come out; all else is refused in a sentence, unexecuted."""

import collections
import hashlib
import io
import os
import pickle
import struct
import sys
import types
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from segsr.checkpoints.state_dict import read_state_dict
from segsr.errors import SegSRError

WEIGHTS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(4, dtype=torch.float16)}


class Bomb:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


class Liar:
    """A tensor that claims to be larger than its storage."""

    def __init__(self, *shape_and_stride) -> None:
        self.shape_and_stride = shape_and_stride

    def __reduce__(self):
        storage = torch.ones(4)._typed_storage()
        arguments = (storage, 0, *self.shape_and_stride, False, collections.OrderedDict())
        return torch._utils._rebuild_tensor_v2, arguments


class ModelCheckpoint:
    """Stands for Lightning's class, which old checkpoints use as a key."""


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".safetensors"])
def test_plain_tensors_come_back(suffix, tmp_path) -> None:
    path = tmp_path / f"model{suffix}"
    save_file(WEIGHTS, path) if suffix == ".safetensors" else torch.save(WEIGHTS, path)
    read = read_state_dict(path)
    assert list(read) == list(WEIGHTS)
    assert all(torch.equal(read[name], WEIGHTS[name]) for name in WEIGHTS)
    assert all(read[name].dtype == WEIGHTS[name].dtype for name in WEIGHTS)


def test_a_lightning_checkpoints_own_objects_are_left_out(tmp_path, monkeypatch) -> None:
    module = types.ModuleType("pytorch_lightning.retired")
    module.ModelCheckpoint = ModelCheckpoint
    monkeypatch.setattr(ModelCheckpoint, "__module__", module.__name__)
    monkeypatch.setitem(sys.modules, "pytorch_lightning", types.ModuleType("pytorch_lightning"))
    monkeypatch.setitem(sys.modules, module.__name__, module)
    path = tmp_path / "epoch=7.ckpt"
    rest = {"epoch": 7, "callbacks": {ModelCheckpoint: {"best": np.float64(0.5)}}}
    torch.save({"state_dict": {k: torch.nn.Parameter(v) for k, v in WEIGHTS.items()}, **rest}, path)
    monkeypatch.delitem(sys.modules, module.__name__)
    read = read_state_dict(path)
    assert all(torch.equal(read[name], WEIGHTS[name]) for name in WEIGHTS)
    assert not any(value.requires_grad for value in read.values())


@pytest.mark.parametrize("beside", [False, True])
def test_code_is_refused_and_does_not_run(beside, tmp_path) -> None:
    path, trace = tmp_path / "evil.ckpt", tmp_path / "ran"
    bomb = Bomb(trace)
    torch.save({"state_dict": WEIGHTS, "x": bomb} if beside else {**WEIGHTS, "x": bomb}, path)
    with pytest.raises(SegSRError, match=r"evil.ckpt asks for posix.system .*nothing of it was"):
        read_state_dict(path)
    assert not trace.exists()


def test_a_bare_pickle_is_refused_and_does_not_run(tmp_path) -> None:
    path, trace = tmp_path / "evil.pt", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Bomb(trace)))
    with pytest.raises(SegSRError, match=r"evil.pt is not a file that torch.save has written"):
        read_state_dict(path)
    path = tmp_path / "old.pt"
    torch.save({**WEIGHTS, "x": Bomb(trace)}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(SegSRError, match="too old"):
        read_state_dict(path)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_truncated_files_are_refused_at_any_length(suffix, tmp_path) -> None:
    whole = tmp_path / f"whole{suffix}"
    save_file(WEIGHTS, whole) if suffix == ".safetensors" else torch.save(WEIGHTS, whole)
    content = whole.read_bytes()
    path = tmp_path / f"part{suffix}"
    for length in range(0, len(content) - 1, 97):
        path.write_bytes(content[:length])
        with pytest.raises(SegSRError, match=rf"part{suffix} .*(damaged|incomplete)"):
            read_state_dict(path)


def test_corrupt_bytes_never_escape_as_another_error(tmp_path) -> None:
    whole = tmp_path / "whole.ckpt"
    torch.save({"state_dict": WEIGHTS, "epoch": 3}, whole)
    content = bytearray(whole.read_bytes())
    path = tmp_path / "corrupt.ckpt"
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        damaged = content.copy()
        for position in rng.integers(0, len(damaged), 8):
            damaged[position] = rng.integers(256)
        path.write_bytes(bytes(damaged))
        try:
            read_state_dict(path)  # damage within the numbers is seen by a digest alone
        except SegSRError:
            refused += 1
    assert refused > 30


@pytest.mark.parametrize(
    ("shape", "stride"), [((10**9,), (1,)), ((10**6, 10**6), (0, 0)), ((10**12, 3), (0, 1))]
)
def test_absurd_sizes_are_refused(shape, stride, tmp_path) -> None:
    path = tmp_path / "huge.pt"
    torch.save({"a": Liar(shape, stride)}, path)
    with pytest.raises(SegSRError, match=r"huge.pt (claims|cannot be read)"):
        read_state_dict(path)


def test_an_absurd_safetensors_header_is_refused(tmp_path) -> None:
    path = tmp_path / "huge.safetensors"
    header = b'{"a":{"dtype":"F32","shape":[1000000000,1000],"data_offsets":[0,4000000000000]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
    with pytest.raises(SegSRError, match="no readable safetensors"):
        read_state_dict(path)
    path.write_bytes(struct.pack("<Q", 1 << 60) + header)
    with pytest.raises(SegSRError, match="no readable safetensors"):
        read_state_dict(path)


def test_a_compressed_archive_is_refused(tmp_path) -> None:
    buffer = io.BytesIO()
    torch.save(WEIGHTS, buffer)
    path = tmp_path / "packed.pt"
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry), zipfile.ZIP_DEFLATED)
    with pytest.raises(SegSRError, match="compressed archive"):
        read_state_dict(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": torch.ones(2), "note": "text"}, r"'note' is a str"),
        ({"state_dict": {"a": [1, 2]}}, r"'a' is a list"),
        ({3: torch.ones(2)}, r"'3' is a Tensor"),
        ([torch.ones(2)], r"no state dict but a list"),
        ({}, r"no state dict but a dict"),
        ({"a": torch.ones(2).to_sparse()}, r"sparse"),
    ],
)
def test_what_is_no_state_dict_is_refused(content, said, tmp_path) -> None:
    path = tmp_path / "odd.pt"
    torch.save(content, path)
    with pytest.raises(SegSRError, match=said):
        read_state_dict(path)


def test_the_digest_is_checked_before_anything_is_read(tmp_path) -> None:
    path = tmp_path / "model.safetensors"
    save_file(WEIGHTS, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert list(read_state_dict(path, digest.upper())) == list(WEIGHTS)
    with pytest.raises(SegSRError, match=rf"{digest}, but {'0' * 64}"):
        read_state_dict(path, "0" * 64)


def test_missing_and_foreign_files_are_named(tmp_path) -> None:
    with pytest.raises(SegSRError, match=r"no checkpoint .*nowhere.ckpt: give a .safetensors"):
        read_state_dict(tmp_path / "nowhere.ckpt")
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(SegSRError, match="must end in"):
        read_state_dict(tmp_path / "model.onnx")
