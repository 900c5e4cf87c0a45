"""CarRacing-v3 as a source of episodes: the picture without its dashboard, and drivers that cover the track well.

The environment is Gymnasium's own. Two hooks are overridden, neither changes the physics: the dashboard and the score
are left out of the picture, and the picture is drawn only for the frames that are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pygame
from gymnasium.envs.box2d.car_racing import STATE_H, STATE_W, CarRacing

from .picture_driver import player as player  # steers dreams in training
from .sticky import StickyRandom

PHYSICS_STEPS_PER_FRAME = 2  # the environment runs at 50 Hz, a world at 25
ZOOM_IN_STEPS = 50  # the camera zooms for the first second of every episode; recording starts after it
BEHIND, AHEAD = 21, 26  # tiles of road that a recording tells of; 3.5 units each
VIEW = 42.0  # units from the car to the furthest tile that can be seen, about
ROAD: dict = {}  # one road on a meadow (`road_tokenizer.py`), of its usual sizes
MODEL = {
    "patch": 1,
    "width": 160,
    "heads": 5,
    "kv_heads": 1,
    "mlp": 384,
    "condition": 64,
    "trunk_layers": 4,
    "window_layers": (0, 2),
    "head_layers": 2,
    "window": 8,  # for speed and slip; the road is in the latent
    "rest": 0.004,
}
RECIPE = {
    "tokenizer": {"steps": 5000, "batch": 32},
    "world-model": {
        "steps": 3600,
        "batch": 32,
        "length": 16,
        "stillness": 2.0,
        "noise_scale": 0.1,
        "resample_from": 0.5,
        "dreamed": 2,  # after more, a sliding car is elsewhere
    },
    "package": {"context_level": 0.0},
}
REFINE = ()
LARGE = 2  # times as many pixels a side in the large tier: see `train_large.py`
MIRROR = (-1.0, 1.0, 1.0)  # what the actions are multiplied by when the picture is mirrored left to right

Action = np.ndarray  # float32 [3]: steer [-1, 1], gas [0, 1], brake [0, 1]
Driver = Callable[["Source"], Action]

# The action table of the world's manifest; fields as in `src/model/manifest.ts`.
ACTIONS = [
    {
        "name": "steer",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "share of full lock, right is positive",
        "keys": {"ArrowLeft": -1.0, "ArrowRight": 1.0, "KeyA": -1.0, "KeyD": 1.0},
        "gamepad": "leftX",
    },
    {
        "name": "gas",
        "min": 0.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "share of full throttle",
        "keys": {"ArrowUp": 1.0, "KeyW": 1.0},
        "gamepad": "rightTrigger",
    },
    {
        "name": "brake",
        "min": 0.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "share of full brake",
        "keys": {"ArrowDown": 0.8, "KeyS": 0.8, "Space": 0.8},  # at 1 the wheels lock
        "gamepad": "leftTrigger",
    },
]


class _PictureOnly(CarRacing):
    """CarRacing without dashboard and score, drawing only when asked."""

    drawing = False
    times = 1  # as large as the environment's own pictures
    picture: np.ndarray

    def _render(self, mode: str):
        if self.drawing:
            super()._render(mode)
        return None

    def _render_indicators(self, W, H):
        # Called when road and car are drawn and before the score is: the moment to take the picture.
        small = pygame.transform.smoothscale(self.surf, (STATE_W * self.times, STATE_H * self.times))
        self.picture = np.ascontiguousarray(pygame.surfarray.pixels3d(small).transpose(1, 0, 2))

    def _create_image_array(self, screen, size):
        return None


class Source:
    """The environment behind `reset` and `step`, one action per recorded frame.

    Frames are uint8 [96, 96, 3], times as large with `times`. `done` is true when the car left the playfield or
    finished the lap.
    """

    def __init__(self, times: int = 1) -> None:
        self.env = _PictureOnly(render_mode="state_pixels", continuous=True)
        self.env.times = times
        self.done = False

    def reset(self, seed: int) -> np.ndarray:
        self.env.reset(seed=seed)
        for _ in range(ZOOM_IN_STEPS):
            self.env.step(np.zeros(3, np.float32))
        self.done = False
        self._survey()
        return self._draw()

    def step(self, action: Action) -> np.ndarray:
        self.before = self.pose()
        for _ in range(PHYSICS_STEPS_PER_FRAME):
            self.done = self.env.step(action)[2] or self.done
        return self._draw()

    def close(self) -> None:
        self.env.close()

    def _draw(self) -> np.ndarray:
        self.env.drawing = True
        self.env._render("state_pixels")
        self.env.drawing = False
        return self.env.picture

    # What the scripted driver may look at; the world model never does.

    def track_points(self) -> np.ndarray:
        return np.array([tile[2:4] for tile in self.env.track], np.float64)  # [tiles, 2]

    def state(self) -> np.ndarray:
        """What `road_tokenizer.py` is told, float32 [11 + 2 * 48]; angles in radians, left is positive.

        x, y (units), heading, front wheels' angle, place along the road (in tiles, counted on over laps), to the left
        of its middle (units), heading against the road's, 1 if no other stretch of road can be in view; since the frame
        before how far it turned, went ahead and to the left. Then for the tiles from BEHIND before the place to AHEAD
        after it the road's turn at their end, and their kerb: 1 to the left, -1 to the right, 0 none.
        """
        position, heading, _ = self.pose()
        along, aside, road = self._beside(position)
        self.along = along
        count = len(self.points)
        tiles = math.floor(along) + np.arange(-BEHIND, AHEAD + 1)
        others = np.setdiff1d(np.arange(count), tiles % count)
        alone = len(others) == 0 or np.linalg.norm(self.points[others] - position, axis=1).min() > VIEW
        wheel = self.env.car.wheels[0].joint.angle
        went = position - self.before[0]
        motion = (heading - self.before[1], went @ _ahead(heading), went @ -_right(heading))
        numbers = [*position, heading, wheel, along, aside, _wrap(heading - road), alone, *motion]
        return np.array([*numbers, *self.turns[tiles % count], *self.kerbs[tiles % count]], np.float32)

    def _survey(self) -> None:
        """The road as tiles: ends [n, 2], directions, turns at the ends, kerbs; and where on it the car is."""
        self.points = points = self.track_points()
        way = points - np.roll(points, 1, axis=0)  # the tile that ends at a point
        self.directions = np.arctan2(-way[:, 0], way[:, 1])
        self.turns = _wrap(np.roll(self.directions, -1) - self.directions)
        self.kerbs = np.zeros(len(points))
        for vertices, colour in self.env.road_poly:
            if tuple(colour) in ((255, 255, 255), (255, 0, 0)):  # a kerb, between the ends of two tiles
                middle = np.mean(vertices, axis=0)
                tile = int(np.argmin(((points + np.roll(points, 1, axis=0)) / 2 - middle).__pow__(2).sum(1)))
                left = np.array([-math.cos(self.directions[tile]), -math.sin(self.directions[tile])])
                self.kerbs[tile] = np.sign((middle - points[tile]) @ left)
        self.before = self.pose()
        self.along = float(np.argmin(((points - self.before[0]) ** 2).sum(1)))

    def _beside(self, position: np.ndarray) -> tuple[float, float, float]:
        """Place along the road near the last one, to the left of its middle, and the road's heading there."""
        tiles = math.floor(self.along) + np.arange(-3, 4)
        before, here, after = ((tiles + k) % len(self.points) for k in (-1, 0, 1))
        begin, end = self.points[before], self.points[here]
        # The ends of a tile lie halfway between its direction and its neighbours'.
        first = self.directions[here] - self.turns[before] / 2
        turned = (self.turns[before] + self.turns[here]) / 2
        past = ((position - begin) * _ahead(first)).sum(1)
        left = ((end - position) * _ahead(first + turned)).sum(1)
        share = past / np.where(np.abs(past + left) < 1e-6, 1e-6, past + left)
        inside = (past >= 0) & (left > 0)
        if not inside.any():  # far beside the road, in the middle of its bend
            inside[np.argmin(np.abs(share - 0.5))] = True
        share = share.clip(0, 1)
        road = first + share * turned
        aside = ((position - begin - share[:, None] * (end - begin)) * -_right(road)).sum(1)
        best = int(np.argmin(np.where(inside, np.abs(aside) + 2 * np.abs(tiles + share - self.along), np.inf)))
        return float(tiles[best] + share[best]), float(aside[best]), float(road[best])

    def pose(self) -> tuple[np.ndarray, float, float]:
        """Position [2], heading (radians, 0 is up the y axis), speed (units/s, forward is positive)."""
        hull = self.env.car.hull
        forward = np.array([-math.sin(hull.angle), math.cos(hull.angle)])
        velocity = np.array([hull.linearVelocity[0], hull.linearVelocity[1]])
        return np.array([hull.position[0], hull.position[1]]), hull.angle, float(velocity @ forward)


class TrackDriver:
    """Pure pursuit along the middle of the road, its speed set by the bend ahead."""

    def __init__(self, rng: np.random.Generator, *, noise: float, bursts: bool, digital: bool) -> None:
        self.rng = rng
        self.noise, self.bursts, self.digital = noise, bursts, digital
        self.pace = rng.uniform(0.55, 1.15)
        self.drift = 0.0  # correlated steering noise
        self.lane = rng.uniform(-3.0, 3.0)  # units off the middle; the road is 13 units wide
        self.burst_left = 0
        self.burst_action = np.zeros(3, np.float32)
        self.pause_left = 0

    def __call__(self, source: Source) -> Action:
        if self.burst_left > 0:
            self.burst_left -= 1
            return self.burst_action
        if self.bursts and self.rng.random() < 0.015:
            self.burst_left = int(self.rng.integers(6, 30))
            self.burst_action = random_action(self.rng)

        points = source.track_points()
        position, heading, speed = source.pose()
        here = int(np.argmin(((points - position) ** 2).sum(1)))
        ahead = points[(here + 3 + int(max(speed, 0.0) / 12)) % len(points)]
        self.lane = float(np.clip(self.lane + self.rng.normal(0, 0.15), -4.5, 4.5))
        tangent = points[(here + 1) % len(points)] - points[here]
        tangent = tangent / (np.linalg.norm(tangent) + 1e-9)
        ahead = ahead + self.lane * np.array([-tangent[1], tangent[0]])
        to = ahead - position
        error = _wrap(math.atan2(-to[0], to[1]) - heading)  # positive: the road is to the left
        far = points[(here + 14) % len(points)] - points[(here + 10) % len(points)]
        bend = abs(_wrap(math.atan2(-far[0], far[1]) - math.atan2(-tangent[0], tangent[1])))

        self.drift += -0.1 * self.drift + self.noise * self.rng.normal()
        steer = float(np.clip(-1.6 * error + self.drift, -1, 1))
        target = self.pace * max(22.0, 62.0 - 45.0 * bend)
        if self.pause_left > 0:
            self.pause_left -= 1
            target = 0.0
        elif self.rng.random() < 0.002:
            self.pause_left = int(self.rng.integers(20, 70))
        gas = float(np.clip(0.06 * (target - speed), 0, 1))
        brake = float(np.clip(0.03 * (speed - target - 4), 0, 0.9)) if speed > 1 else 0.0
        if self.digital:
            # A keyboard: full or nothing, with the shares kept on average.
            steer = float(np.sign(steer)) if self.rng.random() < abs(steer) * 1.2 else 0.0
            gas = float(self.rng.random() < gas)
            brake = float(self.rng.random() < brake)
        return np.array([steer, gas, brake], np.float32)


def random_action(rng: np.random.Generator) -> Action:
    """Half of the time what a keyboard can say, half of the time anything between."""
    if rng.random() < 0.5:
        steer = float(rng.choice([-1.0, 0.0, 1.0]))
        gas = float(rng.random() < 0.55)
        brake = float(rng.random() < 0.15)
    else:
        steer = float(np.clip(rng.normal(0, 0.6), -1, 1))
        gas = float(np.clip(rng.normal(0.35, 0.4), 0, 1))
        brake = float(np.clip(rng.normal(-0.3, 0.4), 0, 1))
    return np.array([steer, gas, brake], np.float32)


def scripted(rng: np.random.Generator) -> Driver:
    return TrackDriver(rng, noise=float(rng.uniform(0.0, 0.12)), bursts=False, digital=bool(rng.random() < 0.3))


def sticky_random(rng: np.random.Generator) -> Driver:
    return StickyRandom(rng, lambda _: random_action(rng), least=2, most=25)


def mixed(rng: np.random.Generator) -> Driver:
    """One half plain driving, a third driving with bursts of nonsense and recoveries, the rest nonsense."""
    kind = rng.random()
    if kind < 0.5:
        return scripted(rng)
    if kind < 0.85:
        return TrackDriver(rng, noise=0.1, bursts=True, digital=bool(rng.random() < 0.4))
    return sticky_random(rng)


POLICIES = {"sticky-random": sticky_random, "scripted": scripted, "mixed": mixed}

FACTS = {
    "title": "Car racing",
    "description": "A small red car on a winding road between kerbs and grass, seen from above. The road ahead is "
    "invented as you drive.",
    "environment": "Gymnasium CarRacing-v3, without its dashboard",
    "licence": "MIT (Gymnasium)",
    "limits": [
        "There is one road on a meadow of one pattern: who leaves it finds no other. Where a real track comes near "
        "itself the other stretch is missing (docs/decisions/0006-one-road-and-a-car.md).",
        "The road's tiles have one grey instead of three that are almost the same.",
    ],
    "frame_rate": 50 / PHYSICS_STEPS_PER_FRAME,
    "actions": ACTIONS,
    "start_policy": "scripted",
    # Title and frame in the recording that `package.START_SEED` gives.
    "starts": [
        ("Left-hander ahead", 450),
        ("Hairpin", 100),
        ("Sweeping bends", 625),
        ("Long straight", 1725),
        ("From standstill", 407),
    ],
}


def _wrap(angle):
    return (angle + math.pi) % (2 * math.pi) - math.pi


def _ahead(heading: np.ndarray) -> np.ndarray:
    return np.stack([-np.sin(heading), np.cos(heading)], -1)


def _right(heading: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(heading), np.sin(heading)], -1)
