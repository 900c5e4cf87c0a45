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

NOISE = 0.15  # largest noise on the latent in training, of its range of -1 to 1


@dataclass(frozen=True)
class TokenizerConfig:
    """Shapes of the autoencoder."""

    size: int = 96  # side of the picture, px; a multiple of 8
    channels: int = 16  # channels of the latent; the grid has (size / 8)^2 cells
    wide: int = 128  # width at an eighth of the side
    narrow: int = 64  # width at a quarter of the side
    encoder_blocks: int = 1  # residual blocks at an eighth of the side
    decoder_blocks: int = 2

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
            *(Block(c.wide) for _ in range(c.encoder_blocks)),
            nn.Conv2d(c.wide, c.channels, 1),
            nn.Tanh(),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(c.channels, c.wide, 3, padding=1),
            *(Block(c.wide) for _ in range(c.decoder_blocks)),
            nn.Conv2d(c.wide, 4 * c.narrow, 1),
            nn.PixelShuffle(2),  # [B, narrow, size/4, size/4]
            Block(c.narrow),
            nn.ReLU(),
            nn.Conv2d(c.narrow, 48, 3, padding=1),
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
        parts = (np.array(frames[i : i + batch], order="C") for i in range(0, len(frames), batch))
        return torch.cat([self.encode(torch.from_numpy(part).to(self.mean.device)).cpu() for part in parts])

    @torch.no_grad()
    def normalise(self, frames: np.ndarray) -> None:
        """After training: sets what normalises latents, from some of the training frames, uint8 [T, H, W, 3]."""
        self.mean.zero_()
        self.std.fill_(1)
        latent = self.encode_all(frames)
        self.mean.copy_(latent.mean((0, 2, 3))[:, None, None])
        self.std.copy_(latent.std((0, 2, 3))[:, None, None])

    def forward(self, picture: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in [-0.5, 0.5] to reconstructions of the same range, latents noised on the way."""
        latent = self.encoder(picture)
        level = torch.rand(len(latent), 1, 1, 1, device=latent.device) * NOISE
        level = level * (torch.rand_like(level) < 0.7)
        return self.decoder(latent + level * torch.randn_like(latent))


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


def reconstruction_loss(out: Tensor, target: Tensor, before: Tensor) -> Tensor:
    """L1 on pixels, on their differences and on blocks of 4 x 4; all [B, 3, H, W], gives [B].

    Pixels that moved since the picture `before` weigh up to five times as much: small things move.
    """
    moved = (target - before).abs().mean(1, keepdim=True)
    weight = 1 + 4 * F.max_pool2d(moved, 3, stride=1, padding=1)
    error = out - target
    loss = (weight * error.abs()).mean((1, 2, 3))
    for dim in (2, 3):
        loss = loss + 0.5 * _diff(error, dim).abs().mean((1, 2, 3))
    return loss + 0.5 * F.avg_pool2d(error, 4).abs().mean((1, 2, 3))


def _diff(x: Tensor, dim: int) -> Tensor:
    return x.narrow(dim, 1, x.shape[dim] - 1) - x.narrow(dim, 0, x.shape[dim] - 1)
