"""Ways of playing that every world shares: holding each action for a while, and letting go now and then."""

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


class Pausing:
    """Another driver, whose hands leave the keys now and then for up to `longest` frames.

    People look at a world more often than scripted drivers do, and what stands still for seconds has to be seen to be
    learned.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        driver: Callable[[Any], np.ndarray],
        rest: np.ndarray,
        *,
        share: float,
        longest: int = 120,
    ) -> None:
        """`rest`: the action of nobody, float32 [A]; `share`: of the frames that are spent so, in [0, 1)."""
        self.rng, self.driver, self.rest, self.longest = rng, driver, rest, longest
        self.often = share / (1 - share) / (longest / 2)  # how likely a pause begins in a frame
        self.left = 0

    def __call__(self, source: Any) -> np.ndarray:
        if self.left <= 0 and self.often > 0 and self.rng.random() < self.often:
            self.left = int(self.rng.integers(1, self.longest + 1))
        if self.left <= 0:
            return self.driver(source)
        self.left -= 1
        return self.rest
