"""CarRacing under named looks: land, light, weather and road change in mid-drive, and words say to what.

The environment is Gymnasium's own, as in `car_racing.py`; road, kerbs, grass and car are drawn apart and painted anew
(`roads_look.py`). Looks change nothing about how the car drives. What is said of a look is `roads_words.py`'s.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pygame

from . import car_racing
from .roads_look import ATTRIBUTES, SIDE, Layers, change, draw_look, paint
from .roads_words import UNSEEN, caption, say
from .world import Action, Direction, World

SILENT = 0.1  # share of the episodes in which nothing is said
STEADY = 0.3  # share in which the look stays
APART = (50, 160)  # frames between two changes, or between two ways to say the same
FADE = 4  # frames in which a look gives way to the next
AROUND = (slice(60, 84), slice(36, 60))  # rows and columns that the car is in
NEAR = 80.0  # metres, farther than the picture reaches
RED, WHITE = (255, 0, 0), (255, 255, 255)  # kerbs


class _Layered(car_racing._PictureOnly):
    """Draws what the picture is made of, each by itself."""

    layers: Layers

    def _render_road(self, zoom, translation, angle):
        assert self.surf is not None
        assert self.car is not None
        own, self.bg_color, self.grass_color = self.road_poly, (0, 0, 0), (0, 255, 0)
        x, y = self.car.hull.position
        near = [
            (polygon, tuple(int(c) for c in colour))
            for polygon, colour in own
            if abs(polygon[0][0] - x) < NEAR and abs(polygon[0][1] - y) < NEAR
        ]
        self.road_poly = [(polygon, (0, 0, 255) if colour in (RED, WHITE) else RED) for polygon, colour in near]
        super()._render_road(zoom, translation, angle)
        self.road_poly = own
        ground = _small(self.surf, SIDE) / 255
        self.surf.fill((0, 0, 0))
        for polygon, colour in near:
            if colour == RED:
                self._draw_colored_polygon(self.surf, polygon, WHITE, zoom, translation, angle)
        red = _small(self.surf, SIDE)[..., 0] / 255
        on_black, on_white = (self._car_on(colour, zoom, translation, angle) for colour in (0, 255))
        car, car_colour = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE, 3), np.float32)
        car[AROUND] = 1 - (on_white - on_black).mean(-1) / 255
        car_colour[AROUND] = on_black
        places = _places(zoom, translation, angle)
        self.layers = Layers(ground[..., 0], ground[..., 1], ground[..., 2], red, car, car_colour, places)

    def _car_on(self, colour: int, zoom, translation, angle) -> np.ndarray:
        """What lies in `AROUND`, on a ground of one shade."""
        assert self.car is not None and self.surf is not None
        part = self.surf.subsurface((375, 100, 250, 200))
        part.fill((colour,) * 3)
        self.car.draw(self.surf, zoom, translation, angle, False)
        return _small(part, 24)

    def _render_indicators(self, W, H):
        pass  # what `car_racing` takes the picture by; the layers are there already


def _small(surface: pygame.Surface, side: int) -> np.ndarray:
    """float32 [side, side, 3], the right way up."""
    small = pygame.transform.smoothscale(surface, (side, side))
    return pygame.surfarray.pixels3d(small).transpose(1, 0, 2)[::-1].astype(np.float32)


def _places(zoom: float, translation, angle: float) -> np.ndarray:
    """Where on the ground each pixel lies, [H, W, 2], metres: the camera's way back."""
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    x = (columns * 1000 / SIDE - translation[0]) / zoom
    y = (800 - rows * 800 / SIDE - translation[1]) / zoom
    cos, sin = math.cos(angle), math.sin(angle)
    return np.stack([x * cos + y * sin, y * cos - x * sin], -1).astype(np.float32)


class Source(car_racing.Source):
    """`car_racing.Source` under looks. `caption` is what is said about the step to come; None: nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.env.close()
        self.env = _Layered(render_mode="state_pixels", continuous=True)
        self.caption: str | None = None

    def reset(self, seed: int) -> np.ndarray:
        self.rng = np.random.default_rng([seed, 22])
        self.look, self.before = draw_look(self.rng), None
        self.silent, self.steady = self.rng.random() < SILENT, self.rng.random() < STEADY
        self.frame, self.changed = 0, 0
        self._say()
        return super().reset(seed)

    def step(self, action: Action) -> np.ndarray:
        self.frame += 1
        picture = super().step(action)
        if self.frame == self.next:  # from the next step on
            self._change()
        return picture

    def _change(self) -> None:
        if self.steady or self.rng.random() < 0.25:
            self._say()  # in other words
            return
        count = int(self.rng.choice([1, 2, 4], p=[0.6, 0.25, 0.15]))
        attributes = [str(name) for name in self.rng.choice(list(ATTRIBUTES), count, replace=False)]
        self.before, self.look, self.changed = self.look, change(self.rng, self.look, attributes), self.frame
        self._say(tuple(attributes))

    def _say(self, always: tuple[str, ...] = ()) -> None:
        said = caption(self.rng, self.look.names, always)
        self.caption = None if self.silent else said
        self.next = self.frame + int(self.rng.integers(*APART))

    def dress(self, rng: np.random.Generator) -> tuple[np.ndarray, dict[str, str]]:
        """Draws a look that stays; gives the picture of the moment in it, and its names."""
        self.look, self.before, self.next = draw_look(rng), None, -1
        return paint(self.look, self.env.layers, self.frame), self.look.names

    def _draw(self) -> np.ndarray:
        self.env.drawing = True
        self.env._render("state_pixels")
        self.env.drawing = False
        picture = paint(self.look, self.env.layers, self.frame)
        share = (self.frame - self.changed) / FADE
        if self.before is None or share >= 1:
            return picture
        return _mixed(paint(self.before, self.env.layers, self.frame), picture, share)


def _mixed(before: np.ndarray, after: np.ndarray, share: float) -> np.ndarray:
    return (before * (1 - share) + after * share + 0.5).astype(np.uint8)


WORLD = World(
    name="roads",
    title="Roads",
    description="A small red car on a winding road that is what you say: meadow or snow, noon or night, rain, ice. "
    "Type it while you drive.",
    environment="Gymnasium CarRacing-v3, without its dashboard, painted in many looks",
    licence="MIT (Gymnasium)",
    frame_rate=car_racing.WORLD.frame_rate,
    actions=car_racing.ACTIONS,
    source=Source,
    policies=car_racing.POLICIES,
    start_policy="scripted",
    starts=(
        ("Autumn at noon", 1676),
        ("Mud in the rain", 1225),
        ("Desert at night", 161),
        ("Ice in snowfall", 1580),
        ("Fog over sand", 2156),
    ),
    mirror=(-1.0, 1.0, 1.0),
    task=car_racing.TASK,
    words=Path(__file__).with_name("roads_words.json"),
    direction=Direction(classes=ATTRIBUTES, say=say, dress=Source.dress, unseen=UNSEEN),
)
