"""Judges patches of pictures: real, or decoded? Only the tokenizer's training uses it, so that it can paint texture.

Source: relativistic loss (Jolicoeur-Martineau 2018) with zero-centred penalties on both sides (Huang et al. 2024, "The
GAN is dead; long live the GAN!"), the penalties by finite differences (Lin et al. 2025).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUDGE = 0.03  # standard deviation of the finite difference, pixels in [0, 1]
PENALTY = 1e-3  # weight of the squared gradient
FEATURES = 0.5  # weight of feature matching in what the decoder minimises


class PatchCritic(nn.Module):
    def __init__(self, width: int = 40) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, width, 3, padding=1))
        self.down1 = nn.Conv2d(width, 2 * width, 4, stride=2, padding=1)
        self.fine = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.fine_out = nn.Conv2d(2 * width, 1, 1)
        self.down2 = nn.Conv2d(2 * width, 3 * width, 4, stride=2, padding=1)
        self.coarse = nn.Conv2d(3 * width, 3 * width, 3, padding=1)
        self.coarse_out = nn.Conv2d(3 * width, 1, 1)

    def forward(self, picture: Tensor) -> tuple[Tensor, list[Tensor]]:
        """[B, 3, H, W] to logits [B, patches], those of a quarter and of an eighth of the side, and to features."""
        stem = F.leaky_relu(self.stem(picture), 0.2)
        fine = F.leaky_relu(self.down1(stem), 0.2)
        fine = fine + F.leaky_relu(self.fine(fine), 0.2)
        coarse = F.leaky_relu(self.down2(fine), 0.2)
        coarse = coarse + F.leaky_relu(self.coarse(coarse), 0.2)
        logits = torch.cat([self.fine_out(fine).flatten(1), self.coarse_out(coarse).flatten(1)], 1)
        return logits, [stem, fine, coarse]

    def loss(self, real: Tensor, decoded: Tensor) -> tuple[Tensor, Tensor]:
        """What the critic minimises, and the share of patches that it tells apart."""
        some = max(1, len(real) // 4)
        judged = self(torch.cat([real, decoded]))[0].float()
        on_real, on_decoded = judged.chunk(2)
        few = torch.cat([real[:some], decoded[:some]])
        nudged = self(few + NUDGE * torch.randn_like(few))[0].float()
        penalty = ((nudged - torch.cat([on_real[:some], on_decoded[:some]])) / NUDGE).square().mean()
        told = (on_real > on_decoded).float().mean()
        return F.softplus(on_decoded - on_real).mean() + PENALTY * penalty, told.detach()

    def pull(self, real: Tensor, decoded: Tensor) -> Tensor:
        """What the decoder minimises: to be judged as real as the real ones, with features as theirs."""
        judged, features = self(torch.cat([real, decoded]))
        on_real, on_decoded = judged.float().chunk(2)
        loss = F.softplus(on_real.detach() - on_decoded).mean()
        for both in features:
            theirs, ours = both.float().chunk(2)
            theirs = theirs.detach()
            loss = loss + FEATURES * (theirs - ours).abs().mean() / theirs.abs().mean()
        return loss
