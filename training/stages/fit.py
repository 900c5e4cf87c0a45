"""The loop of small networks that train in a minute, readers and reward heads. Stages have `loop.py`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm


def fit(
    model: nn.Module,
    loss_of: Callable[[np.random.Generator], Tensor],
    *,
    steps: int,
    rate: float,
    weight_decay: float = 0.02,
    seed: int = 0,
    name: str,
) -> None:
    """AdamW on one cycle of rates, `rate` at its peak. `loss_of` draws a batch by the generator and gives its loss.

    A minute or two: with a progress bar, without checkpoints.
    """
    optim = torch.optim.AdamW(model.parameters(), rate, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optim, rate, total_steps=steps, pct_start=max(0.1, 2 / steps))
    rng = np.random.default_rng(seed)
    bar = tqdm(range(steps), unit="step", desc=name, file=sys.stderr, disable=not sys.stderr.isatty())
    for _ in bar:
        loss = loss_of(rng)
        optim.zero_grad(set_to_none=True)
        loss.backward()
        optim.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
