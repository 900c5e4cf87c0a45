"""Pictures as the network reads and writes them: uint8 to latents and back, nothing lost.

A latent is the picture itself, its pixels folded into cells of `CELL` x `CELL`, black at -2 and white at 2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

CELL = 4  # pixels on a cell's side
LIMIT = 2.0  # latents lie within it on both sides


def to_latent(picture: Tensor) -> Tensor:
    """uint8 [..., H, W, 3] to [..., 3 CELL^2, H / CELL, W / CELL]."""
    values = picture.movedim(-1, -3).float() * (2 * LIMIT / 255) - LIMIT
    return F.pixel_unshuffle(values, CELL)


def to_uint8(latent: Tensor) -> Tensor:
    """The inverse of `to_latent`, clipped and rounded as the exported graph does it."""
    picture = F.pixel_shuffle(latent, CELL) / (2 * LIMIT) + 0.5
    return (picture.clamp(0, 1) * 255 + 0.5).to(torch.uint8).movedim(-3, -1)


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """dB over the last three dimensions of uint8 pictures, mean squared error taken in [0, 1]."""
    mse = ((a.float() - b.float()) / 255).square().flatten(-3).mean(-1)
    return -10 * mse.clamp(min=1e-10).log10()
