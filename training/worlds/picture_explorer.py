"""An explorer of doom-hall that looks at the picture alone, so that it explores dream and hall alike.

It knows colours: medikits are grey and bright, the floor is green, the ceiling blue; the rest is wall.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from .world import Player

MIDDLE = slice(36, 60)  # columns of what lies ahead, of 96
NEAR_WALL = 24  # rows of wall above the horizon, px: about 200 units away
HORIZON = 48  # row, px
LEAST = 5  # pixels of a medikit: fewer are one too far away, or light on a wall
PX_A_FRAME = 16.0  # columns that a full turn moves what lies ahead, in a frame


def medikits(picture: np.ndarray) -> np.ndarray:
    """Which pixels are grey and bright. uint8 [96, 96, 3] to bool [96, 96]."""
    p = picture.astype(np.int16)
    return (p.min(-1) > 120) & (p.max(-1) - p.min(-1) < 16)


def objects(picture: np.ndarray) -> dict[str, tuple[float, float] | None]:
    """Middle of the `medikit` that stands lowest in the picture, x and y in pixels, as `Source.objects`; None: none.

    picture is uint8 [96, 96, 3]. The green cross on a medikit's front parts its pixels; they are joined across it.
    """
    pixels = medikits(picture).astype(np.uint8)
    joined = cv2.morphologyEx(pixels, cv2.MORPH_CLOSE, np.ones((3, 5), np.uint8))
    _, patch, boxes, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    lowest, place = 0.0, None
    for number, (left, top, wide, high, _) in enumerate(boxes[1:].tolist(), 1):
        if pixels[patch == number].sum() >= LEAST and top + high > lowest:
            lowest, place = top + high, (left + wide / 2, top + high / 2)
    return {"medikit": place}


def wall_ahead(picture: np.ndarray) -> float:
    """Rows of wall above the horizon straight ahead, px: the nearer the more."""
    r, g, b = (picture[:HORIZON, MIDDLE, i].astype(np.int16) for i in range(3))
    sky = (b > r + 8) & (b > g + 8)
    return float(HORIZON - sky.sum(0).mean())


class PictureExplorer:
    """Goes to medikits, walks about, looks around, goes there and back, rests; turns away from walls."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.picture = np.zeros((96, 96, 3), np.uint8)
        self.drift, self.noise = 0.0, rng.uniform(0.0, 0.08)  # correlated noise of the turn
        self.plan: Iterator[tuple[float, float, float]] = iter(())

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [96, 96, 3] to the action float32 [3]."""
        self.picture = picture
        wish = next(self.plan, None)
        while wish is None:
            plans = (self._fetch, self._wander, self._look_around, self._there_and_back, self._rest)
            self.plan = plans[self.rng.choice(len(plans), p=(0.35, 0.35, 0.1, 0.15, 0.05))]()
            wish = next(self.plan, None)
        self.drift += -0.1 * self.drift + self.noise * self.rng.normal()
        return np.clip(np.array(wish) + [self.drift, 0, 0], -1, 1).astype(np.float32)

    def _fetch(self) -> Iterator[tuple[float, float, float]]:
        """To the medikit that stands lowest in the picture, until none is seen."""
        pace = self.rng.uniform(0.5, 1.0)
        for _ in range(self.rng.integers(20, 90)):
            rows, columns = np.nonzero(medikits(self.picture))
            if len(rows) < 3:
                return
            column = np.median(columns[rows > rows.max() - 3])
            aside = float(column + 0.5 - 48)
            yield np.clip(aside / PX_A_FRAME, -1, 1), pace * (abs(aside) < 32), 0.0

    def _wander(self) -> Iterator[tuple[float, float, float]]:
        """Ahead, in a curve, now and then sideways; away from a wall that comes near."""
        pace, curve, strafe = self.rng.uniform(0.5, 1.0), self.rng.normal(0, 0.1), self.rng.normal(0, 0.2)
        bold, away = self.rng.random() < 0.1, 0  # bold: up to the wall, and along it
        for _ in range(self.rng.integers(30, 120)):
            if not bold and away == 0 and wall_ahead(self.picture) > NEAR_WALL:
                away, side = self.rng.integers(8, 20), self.rng.choice([-1.0, 1.0])
            if away > 0:
                away -= wall_ahead(self.picture) <= NEAR_WALL  # until it is out of sight, and on
                yield side, 0.0, 0.0
            else:
                yield curve, pace, strafe

    def _look_around(self) -> Iterator[tuple[float, float, float]]:
        turn = self.rng.choice([-1, 1]) * self.rng.uniform(0.3, 1.0)
        for _ in range(int(45 * self.rng.uniform(0.1, 1) / abs(turn))):
            yield turn, 0.0, 0.0

    def _there_and_back(self) -> Iterator[tuple[float, float, float]]:
        way = self.rng.uniform(-1, 1, 3) * self.rng.permutation(np.array([1, 1, self.rng.integers(2)]))
        frames = self.rng.integers(6, 30)
        for sign in (1, -1):
            for _ in range(frames):
                yield tuple(sign * way)

    def _rest(self) -> Iterator[tuple[float, float, float]]:
        for _ in range(self.rng.integers(3, 15)):
            yield 0.0, 0.0, 0.0


def player(rng: np.random.Generator) -> Player:
    """An explorer called with two consecutive pictures; only the second is looked at."""
    explorer = PictureExplorer(rng)
    return lambda before, picture: explorer(picture)
