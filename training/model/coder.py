"""Which codes the next frame has: a head that turns what was moved and painted into codes, and draws them.

What the head of the world model moves is sampled between pixels and what it paints is a mean: after many frames it
melts. Here it is only proposed. Its tokenizer's encoder reads the proposal, convolutions on the grid of codes say for
each level of each code how likely it is, beside what the proposal says by its distance. A proposed code that is likely
enough stays, another one is drawn: by cross-entropy every sharp future is learned with its share, and no mean of them.
The decoder paints the frame.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .conv import Blocks, ConvBlock
from .picture import CELL, LIMIT
from .tokenizer import LEVELS, TOP, Tokenizer, TokenizerConfig

if TYPE_CHECKING:
    from .world_model import Proposal, WorldModelConfig

LEAST = 0.3  # levels that are less likely than the likeliest by this factor aren't drawn
BLOCKS = 6  # residual blocks; the last sees all of the grid


class Said(NamedTuple):
    logits: list[Tensor]  # of each level, [M, codes, g/2, g/2]
    proposed: Tensor  # [M, codes, g/2, g/2], what is rounded to the proposal's own codes


class Coder(nn.Module):
    def __init__(self, c: WorldModelConfig) -> None:
        super().__init__()
        if c.codes != 4 * c.noise_channels:
            raise ValueError(f"codes: expected {4 * c.noise_channels}, each drawn by a number of noise, got {c.codes}.")
        shapes = {"channels": c.codes, "wide": c.code_wide, "narrow": c.code_narrow}
        self.stays = c.stays
        self.tokenizer = Tokenizer(TokenizerConfig(size=c.grid * CELL, **shapes))
        self.tokenizer.requires_grad_(requires_grad=False)  # it has a stage of its own
        self.enter = nn.Conv2d(4 * c.fine + c.wide + c.codes, c.wide, 3, padding=1)
        self.blocks = Blocks(ConvBlock(c.wide, c.condition) for _ in range(BLOCKS))
        self.out = nn.Conv2d(c.wide, LEVELS * c.codes, 1)
        for weight in self.out.parameters():
            nn.init.zeros_(weight)
        self.sure = nn.Parameter(torch.ones(c.codes, 1, 1))  # how much a distance of one level says

    def encode(self, frame: Tensor) -> Tensor:
        """Frames [M, C, g, g] to what is rounded to their codes, [M, codes, g/2, g/2]."""
        return self.tokenizer.encode(F.pixel_shuffle(frame, CELL) / (2 * LIMIT))

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [M, codes, g/2, g/2] to frames [M, C, g, g], within bounds."""
        return (2 * LIMIT * F.pixel_unshuffle(self.tokenizer.decode(codes), CELL)).clamp(-LIMIT, LIMIT)

    def forward(self, proposal: Proposal) -> Said:
        """What the next frame's codes may be."""
        proposed = self.encode(proposal.frame)
        seen = [F.pixel_unshuffle(F.silu(proposal.hidden), 2), F.silu(proposal.cells), proposed]
        x = self.enter(torch.cat([each.to(proposed.dtype) for each in seen], 1))
        for block in self.blocks:
            x = block(x, proposal.condition)
        said = self.out(F.silu(x)).float().chunk(LEVELS, 1)
        logits = [one - self.sure * (proposed - level).square() for level, one in enumerate(said, -TOP)]
        return Said(logits, proposed)

    def draw(self, said: Said, noise: Tensor) -> Tensor:
        """Codes [M, codes, g/2, g/2]. noise [M, codes / 4, g, g], standard normal.

        What was proposed stays where it is plausible, so that what rests rests and what moves keeps its grain; else a
        code is drawn by its likelihood.
        """
        normal = F.pixel_unshuffle(noise, 2)
        uniform = torch.sigmoid(normal * (1.5976 + 0.07056 * normal.square()))  # the normal distribution, to 0.0003
        most = functools.reduce(torch.maximum, said.logits)
        shares = [(logit - most).exp() for logit in said.logits]
        kept, stays = torch.zeros_like(most), torch.zeros_like(most)  # its level, how likely that is
        for level, share in enumerate(shares, -TOP):
            here = (said.proposed - level).square() < 0.25
            kept, stays = torch.where(here, float(level), kept), torch.where(here, share, stays)
        likely = [torch.where(share < LEAST, 0.0, share) for share in shares]
        at = uniform * functools.reduce(torch.add, likely)
        codes, below = torch.full_like(most, -float(TOP)), torch.zeros_like(most)
        for share in likely[:-1]:
            below = below + share
            codes = codes + torch.where(at < below, 0.0, 1.0)
        return torch.where(stays < self.stays, codes, kept)

    def loss(self, logits: list[Tensor], target: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the codes of frames [M, C, g, g], nats, and their levels; both [M, codes, g/2, g/2]."""
        with torch.no_grad():
            right = (self.encode(target).round() + TOP).long()
        return F.cross_entropy(torch.stack(logits, 1).float(), right, reduction="none"), right
