"""A dreamed world as a `gymnasium.Env`."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from .episode import Episode, Settings, draw_beginning, spaces_of
from .errors import StateError


class WorldEnv(gymnasium.Env[np.ndarray, np.ndarray]):
    """Observations are the dreamed pictures, uint8 [H, W, 3]; actions float32 [A] in the units of the world's table.

    The reward is 0 and `info["reward_source"]` "none" unless the package brings a reward head. A seed fixes everything:
    the same package, seed, options and actions give the same frames, in this process or on a server.
    """

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(self, *, render_mode: str | None = None, **settings: Any) -> None:
        """Takes the fields of `Settings`. Raises what opening a package or reaching a server raises."""
        self._settings = Settings(**settings)
        self._worlds = self._settings.open(1)
        self.metadata = {**self.metadata, "render_fps": self._worlds.manifest["frameRate"]}
        self.observation_space, self.action_space = spaces_of(self._worlds.manifest)
        self.render_mode = render_mode
        self._episode: Episode | None = None
        self._picture: np.ndarray | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """See `draw_beginning` for seed and options. Raises ResetError."""
        super().reset(seed=seed)
        beginning = draw_beginning(self.np_random, seed=seed, options=options, manifest=self._worlds.manifest)
        self._picture = self._worlds.reset({0: beginning})[0]
        self._episode = Episode(self._settings, self._worlds, beginning)
        return self._picture.copy(), self._episode.info()

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Observation, reward, terminated, truncated, info. Raises ActionError, StateError before `reset`."""
        if self._episode is None:
            raise StateError("The environment has no state yet. Call reset first.")
        tick = self._worlds.step({0: action})[0]
        self._picture = tick.picture
        return tick.picture.copy(), *self._episode.count(tick)

    def render(self) -> np.ndarray | None:
        """The latest picture, with `render_mode="rgb_array"`."""
        return self._picture.copy() if self.render_mode == "rgb_array" and self._picture is not None else None

    def close(self) -> None:
        self._worlds.close()
