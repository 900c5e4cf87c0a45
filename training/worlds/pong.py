"""PettingZoo's cooperative_pong_v6 as a source of episodes: one ball, two paddles, two players on one keyboard.

The environment is untouched, its odd right paddle, shaped like a wedding cake, included. Players keep the ball in the
field together; when it is lost, the environment is reset and serves from the middle, in a direction that nobody knows.

The field of 480x280 is averaged to 96x96, so that nothing of a square picture is empty: five pixels to one across,
nearly three to one down. The ball is 2 by 3.4 pixels and flies up to 1.8 across and 3 down in a frame.

Why not an Atari game: ale-py is GPL-2.0, and the cartridges that its wheel carries are other people's works with no
licence beside them. Why not slimevolleygym (Apache-2.0): its last release, of 2020, needs the old gym.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import pygame
from pettingzoo.butterfly.cooperative_pong.cooperative_pong import CooperativePong

from ..errors import TrainingError
from .picture_paddles import found
from .sticky import StickyRandom
from .world import Action, ActionSpec, Player, Policy, World

WIDE, HIGH = 480, 280  # units of the field
SIDE = 96  # pixels of a picture
BALL = 10  # units on a side
PADDLE = 12  # units a frame that a paddle moves
EDGES = (10.0, 465.0)  # where the ball meets the left and, at the widest tier, the right paddle, units

# The action table: left paddle, right paddle, both [-1, 1], down is positive.
ACTIONS: list[ActionSpec] = [
    {
        "name": "left",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "left paddle, down is positive; from a half on it moves 12 of the field's 280 units a frame",
        "keys": {"KeyW": -1.0, "KeyS": 1.0},
        "gamepad": "leftY",
    },
    {
        "name": "right",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "right paddle, down is positive; from a half on it moves 12 of the field's 280 units a frame",
        "keys": {"ArrowUp": -1.0, "ArrowDown": 1.0},
        "gamepad": "rightY",
    },
]


class Scene(NamedTuple):
    """What a player must know, in units of the field; y points down."""

    ball: tuple[float, float]  # its middle
    speed: tuple[float, float]  # of the ball, a frame
    paddles: tuple[float, float]  # y of the middle of the left and the right one


class Source:
    """The environment behind `reset` and `step`, one action per recorded frame.

    Frames are uint8 [96, 96, 3]. `done` is never true: a lost ball is followed by the next serve. `lost` counts them.
    """

    def __init__(self) -> None:
        self.done = False
        self.lost = 0
        self._game: CooperativePong | None = None

    def reset(self, seed: int) -> np.ndarray:
        self.lost = 0
        game = CooperativePong(np.random.default_rng(seed), max_cycles=2**62, render_mode="rgb_array")
        game.render = game.draw  # each paddle's move draws; the copy that `render` makes nobody reads
        game.reset()
        self._game = game
        return self._draw()

    def step(self, action: Action) -> np.ndarray:
        if self.game.terminate:
            self.lost += 1
            self.game.reset()
        else:
            for agent, way in zip(self.game.agents, action, strict=True):
                self.game.step(0 if abs(way) < 0.5 else 1 if way < 0 else 2, agent)
        return self._draw()

    def close(self) -> None:
        self._game = None  # its own `close` would shut pygame down for others too

    def _draw(self) -> np.ndarray:
        surface = self.game.screen
        assert surface is not None  # there is one from its first reset on
        screen = np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8).reshape(HIGH, WIDE, 3)
        return cv2.resize(screen, (SIDE, SIDE), interpolation=cv2.INTER_AREA)

    # What scripted players and those who judge a dream may look at. To play, pictures are enough.

    @property
    def game(self) -> CooperativePong:
        """The environment itself. Raises TrainingError before the first `reset`."""
        if self._game is None:
            raise TrainingError("expected a source that was reset, got a new or a closed one.")
        return self._game

    def scene(self) -> Scene:
        ball = self.game.ball
        paddles = self.game.p0.rects[0].centery, self.game.p1.rects[0].centery
        across, down = ball._speed
        return Scene(ball._rect.center, (across, down), paddles)

    def objects(self) -> dict[str, tuple[float, float] | None]:
        """For the judge: the middles of ball and paddles, x and y in pixels; None where that isn't in the picture."""
        parts = {"ball": self.game.ball._rect, "left": self.game.p0.rects[0], "right": self.game.p1.rects[0]}
        places = {
            name: ((part.x + part.w / 2) * SIDE / WIDE, (part.y + part.h / 2) * SIDE / HIGH)
            for name, part in parts.items()
        }
        return {name: at if 0 < min(at) <= max(at) < SIDE else None for name, at in places.items()}


class Hands:
    """One on each paddle: each goes where the ball will arrive, as well as it can, or does something else."""

    def __init__(self, rng: np.random.Generator, *, error: float, lapse: float) -> None:
        """`error`: units, standard deviation of where a hand aims. `lapse`: how often a hand's mind wanders off."""
        self.rng, self.error, self.lapse = rng, error, lapse
        self.aim = np.zeros(2)  # units beside the ball's way, drawn anew for every flight
        self.plays = [True, True]
        self.left = np.zeros(2, int)  # frames until a hand thinks again
        self.way = np.zeros(2)  # where to, while it doesn't play
        self.course = 0.0

    def __call__(self, source: Source) -> Action:
        return self.act(source.scene())

    def act(self, scene: Scene) -> Action:
        speed = scene.speed
        if np.sign(speed[0]) != self.course:
            self.course = np.sign(speed[0])
            self.aim = self.rng.normal(0, self.error, 2)
        action = np.zeros(2)
        for hand, (middle, edge) in enumerate(zip(scene.paddles, EDGES, strict=True)):
            if self.left[hand] <= 0:
                self._think(hand)
            self.left[hand] -= 1
            if not self.plays[hand]:
                action[hand] = self.way[hand]
                continue
            coming = (speed[0] < 0) == (hand == 0)
            if not coming and self.left[hand] % 2:
                continue  # no hurry
            target = arrival(scene.ball, speed, edge) if coming else HIGH / 2 + 2 * self.aim[hand]
            off = target + self.aim[hand] - middle
            action[hand] = np.sign(off) * (abs(off) > PADDLE / 2)
        return action.astype(np.float32)

    def _think(self, hand: int) -> None:
        self.plays[hand] = self.rng.random() >= self.lapse
        if self.plays[hand]:
            self.left[hand] = self.rng.integers(10, 40)
        else:
            self.left[hand] = self.rng.integers(4, 25)
            self.way[hand] = self.rng.choice([-1, 0, 1])


def arrival(at: tuple[float, float], speed: tuple[float, float], edge: float) -> float:
    """The height at which a ball that bounces off the upper and lower wall will reach `edge`, units."""
    y = at[1] + speed[1] * max(0.0, (edge - at[0]) / speed[0])
    low, high = BALL / 2, HIGH - BALL / 2
    around = (y - low) % (2 * (high - low))
    return low + min(around, 2 * (high - low) - around)


def random_action(rng: np.random.Generator) -> Action:
    """Either paddle up, down, or at rest."""
    return rng.integers(-1, 2, 2).astype(np.float32)


def good(rng: np.random.Generator) -> Hands:
    return Hands(rng, error=float(rng.uniform(2, 14)), lapse=0.1)


def sloppy(rng: np.random.Generator) -> Hands:
    return Hands(rng, error=float(rng.uniform(10, 30)), lapse=0.4)


def sticky_random(rng: np.random.Generator) -> Policy:
    return StickyRandom(rng, lambda _: random_action(rng), least=1, most=15)


def mixed(rng: np.random.Generator) -> Policy:
    """Half good players, a third sloppy ones, the rest nonsense, which loses the ball at once."""
    return (good, sloppy, sticky_random)[rng.choice(3, p=(0.5, 0.33, 0.17))](rng)


def player(rng: np.random.Generator) -> Player:
    """Plays by what two pictures show: dreams and the real game alike."""
    hands = good(rng)

    def act(before: np.ndarray, picture: np.ndarray) -> Action:
        was, now = found(before), found(picture)
        scale = np.array([WIDE, HIGH]) / SIDE
        left, right = (now[name] or (0.0, SIDE / 2) for name in ("left", "right"))
        paddles = left[1] * scale[1], right[1] * scale[1]
        x, y = np.array(now["ball"] or (SIDE / 2, SIDE / 2)) * scale
        across, down = 1.0, 1.0
        if now["ball"] and was["ball"]:
            across, down = (x, y) - np.array(was["ball"]) * scale
        return hands.act(Scene((x, y), (across or 1.0, down), paddles))

    return act


POLICIES = {"sticky-random": sticky_random, "scripted": good, "sloppy": sloppy, "mixed": mixed}

WORLD = World(
    name="pong",
    title="Pong for two",
    description="A small fast ball between two paddles, the right one shaped like a cake. Keep it in the field, "
    "with a friend or with both hands. Lose it, and it is served anew.",
    environment="PettingZoo cooperative_pong_v6, field squeezed to a square, a new serve after each lost ball",
    licence="MIT (PettingZoo)",
    frame_rate=15.0,
    actions=ACTIONS,
    source=Source,
    mirror=None,  # the right paddle is another one than the left
    policies=POLICIES,
    start_policy="scripted",
    # Title and frame in the recording that `record.START_SEED` gives.
    starts=(
        ("To the right, by the upper wall", 196),
        ("Close to the cake", 42),
        ("Across the field", 86),
        ("A serve to the left", 402),
        ("Close to the left paddle", 574),
    ),
    player=player,
    objects=found,
)
