"""Policies of different strength. All of them see the picture alone, so that each plays in the dream as in reality."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from training.judge.pose import normalise
from training.worlds.push_t import POSE, sticky_random

from .eyes import read_pose
from .pusher import push

Act = Callable[[np.ndarray], np.ndarray]  # picture uint8 [96, 96, 3] to action float32 [2]
Policy = Callable[[int], Act]  # an episode's seed to what acts in it
HELD = 8  # frames that a random action of a noisy policy is held


class Clone(nn.Module):
    """A pose as `training.judge.pose` normalises it, [B, 6], to an action [B, 2]."""

    def __init__(self, width: int = 256) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for inputs in (8, width, width):
            layers += [nn.Linear(inputs, width), nn.GELU()]
        self.body = nn.Sequential(*layers, nn.Linear(width, 2))

    def forward(self, pose: Tensor) -> Tensor:
        x, y = (pose[:, :2] - pose[:, 2:4]).unbind(1)
        cos, sin = pose[:, 4:6].unbind(1)
        local = torch.stack([cos * x + sin * y, cos * y - sin * x], 1)  # the pusher as seen from the block
        return self.body(torch.cat([4 * pose[:, :4] - 2, pose[:, 4:6], 8 * local], 1))


def rest(seed: int) -> Act:
    return lambda picture: np.zeros(2, np.float32)


def random(seed: int) -> Act:
    driver = sticky_random(np.random.default_rng(seed))
    return lambda picture: driver(None)


def scripted(*, noise: float) -> Policy:
    """The scripted pusher, by the pose read off the picture; for a share `noise` of the time it acts at random."""

    def begin(seed: int) -> Act:
        rng, held, left = np.random.default_rng(seed), np.zeros(2, np.float32), 0

        def act(picture: np.ndarray) -> np.ndarray:
            nonlocal held, left
            if left == 0 and rng.random() < noise / (HELD * (1 - noise) + noise):
                held, left = rng.uniform(-1, 1, 2).astype(np.float32), HELD
            if left > 0:
                left -= 1
                return held
            return push(read_pose(picture))

        return act

    return begin


def cloned(clone: Clone) -> Policy:
    @torch.no_grad()
    def act(picture: np.ndarray) -> np.ndarray:
        pose = torch.from_numpy(normalise(read_pose(picture), POSE)).float()
        return clone(pose[None])[0].clamp(-1, 1).numpy()

    return lambda seed: act
