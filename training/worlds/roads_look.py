"""Looks of a road: named classes with a spread each, and how a picture is painted in one.

A name says what kind a thing is (snow, dusk, gravel); the exact shade, density and pattern are drawn by chance and are
in no word, so that coming back to a road can be told from coming to a road like it. Patterns lie on the ground and move
with it; rain and snow fall in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

SIDE = 96  # px of a picture
CAR = (70, 48)  # row and column of the car
ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "land": ("meadow", "desert", "snow", "mud", "autumn"),
    "light": ("day", "dusk", "night", "fog"),
    "weather": ("dry", "rain", "snowfall"),
    "road": ("asphalt", "gravel", "ice", "dirt"),
}
LAND = {  # shade, contrast of the pattern and of the patches, all 0 to 255; size of the pattern's grain in metres
    "meadow": ((96, 186, 88), 26, 22, 5.0),
    "desert": ((216, 178, 112), 26, 14, 9.0),
    "snow": ((232, 238, 246), 14, 8, 12.0),
    "mud": ((104, 74, 48), 34, 12, 4.0),
    "autumn": ((198, 112, 40), 70, 20, 3.0),
}
ROAD = {
    "asphalt": ((98, 98, 102), 8, 0, 2.0),
    "gravel": ((158, 148, 132), 74, 0, 0.8),
    "ice": ((176, 214, 236), 26, 0, 10.0),
    "dirt": ((134, 96, 62), 30, 0, 3.0),
}
RED_KERB, WHITE_KERB = np.array([214, 40, 40], np.float32), np.array([238, 238, 238], np.float32)


@dataclass(frozen=True)
class Surface:
    """Land or road, drawn once."""

    shade: np.ndarray  # float32 [3]
    contrast: float
    patches: float
    grain: float  # metres
    pattern: np.ndarray  # float32 [64, 64] in [-1, 1], repeated over the ground


@dataclass(frozen=True)
class Light:
    tint: np.ndarray  # float32 [3], what the picture is multiplied by
    lamps: float = 0.0  # how bright the headlights are; 0 is off
    width: float = 0.5  # of their cone, radians
    haze: float = 0.0  # how fast things vanish with their distance, 1/px
    grey: np.ndarray | None = None  # float32 [3], what they vanish into


@dataclass(frozen=True)
class Weather:
    drops: np.ndarray  # float32 [n, 2], where each is at first, row and column
    speed: np.ndarray  # float32 [n, 2], px a frame
    length: int  # px of a streak; 1 is a flake
    strength: float  # opacity
    wet: float = 0.0  # how much darker the road is


@dataclass(frozen=True)
class Look:
    """One class of each attribute, and what was drawn of it."""

    names: dict[str, str]
    land: Surface
    light: Light
    weather: Weather
    road: Surface


class Layers(NamedTuple):
    """What the environment drew, apart: shares from 0 to 1, float32 [H, W]; the car is multiplied by its share."""

    road: np.ndarray
    patches: np.ndarray
    kerb: np.ndarray
    red_kerb: np.ndarray
    car: np.ndarray
    car_colour: np.ndarray  # [H, W, 3], 0 to 255
    ground: np.ndarray  # [H, W, 2], where on the ground a pixel lies, metres


def draw_look(rng: np.random.Generator, names: dict[str, str] | None = None) -> Look:
    """`names`: the class of each attribute; none: any."""
    names = names or {attribute: str(rng.choice(classes)) for attribute, classes in ATTRIBUTES.items()}
    return Look(names, **{attribute: _DRAW[attribute](rng, name) for attribute, name in names.items()})


def change(rng: np.random.Generator, look: Look, attributes: list[str]) -> Look:
    """Another class of some attributes; the others keep all that was drawn of them."""
    for attribute in attributes:
        others = [name for name in ATTRIBUTES[attribute] if name != look.names[attribute]]
        name = str(rng.choice(others))
        names = {**look.names, attribute: name}
        look = replace(look, names=names, **{attribute: _DRAW[attribute](rng, name)})
    return look


def _surface(rng: np.random.Generator, kind: tuple) -> Surface:
    shade, contrast, patches, grain = kind
    brightness, hue = rng.uniform(-18, 18), rng.uniform(-12, 12, 3)
    rough = rng.uniform(-1, 1, (64, 64))
    smooth = sum(np.roll(rough, shift, axis) for shift in (0, 1) for axis in (0, 1)) / 2
    return Surface(
        shade=np.clip(np.array(shade) + brightness + hue, 0, 255).astype(np.float32),
        contrast=contrast * rng.uniform(0.6, 1.4),
        patches=patches * rng.uniform(0.3, 1.6) * rng.choice([-1, 1]),
        grain=grain * rng.uniform(0.7, 1.5),
        pattern=np.clip(smooth, -1, 1).astype(np.float32),
    )


def _light(rng: np.random.Generator, name: str) -> Light:
    if name == "day":
        return Light(np.full(3, rng.uniform(0.92, 1.06), np.float32))
    if name == "dusk":
        return Light((np.array([0.92, 0.66, 0.6]) * rng.uniform(0.75, 1.0) + rng.uniform(-0.05, 0.05, 3)).astype("f4"))
    if name == "night":
        tint = np.array([0.2, 0.22, 0.32]) * rng.uniform(0.7, 1.3)
        return Light(tint.astype(np.float32), lamps=rng.uniform(0.8, 1.1), width=rng.uniform(0.3, 0.6))
    grey = (rng.uniform(175, 225) + rng.uniform(-8, 8, 3)).astype(np.float32)
    return Light(np.full(3, 0.95, np.float32), haze=rng.uniform(0.014, 0.03), grey=grey)


def _weather(rng: np.random.Generator, name: str) -> Weather:
    count = {"dry": 0, "rain": int(rng.integers(50, 110)), "snowfall": int(rng.integers(70, 170))}[name]
    drops = rng.uniform(0, SIDE, (count, 2)).astype(np.float32)
    fall, slant = (rng.uniform(9, 14), rng.uniform(-4, 4)) if name == "rain" else (rng.uniform(1.5, 3), 0.0)
    speed = np.array([fall, slant]) + rng.normal(0, 0.6, (count, 2))
    if name == "rain":
        return Weather(
            drops, speed.astype("f4"), int(rng.integers(5, 9)), rng.uniform(0.3, 0.5), rng.uniform(0.15, 0.35)
        )
    return Weather(drops, speed.astype("f4"), 1, rng.uniform(0.75, 0.95))


_FLAT = np.zeros((64, 64), np.float32)
PLAIN = Look(  # as the environment itself paints
    {},
    land=Surface(np.array([102, 204, 102], np.float32), 0.0, 24.0, 1.0, _FLAT),
    light=Light(np.ones(3, np.float32)),
    weather=Weather(np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32), 1, 0.0),
    road=Surface(np.full(3, 102, np.float32), 0.0, 0.0, 1.0, _FLAT),
)

_DRAW = {
    "land": lambda rng, name: _surface(rng, LAND[name]),
    "light": _light,
    "weather": _weather,
    "road": lambda rng, name: _surface(rng, ROAD[name]),
}


def paint(look: Look, layers: Layers, frame: int) -> np.ndarray:
    """The picture, uint8 [H, W, 3]; rain and snow have fallen for `frame` frames."""
    land, road = (_painted(surface, layers.ground) for surface in (look.land, look.road))
    land = land + look.land.patches * layers.patches[..., None]
    road = road * (1 - look.weather.wet)
    white = np.clip(layers.kerb - layers.red_kerb, 0, 1)[..., None]
    bare = np.clip(1 - layers.road - layers.kerb, 0, 1)[..., None]
    picture = land * bare + road * layers.road[..., None] + WHITE_KERB * white + RED_KERB * layers.red_kerb[..., None]
    picture = picture * (1 - layers.car[..., None]) + layers.car_colour
    picture = _fallen(_lit(picture, look.light), look, frame)
    return np.clip(picture + 0.5, 0, 255).astype(np.uint8)


def _painted(surface: Surface, ground: np.ndarray) -> np.ndarray:
    """Shade and pattern, [H, W, 3]; the pattern is sampled linearly, so that it moves smoothly."""
    at = ground / surface.grain
    whole = np.floor(at).astype(int)
    part = (at - whole)[..., None].astype(np.float32)
    size = len(surface.pattern)
    x, y = whole[..., 0] % size, whole[..., 1] % size
    right, above = (x + 1) % size, (y + 1) % size
    p, (u, v) = surface.pattern, (part[..., 0, 0], part[..., 1, 0])
    value = (p[x, y] * (1 - u) + p[right, y] * u) * (1 - v) + (p[x, above] * (1 - u) + p[right, above] * u) * v
    return surface.shade + surface.contrast * value[..., None]


_ROWS, _COLUMNS = np.mgrid[:SIDE, :SIDE].astype(np.float32)
_AHEAD, _ASIDE = CAR[0] - 4 - _ROWS, _COLUMNS - CAR[1]
_FAR = np.hypot(_AHEAD, _ASIDE)


def _lit(picture: np.ndarray, light: Light) -> np.ndarray:
    bright = light.tint
    if light.lamps:
        cone = np.exp(-((np.arctan2(_ASIDE, np.maximum(_AHEAD, 0.01)) / light.width) ** 2)) * (_AHEAD > 0)
        beam = light.lamps * cone * np.exp(-_FAR / 60)
        bright = light.tint + beam[..., None] * (np.array([1, 0.96, 0.85], np.float32) - light.tint)
    picture = picture * bright
    if light.grey is None:
        return picture
    seen = np.exp(-light.haze * _FAR)[..., None]
    return picture * seen + light.grey * (1 - seen)


def _fallen(picture: np.ndarray, look: Look, frame: int) -> np.ndarray:
    weather = look.weather
    if not len(weather.drops):
        return picture
    veil = np.zeros((SIDE, SIDE), np.float32)
    at = weather.drops + weather.speed * frame
    along = weather.speed / np.linalg.norm(weather.speed, axis=1, keepdims=True)
    for step in range(weather.length):
        row, column = ((at - step * along) % SIDE).astype(int).T % SIDE  # a hair below zero is SIDE, rounded
        veil[row, column] = 1
    if weather.length == 1:  # flakes are two pixels wide
        veil = np.maximum(veil, 0.6 * np.roll(veil, 1, 1))
    glow = np.array([200, 210, 225], np.float32) if weather.length > 1 else np.array([250, 252, 255], np.float32)
    shine = glow * (0.45 + 0.55 * min(1.0, float(look.light.tint.mean())))
    share = (weather.strength * veil)[..., None]
    return picture * (1 - share) + shine * share
