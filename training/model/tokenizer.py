"""The tokenizer: picture to a small grid of latents and back, a deterministic convolutional autoencoder.

Pixels are folded into channels before the first convolution and unfolded after the last, so that every convolution
works at an eighth or a quarter of the picture's side. The latent is bounded by tanh, then normalised per channel for
the world model. The decoder is trained on noised latents as well: what the world model predicts is never exact.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class TokenizerConfig:
    """Shapes of the autoencoder."""

    size: int = 96  # side of the picture, px; a multiple of 8
    channels: int = 8  # channels of the latent; the grid has (size / 8)^2 cells
    wide: int = 128  # width at an eighth of the side
    narrow: int = 64  # encoder's width at a quarter of the side
    decoder_narrow: int = 48  # decoder's width at a quarter of the side

    @property
    def grid(self) -> int:
        """Side of the latent."""
        return self.size // 8

    def dict(self) -> dict:
        return asdict(self)


class Block(nn.Module):
    """x + conv(relu(conv(relu(x)))); the second convolution starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.relu(self.conv1(F.relu(x))))


class Tokenizer(nn.Module):
    mean: Tensor  # of the tanh latent over the training set, per channel [C, 1, 1]; set once, after training
    std: Tensor

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = c = config
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(4),  # [B, 48, size/4, size/4]
            nn.Conv2d(48, c.narrow, 3, padding=1),
            Block(c.narrow),
            nn.PixelUnshuffle(2),  # [B, 4 narrow, size/8, size/8]
            nn.Conv2d(4 * c.narrow, c.wide, 1),
            Block(c.wide),
            nn.Conv2d(c.wide, c.channels, 1),
            nn.Tanh(),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(c.channels, c.wide, 3, padding=1),
            Block(c.wide),
            nn.Conv2d(c.wide, 4 * c.decoder_narrow, 1),
            nn.PixelShuffle(2),  # [B, decoder_narrow, size/4, size/4]
            Block(c.decoder_narrow),
            nn.ReLU(),
            nn.Conv2d(c.decoder_narrow, 48, 3, padding=1),
            nn.PixelShuffle(4),  # [B, 3, size, size]
        )
        self.register_buffer("mean", torch.zeros(c.channels, 1, 1))
        self.register_buffer("std", torch.ones(c.channels, 1, 1))

    def encode(self, picture: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] to normalised latents [B, C, H/8, W/8]."""
        return (self.encoder(to_float(picture)) - self.mean) / self.std

    def decode(self, latent: Tensor) -> Tensor:
        """Normalised latents [B, C, H/8, W/8] to pictures [B, 3, H, W], about [0, 1], not clipped."""
        return self.decoder(latent * self.std + self.mean) + 0.5

    @torch.no_grad()
    def encode_all(self, frames: np.ndarray, batch: int = 128) -> Tensor:
        """uint8 [T, H, W, 3] to normalised latents float32 [T, C, H/8, W/8], on the CPU."""
        parts = (torch.from_numpy(frames[i : i + batch]).to(self.mean.device) for i in range(0, len(frames), batch))
        return torch.cat([self.encode(part).cpu() for part in parts])

    @torch.no_grad()
    def finish(self, frames: np.ndarray, count: int = 4096) -> None:
        """After training: sets what normalises latents, from `count` of the training frames uint8 [T, H, W, 3]."""
        self.mean.zero_()
        self.std.fill_(1)
        rows = np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(int)
        latent = self.encode_all(frames[rows])
        self.mean.copy_(latent.mean((0, 2, 3))[:, None, None])
        self.std.copy_(latent.std((0, 2, 3))[:, None, None])

    def loss(self, picture: Tensor, before: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """L1 + SSIM + gradient loss on `picture` uint8 [B, H, W, 3]; `before` is the frame before each, for motion."""
        target = to_float(picture) + 0.5
        latent = self.encoder(target - 0.5)
        level = torch.rand(len(latent), 1, 1, 1, device=latent.device) * 0.15
        noisy = latent + level * torch.randn_like(latent) * (torch.rand_like(level) < 0.7)
        out = self.decoder(noisy) + 0.5
        moved = (target - to_float(before) - 0.5).abs().mean(1, keepdim=True)
        weight = 1 + 4 * F.max_pool2d(moved, 3, stride=1, padding=1)
        pixel = (weight * (out - target).abs()).mean()
        gradient = sum((_diff(out, d) - _diff(target, d)).abs().mean() for d in (2, 3))
        structure = 1 - ssim(out, target)
        loss = pixel + 0.25 * structure + 0.5 * gradient
        mse = ((out.detach().clamp(0, 1) - target) ** 2).mean()
        return loss, {"loss": loss.detach(), "psnr": -10 * mse.log10()}


def bounds(tokenizer: Tokenizer) -> tuple[Tensor, Tensor]:
    """Lowest and highest of a tokenizer's latents, [C] each: before they are normalised they lie in (-1, 1)."""
    low = (-1 - tokenizer.mean) / tokenizer.std
    high = (1 - tokenizer.mean) / tokenizer.std
    return low.flatten(), high.flatten()


def to_float(picture: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] to [B, 3, H, W] in [-0.5, 0.5]."""
    return picture.permute(0, 3, 1, 2).float() / 255 - 0.5


def to_uint8(picture: Tensor) -> Tensor:
    """[B, 3, H, W], about [0, 1], to uint8 [B, H, W, 3], rounded as the exported graph rounds."""
    return (picture.clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(0, 2, 3, 1)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """dB over the last three dimensions of uint8 pictures, mean squared error taken in [0, 1]."""
    mse = ((a.float() - b.float()) / 255).square().flatten(-3).mean(-1)
    return -10 * mse.clamp(min=1e-10).log10()


def ssim(a: Tensor, b: Tensor, window: int = 7) -> Tensor:
    """Mean structural similarity of [B, 3, H, W] in [0, 1], flat window (Wang et al. 2004)."""

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x.contiguous(), window, stride=2)  # channels-last pooling is many times slower

    ma, mb = mean(a), mean(b)
    va, vb, cov = mean(a * a) - ma**2, mean(b * b) - mb**2, mean(a * b) - ma * mb
    c1, c2 = 0.01**2, 0.03**2
    return (((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean()


def _diff(x: Tensor, dim: int) -> Tensor:
    return x.narrow(dim, 1, x.shape[dim] - 1) - x.narrow(dim, 0, x.shape[dim] - 1)
