"""The convolutional block that head, stem and coder are made of."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """x + conv(silu(conv(silu(norm x)))), modulated between by a condition; the last convolution starts at zero."""

    def __init__(self, width: int, condition: int) -> None:
        """`condition`: its width; 0 for none."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, 1, 1))
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        if condition:
            self.modulation = nn.Linear(condition, 2 * width)
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x [B, width, g, g], condition [B, condition]."""
        hidden = x / torch.sqrt(x.pow(2).mean(1, keepdim=True) + 1e-6) * self.weight
        hidden = self.conv1(F.silu(hidden))
        if condition is not None:
            scale, shift = self.modulation(condition)[..., None, None].chunk(2, 1)
            hidden = hidden * (1 + scale) + shift
        return x + self.conv2(F.silu(hidden))


class Blocks(nn.ModuleList):
    """Convolutional blocks, typed."""

    def __iter__(self) -> Iterator[ConvBlock]:
        return super().__iter__()  # type: ignore[return-value]
