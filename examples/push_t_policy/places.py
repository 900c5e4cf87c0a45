"""The two places where a policy is tried: the real gym-pusht and the dream of it, begun from the same pictures.

An episode begins after `CONTEXT` real frames in which the pusher rests; a dream gets them as its history. Actions are
those of the world's table in both.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import gymnasium
import numpy as np
import worldloop  # noqa: F401  registers the environments

from training.worlds.push_t import Source

CONTEXT = 4  # frames
REST = np.zeros(2, np.float32)


class Place(Protocol):
    """`reset`, then `step` until it ends."""

    def reset(self, seed: int) -> np.ndarray:
        """The picture to act on first, uint8 [96, 96, 3]."""

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        """An action float32 [2] to picture, reward in [0, 1] (share of the goal that is covered), and whether it is
        reached.
        """


class Real:
    """The environment itself."""

    def __init__(self) -> None:
        self.source = Source()

    def reset(self, seed: int) -> np.ndarray:
        return self.first_frames(seed)[-1]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        picture = self.source.step(action)
        return picture.copy(), self.source.reward, self.source.reward >= 1

    def first_frames(self, seed: int) -> np.ndarray:
        """uint8 [CONTEXT, 96, 96, 3]; nothing was pressed between them."""
        frames = [self.source.reset(seed).copy()]
        while len(frames) < CONTEXT:
            frames.append(self.source.step(REST).copy())
        return np.stack(frames)


class Dreamed:
    """The world model, as Gymnasium environment; rewards and ends are its reward head's."""

    def __init__(self, package: Path | None, *, frames: int) -> None:
        """`package`: folder of the world, None for the one that ships. Raises ValueError without a reward head."""
        if package is None:
            self.env = gymnasium.make("worldloop/PushT-v0", max_frames=frames + 1)
        else:
            self.env = gymnasium.make("worldloop/World-v0", package=package, max_frames=frames + 1)
        self._real = Real()
        if self._begin(0)[1]["reward_source"] == "none":
            raise ValueError(
                "expected a world with a reward head, got one without. `python -m training.package.reward` adds it."
            )

    def reset(self, seed: int) -> np.ndarray:
        return self._begin(seed)[0]

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool]:
        picture, reward, terminated, *_ = self.env.step(action)
        return picture, float(np.clip(reward, 0, 1)), terminated

    def _begin(self, seed: int) -> tuple[np.ndarray, dict]:
        history = {"frames": self._real.first_frames(seed), "actions": np.tile(REST, (CONTEXT - 1, 1))}
        return self.env.reset(seed=seed, options=history)


def play(place: Place, act, *, seed: int, frames: int) -> float:
    """The return of one episode: mean reward of `frames` frames, 1 for those after the goal was reached."""
    picture, total = place.reset(seed), 0.0
    for left in range(frames, 0, -1):
        picture, reward, done = place.step(act(picture))
        if done:
            return (total + left) / frames
        total += reward
    return total / frames
