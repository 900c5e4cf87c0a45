"""ViZDoom's health_gathering as a source of episodes: one large hall, a floor of acid, medikits that fall from above.

The scenario and its Freedoom pictures are those of the wheel. Of its maps this is the one with medikits to see and room
to turn, walk away and come back; `my_way_home` has no medikits, and the map of `health_gathering_supreme` is mostly a
grey wall at arm's length. No map has a door, so there is no key for `use`: it would do nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .doom import ACTIONS, LOOPS, TICS_PER_FRAME, Game, as_pressed, look_around, random_action, stay, there_and_back
from .picture_explorer import objects, player
from .sticky import StickyRandom
from .world import Action, Policy, World

HALL = 1216.0  # units on a side
FOCUS = 64.0, 77.0  # px across and down from the picture's middle to what is 45 degrees off
EYE, MEDIKIT = 41.0, 19.0  # units: the eye above the floor, and how high a medikit is
CLOSEST, SIGHT = 24.0, 400.0  # units ahead between which a medikit is in the picture and large enough to be seen


class Source(Game):
    """The hall. `done` is true when the player has died: the acid takes 8 of 100 points of health about once a second,
    a medikit gives 25 back. Health itself can't be seen."""

    def __init__(self) -> None:
        super().__init__("health_gathering", objects=True)

    def objects(self) -> dict[str, tuple[float, float] | None]:
        """For the judge: the middle of the nearest medikit in view, x and y in pixels; None: none within SIGHT."""
        x, y, heading = self.pose()
        cos, sin = math.cos(math.radians(heading)), math.sin(math.radians(heading))
        nearest, place = SIGHT, None
        for thing in self.game.get_state().objects:
            if "Medikit" not in thing.name:
                continue
            ahead = (thing.position_x - x) * cos + (thing.position_y - y) * sin
            left = (thing.position_y - y) * cos - (thing.position_x - x) * sin
            if not CLOSEST < ahead < nearest:
                continue
            at = 48 - FOCUS[0] * left / ahead, 48 + FOCUS[1] * (EYE - MEDIKIT / 2 - thing.position_z) / ahead
            if 0 < min(at) <= max(at) < 96:
                nearest, place = ahead, at
        return {"medikit": place}

    def medikits(self) -> np.ndarray:
        """x, y of those that lie in the hall, units. float64 [n, 2]."""
        places = [(o.position_x, o.position_y) for o in self.game.get_state().objects if "Medikit" in o.name]
        return np.array(places).reshape(-1, 2)


class Explorer:
    """Fetches medikits, walks about, looks around, and goes there and back the way it came."""

    def __init__(self, rng: np.random.Generator, *, noise: float, digital: bool) -> None:
        self.rng = rng
        self.noise, self.digital = noise, digital
        self.drift = 0.0  # correlated noise of the turn
        self.plan: Iterator[np.ndarray] = iter(())

    def __call__(self, source: Source) -> Action:
        wish = next(self.plan, None)
        while wish is None:
            plans = (
                self._fetch(source),
                self._wander(source),
                look_around(self.rng, [1, 1, 0.5, 0.25]),
                there_and_back(self.rng, 6, 30),
                stay(self.rng),
            )
            self.plan = plans[self.rng.choice(len(plans), p=(0.35, 0.2, 0.2, 0.2, 0.05))]
            wish = next(self.plan, None)
        self.drift += -0.1 * self.drift + self.noise * self.rng.normal()
        return as_pressed(wish + np.array([self.drift, 0, 0]), self.rng, digital=self.digital)

    def _fetch(self, source: Source) -> Iterator[np.ndarray]:
        """To the nearest medikit or another one, until it is gone."""
        there = source.medikits()
        if len(there) == 0:
            return
        away = np.linalg.norm(there - source.pose()[:2], axis=1)
        yield from self._go(source, there[np.argsort(away)[min(self.rng.geometric(0.6), len(there)) - 1]])

    def _wander(self, source: Source) -> Iterator[np.ndarray]:
        """To anywhere in the hall, walls included, and now and then sideways."""
        yield from self._go(source, self.rng.uniform(0, HALL, 2), strafe=float(self.rng.normal(0, 0.4)))

    def _go(self, source: Source, target: np.ndarray, strafe: float = 0.0) -> Iterator[np.ndarray]:
        pace = self.rng.uniform(0.5, 1.0)
        for _ in range(self.rng.integers(20, 90)):
            x, y, heading = source.pose()
            to = target - (x, y)
            if np.linalg.norm(to) < 25:
                return
            error = (math.degrees(math.atan2(to[1], to[0])) - heading + 180) % 360 - 180  # positive: to the left
            yield np.array([np.clip(-error / 16, -1, 1), pace * (abs(error) < 40), strafe])


def scripted(rng: np.random.Generator) -> Policy:
    return Explorer(rng, noise=float(rng.uniform(0.0, 0.08)), digital=bool(rng.random() < 0.5))


def sticky_random(rng: np.random.Generator) -> Policy:
    return StickyRandom(rng, lambda _: random_action(rng), least=2, most=25)


def mixed(rng: np.random.Generator) -> Policy:
    """Two thirds exploring, one third nonsense."""
    return scripted(rng) if rng.random() < 0.67 else sticky_random(rng)


POLICIES = {"sticky-random": sticky_random, "scripted": scripted, "mixed": mixed}

WORLD = World(
    name="doom-hall",
    title="Doom hall",
    description="A stone hall with a floor of acid, in the first person. Medikits lie about; turn, run, sidestep.",
    environment="ViZDoom health_gathering, without weapon, crosshair and status bar",
    licence="MIT (ViZDoom and its scenarios), BSD-3-Clause (Freedoom's pictures)",
    frame_rate=35 / TICS_PER_FRAME,
    actions=ACTIONS,
    source=Source,
    mirror=None,  # mirrored walls would be none of this hall's
    policies=POLICIES,
    start_policy="scripted",
    # Title and frame in the recording that `record.START_SEED` gives.
    starts=(
        ("Two medikits", 1044),
        ("A far corner", 1170),
        ("Into the corner", 22),
        ("Along the wall", 330),
        ("Across the hall", 470),
    ),
    player=player,
    objects=objects,
    loops=LOOPS,
)
