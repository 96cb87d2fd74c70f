"""The guided U-Net: guidance is an argument of the call, and nothing of it stays behind."""

import pytest
import tiny
import torch
from diffusers import UNet2DConditionModel

from segsr.nets.sft import SFT, GuidedResnetBlock
from segsr.seeding import generator


def guidance(seed: int, size: int = 2) -> tuple[torch.Tensor, ...]:
    g = generator(seed)
    return tuple(torch.randn(size, tiny.WIDTH, w, w, generator=g) for w in (16, 8))


def test_sft_is_its_equation() -> None:
    torch.manual_seed(0)
    sft = SFT(8, 4, 6, groups=2)
    h, z = torch.randn(1, 8, 5, 5), torch.randn(1, 4, 5, 5)
    shared = torch.relu(sft.shared[0](z))
    grouped = h.view(1, 2, 4 * 25)
    norm = (grouped - grouped.mean(2, keepdim=True)) / (
        grouped.var(2, unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    expected = norm.view_as(h) * (1 + sft.gamma(shared)) + sft.beta(shared)
    torch.testing.assert_close(sft(h, z), expected)


def test_without_its_modulation_the_denoiser_is_the_plain_unet() -> None:
    torch.manual_seed(0)
    plain = UNet2DConditionModel(**tiny.UNET).eval()
    denoiser = tiny.denoiser().eval()
    denoiser.load_base(plain.state_dict())
    for block in denoiser.guided_blocks():
        block.sft.forward = lambda h, z: h
    x, t = torch.randn(2, tiny.LATENTS, 16, 16), torch.tensor([3, 700])
    prompt = torch.randn(2, 3, 8)
    with torch.no_grad():
        ours, theirs = denoiser(x, t, guidance(0), prompt), plain(x, t, prompt).sample
    assert torch.equal(ours, theirs)


def test_a_foreign_key_is_not_ignored() -> None:
    state = UNet2DConditionModel(**tiny.UNET).state_dict()
    with pytest.raises(RuntimeError, match="surplus"):
        tiny.denoiser().load_base({**state, "surplus": torch.zeros(1)})
    del state["conv_in.weight"]
    with pytest.raises(RuntimeError, match="conv_in"):
        tiny.denoiser().load_base(state)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_two_forwards_before_one_backward(checkpointing: bool) -> None:
    """The sum's gradient is the sum of the gradients, with gradient checkpointing as without."""
    torch.manual_seed(0)
    denoiser = tiny.denoiser().train()
    x, t = torch.randn(2, tiny.LATENTS, 16, 16), torch.tensor([10, 900])

    def gradients() -> list[torch.Tensor]:
        found = [p.grad.clone() for p in denoiser.parameters() if p.grad is not None]
        denoiser.zero_grad()
        return found

    for seed in (0, 1):
        denoiser(x, t, guidance(seed)).square().sum().backward()
    separate = gradients()
    if checkpointing:
        denoiser.enable_gradient_checkpointing()
        assert any(getattr(m, "gradient_checkpointing", False) for m in denoiser.modules())
    first = denoiser(x, t, guidance(0)).square().sum()
    second = denoiser(x, t, guidance(1)).square().sum()
    (first + second).backward()
    joined = gradients()
    assert len(joined) == len(list(denoiser.parameters()))
    for ours, theirs in zip(joined, separate, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4 * float(theirs.abs().max()))


def test_gradient_checkpointing_changes_no_bit() -> None:
    torch.manual_seed(0)
    denoiser = tiny.denoiser().train()
    x, t = torch.randn(2, tiny.LATENTS, 16, 16), torch.tensor([10, 900])

    def run() -> list[torch.Tensor]:
        first, second = (denoiser(x, t, guidance(s)).square().sum() for s in (0, 1))
        (first + second).backward()
        found = [p.grad.clone() for p in denoiser.parameters()]
        denoiser.zero_grad()
        return [first.detach(), second.detach(), *found]

    plain = run()
    denoiser.enable_gradient_checkpointing()
    for ours, theirs in zip(run(), plain, strict=True):
        assert torch.equal(ours, theirs)


def test_every_resnet_block_is_guided_and_reads_its_guidance() -> None:
    torch.manual_seed(0)
    denoiser = tiny.denoiser().eval()
    assert not [m for m in denoiser.modules() if type(m).__name__ == "ResnetBlock2D"]
    assert len(list(denoiser.guided_blocks())) == 2 + 2 + 4
    x, t = torch.randn(1, tiny.LATENTS, 16, 16), torch.tensor([5])
    maps = tuple(z.requires_grad_() for z in guidance(0, 1))
    denoiser(x, t, maps).sum().backward()
    assert all(z.grad is not None and z.grad.abs().max() > 0 for z in maps)
    assert all(isinstance(b, GuidedResnetBlock) for b in denoiser.guided_blocks())
