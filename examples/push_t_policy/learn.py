"""Behaviour cloning: records the scripted pusher in the real environment and learns to act like it."""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from training.judge.pose import normalise
from training.worlds import push_t

from .policies import Clone
from .pusher import push

SEED = 6_000_000  # of the episodes to learn from, far from those that policies are tried on


@dataclass
class Learning:
    """How much is recorded, how long is learned."""

    episodes: int = 160
    frames: int = 80  # of an episode
    lengths: tuple[int, ...] = (100, 800, 8000)  # of training, updates: a clone is kept at each
    batch: int = 256
    rate: float = 1e-3


def record(args: Learning) -> tuple[np.ndarray, np.ndarray]:
    """True poses float32 [n, 6], as `training.judge.pose` normalises them, and what the script wants to do, [n, 2].

    Every fourth episode begins with the block near its goal. The pusher is led off its way now and then, so that coming
    back is seen as well.
    """
    source, rows = push_t.Source(), []
    bar = tqdm(total=args.episodes, unit="episode", desc="demonstrations", file=sys.stderr)
    for number in range(args.episodes):
        rng, held, left = np.random.default_rng([SEED, number]), np.zeros(2), 0
        source.reset(SEED + number)
        if number % 4 == 3:
            push_t.near_the_goal(source, rng)
        for _ in range(args.frames):
            pose = source.pose()
            wanted = push(pose)
            if left == 0 and rng.random() < 0.1:
                held, left = rng.uniform(-1, 1, 2), int(rng.integers(2, 10))
            rows.append((normalise(pose, push_t.POSE), wanted))
            source.step(np.float32(held) if left > 0 else wanted)
            left = max(0, left - 1)
        bar.update()
    bar.close()
    source.close()
    poses, wishes = (np.stack(column).astype(np.float32) for column in zip(*rows, strict=True))
    return poses, wishes


def clone(poses: np.ndarray, wishes: np.ndarray, args: Learning) -> dict[int, Clone]:
    """The clone after each of `lengths` updates."""
    torch.manual_seed(0)
    model, kept = Clone(), {}
    optim = torch.optim.AdamW(model.parameters(), args.rate, weight_decay=0.01)
    rng = np.random.default_rng(0)
    for update in tqdm(range(1, max(args.lengths) + 1), unit="step", desc="clone", file=sys.stderr):
        rows = rng.integers(0, len(poses), args.batch)
        seen = torch.from_numpy(poses[rows]) + 0.004 * torch.randn(args.batch, poses.shape[1])  # eyes err
        loss = nn.functional.l1_loss(model(seen), torch.from_numpy(wishes[rows]))
        optim.zero_grad(set_to_none=True)
        loss.backward()
        optim.step()
        if update in args.lengths:
            kept[update] = copy.deepcopy(model).eval()
    return kept
