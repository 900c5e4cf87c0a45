"""A driver for car-racing that looks at the picture alone, so that it drives dreams and real tracks alike."""

from __future__ import annotations

import numpy as np

from .world import Action, Picture, Player, Road

CAR_ROW, CAR_COLUMN = 70, 48  # where the car is in the 96 x 96 picture


def road_mask(picture: Picture) -> np.ndarray:
    """Which pixels are road or kerb: anything that isn't green. uint8 [H, W, 3] to bool [H, W]."""
    r, g, b = (picture[..., i].astype(np.int16) for i in range(3))
    return (g - r < 30) & (g - b < 60)


def on_road(picture: Picture) -> bool:
    """Whether the ground around the car is mostly road; the car's own pixels aren't counted."""
    patch = road_mask(picture)[CAR_ROW - 5 : CAR_ROW + 6, CAR_COLUMN - 6 : CAR_COLUMN + 7].copy()
    patch[:, 4:9] = False
    return patch.sum() > 0.4 * (patch.shape[0] * (patch.shape[1] - 5))


def curvature(picture: Picture) -> float | None:
    """Of the road ahead, 1/px, positive to the right: twice the square term of a parabola through its middle.

    None when fewer than 24 px of it can be followed upwards from the car.
    """
    mask = road_mask(picture)
    centre, rows, middles = float(CAR_COLUMN), [], []
    for row in range(CAR_ROW - 10, 15, -3):
        columns = np.flatnonzero(mask[row])
        near = columns[np.abs(columns - centre) < 14]
        if len(near) < 4:
            break
        centre = float(near.mean())
        rows.append(CAR_ROW - row)
        middles.append(centre)
    return 2 * float(np.polyfit(rows, middles, 2)[0]) if len(rows) >= 9 else None


class PictureDriver:
    """Steers to where the road lies ahead, slower where it bends; remembers the side it last saw the road on."""

    def __init__(self) -> None:
        self.side = 0.0
        self.before: np.ndarray | None = None
        self.pace = 0.0

    def __call__(self, picture: Picture) -> Action:
        """uint8 [96, 96, 3] to the action float32 [3]."""
        mask = road_mask(picture)
        mask[CAR_ROW - 8 : CAR_ROW + 6, CAR_COLUMN - 3 : CAR_COLUMN + 4] = False
        centre, offsets = float(CAR_COLUMN), []
        for row in range(CAR_ROW - 10, 15, -3):  # follow the road upwards, row by row, from where the car is
            columns = np.flatnonzero(mask[row])
            near = columns[np.abs(columns - centre) < 14]
            if len(near) < 4:
                break
            centre = float(near.mean())
            offsets.append(centre - CAR_COLUMN)
        if len(offsets) >= 3:
            self.side = offsets[min(6, len(offsets) - 1)]
            steer = 0.05 * offsets[min(4, len(offsets) - 1)] + 0.02 * self.side
            clear = len(offsets) >= 9
        else:
            columns = np.flatnonzero(mask[20:CAR_ROW].any(0))
            if len(columns):
                self.side = float(columns.mean()) - CAR_COLUMN
            steer, clear = float(np.sign(self.side)) * 0.8, False
        moved = 0.0 if self.before is None else float(np.abs(picture.astype(np.int16) - self.before).mean())
        self.before = picture.astype(np.int16)
        self.pace += 0.3 * (moved - self.pace)  # mean change of a pixel: a stand-in for speed
        wanted = 2.6 if clear else 1.6
        gas = float(np.clip(0.25 * (wanted - self.pace), 0, 0.5))
        brake = float(np.clip(0.2 * (self.pace - wanted - 0.5), 0, 0.5))
        return np.array([np.clip(steer, -1, 1), gas, brake], np.float32)


ROAD = Road(driver=PictureDriver, on_road=on_road, curvature=curvature)


def player(rng: np.random.Generator) -> Player:
    """A driver of dreams in training, called with two consecutive pictures: off the line by chance, sometimes wild."""
    driver, drift, wild, held = PictureDriver(), 0.0, 0, np.zeros(3, np.float32)
    pace, noise = rng.uniform(0.7, 1.4), rng.uniform(0.02, 0.2)

    def act(before: Picture, picture: Picture) -> Action:
        nonlocal drift, wild, held
        driver.before = before.astype(np.int16)
        action = driver(picture)
        drift += -0.2 * drift + noise * rng.normal()
        if wild > 0:
            wild -= 1
            return held
        if rng.random() < 0.02:
            wild = int(rng.integers(2, 10))
            held = np.array([rng.choice([-1, 0, 1]), rng.random() < 0.6, rng.random() < 0.15], np.float32)
        return np.clip(action * [1, pace, 1] + [drift, 0, 0], [-1, 0, 0], 1).astype(np.float32)

    return act
