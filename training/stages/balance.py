"""Several worlds share a network: each shall count as much as the others, however hard its pictures are.

The gradient of a squared error is as large as the error's root. Where one world is nearly solved and another is all
texture, the small ball of the first would hardly be heard: its share of the gradient was a fifth of the texture's.
"""

from __future__ import annotations

import torch
from torch import Tensor

DECAY = 0.98  # of the running errors, a step


class Balance:
    """Weights of rows by their worlds, from running means of what each world's squared errors are."""

    def __init__(self, worlds: int, device: torch.device) -> None:
        self.errors = torch.zeros(worlds, device=device)  # 0: not seen yet

    def weights(self, world: Tensor) -> Tensor:
        """Of rows of the given worlds, int64 [B]; gives [B]: all worlds' gradients are then of their mean size."""
        roots = self.errors.sqrt()
        mean = roots.sum() / (roots > 0).sum().clamp(min=1)
        weights = torch.where(roots > 0, mean / roots.clamp(min=1e-12), torch.ones_like(roots))
        return weights[world]

    def see(self, world: Tensor, errors: Tensor) -> None:
        """Squared errors [B] of rows of the given worlds, int64 [B]."""
        count = torch.zeros_like(self.errors).index_add_(0, world, torch.ones_like(errors))
        mean = torch.zeros_like(self.errors).index_add_(0, world, errors) / count.clamp(min=1)
        known = torch.where(self.errors > 0, DECAY * self.errors + (1 - DECAY) * mean, mean)
        self.errors = torch.where(count > 0, known, self.errors)
