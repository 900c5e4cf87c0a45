"""A dreamed world as a `gymnasium.Env`."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

import gymnasium
import numpy as np

from .episode import Episode, Settings, draw_beginning, next_rng, spaces_of
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
        self._closed = False
        self._picture: np.ndarray | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """See `draw_beginning` for seed and options. `info["unknown_words"]` of a prompt are those that mean nothing.

        Raises ResetError, PromptError, and then the episode goes on as if nothing had been asked; StateError after
        `close`.
        """
        self._check_open()
        rng = next_rng(self.np_random, seed)
        beginning = draw_beginning(rng, seed=seed, options=options, manifest=self._worlds.manifest)
        told = {0: options["prompt"]} if options and options.get("prompt") is not None else {}
        self._worlds.check_prompts(told)
        self._picture = self._worlds.reset({0: beginning})[0]
        unknown = self._worlds.prompt(told)
        self._np_random = rng  # with the next line what the base class does, but only now that all has gone well
        self._np_random_seed = self._np_random_seed if seed is None else int(seed)
        self._episode = Episode(self._settings, self._worlds, beginning)
        words = {"unknown_words": unknown[0]} if unknown else {}
        return self._picture.copy(), {**self._episode.info(), **words}

    def prompt(self, text: str) -> tuple[str, ...]:
        """What the world is told from the next step on, until `reset`; gives the words that mean nothing to it.

        `env.unwrapped.prompt(...)` where `gymnasium.make` has wrapped it. Raises PromptError for a text that can't be
        one and where the world takes none, StateError before `reset` and after `close`.
        """
        self._check_open()
        if self._episode is None:
            raise StateError("The environment has no state yet. Call reset first.")
        return self._worlds.prompt({0: text})[0]

    def guide(self, picture: np.ndarray) -> None:
        """The guide of the next step, uint8 [H, W, 3], a picture of the moment that it makes; later ones go on with it.

        `env.unwrapped.guide(...)` where `gymnasium.make` has wrapped it. Raises GuideError for another shape and where
        the world takes none, StateError before `reset` and after `close`.
        """
        self._check_open()
        if self._episode is None:
            raise StateError("The environment has no state yet. Call reset first.")
        self._worlds.guide({0: picture})

    def step(
        self, action: np.ndarray, guide: np.ndarray | None = None
    ) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Observation, reward, terminated, truncated, info; under a guide, as if `guide` were called first.

        Raises ActionError, GuideError, StateError before `reset` and after `close`.
        """
        if guide is not None:
            self.guide(guide)
        self._check_open()
        if self._episode is None:
            raise StateError("The environment has no state yet. Call reset first.")
        tick = self._worlds.step({0: action})[0]
        self._picture = tick.picture
        return tick.picture.copy(), *self._episode.count(tick)

    def render(self) -> np.ndarray | None:
        """The latest picture, with `render_mode="rgb_array"`."""
        return self._picture.copy() if self.render_mode == "rgb_array" and self._picture is not None else None

    def close(self) -> None:
        self._closed = True
        self._worlds.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StateError("The environment is closed. Make it again.")

    def __reduce__(self) -> tuple:
        """A copy, by pickle or `copy.deepcopy`, is a new environment of the same settings, to be reset first."""
        made = partial(type(self), render_mode=self.render_mode, **asdict(self._settings))
        return made, (), {"spec": self.spec}
