"""Judges short clips of latents: real, or dreamed? Only training uses it, against drift and blur.

It sees a few consecutive frames and the actions between them, so it judges pictures, motion and obedience at once, on
patches and on the whole. Everything is shown at a random noise level, the same for real and dreamed: at high noise it
compares layouts, at low noise detail.

Sources: relativistic loss with zero-centred penalties on both sides (Huang et al. 2024, "The GAN is dead; long live the
GAN!"), the penalties by finite differences (Lin et al. 2025, "Diffusion adversarial post-training").
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .world_model import WorldModelConfig, level_embedding, unpatchify

PENALTY = 1.0  # weight of the squared gradient
NUDGE = 0.1  # standard deviation of the finite difference


class _Block(nn.Module):
    """Residual block, modulated by the condition; its last convolution starts at zero."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(condition, 2 * width)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.modulation(condition)[..., None, None].chunk(2, 1)
        hidden = self.conv1(F.leaky_relu(x, 0.2)) * (1 + scale) + shift
        return x + self.conv2(F.leaky_relu(hidden, 0.2))


class Critic(nn.Module):
    def __init__(self, config: WorldModelConfig, frames: int, width: int = 160) -> None:
        """`frames` a clip, `frames` - 1 actions between them."""
        super().__init__()
        self.config = config
        condition = 128
        self.fold = nn.PixelUnshuffle(2)
        self.stem = nn.Conv2d(4 * config.channels * frames, width, 3, padding=1)
        self.action = nn.Linear(config.actions * (frames - 1), condition)
        self.level = nn.Linear(16, condition)
        self.fine = nn.ModuleList(_Block(width, condition) for _ in range(3))
        self.down = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.coarse = nn.ModuleList(_Block(width, condition) for _ in range(2))
        self.patch = nn.Conv2d(width, 1, 1)
        self.whole = nn.Linear(width * (config.grid // 4) ** 2, 1)

    def forward(self, clip: Tensor, action: Tensor, level: Tensor) -> Tensor:
        """clip [B, F, N, C], action [B, F - 1, A], level [B] (noise, 0 none) to logits [B, places]."""
        x = self.stem(self.fold(unpatchify(clip, self.config).flatten(1, 2)))
        condition = F.silu(self.action(action.flatten(1)) + self.level(level_embedding(level, 16)))
        for block in self.fine:
            x = block(x, condition)
        patches = self.patch(F.leaky_relu(x, 0.2)).flatten(1)
        x = self.down(x)
        for block in self.coarse:
            x = block(x, condition)
        return torch.cat([patches, self.whole(F.leaky_relu(x, 0.2).flatten(1))], 1)


def _weigh(logits: Tensor) -> Tensor:
    """Mean over patches and the judgement of the whole, half each; [B, places] to a number."""
    return 0.5 * logits[:, :-1].mean() + 0.5 * logits[:, -1].mean()


def blur(clips: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
    """The same random noise level for the clips of one row; a third of the rows stay clean."""
    shape, device = (len(clips[0]),), clips[0].device
    level = torch.rand(shape, device=device) * (torch.rand(shape, device=device) < 0.67)
    at = level[:, None, None, None]
    return tuple((1 - at) * c + at * torch.randn_like(c) for c in clips), level


def critic_loss(critic: Critic, real: tuple[Tensor, Tensor], dream: tuple[Tensor, Tensor]) -> tuple[Tensor, dict]:
    """Each a pair of clip [B, F, N, C] and action [B, F - 1, A]."""
    (a, b), level = blur((real[0], dream[0].detach()))
    judged_real, judged_dream = critic(a, real[1], level), critic(b, dream[1], level)
    loss = _weigh(F.softplus(judged_dream - judged_real))
    penalty = 0.0
    half = len(a) // 2
    for clip, action, judged in ((a, real[1], judged_real), (b, dream[1], judged_dream)):
        nudged = clip[:half] + NUDGE * torch.randn_like(clip[:half])
        change = (critic(nudged, action[:half], level[:half]) - judged[:half]) / NUDGE
        penalty = penalty + _weigh(change.square())
    accuracy = (judged_real[:, -1] > judged_dream[:, -1]).float().mean()
    return loss + 0.5 * PENALTY * penalty, {
        "critic": loss.detach(),
        "penalty": penalty.detach(),
        "critic_accuracy": accuracy,
    }


def dream_loss(critic: Critic, real: tuple[Tensor, Tensor], dream: tuple[Tensor, Tensor]) -> Tensor:
    """What the dreamer minimises; gradients reach the dreamed clip."""
    (a, b), level = blur((real[0], dream[0]))
    with torch.no_grad():
        judged_real = critic(a, real[1], level)
    return _weigh(F.softplus(judged_real - critic(b, dream[1], level)))
