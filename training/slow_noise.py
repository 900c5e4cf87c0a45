"""Slow noise: a few numbers that last for many frames and decide what the open future brings, such as the next bend.

    python -m training.slow_noise --world car-racing

A network that paints frame by frame, by squared error, paints the mean of all futures: a road that goes on straight.
Noise drawn anew for each frame doesn't help, a bend costs next to nothing in the frame in which it begins (`LOG.md`,
2026-11-21). Here the head is told, for a stretch of frames at a time, what the driver will do after it: on average
over `ahead` frames, per action, as a standard normal by rank. In a recording the driver steers left because the road
bends left, so the bend that appears is the one foretold. In play plain noise is drawn, anew every `slow_ticks` ticks,
and the road bends as often as real ones do. The trunk never sees it, so the cache of earlier frames doesn't hold it.

Source: hindsight (Andrychowicz et al. 2017, "Hindsight experience replay") turned to the world instead of the policy.
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, replace

import numpy as np
import torch

from .command import stage_main
from .device import compiled, find_place
from .environments import world_module
from .loop import Loop, Training, follow
from .train_tokenizer import load_tokenizer
from .train_world_model import HORIZONS, LatentRows, held_out, load_world_model
from .world_model import WorldModel, patchify

STAGE = "slow-noise"


@dataclass
class SlowNoiseTraining(Training):
    """How long, how fast, how far it looks."""

    steps: int = 800
    batch: int = 8
    length: int = 24  # frames of a row
    ticks: int = 24  # a stretch
    after: int = 24  # from a stretch's begin, at least `ticks`: what appears then is reached about that much later
    ahead: int = 48  # frames whose actions are averaged
    lr: float = 2.5e-4
    ema: float = 0.995
    noise_scale: float = 0.4  # largest noise on the history, in standard deviations of the latent
    compile: bool = True


class Hindsight:
    """What drivers did, as slow noise."""

    def __init__(self, actions: np.ndarray, args: SlowNoiseTraining) -> None:
        """actions [T, A] of whole recordings: their averages give the ranks. Episodes' ends blur a few of them."""
        self.args = args
        total = np.concatenate([np.zeros((1, actions.shape[1])), np.cumsum(actions, 0, dtype=np.float64)])
        self.sorted = np.sort((total[args.ahead :] - total[: -args.ahead]) / args.ahead, 0)[::7]

    def __call__(self, actions: np.ndarray, phase: int) -> np.ndarray:
        """Actions [B, length + after + ahead, A] to slow noise [B, length, A]; a stretch begins at `phase`."""
        a = self.args
        begin = phase + (np.arange(a.length) - phase) // a.ticks * a.ticks  # of each frame's stretch, from -ticks on
        span = begin[:, None] + a.after + np.arange(a.ahead)
        means = actions[:, span].mean(2, dtype=np.float64)  # [B, length, A]
        out = np.empty(means.shape, np.float32)
        for i in range(means.shape[-1]):
            column = self.sorted[:, i]
            low, high = (np.searchsorted(column, means[..., i], side) for side in ("left", "right"))
            share = torch.from_numpy((low + high + 1) / (2 * len(column) + 2))  # the middle of equal ones
            out[..., i] = (2**0.5 * torch.erfinv(2 * share - 1)).numpy()
        return out


def train(args: SlowNoiseTraining) -> WorldModel:
    """Begins from self-forcing where that was done, else from the world model."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world).to(place.device)
    before = load_world_model(args.data, args.world, "self-forcing", "world-model")
    config = replace(before.config, slow_noise=before.config.actions, slow_ticks=args.ticks)
    model = WorldModel(config)
    model.load_state_dict({**model.state_dict(), **before.state_dict()})
    model = model.to(place.device).train()
    average = copy.deepcopy(model)
    optim = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)
    seen = args.length + args.after + args.ahead
    rows = LatentRows(args.data, "train-*", seen, world_module(args.world, args.data).MIRROR)
    held = LatentRows(args.data, "held-*", 4 + HORIZONS[-1], None)
    hindsight = Hindsight(np.concatenate(rows.actions), args)
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "average": average, "optim": optim},
        frames=args.batch * args.length,
        evaluate=lambda: held_out(average, tokenizer, held, count=48),
    )
    loss_of = compiled(model.loss, args.compile)
    for step, rng in loop:
        grid, actions = rows.draw(rng, args.batch)
        slow = torch.from_numpy(hindsight(actions.numpy(), int(rng.integers(args.ticks)))).to(place.device)
        latents = patchify(grid[:, : args.length + 1].to(place.device), config)
        actions = actions[:, : args.length].to(place.device)
        with place.autocast():
            loss, logs = loss_of(latents[:, :-1], latents[:, 1:], actions, args.noise_scale, 1.0, slow)
        loss.backward()
        loop.update([optim], rate=min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - step / args.steps))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


def main(argv: list[str] | None = None) -> int:
    return stage_main(__doc__, SlowNoiseTraining, train, argv)


if __name__ == "__main__":
    sys.exit(main())
