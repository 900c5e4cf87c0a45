"""The teacher: a bidirectional twin of the world model that denoises a whole clip at once, in many steps.

It sees the future of a clip as well as its past, so it can't play; it can judge. Stem, layers and head as those of the
student, more layers than its trunk has, no causal mask.

Sources: Yin et al. 2025, "From slow bidirectional to fast autoregressive video diffusion models" (CausVid).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .picture import LIMIT
from .world_model import Head, Layer, Layers, Stem, WorldModelConfig, cut, level_embedding

FRAMES = 16  # of a clip
MORE = 3  # so many layers more than the student's trunk has


class Teacher(nn.Module):
    def __init__(self, config: WorldModelConfig) -> None:
        """Of a student that denoises: `prediction` of "x"."""
        super().__init__()
        c = self.config = config
        self.stem, self.head = Stem(c), Head(c)
        self.embed = nn.Linear(c.wide * (c.patch // 2) ** 2, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.tokens, c.width))
        self.time = nn.Parameter(0.02 * torch.randn(FRAMES, 1, c.width))
        self.action = nn.Sequential(nn.Linear(c.led, c.condition), nn.SiLU(), nn.Linear(c.condition, c.condition))
        self.level = nn.Sequential(nn.Linear(32, c.condition), nn.SiLU(), nn.Linear(c.condition, c.condition))
        self.layers = Layers(Layer(c, windowed=False) for _ in range(c.trunk_layers + MORE))

    def forward(self, noised: Tensor, action: Tensor, level: Tensor) -> Tensor:
        """noised [B, T, C, g, g], action [B, T - 1, A] (action t leads to frame t + 1), level [B, T] (1 is clean).

        Gives the clean clip [B, T, C, g, g].
        """
        frames = noised.flatten(0, 1)
        latent = torch.cat([frames, before(frames)], 1)
        fine, seen = self.stem(latent)
        tokens = self.embed(cut(seen, self.config.patch // 2)).unflatten(0, noised.shape[:2])
        x = tokens + self.position + self.time
        arriving = F.pad(self.action(action), (0, 0, 1, 0))
        condition = F.silu(arriving + self.level(level_embedding(level, 32)))
        for number, layer in enumerate(self.layers):
            shift1, scale1, gate1, *rest = layer.modulate(condition)
            q, k, v = layer.project(layer.norm1(x) * (1 + scale1) + shift1)
            first = number % 2  # every other layer looks at all frames, the rest at their own
            q, k, v = (t.flatten(first, first + 1) for t in (q, k, v))
            mixed = layer.attend(q, k, v, None)
            x = layer.feed_forward(x + gate1 * layer.out(mixed.reshape(x.shape)), *rest)
        prepared = self.head.prepare(x.flatten(0, 1), before(latent), before(fine), before(seen))
        return self.head.sample(prepared, frames, level.flatten()).unflatten(0, noised.shape[:2])

    def loss(self, clip: Tensor, action: Tensor) -> Tensor:
        """Squared error of the clean clip [B, T, C, g, g], action [B, T - 1, A]. Up to half of it is given clean."""
        noised, level = noise_clip(clip, torch.randint(1, FRAMES // 2 + 1, (len(clip),), device=clip.device))
        error = (self(noised, action, level) - clip).square().mean((2, 3, 4))  # [B, T]
        hidden = level < 1
        return ((0.1 + 0.9 * level) * error * hidden).sum() / hidden.sum().clamp(min=1)

    @torch.no_grad()
    def sample(
        self, context: Tensor, action: Tensor, steps: int, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """Dreams a clip after context [B, n, C, g, g] under action [B, T - 1, A], in Euler steps; gives [B, T, ...]."""
        batch, given = context.shape[:2]
        rest = torch.randn(batch, FRAMES - given, *context.shape[2:], generator=generator).to(context)
        level = torch.ones(batch, FRAMES, device=context.device)
        for at in torch.linspace(0, 1, steps + 1)[:-1].tolist():
            level[:, given:] = at
            clean = self(torch.cat([context, rest], 1), action, level)[:, given:].clamp(-LIMIT, LIMIT)
            rest = rest + (clean - rest) / (1 - at) / steps
        return torch.cat([context, rest], 1)


def before(frames: Tensor) -> Tensor:
    """Of each frame of clips [B FRAMES, ...] the one before it, of the first itself."""
    clips = frames.unflatten(0, (-1, FRAMES))
    return torch.cat([clips[:, :1], clips[:, :-1]], 1).flatten(0, 1)


def noise_clip(clip: Tensor, given: Tensor, level: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """One noise level a clip for all frames but the first `given` [B], which stay clean.

    clip [B, T, C, g, g], level [B] or drawn evenly. Gives the noised clip and the levels [B, T].
    """
    batch, frames = clip.shape[:2]
    if level is None:
        level = torch.rand(batch, device=clip.device)
    clean = torch.arange(frames, device=clip.device) < given[:, None]
    levels = torch.where(clean, 1.0, level[:, None])
    at = levels.view(batch, frames, 1, 1, 1)
    return at * clip + (1 - at) * torch.randn_like(clip), levels
