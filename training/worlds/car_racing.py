"""CarRacing-v3 as a source of episodes: the picture without its dashboard, and drivers that cover the track well.

The environment is Gymnasium's own. Two hooks are overridden, neither changes the physics: the dashboard and the score
are left out of the picture, and the picture is drawn only for the frames that are kept.
"""

from __future__ import annotations

import math

import numpy as np
import pygame
from gymnasium.envs.box2d.car_racing import STATE_H, STATE_W, CarRacing

from .picture_driver import ROAD, player
from .sticky import StickyRandom
from .world import Action, ActionSpec, Policy, Task, World

PHYSICS_STEPS_PER_FRAME = 2  # the environment runs at 50 Hz, a world at 25
ZOOM_IN_STEPS = 50  # the camera zooms for the first second of every episode; recording starts after it

# The action table: steer [-1, 1], gas [0, 1], brake [0, 1].
ACTIONS: list[ActionSpec] = [
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
    picture: np.ndarray

    def _render(self, mode: str):
        if self.drawing:
            super()._render(mode)
        return None

    def _render_indicators(self, W, H):
        # Called when road and car are drawn and before the score is: the moment to take the picture.
        assert self.surf is not None  # it was drawn on just now
        small = pygame.transform.smoothscale(self.surf, (STATE_W, STATE_H))
        self.picture = np.ascontiguousarray(pygame.surfarray.pixels3d(small).transpose(1, 0, 2))

    def _create_image_array(self, screen, size):
        return None


class Source:
    """The environment behind `reset` and `step`, one action per recorded frame.

    Frames are uint8 [96, 96, 3]. `done` is true when the car left the playfield or finished the lap.
    """

    def __init__(self) -> None:
        self.env = _PictureOnly(render_mode="state_pixels", continuous=True)
        self.done = False

    def reset(self, seed: int) -> np.ndarray:
        self.env.reset(seed=seed)
        for _ in range(ZOOM_IN_STEPS):
            self.env.step(np.zeros(3, np.float32))
        self.done = False
        return self._draw()

    def step(self, action: Action) -> np.ndarray:
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

    def pose(self) -> tuple[np.ndarray, float, float]:
        """Position [2], heading (radians, 0 is up the y axis), speed (units/s, forward is positive)."""
        assert self.env.car is not None  # there is one from the first reset on
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


def scripted(rng: np.random.Generator) -> Policy:
    return TrackDriver(rng, noise=float(rng.uniform(0.0, 0.12)), bursts=False, digital=bool(rng.random() < 0.3))


def sticky_random(rng: np.random.Generator) -> Policy:
    return StickyRandom(rng, lambda _: random_action(rng), least=2, most=25)


def mixed(rng: np.random.Generator) -> Policy:
    """One half plain driving, a third driving with bursts of nonsense and recoveries, the rest nonsense."""
    kind = rng.random()
    if kind < 0.5:
        return scripted(rng)
    if kind < 0.85:
        return TrackDriver(rng, noise=0.1, bursts=True, digital=bool(rng.random() < 0.4))
    return sticky_random(rng)


def paid(source: Source) -> float:
    """All rewards so far."""
    return source.env.reward


def never(_: float) -> bool:
    """No reward of a step ends the episode."""
    return False


TASK = Task(
    about="1000 / tiles of the track for each tile driven over for the first time, -0.2 for each frame",
    end=None,
    paid=paid,
    total=True,
    ended=never,
)

POLICIES = {"sticky-random": sticky_random, "scripted": scripted, "mixed": mixed}

WORLD = World(
    name="car-racing",
    title="Car racing",
    description="A small red car on a winding road between kerbs and grass, seen from above. The road ahead is "
    "invented as you drive.",
    environment="Gymnasium CarRacing-v3, without its dashboard",
    licence="MIT (Gymnasium)",
    frame_rate=50 / PHYSICS_STEPS_PER_FRAME,
    actions=ACTIONS,
    source=Source,
    policies=POLICIES,
    start_policy="scripted",
    # Title and frame in the recording that `record.START_SEED` gives.
    starts=(
        ("Left-hander ahead", 450),
        ("Hairpin", 100),
        ("Sweeping bends", 625),
        ("Long straight", 1725),
        ("From standstill", 407),
    ),
    player=player,
    mirror=(-1.0, 1.0, 1.0),
    road=ROAD,
    task=TASK,
    limits=(
        "The land turns to snow in some dreams: the network behind this world has seen roads under snow, too.",
        "Bends become rare: left alone with a driver the road goes straight on.",
    ),
)


def _wrap(angle):
    return (angle + math.pi) % (2 * math.pi) - math.pi
