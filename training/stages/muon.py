"""Muon: momentum whose matrices are orthogonalised before they are applied; AdamW for everything that is no matrix.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the quintic Newton-Schulz
coefficients are theirs.
"""

from __future__ import annotations

from collections import defaultdict

import torch
from torch import Tensor, nn


def orthogonalise(matrices: Tensor, kind: torch.dtype, steps: int = 5) -> Tensor:
    """Nearest semi-orthogonal matrices, roughly: singular values end between 0.7 and 1.2. Shape [many, rows, cols].

    kind: in which it is computed; bfloat16 is good enough.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    x = (matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(kind)
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; convolutions count as [out, in * kernel]. Those of a shape go together."""

    def __init__(
        self, params, lr: float = 0.02, momentum: float = 0.95, weight_decay: float = 0.0, *, half: bool = False
    ) -> None:
        """half: whether to orthogonalise in bfloat16."""
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self.kind = torch.bfloat16 if half else torch.float32

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            alike = defaultdict(list)  # weights and updates, by rows and columns
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                buffer = state["momentum"]
                buffer.lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(buffer, group["momentum"])  # Nesterov
                alike[len(weight), weight[0].numel()].append((weight, update))
            for (rows, cols), pairs in alike.items():
                turned = orthogonalise(torch.stack([update.reshape(rows, cols) for _, update in pairs]), self.kind)
                for (weight, _), update in zip(pairs, turned, strict=True):
                    weight.mul_(1 - group["lr"] * group["weight_decay"])
                    weight.add_(update.reshape(weight.shape), alpha=-group["lr"] * max(1.0, rows / cols) ** 0.5)


def optimisers(model: nn.Module, *, muon_lr: float, adam_lr: float, first_and_last: set[str], half: bool) -> list:
    """Muon on hidden matrices, AdamW on vectors, tables and the layers named in `first_and_last` (by prefix).

    Weights that don't require a gradient are left as they are.
    """
    matrices, rest = [], []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        hidden = weight.ndim >= 2 and not any(name.startswith(prefix) for prefix in first_and_last)
        (matrices if hidden else rest).append(weight)
    return [
        Muon(matrices, lr=muon_lr, half=half),
        torch.optim.AdamW(rest, lr=adam_lr, betas=(0.9, 0.95), weight_decay=0.0),
    ]
