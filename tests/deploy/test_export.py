"""An exported graph restores as PyTorch does, without PyTorch."""

import subprocess
import sys

import numpy as np
import pytest
import tiny
import torch
from diffusers import AutoencoderKL, DDPMScheduler

from segsr.batch import SCALE
from segsr.diffusion.noise import Noise
from segsr.errors import SegSRError
from segsr.inference.restoration import padded, restore
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.seeding import generator

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")

from segsr.deploy.export import export_onnx
from segsr.deploy.run import OnnxRestorer

pytestmark = pytest.mark.slow  # an export takes half a minute of a core
SIZES = [(9, 14), (23, 17), (31, 16)]


def like_stable_diffusion() -> JointModel:
    """An `AutoencoderKL`, attention in the U-Net, a bridge that speaks, no residual."""
    torch.manual_seed(3)
    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3,
        block_out_channels=[8, 8, 8],
        latent_channels=tiny.LATENTS,
        norm_num_groups=4,
    )
    image = tiny.image_branch(residual_scale=None)
    image.autoencoder.codec = vae
    return JointModel(image, tiny.mask_branch(), tiny.bridge(awake=True)).eval()


def numbers_of_pytorch(model: JointModel, cells, times, noise: Noise) -> dict[str, np.ndarray]:
    """What a restoration draws."""
    channels = int(model.image.autoencoder.codec.config.latent_channels)
    classes = model.mask.num_classes
    numbers = {
        "noise": noise.normal((channels, *cells), "latents"),
        "classes": noise.classes(classes, cells, "mask"),
    }
    if len(times) > 1:
        draws = [noise.uniform((classes, *cells), "mask", t) for t in times[:-1]]
        numbers["uniform"] = torch.cat(draws)
    return {name: drawn.numpy() for name, drawn in numbers.items()}


def compare(model: JointModel, graph: OnnxRestorer, steps: int, size, mask=None) -> None:
    photo = torch.rand(3, *size, generator=generator("photo", *size))
    noise = Noise([(5,)])
    expected = restore(model, photo, noise, SamplingOptions(steps=steps), mask=mask)
    cells = padded(torch.zeros(1, 3, *size), model).shape[-2:]
    cells = tuple(SCALE * side // model.mask.factor for side in cells)
    times = [int(t) for t in model.image.timed_scheduler(steps).timesteps]
    numbers = numbers_of_pytorch(model, cells, times, noise)
    image, found = graph.run(photo.numpy(), numbers, None if mask is None else mask.numpy())
    assert image.shape == tuple(expected.image.shape)
    off = np.abs(image - expected.image.numpy())
    assert (off < 1 / 255).mean() >= 0.999
    assert (found == expected.mask.numpy()).mean() >= 0.999


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("graph") / "sd.onnx"
    model = like_stable_diffusion()
    model.save_pretrained(path.parent / "model")
    export(path.parent / "model", path, 2)
    return model, path


def export(model, path, steps: int) -> None:
    """In a process of its own, where no shapes are checked: a tracer's are no plain numbers."""
    command = [sys.executable, "-m", "segsr.cli", "export", str(model), "-o", str(path)]
    subprocess.run([*command, "--steps", str(steps)], check=True)


@pytest.mark.parametrize("size", SIZES)
def test_a_model_like_stable_diffusion(exported, size) -> None:
    model, path = exported
    compare(model, OnnxRestorer(path, threads=1), 2, size)


def test_a_mask_of_the_users_own(exported) -> None:
    model, path = exported
    mask = torch.full((36, 56), 255)
    mask[:20] = 7
    compare(model, OnnxRestorer(path, threads=1), 2, (9, 14), mask)


def test_it_needs_no_pytorch(exported) -> None:
    command = (
        "import sys; import numpy as np; from segsr.deploy.run import OnnxRestorer;"
        "graph = OnnxRestorer(sys.argv[1]); a = graph(np.full((3, 9, 14), 0.5));"
        "b = graph(np.full((3, 9, 14), 0.5)); assert (a[0] == b[0]).all();"
        "assert a[0].shape == (3, 36, 56); assert a[1].shape == (36, 56);"
        "print(*({'torch', 'diffusers', 'onnx'} & {*sys.modules}))"
    )
    call = [sys.executable, "-c", command, str(exported[1])]
    found = subprocess.run(call, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


@pytest.mark.parametrize("steps", [1, 4])
def test_compact(steps, tmp_path) -> None:
    model = JointModel.from_pretrained("compact")
    export("compact", tmp_path / "compact.onnx", steps)
    graph = OnnxRestorer(tmp_path / "compact.onnx")
    for size in SIZES:
        compare(model, graph, steps, size)


def test_what_cannot_be_is_told(exported, tmp_path) -> None:
    graph = OnnxRestorer(exported[1])
    with pytest.raises(SegSRError, match="use segsr upscale"):
        graph(np.zeros((3, 512, 513), np.float32))
    with pytest.raises(SegSRError, match="must be as large as the result, 56x36"):
        graph(np.zeros((3, 9, 14), np.float32), mask=np.zeros((9, 14)))
    (tmp_path / "no.onnx").write_bytes(b"nothing")
    with pytest.raises(SegSRError, match=r"no graph of segsr export"):
        OnnxRestorer(tmp_path / "no.onnx")
    model = like_stable_diffusion()
    model.image.scheduler = DDPMScheduler(prediction_type="v_prediction")
    with pytest.raises(SegSRError, match="samples with DDPMScheduler"):
        export_onnx(model, tmp_path / "ddpm.onnx")
    assert not (tmp_path / "ddpm.onnx").exists()
