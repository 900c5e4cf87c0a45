"""The tokenizer: picture to a small grid of codes and back.

A convolutional autoencoder whose latent is rounded: each of its channels, bounded by tanh, becomes one of five levels
(finite scalar quantisation, Mentzer et al. 2023), with gradients that pass through the rounding. What is rounded can't
drift: an error smaller than half a level vanishes, and whatever the codes are, the decoder paints a sharp picture.

Pixels are folded into channels before the first convolution and unfolded after the last, so that every convolution
works at an eighth or a quarter of the picture's side.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch.nn.functional as F
from torch import Tensor, nn

LEVELS = 5  # of a code: -2, -1, 0, 1, 2
TOP = LEVELS // 2


@dataclass(frozen=True)
class TokenizerConfig:
    """Shapes of the autoencoder."""

    size: int = 96  # side of the picture, px; a multiple of 8
    channels: int = 16  # codes of a cell; the grid has (size / 8)^2 cells
    wide: int = 128  # width at an eighth of the side
    narrow: int = 64  # width at a quarter of the side
    encoder_blocks: int = 1  # residual blocks at an eighth of the side
    decoder_blocks: int = 2  # the same, and as many at a quarter of it

    @property
    def grid(self) -> int:
        """Cells on a side."""
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
            *(Block(c.narrow) for _ in range(c.decoder_blocks)),
            nn.ReLU(),
            nn.Conv2d(c.narrow, 48, 3, padding=1),
            nn.PixelShuffle(4),  # [B, 3, size, size]
        )

    def encode(self, picture: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] in [-0.5, 0.5] to what is rounded to codes: [B, C, H/8, W/8], within `TOP`."""
        return TOP * self.encoder(picture)

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [B, C, H/8, W/8] to pictures [B, 3, H, W], about [-0.5, 0.5], not clipped."""
        return self.decoder(codes / TOP)

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures to what their codes say of them, both [B, 3, H, W] in [-0.5, 0.5], and to the codes."""
        latent = self.encode(picture)
        codes = latent + (latent.round() - latent).detach()
        return self.decode(codes), codes.detach()

    def unlike(self, decoded: Tensor, codes: Tensor) -> Tensor:
        """How far the codes of what was decoded are from those that it was decoded from, squared; a number."""
        return (self.encode(decoded) - codes).square().mean()


def reconstruction_loss(out: Tensor, target: Tensor, before: Tensor) -> Tensor:
    """L1 on pixels, on their differences and on blocks of 4 x 4; all [B, 3, H, W], gives [B].

    Pixels that moved since the picture `before` weigh up to five times as much: small things move.
    """
    moved = (target - before).abs().mean(1, keepdim=True)
    weight = 1 + 4 * F.max_pool2d(moved, 3, stride=1, padding=1)
    error = out - target
    loss = (weight * error.abs()).mean((1, 2, 3))
    for dim in (2, 3):
        loss = loss + 0.5 * steps(error, dim).abs().mean((1, 2, 3))
    return loss + 0.5 * F.avg_pool2d(error, 4).abs().mean((1, 2, 3))


def sharpness(picture: Tensor, real: Tensor) -> Tensor:
    """Mean size of the steps from pixel to pixel, as a share of the real picture's; [B, 3, H, W] to [B]."""
    ours, theirs = (
        steps(each, 2).abs().mean((1, 2, 3)) + steps(each, 3).abs().mean((1, 2, 3)) for each in (picture, real)
    )
    return ours / (theirs + 1e-4)


def steps(x: Tensor, dim: int) -> Tensor:
    """From each pixel to the next along `dim`."""
    return x.narrow(dim, 1, x.shape[dim] - 1) - x.narrow(dim, 0, x.shape[dim] - 1)
