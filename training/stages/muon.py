"""Muon: momentum whose matrices are orthogonalised before they are applied; AdamW for everything that is no matrix.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the quintic Newton-Schulz
coefficients are theirs.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrix, roughly: singular values end between 0.7 and 1.2. Shape [rows, cols]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; convolutions count as [out, in * kernel]."""

    def __init__(self, params, lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                buffer = state["momentum"]
                buffer.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(buffer, group["momentum"])  # Nesterov
                update = orthogonalise(update.reshape(len(update), -1)).reshape(weight.shape)
                rows, cols = len(weight), weight[0].numel()
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.add_(update, alpha=-group["lr"] * max(1.0, rows / cols) ** 0.5)


def optimisers(model: nn.Module, *, muon_lr: float, adam_lr: float, first_and_last: set[str]) -> list:
    """Muon on hidden matrices, AdamW on vectors, tables and the layers named in `first_and_last` (by prefix)."""
    matrices, rest = [], []
    for name, weight in model.named_parameters():
        hidden = weight.ndim >= 2 and not any(name.startswith(prefix) for prefix in first_and_last)
        (matrices if hidden else rest).append(weight)
    return [
        Muon(matrices, lr=muon_lr),
        torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]
