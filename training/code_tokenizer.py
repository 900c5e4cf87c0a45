"""A tokenizer for few things in many places: the whole picture becomes one code of some 64 numbers.

On a grid of cells (`tokenizer.py`) a world model by squared error paints a thing whose place is uncertain fainter; the
fainter thing is the history of the next frame, and soon the table is empty (`LOG.md`, 2026-11-21). From a code that was
noised while it was learned, a thing that is half there can't be decoded: what is uncertain becomes a place in between.
The price is detail, so this is not for textures. A world's module asks for it by `CODE`, the code's length.

Some of the numbers are keypoints: where, in the mean, a colour is that differs from the usual picture. They are drawn
as small bumps where they are before the decoder's convolutions, so that a small thing that moves needs no learning of
every place by itself.

Sources: keypoints from a spatial softmax (Finn et al. 2016, "Deep spatial autoencoders"), bumps (Jakab et al. 2018).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .tokenizer import Tokenizer, TokenizerConfig, to_float


@dataclass(frozen=True)
class CodeConfig:
    """Shapes of the autoencoder."""

    size: int = 96  # side of the picture, px; a multiple of 8
    code: int = 64  # numbers of a picture, a multiple of 4
    keypoints: int = 6  # each takes two of them
    wide: int = 768  # of the layers between picture and code
    cells: int = 16  # channels at an eighth of the side
    narrow: int = 48  # of the last convolutions, at a quarter of the side

    @property
    def grid(self) -> int:
        """Side of the latent: a code is laid out as four cells, which mean nothing."""
        return 2

    @property
    def channels(self) -> int:
        return self.code // 4

    def dict(self) -> dict:
        return asdict(self)


class Residual(nn.Module):
    """x + linear(silu(linear(norm(x)))); the second starts at zero."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear1, self.linear2 = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.zeros_(self.linear2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.linear2(F.silu(self.linear1(self.norm(x))))


class CodeTokenizer(nn.Module):
    NOISE = 0.1  # on a code in (-1, 1) while it is learned, in four of five rows: no number matters beyond that,
    KEYPOINT_NOISE = 0.02  # but a place matters to a hundredth of the picture

    def __init__(self, config: CodeConfig) -> None:
        super().__init__()
        self.config = c = config
        side, wide, narrow = c.size // 4, c.wide, c.wide // 2
        self.colour = nn.Conv2d(3, c.keypoints, 1, bias=False)  # which colours a keypoint looks for
        self.sharpness = nn.Parameter(torch.full((c.keypoints, 1), 4.0))
        self.encoder = nn.Sequential(
            nn.Linear(3 * side**2, wide),
            Residual(wide),
            nn.SiLU(),
            nn.Linear(wide, narrow),
            Residual(narrow),
            nn.LayerNorm(narrow),
            nn.Linear(narrow, c.code - 2 * c.keypoints),
            nn.Tanh(),
        )
        eighth = c.size // 8
        self.decoder = nn.Sequential(
            nn.Linear(c.code + c.keypoints * eighth**2, 512),
            nn.SiLU(),
            nn.Linear(512, wide),
            Residual(wide),
            nn.LayerNorm(wide),
            nn.Linear(wide, c.cells * eighth**2),
            nn.Unflatten(1, (c.cells, eighth, eighth)),
            nn.Conv2d(c.cells, 128, 1),
            nn.PixelShuffle(2),  # [B, 32, size / 4, size / 4]
        )
        self.draw = nn.Sequential(
            nn.Conv2d(32 + c.keypoints, c.narrow, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(c.narrow, 48, 3, padding=1),
            nn.PixelShuffle(4),
        )
        self.register_buffer("usual", torch.zeros(3, c.size, c.size))  # what is there when nothing is
        # Statistics of the code over the training set, per channel of its layout; set once, after training.
        self.register_buffer("mean", torch.zeros(c.channels, 1, 1))
        self.register_buffer("std", torch.ones(c.channels, 1, 1))
        noise = torch.full((c.code,), self.NOISE)
        noise[: 2 * c.keypoints] = self.KEYPOINT_NOISE
        self.register_buffer("noise", noise, persistent=False)

    @torch.no_grad()
    def prepare(self, frames: np.ndarray) -> None:
        """Before training: what is usual, and keypoints for the colours that differ from it, both ways.

        frames uint8 [T, H, W, 3].
        """
        some = frames[:: max(1, len(frames) // 500)]
        self.usual.copy_(to_float(torch.from_numpy(np.median(some, 0).astype(np.uint8)[None]))[0])
        unlike = F.avg_pool2d(to_float(torch.from_numpy(some)) - self.usual, 4).permute(0, 2, 3, 1).flatten(0, 2)
        values, directions = np.linalg.eigh(np.cov(unlike[unlike.abs().amax(1) > 0.05].T.numpy()))
        white = torch.from_numpy((directions / np.sqrt(values + 1e-6)).T.astype(np.float32))  # rows
        for k, weight in enumerate(self.colour.weight):
            weight[:, 0, 0] = (1 if k % 2 else -1) * (white[k // 2 % 3] if k < 6 else torch.randn(3) @ white)

    def squeeze(self, picture: Tensor) -> Tensor:
        """[B, 3, H, W] in [-0.5, 0.5] to a code [B, code] in (-1, 1), keypoints first."""
        unlike = F.avg_pool2d(picture - self.usual, 4)
        x, y = places(unlike.shape[-1], unlike)
        weight = (self.colour(unlike).flatten(2) * self.sharpness).softmax(-1)
        rest = self.encoder(3 * unlike.flatten(1))
        return torch.cat([weight @ x.flatten(), weight @ y.flatten(), rest], 1)

    def expand(self, code: Tensor) -> Tensor:
        """The way back."""
        at = code[:, : 2 * self.config.keypoints].unflatten(1, (2, -1, 1, 1))
        bumps = []
        for side in (self.config.size // 8, self.config.size // 4):
            x, y = places(side, code)
            bumps.append((((x - at[:, 0]).square() + (y - at[:, 1]).square()) * (-(side**2) / 8)).exp())
        cells = self.decoder(torch.cat([code, bumps[0].flatten(1)], 1))
        return self.draw(torch.cat([cells, bumps[1]], 1)) + self.usual

    def encode(self, picture: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] to normalised latents [B, code / 4, 2, 2]."""
        return (self.squeeze(to_float(picture)).unflatten(1, (-1, 2, 2)) - self.mean) / self.std

    def decode(self, latent: Tensor) -> Tensor:
        """Normalised latents [B, code / 4, 2, 2] to pictures [B, 3, H, W], about [0, 1], not clipped."""
        return self.expand((latent * self.std + self.mean).flatten(1)) + 0.5

    def loss(self, picture: Tensor, before: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Error on `picture` uint8 [B, H, W, 3], squared and absolute; what is unusual or moved since `before` weighs
        more.
        """
        target, before = to_float(picture), to_float(before)
        code = self.squeeze(target)
        shaken = torch.rand(len(code), 1, device=code.device) < 0.8
        error = self.expand(code + self.noise * shaken * torch.randn_like(code)) - target
        unlike, moved = ((target - other).abs().amax(1, keepdim=True) > 0.06 for other in (self.usual, before))
        weight = 1 + 8 * unlike + 12 * moved
        loss = (weight * (error.square() + 0.05 * error.abs())).mean()
        return loss, {"loss": loss.detach(), "psnr": -10 * error.detach().square().mean().log10()}


def places(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """x and y of the middles of side x side cells, each [side, side], in (-1, 1)."""
    at = (torch.arange(side, device=like.device) - (side - 1) / 2) * (2 / side)
    return at[None].expand(side, -1), at[:, None].expand(-1, side)


def build(config: dict) -> Tokenizer | CodeTokenizer:
    """The tokenizer whose `config.dict()` this is, untrained."""
    return CodeTokenizer(CodeConfig(**config)) if "code" in config else Tokenizer(TokenizerConfig(**config))
