"""The critic that training holds dreams to."""

import torch
import torch.nn.functional as F

from training.model.critic import Critic, Pairs, blur, critic_loss, dream_loss
from training.model.world_model import WorldModelConfig

CONFIG = WorldModelConfig(actions=3, worlds=2, grid=8)


def pairs(count: int, seed: int) -> Pairs:
    """Frames of a sharp pattern that stays."""
    frames = torch.randn(count, CONFIG.channels, 8, 8, generator=torch.Generator().manual_seed(seed)).sign()
    return Pairs(frames, frames.clone())


def blurred(sharp: Pairs) -> Pairs:
    return Pairs(*(F.avg_pool2d(frames, 3, 1, 1) for frames in sharp))


def told(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.zeros(count, CONFIG.actions), torch.arange(count) % 2


def test_it_learns_what_is_sharp_and_pulls_there():
    torch.manual_seed(0)
    critic = Critic(CONFIG, fine=8, wide=16, condition=16)
    optim = torch.optim.AdamW(critic.parameters(), lr=3e-3, betas=(0.0, 0.99))
    for step in range(100):
        real = pairs(8, step)
        loss, logs = critic_loss(critic, real, blurred(real), *told(8))
        optim.zero_grad()
        loss.backward()
        optim.step()
        assert torch.isfinite(logs["penalty"])
    assert logs["critic_accuracy"] > 0.7
    real = pairs(8, 1000)
    dream = blurred(real)
    dream.after.requires_grad_()
    (gradient,) = torch.autograd.grad(dream_loss(critic, real, dream, *told(8)), dream.after)
    along = F.cosine_similarity(-gradient.flatten(), dream.after.detach().flatten(), 0)
    assert along > 0.1  # the contrast of what is there grows


def test_what_is_compared_is_equally_noised():
    torch.manual_seed(0)
    clean = pairs(300, 0)
    (a, b), level = blur(clean, clean)
    assert ((level == 0).float().mean() - 1 / 2).abs() < 0.1
    for each in (a, b):
        distance = (each.before - clean.before).square().mean((1, 2, 3))
        torch.testing.assert_close(distance, 2 * level**2, atol=0.3, rtol=0.3)
        assert not distance[level == 0].any()
