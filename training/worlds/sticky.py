"""A driver that acts at random and holds each action for a random while, as hands on keys and sticks do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class StickyRandom:
    """What is drawn is the world's; how long it is held is uniform from `least` to below `most` frames."""

    def __init__(self, rng: np.random.Generator, draw: Callable[[Any], np.ndarray], *, least: int, most: int) -> None:
        """`draw` gives an action float32 [A] for a source, by the same generator."""
        self.rng, self.draw, self.least, self.most = rng, draw, least, most
        self.left = 0
        self.action = np.zeros(0, np.float32)

    def __call__(self, source: Any) -> np.ndarray:
        if self.left <= 0:
            self.left = int(self.rng.integers(self.least, self.most))
            self.action = self.draw(source)
        self.left -= 1
        return self.action
