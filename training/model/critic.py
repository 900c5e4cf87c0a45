"""Judges how a picture follows another: really, or in a dream? Only training uses it, against blur and drift.

It sees two consecutive frames and the action between them, so it judges picture, motion and obedience at once, on
patches of two sizes and on the whole. Everything is shown at a random noise level, the same for real and dreamed: at
high noise it compares layouts, at low noise detail.

Sources: relativistic loss with zero-centred penalties on both sides (Huang et al. 2024, "The GAN is dead; long live the
GAN!"), the penalties by finite differences (Lin et al. 2025, "Diffusion adversarial post-training").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .picture import CELL
from .world_model import WorldModelConfig, level_embedding

PENALTY = 0.05  # weight of the squared gradient; more than 0.1 and the critic learns next to nothing
NUDGE = 0.1  # standard deviation of the finite difference
PENALISED = 4  # one pair in so many bears the penalty, which is computed in float32: it is a small difference


class Pairs(NamedTuple):
    """Frames and what followed them."""

    before: Tensor  # [M, C, g, g]
    after: Tensor  # [M, C, g, g]


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
    def __init__(self, config: WorldModelConfig, *, fine: int = 48, wide: int = 96, condition: int = 96) -> None:
        """fine, wide: channels on cells of 4 x 4 and of 8 x 8 pixels."""
        super().__init__()
        self.config = config
        self.enter = nn.Conv2d(4 * config.channels, fine, 3, padding=1)
        self.action = nn.Linear(config.led, condition)
        self.world = nn.Embedding(config.worlds, condition)
        self.level = nn.Linear(16, condition)
        self.fine_block = _Block(fine, condition)
        self.fine_patch = nn.Conv2d(fine, 1, 1)
        self.down = nn.Conv2d(fine, wide, 3, stride=2, padding=1)
        self.wide_blocks = nn.ModuleList(_Block(wide, condition) for _ in range(2))
        self.wide_patch = nn.Conv2d(wide, 1, 1)
        self.pool = nn.Conv2d(wide, wide, 3, stride=2, padding=1)
        self.whole = nn.Linear(wide * (config.grid // 4) ** 2, 1)

    def forward(self, pairs: Pairs, action: Tensor, world: Tensor, level: Tensor) -> tuple[Tensor, ...]:
        """action [M, A + P], world int64 [M], level [M] (of noise, 0 none).

        Gives judgements [M, places] of small patches, of larger ones, of the whole; higher is more real.
        """
        condition = F.silu(self.action(action) + self.world(world) + self.level(level_embedding(level, 16)))
        x = F.leaky_relu(self.fine_block(self.enter(looked_at(pairs)), condition), 0.2)
        fine = self.fine_patch(x)
        x = self.down(x)
        for block in self.wide_blocks:
            x = block(x, condition)
        x = F.leaky_relu(x, 0.2)
        wide = self.wide_patch(x)
        whole = self.whole(F.leaky_relu(self.pool(x), 0.2).flatten(1))
        return tuple(judged.flatten(1).float() for judged in (fine, wide, whole))

    @torch.no_grad()
    def for_worlds(self, worlds: Sequence[int | None], config: WorldModelConfig) -> Critic:
        """A critic for some of the worlds that share this one, and (none) for new ones; as `WorldModel.for_worlds`.

        config: of the world model that it shall judge, whose cells are as large.
        """
        critic, state = Critic(replace(config, worlds=len(worlds))), self.state_dict()
        known, place = min(config.actions, self.config.actions), state["world.weight"]
        reading = critic.action.weight.clone()
        reading[:, :known] = state["action.weight"][:, :known]
        if config.prompts == self.config.prompts:
            reading[:, config.actions :] = state["action.weight"][:, self.config.actions :]
        state["action.weight"] = reading
        state["world.weight"] = torch.stack([place.mean(0) if world is None else place[world] for world in worlds])
        critic.load_state_dict(state)
        return critic


def looked_at(pairs: Pairs) -> Tensor:
    """Both frames, what has changed, and the detail of the later one, enlarged: [M, 4 C, g, g].

    Texture is small beside light and dark, and a critic that has to find it there first doesn't in a thousand steps.
    """
    before, after = pairs
    cells = after.unflatten(1, (3, CELL**2))
    detail = (cells - cells.mean(2, keepdim=True)).flatten(1, 2)
    return torch.cat([before, after, 2 * (after - before), 8 * detail], 1)


def blur(*several: Pairs) -> tuple[tuple[Pairs, ...], Tensor]:
    """The same random noise level for the pairs of one row, mostly low; half of the rows stay clean."""
    before = several[0].before
    shape, device = (len(before),), before.device
    level = torch.rand(shape, device=device).square() * (torch.rand(shape, device=device) < 0.5)
    at = level.view(-1, 1, 1, 1)
    return tuple(Pairs(*((1 - at) * x + at * torch.randn_like(x) for x in pairs)) for pairs in several), level


def duel(
    critic: Critic, winner: Pairs, loser: Pairs, action: Tensor, world: Tensor, level: Tensor
) -> tuple[Tensor, Tensor]:
    """How far the winner is from being judged more real than the loser, over all places; and how often it is."""
    pairs = Pairs(*(torch.cat(both) for both in zip(winner, loser, strict=True)))
    judged = critic(pairs, action.repeat(2, 1), world.repeat(2), level.repeat(2))
    ahead = [torch.sub(*places.chunk(2)) for places in judged]
    loss = torch.stack([F.softplus(-by).mean() for by in ahead]).mean()
    return loss, torch.stack([(by > 0).float().mean() for by in ahead]).mean()


def critic_loss(critic: Critic, real: Pairs, dream: Pairs, action: Tensor, world: Tensor) -> tuple[Tensor, dict]:
    """What the critic minimises; action [M, A], world int64 [M]."""
    (a, b), level = blur(real, dream)
    loss, accuracy = duel(critic, a, b, action, world, level)
    few = max(1, len(level) // PENALISED)
    with torch.autocast(level.device.type, enabled=False):
        rows = [
            (Pairs(*(frames[:few] for frames in pairs)), action[:few], world[:few], level[:few]) for pairs in (a, b)
        ]
        penalty = torch.stack([slope(critic, *each) for each in rows]).sum()
    logs = {"critic": loss.detach(), "critic_accuracy": accuracy, "penalty": penalty.detach()}
    return loss + 0.5 * PENALTY * penalty, logs


def slope(critic: Critic, pairs: Pairs, action: Tensor, world: Tensor, level: Tensor) -> Tensor:
    """The squared gradient of the critic by its pictures, roughly."""
    nudged = Pairs(*(frames + NUDGE * torch.randn_like(frames) for frames in pairs))
    both = Pairs(*(torch.cat(two) for two in zip(pairs, nudged, strict=True)))
    judged = critic(both, action.repeat(2, 1), world.repeat(2), level.repeat(2))
    changes = [torch.sub(*places.chunk(2)) / NUDGE for places in judged]
    return torch.stack([change.square().mean() for change in changes]).mean()


def dream_loss(critic: Critic, real: Pairs, dream: Pairs, action: Tensor, world: Tensor) -> Tensor:
    """What the dreamer minimises; gradients reach the dreamed pictures."""
    (a, b), level = blur(real, dream)
    return duel(critic, b, a, action, world, level)[0]
