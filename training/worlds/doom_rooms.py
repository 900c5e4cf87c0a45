"""ViZDoom's my_way_home as a source of episodes: eight small rooms in different stone, corridors, one green vest.

The scenario and its Freedoom pictures are those of the wheel. It starts in any of 17 places, facing anywhere, and ends
when the vest is taken, which lies at the end of the last corridor. Nothing else is on the map and nothing moves but
one wall of running water; doorways stand open, so there is no key for `use`. Pictures, frame rate and action table
are those of all worlds in ViZDoom (`doom.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .doom import ACTIONS, LOOPS, TICS_PER_FRAME, Game, as_pressed, look_around, random_action, stay, there_and_back
from .sticky import StickyRandom
from .world import Action, Policy, World

BODY = 16.0  # units from the player's middle to its sides: no wall is nearer

# The map's places: left, lower, right and upper end in units; x grows to the east, y to the north. Two of them that
# touch are open to each other along the whole stretch that they share.
PLACES = {
    "west room": (160, -256, 320, -96),
    "hub room": (384, -256, 544, -96),
    "north room": (384, -32, 544, 128),
    "middle room": (608, -256, 768, -96),
    "north middle room": (608, -32, 768, 128),
    "south room": (384, -544, 544, -384),
    "north east room": (960, -32, 1120, 128),
    "east room": (960, -256, 1120, -96),
    "vest corridor": (992, -416, 1088, -256),
    "east corridor": (1008, -96, 1072, -32),
    "long corridor": (768, 16, 960, 80),
    "north corridor": (544, 16, 608, 80),
    "middle corridor": (656, -96, 720, -32),
    "hub corridor": (432, -96, 496, -32),
    "south corridor": (432, -384, 496, -256),
    "west corridor": (320, -208, 384, -144),
    "cross corridor": (544, -208, 608, -144),
    "cellar corridor": (432, -704, 496, -544),
    "cellar hook": (496, -704, 576, -640),
}
ROOMS = tuple(name for name in PLACES if name.endswith("room"))
# How much likelier than others the ends of the map are to be visited: they lie on no way to elsewhere.
ENDS = {"west room": 2.0, "south room": 1.5, "east room": 2.0, "vest corridor": 8.0, "cellar hook": 3.0}
VEST = (1040.0, -352.0)


class Source(Game):
    """The rooms. `done` is true when the vest was taken."""

    def __init__(self) -> None:
        super().__init__("my_way_home")

    def place(self) -> str:
        """Where the player is: a key of PLACES."""
        return place_at(*self.pose()[:2])


def place_at(x: float, y: float) -> str:
    """The place that holds a point, or the nearest one."""

    def away(name: str) -> float:
        left, low, right, high = PLACES[name]
        return max(left - x, x - right, low - y, y - high)

    return min(PLACES, key=away)


def doorway(one: str, other: str) -> tuple[float, float] | None:
    """The middle of the stretch that two places share; None where they don't touch."""
    a, b = PLACES[one], PLACES[other]
    left, low, right, high = (*np.maximum(a[:2], b[:2]), *np.minimum(a[2:], b[2:]))
    touch = (left == right and high - low > 2 * BODY) or (low == high and right - left > 2 * BODY)
    return ((left + right) / 2, (low + high) / 2) if touch else None


DOORWAYS = {
    one: {other: middle for other in PLACES if other != one and (middle := doorway(one, other))} for one in PLACES
}


def route(start: str, end: str) -> list[str]:
    """The places from `start` to `end`, both of them included, by the fewest doorways."""
    ways = [[start]]
    for way in ways:
        if way[-1] == end:
            return way
        ways += [[*way, beyond] for beyond in DOORWAYS[way[-1]] if beyond not in way]
    raise ValueError(f"expected two places of one map, got '{start}' and '{end}'.")


class Explorer:
    """Walks through doorways from room to room, looks around, and goes there and back the way it came."""

    def __init__(self, rng: np.random.Generator, *, noise: float, digital: bool) -> None:
        self.rng = rng
        self.noise, self.digital = noise, digital
        self.drift = np.zeros(3)  # correlated noise
        self.plan: Iterator[np.ndarray] = iter(())

    def __call__(self, source: Source) -> Action:
        wish = next(self.plan, None)
        while wish is None:
            plans = (
                self._visit(source),
                self._cross(source),
                look_around(self.rng, [1, 0.5, 0.5, 0.25]),
                there_and_back(self.rng, 4, 20),
                stay(self.rng),
            )
            self.plan = plans[self.rng.choice(len(plans), p=(0.45, 0.15, 0.2, 0.15, 0.05))]
            wish = next(self.plan, None)
        self.drift += -0.1 * self.drift + self.noise * self.rng.normal(size=3)
        return as_pressed(wish + self.drift * wish.any(), self.rng, digital=self.digital)  # rest is rest

    def _visit(self, source: Source) -> Iterator[np.ndarray]:
        """To somewhere in another place, through all doorways on the way, or to the doorway and back."""
        here = source.place()
        there = self._elsewhere(here)
        way = route(here, there)
        points = [DOORWAYS[one][other] for one, other in zip(way, way[1:], strict=False)]
        facing = self.rng.random() < 0.8
        yield from self._go(source, [*points, self._within(there)], facing=facing)
        if self.rng.random() < 0.25:
            yield from self._go(source, [*points[::-1], self._within(here)], facing=facing)

    def _cross(self, source: Source) -> Iterator[np.ndarray]:
        """To somewhere else in the same place, ahead, sideways or backwards."""
        yield from self._go(source, [self._within(source.place())], facing=self.rng.random() < 0.4)

    def _elsewhere(self, here: str) -> str:
        """A room, rarely a corridor; near ones are likelier, and those at the ends of the map."""
        names = [name for name in PLACES if name != here]
        likely = [(1.0 if name in ROOMS else 0.2) * ENDS.get(name, 1) / len(route(here, name)) ** 0.5 for name in names]
        return str(self.rng.choice(names, p=np.array(likely) / sum(likely)))

    def _within(self, place: str) -> tuple[float, float]:
        left, low, right, high = PLACES[place]
        edge = BODY + 8
        if place == "vest corridor" and self.rng.random() < 0.7:
            low = VEST[1] + 3 * BODY  # in front of the vest: taking it ends the episode
        return self.rng.uniform(left + edge, right - edge), self.rng.uniform(low + edge, high - edge)

    def _go(self, source: Source, points: list[tuple[float, float]], *, facing: bool) -> Iterator[np.ndarray]:
        """From point to point, looking where it goes or, without `facing`, where it looked or slowly about."""
        pace = self.rng.uniform(0.4, 1.0)
        spin = self.rng.choice([0.0, self.rng.normal(0, 0.3)])
        for n, point in enumerate(points):
            near = 20 if n + 1 < len(points) else 12
            for _ in range(60):
                x, y, heading = source.pose()
                to = np.array(point) - (x, y)
                if np.linalg.norm(to) < near:
                    break
                error = (math.degrees(math.atan2(to[1], to[0])) - heading + 180) % 360 - 180  # positive: to the left
                if facing:
                    yield np.array([np.clip(-error / 16, -1, 1), pace * (abs(error) < 40), 0])
                else:
                    angle = math.radians(error)
                    yield np.array([spin, pace * math.cos(angle), -pace * math.sin(angle)])
            else:
                return  # stuck


def scripted(rng: np.random.Generator) -> Policy:
    return Explorer(rng, noise=float(rng.uniform(0.0, 0.08)), digital=bool(rng.random() < 0.5))


def shaky(rng: np.random.Generator) -> Policy:
    return Explorer(rng, noise=float(rng.uniform(0.15, 0.35)), digital=bool(rng.random() < 0.5))


def sticky_random(rng: np.random.Generator) -> Policy:
    return StickyRandom(rng, lambda _: random_action(rng), least=2, most=25)


def mixed(rng: np.random.Generator) -> Policy:
    """Mostly exploring, a quarter of it with shaking hands; a tenth nonsense, which looks at walls half of the time."""
    return (scripted, shaky, sticky_random)[rng.choice(3, p=(0.65, 0.25, 0.1))](rng)


POLICIES = {"sticky-random": sticky_random, "scripted": scripted, "shaky": shaky, "mixed": mixed}

WORLD = World(
    name="doom-rooms",
    title="Doom rooms",
    description="Eight small rooms and the corridors between them, in the first person. Walk through the doorways; "
    "every room has walls of its own. At the end of the last corridor lies a green vest.",
    environment="ViZDoom my_way_home, without weapon, crosshair and status bar",
    licence="MIT (ViZDoom and its scenarios), BSD-3-Clause (Freedoom's pictures)",
    frame_rate=35 / TICS_PER_FRAME,
    actions=ACTIONS,
    source=Source,
    mirror=None,  # a mirrored map would be another map
    policies=POLICIES,
    start_policy="scripted",
    # Title and frame in the recording that `record.START_SEED` gives.
    starts=(
        ("The red room", 64),
        ("Towards the windows", 218),
        ("The vest behind the water", 394),
        ("The room of lamps", 834),
        ("Doorway after doorway", 1098),
    ),
    loops=LOOPS,
)
