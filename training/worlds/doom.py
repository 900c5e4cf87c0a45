"""What worlds in ViZDoom share: the game behind `reset` and `step`, the action table, and ways to look and move about.

Scenarios and their Freedoom pictures are those of the wheel. Drawn without weapon, crosshair and status bar at 256x192;
the middle square is kept and each 2x2 block averaged, which keeps proportions true and edges smooth. Recording is
quick, so nothing needs mirrored pictures, whose map would be another one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import vizdoom as vzd

from .pictures import shrunk
from .world import Action, ActionSpec

TICS_PER_FRAME = 2  # Doom runs at 35 tics/s, a world at 17.5 frames/s
TURN = 4.0  # degrees a tic at full deflection: once around in 45 frames, 2.6 s
WALK = 50.0  # Doom's running speed: 7.4 units a tic once under way
STRAFE = 40.0  # Doom's running speed sideways

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


class Game:
    """A scenario, one action per recorded frame; pictures uint8 [96, 96, 3]."""

    def __init__(self, scenario: str, *, objects: bool = False) -> None:
        """`objects`: whether the state tells where things lie."""
        self.game = game = vzd.DoomGame()
        game.load_config(str(Path(vzd.scenarios_path) / f"{scenario}.cfg"))
        game.set_doom_config_path(os.devnull)  # else it writes a file of settings into the working folder
        game.set_window_visible(False)
        game.set_screen_format(vzd.ScreenFormat.RGB24)
        game.set_screen_resolution(vzd.ScreenResolution.RES_256X192)
        game.set_render_weapon(False)
        game.set_render_crosshair(False)
        game.set_available_buttons(BUTTONS)
        game.set_available_game_variables([])
        game.set_objects_info_enabled(objects)
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
        self.picture = shrunk(self.game.get_state().screen_buffer[:, 32:-32], 2)
        return self.picture

    # What scripted players and the judge may look at; the world model never does.

    def pose(self) -> np.ndarray:
        """x, y (units) and heading (degrees, left is positive). float64 [3]."""
        names = (vzd.GameVariable.POSITION_X, vzd.GameVariable.POSITION_Y, vzd.GameVariable.ANGLE)
        return np.array([self.game.get_game_variable(name) for name in names])


def look_around(rng: np.random.Generator, parts: Sequence[float]) -> Iterator[np.ndarray]:
    """In place, once around or a part of it, sometimes back again. `parts`: shares of a turn, one of which is drawn."""
    turn = rng.choice([-1, 1]) * rng.choice([1.0, rng.uniform(0.3, 1.0)])
    frames = int(360 / (TURN * TICS_PER_FRAME) * rng.choice(parts) / abs(turn))
    for sign in (1, -1) if rng.random() < 0.4 else (1,):
        for _ in range(frames):
            yield np.array([sign * turn, 0, 0])


def there_and_back(rng: np.random.Generator, least: int, most: int) -> Iterator[np.ndarray]:
    """One way to move for a while, then its opposite for as long: from `least` to below `most` frames."""
    way = rng.uniform(-1, 1, 3) * rng.permutation(np.array([1, 1, rng.integers(2)]))
    frames = rng.integers(least, most)
    for sign in (1, -1):
        for _ in range(frames):
            yield sign * way


def stay(rng: np.random.Generator) -> Iterator[np.ndarray]:
    for _ in range(rng.integers(3, 15)):
        yield np.zeros(3)


def as_pressed(wish: np.ndarray, rng: np.random.Generator, *, digital: bool) -> Action:
    """A wish within range; `digital`: as a keyboard says it, full or nothing, with the shares kept on average."""
    action = np.clip(wish, -1, 1)
    if digital:
        action = np.sign(action) * (rng.random(3) < np.abs(action) * 1.1)
    return action.astype(np.float32)


def random_action(rng: np.random.Generator) -> Action:
    """Half of the time what a keyboard can say, half of the time anything between; forward more often than not."""
    if rng.random() < 0.5:
        drawn = [rng.choice(3, p=p) - 1 for p in ((0.3, 0.4, 0.3), (0.2, 0.25, 0.55), (0.15, 0.7, 0.15))]
    else:
        drawn = np.clip(rng.normal((0, 0.4, 0), (0.6, 0.6, 0.4)), -1, 1)
    return np.array(drawn, np.float32)
