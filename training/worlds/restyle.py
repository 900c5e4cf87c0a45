"""CarRacing's plain picture as a guide, and the road under named looks as what is painted after it.

In some episodes the guide is under another look instead: what comes from a camera isn't plain either. A driver of
`car_racing` steers, so that all there is to do is to show pictures and to say how they should look: what is painted
need only follow its guide and its words. Looks, words and layers are those of `roads`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from . import car_racing, roads
from .roads_look import PLAIN, draw_look, paint
from .sticky import StickyRandom
from .world import Action, ActionSpec, Policy, World

LOOKS = 0.4  # share of the episodes whose guide is under a look of its own
FULL = 0.7  # share of the stretches in which a guide is followed in all

ACTIONS: list[ActionSpec] = [
    {
        "name": "strength",
        "min": 0.0,
        "max": 1.0,
        "rest": 1.0,
        "unit": "how much of the guide is followed",
        "keys": {"ArrowDown": 0.0, "KeyS": 0.0},
        "gamepad": "rightYUp",
    },
]


class Source(roads.Source):
    """`roads.Source` with somebody at the wheel. `guide`, uint8 [96, 96, 3]: the same moment, painted otherwise."""

    guide: np.ndarray

    def reset(self, seed: int) -> np.ndarray:
        rng = np.random.default_rng([seed, 23])
        self.driver = car_racing.mixed(rng)
        self.guide_look = draw_look(rng) if rng.random() < LOOKS else PLAIN
        return super().reset(seed)

    def step(self, action: Action) -> np.ndarray:
        return super().step(self.driver(self))

    def _draw(self) -> np.ndarray:
        picture = super()._draw()
        self.guide = paint(self.guide_look, self.env.layers, self.frame)
        return picture


def full(rng: np.random.Generator) -> Policy:
    return StickyRandom(rng, lambda _: np.ones(1, np.float32), least=2, most=25)


def mixed(rng: np.random.Generator) -> Policy:
    """Mostly all of the guide, for a while less."""

    def draw(_: Source) -> Action:
        return np.array([1.0 if rng.random() < FULL else rng.random()], np.float32)

    return StickyRandom(rng, draw, least=20, most=120)


WORLD = World(
    name="restyle",
    title="Restyle",
    description="Your camera, your screen or a video, frame by frame as another road: say meadow or snow, noon or "
    "night, rain, ice.",
    environment="Gymnasium CarRacing-v3, without its dashboard, painted in many looks after its plain picture",
    licence="MIT (Gymnasium)",
    frame_rate=car_racing.WORLD.frame_rate,
    actions=ACTIONS,
    source=Source,
    policies={"sticky-random": mixed, "scripted": full, "mixed": mixed},
    start_policy="scripted",
    starts=(("Start", 60),),
    mirror=(1.0,),
    limits=(
        "Only prediction is judged under guides, and only that and sampling under prompts: all else shows what it "
        "dreams alone.",
    ),
    words=Path(__file__).with_name("roads_words.json"),
    guided=True,
)
