"""ViZDoom's health_gathering as a source of episodes: one large hall, a floor of acid, medikits that fall from above.

The scenario and its Freedoom pictures are those of the wheel. Of its maps this is the one with medikits to see and room
to turn, walk away and come back; `my_way_home` has no medikits, and the map of `health_gathering_supreme` is mostly a
grey wall at arm's length. No map has a door, so there is no key for `use`: it would do nothing.

Drawn without weapon, crosshair and status bar at 256x192; the middle square is kept and each 2x2 block averaged, which
keeps proportions true and edges smooth.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import vizdoom as vzd

from .picture_explorer import objects, player
from .pictures import shrunk
from .sticky import StickyRandom
from .world import Action, ActionSpec, Policy, World

TICS_PER_FRAME = 2  # Doom runs at 35 tics/s, a world at 17.5 frames/s
TURN = 4.0  # degrees a tic at full deflection: once around in 45 frames, 2.6 s
WALK = 50.0  # Doom's running speed: 7.4 units a tic once under way; the hall is 1,216 units wide
STRAFE = 40.0  # Doom's running speed sideways
HALL = 1216.0  # units on a side
FOCUS = 64.0, 77.0  # px across and down from the picture's middle to what is 45 degrees off
EYE, MEDIKIT = 41.0, 19.0  # units: the eye above the floor, and how high a medikit is
CLOSEST, SIGHT = 24.0, 400.0  # units ahead between which a medikit is in the picture and large enough to be seen

# The action table: turn (right is positive), walk (forward is positive), strafe (right is positive).
# One axis for each pair of buttons keeps the vector short and can't ask for left and right at once.
ACTIONS: list[ActionSpec] = [
    {
        "name": "turn",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "share of 140 degrees a second, right is positive",
        "keys": {"ArrowLeft": -1.0, "ArrowRight": 1.0, "KeyQ": -1.0, "KeyE": 1.0},
        "gamepad": "rightX",
    },
    {
        "name": "walk",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "share of running speed, forward is positive",
        "keys": {"ArrowUp": 1.0, "ArrowDown": -1.0, "KeyW": 1.0, "KeyS": -1.0},
        "gamepad": "leftYUp",
    },
    {
        "name": "strafe",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "share of running speed sideways, right is positive",
        "keys": {"KeyA": -1.0, "KeyD": 1.0},
        "gamepad": "leftX",
    },
]

BUTTONS = [
    vzd.Button.TURN_LEFT_RIGHT_DELTA,
    vzd.Button.MOVE_FORWARD_BACKWARD_DELTA,
    vzd.Button.MOVE_LEFT_RIGHT_DELTA,
]
PER_BUTTON = np.array([TURN, WALK, STRAFE])  # what full deflection is in the game's units

# Ways that lead back to the first view (see `revisit.py`): once around to the left, a quarter turn and back.
LOOPS = {
    "360 degrees to the left": np.tile(np.array([-1, 0, 0], np.float32), (45, 1)),
    "90 degrees to the left and back": np.repeat(np.array([[-1, 0, 0], [1, 0, 0]], np.float32), (11, 11), axis=0),
}


class Source:
    """The game behind `reset` and `step`, one action per recorded frame.

    Frames are uint8 [96, 96, 3]. `done` is true when the player has died: the acid
    takes 8 of 100 points of health about once a second, a medikit gives 25 back. Health itself can't be seen.
    """

    def __init__(self) -> None:
        self.game = game = vzd.DoomGame()
        game.load_config(str(Path(vzd.scenarios_path) / "health_gathering.cfg"))
        game.set_doom_config_path(os.devnull)  # else it writes a file of settings into the working folder
        game.set_window_visible(False)
        game.set_screen_format(vzd.ScreenFormat.RGB24)
        game.set_screen_resolution(vzd.ScreenResolution.RES_256X192)
        game.set_render_weapon(False)
        game.set_render_crosshair(False)
        game.set_available_buttons(BUTTONS)
        game.set_available_game_variables([])
        game.set_objects_info_enabled(True)
        game.set_episode_timeout(0)  # the recorder ends episodes
        game.init()
        self.done = False
        self.picture = np.zeros((96, 96, 3), np.uint8)

    def reset(self, seed: int) -> np.ndarray:
        self.game.set_seed(seed)
        self.game.new_episode()
        self.done = False
        return self._draw()

    def step(self, action: Action) -> np.ndarray:
        self.game.make_action((PER_BUTTON * action).tolist(), TICS_PER_FRAME)
        self.done = self.game.is_episode_finished() or self.game.is_player_dead()
        return self.picture if self.done else self._draw()

    def close(self) -> None:
        self.game.close()

    def _draw(self) -> np.ndarray:
        middle = self.game.get_state().screen_buffer[:, 32:-32]  # [192, 192, 3]
        self.picture = shrunk(middle, 2)
        return self.picture

    # What scripted players and the judge may look at; the world model never does.

    def pose(self) -> np.ndarray:
        """x, y (units; the hall is HALL on a side) and heading (degrees, left is positive). float64 [3]."""
        names = (vzd.GameVariable.POSITION_X, vzd.GameVariable.POSITION_Y, vzd.GameVariable.ANGLE)
        return np.array([self.game.get_game_variable(name) for name in names])

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
            plans = (self._fetch, self._wander, self._look_around, self._there_and_back, self._rest)
            self.plan = plans[self.rng.choice(len(plans), p=(0.35, 0.2, 0.2, 0.2, 0.05))](source)
            wish = next(self.plan, None)
        self.drift += -0.1 * self.drift + self.noise * self.rng.normal()
        action = np.clip(wish + np.array([self.drift, 0, 0]), -1, 1)
        if self.digital:
            # A keyboard: full or nothing, with the shares kept on average.
            action = np.sign(action) * (self.rng.random(3) < np.abs(action) * 1.1)
        return action.astype(np.float32)

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

    def _look_around(self, source: Source) -> Iterator[np.ndarray]:
        """In place, once around or a part of it, sometimes back again."""
        turn = self.rng.choice([-1, 1]) * self.rng.choice([1.0, self.rng.uniform(0.3, 1.0)])
        frames = int(360 / (TURN * TICS_PER_FRAME) * self.rng.choice([1, 1, 0.5, 0.25]) / abs(turn))
        for sign in (1, -1) if self.rng.random() < 0.4 else (1,):
            for _ in range(frames):
                yield np.array([sign * turn, 0, 0])

    def _there_and_back(self, source: Source) -> Iterator[np.ndarray]:
        """One way to move for a while, then its opposite for as long."""
        way = self.rng.uniform(-1, 1, 3) * self.rng.permutation(np.array([1, 1, self.rng.integers(2)]))
        frames = self.rng.integers(6, 30)
        for sign in (1, -1):
            for _ in range(frames):
                yield sign * way

    def _rest(self, source: Source) -> Iterator[np.ndarray]:
        for _ in range(self.rng.integers(3, 15)):
            yield np.zeros(3)


def random_action(rng: np.random.Generator) -> Action:
    """Half of the time what a keyboard can say, half of the time anything between; forward more often than not."""
    if rng.random() < 0.5:
        drawn = [rng.choice(3, p=p) - 1 for p in ((0.3, 0.4, 0.3), (0.2, 0.25, 0.55), (0.15, 0.7, 0.15))]
    else:
        drawn = np.clip(rng.normal((0, 0.4, 0), (0.6, 0.6, 0.4)), -1, 1)
    return np.array(drawn, np.float32)


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
    mirror=None,  # recording is quick, so no need for mirrored pictures, whose walls would be none of this hall's
    policies=POLICIES,
    start_policy="scripted",
    # Title and frame in the recording that `manifest.START_SEED` gives.
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
