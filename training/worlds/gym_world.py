"""Any Gymnasium environment as a source of episodes: its pictures by `rgb_array`, its actions as an action table.

`Box`: one axis per dimension, as a share of its larger bound, so that pedals stay [0, 1], sticks become [-1, 1], and 0
means what it meant. `Discrete`: one button per choice but the idle one, which is what happens when nothing is pressed.
Time limits are taken off: they are no part of what is seen. What the world is called and where it lies is
`own_world.py`'s.
"""

from __future__ import annotations

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Discrete

from ..errors import TrainingError
from .own_world import CONTROLS, About, OwnWorld
from .pictures import to_square
from .sticky import StickyRandom
from .world import Action, ActionSpec

ENOUGH = 124  # frames that one of a few random episodes must last: as many as the evaluation plays
TRIES = 8  # random episodes that are tried
HOLD = (2, 25)  # frames that a random action is held

# Keys and gamepad controls that axes and buttons get in turn; more of them have no keys.
AXIS_KEYS = [("ArrowLeft", "ArrowRight"), ("ArrowDown", "ArrowUp"), ("KeyA", "KeyD"), ("KeyS", "KeyW")]
AXIS_KEYS += [("KeyJ", "KeyL"), ("KeyK", "KeyI")]
AXIS_CONTROLS = ("leftX", "leftYUp", "rightX", "rightYUp", "rightTrigger", "leftTrigger", "a", "b", "x", "y")
BUTTON_KEYS = ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Space", *(f"Digit{n}" for n in range(1, 10)))
BUTTON_CONTROLS = ("a", "b", "x", "y", *(control for control in CONTROLS if control not in "abxy"))


class GymSource:
    """The environment behind `reset` and `step`, one action per recorded frame.

    Frames are uint8 [size, size, 3]. `done` is true when the environment says that its episode is over. `env` is the
    environment itself.
    """

    def __init__(self, world: OwnWorld) -> None:
        if world.gym is None:
            raise TrainingError(f"expected a world of an environment, got '{world.name}', which came from a folder.")
        self.world = world
        self.env = open_environment(world.gym)
        self.done = False
        self.table = table_of(self.env, world.gym, world.idle)
        self.low, self.high = (np.array([spec[end] for spec in self.table], np.float32) for end in ("min", "max"))

    def reset(self, seed: int) -> np.ndarray:
        self.env.reset(seed=seed)
        self.done = False
        return self._draw()

    def step(self, action: Action) -> np.ndarray:
        theirs = self._theirs(action)
        for _ in range(self.world.frame_skip):
            _, _, terminated, truncated, _ = self.env.step(theirs)
            self.done = bool(terminated or truncated)
            if self.done:
                break
        return self._draw()

    def close(self) -> None:
        self.env.close()

    def random_action(self, rng: np.random.Generator) -> Action:
        """A choice of a discrete environment; of axes, half of the time what keys can say, else anything between."""
        if isinstance(self.env.action_space, Discrete):
            buttons = np.eye(len(self.low) + 1, dtype=np.float32)[:, 1:]  # the first row presses none
            return buttons[rng.integers(len(buttons))]
        rest = np.clip(0, self.low, self.high)
        if rng.random() < 0.5:
            return rng.permuted(np.stack([self.low, rest, self.high]), axis=0)[0]
        return rng.uniform(self.low, self.high).astype(np.float32)

    def _theirs(self, action: Action) -> np.ndarray | np.integer:
        """An action in the environment's own terms. Of several buttons the one pressed most counts."""
        space = self.env.action_space
        if isinstance(space, Box):
            low, high = space.low.flatten(), space.high.flatten()
            values = np.clip(action * np.maximum(np.abs(low), np.abs(high)), low, high)
            return values.reshape(space.shape).astype(space.dtype)
        if not isinstance(space, Discrete):
            raise TrainingError(f"'{self.world.gym}': expected an action space Box or Discrete, got {space}.")
        choices = np.delete(np.arange(space.n), self.world.idle)
        pressed = choices[int(action.argmax())] if action.max() >= 0.5 else self.world.idle
        return space.start + pressed

    def _draw(self) -> np.ndarray:
        picture = self.env.render()
        if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.shape[2:] != (3,):
            got = (
                f"{picture.dtype} {list(picture.shape)}" if isinstance(picture, np.ndarray) else type(picture).__name__
            )
            raise TrainingError(f"'{self.world.gym}': expected rgb_array pictures uint8 [H, W, 3], got {got}.")
        return to_square(picture, self.world.size, self.world.fit)


def sticky_random(rng: np.random.Generator) -> StickyRandom:
    least, most = HOLD
    return StickyRandom(rng, lambda source: source.random_action(rng), least=least, most=most)


POLICIES = {"sticky-random": sticky_random, "mixed": sticky_random}


def open_environment(name: str) -> gymnasium.Env:
    """`module:Name-v0` imports the module that registers it first. Raises TrainingError where it can't be made."""
    try:
        # -1 takes the time limit off.
        env = gymnasium.make(name, render_mode="rgb_array", max_episode_steps=-1, disable_env_checker=True)
    except (gymnasium.error.Error, ImportError) as error:
        raise TrainingError(f"expected a Gymnasium environment that can be made here, got '{name}': {error}") from error
    if "rgb_array" not in env.metadata.get("render_modes", []):
        modes = ", ".join(env.metadata.get("render_modes", [])) or "none"
        raise TrainingError(f"'{name}': expected rgb_array among its render modes, got {modes}.")
    return env


def table_of(env: gymnasium.Env, name: str, idle: int) -> list[ActionSpec]:
    """The action table of an environment. Raises TrainingError for a space that has none."""
    space = env.action_space
    if isinstance(space, Discrete):
        if not (0 <= idle < space.n and space.n >= 2):
            raise TrainingError(f"'{name}': expected --idle of 0 to {space.n - 1}, got {idle}.")
        choices = [choice for choice in range(space.n) if choice != idle]
        keys = ("Space",) if len(choices) == 1 else BUTTON_KEYS
        return [
            {
                "name": f"choice_{choice}",
                "min": 0.0,
                "max": 1.0,
                "rest": 0.0,
                "unit": f"pressed: action {choice}",
                "keys": {key: 1.0 for key in keys[n : n + 1]},
                "gamepad": BUTTON_CONTROLS[n % len(BUTTON_CONTROLS)],
            }
            for n, choice in enumerate(choices)
        ]
    if not isinstance(space, Box):
        raise TrainingError(
            f"'{name}': expected an action space Box or Discrete, got {space}. Wrap it, or bring --episodes."
        )
    if not (np.isfinite(space.low).all() and np.isfinite(space.high).all() and (space.low < space.high).all()):
        raise TrainingError(f"'{name}': expected finite bounds, low < high, of its actions, got {space}. Wrap it.")
    table: list[ActionSpec] = []
    for n, (low, high) in enumerate(zip(space.low.flatten().tolist(), space.high.flatten().tolist(), strict=True)):
        most = max(abs(low), abs(high))
        least, top = low / most, high / most
        rest = min(max(0.0, least), top)
        held = zip(AXIS_KEYS[n], (least, top), strict=True) if n < len(AXIS_KEYS) else ()
        table.append(
            {
                "name": f"axis_{n}",
                "min": least,
                "max": top,
                "rest": rest,
                "unit": f"share of {most:g}",
                "keys": {key: value for key, value in held if value != rest},
                "gamepad": AXIS_CONTROLS[n % len(AXIS_CONTROLS)],
            }
        )
    return table


def describe(
    name: str,
    about: About | None,
    *,
    gym: str,
    frame_skip: int = 1,
    idle: int = 0,
    size: int = OwnWorld.size,
    fit: str = OwnWorld.fit,
) -> OwnWorld:
    """The world of an environment, once it was seen to play.

    Raises TrainingError for an environment that can't be recorded, or a table that isn't one of its actions.
    """
    env = open_environment(gym)
    table, rate = table_of(env, gym, idle), env.metadata.get("render_fps")
    env.close()
    if about is not None:
        theirs, given = ([(spec["min"], spec["max"]) for spec in actions] for actions in (table, about.actions))
        if theirs != given:
            raise TrainingError(f"'{gym}': expected a table with the ranges {theirs}, got {given}.")
        table = about.actions
    rate = (about and about.frame_rate) or (rate and rate / frame_skip)
    if not rate:
        raise TrainingError(
            f"'{gym}': expected render_fps in its metadata, got none. Say frameRate in the file of --actions."
        )
    skipped = f", every {frame_skip} steps" if frame_skip > 1 else ""
    world = OwnWorld(
        name=name,
        title=(about and about.title) or name.replace("-", " ").capitalize(),
        description=(about and about.description) or f"{gym}, dreamed.",
        environment=f"Gymnasium's {gym}{skipped}",
        licence=(about and about.licence) or "that of the environment",
        frame_rate=float(rate),
        actions=table,
        gym=gym,
        frame_skip=frame_skip,
        idle=idle,
        size=size,
        fit=fit,
    )
    lasted = longest_random_episode(world)
    if lasted < ENOUGH:
        raise TrainingError(
            f"'{gym}': expected an episode of {ENOUGH} frames under random actions, the longest of {TRIES} lasted "
            f"{lasted}. Record episodes of a policy that plays longer, and bring them by --episodes."
        )
    return world


def longest_random_episode(world: OwnWorld) -> int:
    """Frames; no more than `ENOUGH` are played."""
    source, longest = GymSource(world), 0
    for number in range(TRIES):
        driver, frames = sticky_random(np.random.default_rng(number)), 1
        source.reset(number)
        while frames < ENOUGH and not source.done:
            source.step(driver(source))
            frames += 1
        longest = max(longest, frames)
        if longest >= ENOUGH:
            break
    source.close()
    return longest
