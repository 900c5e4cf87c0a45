"""Many dreamed worlds as one `gymnasium.vector.VectorEnv`: one set of weights, one message a step to a server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from .episode import Episode, Settings, check_options, draw_beginning, next_rng, spaces_of
from .errors import ActionError, GuideError, PromptError, ResetError, StateError
from .world import check_count, is_whole


class WorldVectorEnv(VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """`num_envs` worlds, each like a `WorldEnv` of its own: observations uint8 [n, H, W, 3], actions float32 [n, A]."""

    metadata = {"render_modes": ["rgb_array"]}

    def __init__(
        self,
        *,
        num_envs: int = 1,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        **settings: Any,
    ) -> None:
        """Takes the fields of `Settings` too. Raises what opening a package or reaching a server raises."""
        check_count("num_envs", num_envs, 1)
        self.num_envs, self.render_mode = num_envs, render_mode
        self._mode = AutoresetMode(autoreset_mode)
        self._settings = Settings(**settings)
        self._worlds = self._settings.open(num_envs)
        self.metadata = {
            **self.metadata,
            "render_fps": self._worlds.manifest["frameRate"],
            "autoreset_mode": self._mode,
        }
        self.single_observation_space, self.single_action_space = spaces_of(self._worlds.manifest)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._rngs = [seeding.np_random()[0] for _ in range(num_envs)]
        self._episodes: list[Episode | None] = [None] * num_envs
        self._over = np.zeros(num_envs, np.bool_)  # episodes that have ended and not begun again
        self._pictures = np.zeros(self.observation_space.shape, np.uint8)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """`seed` s gives the worlds s, s + 1, …; a list one each. The options are those of `WorldEnv`, for all worlds,
        and `reset_mask` bool [n] resets some and leaves the others.

        Raises ResetError, and then nothing has changed; StateError after `close`.
        """
        self._check_open()
        seeds = [seed + i for i in range(self.num_envs)] if is_whole(seed) else seed
        if seeds is None:
            seeds = [None] * self.num_envs
        if not isinstance(seeds, (list, tuple, np.ndarray)) or len(seeds) != self.num_envs:
            raise ResetError(f"seed: expected an integer or {self.num_envs} of them, got {seed!r}")
        options = check_options(options)
        given = options.pop("reset_mask", np.ones(self.num_envs, np.bool_))
        try:
            mask = np.asarray(given)
        except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths
            raise ResetError(f"reset_mask: expected bool [{self.num_envs}], got {type(given).__name__}") from error
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ResetError(f"reset_mask: expected bool [{self.num_envs}] with a True, got {mask.dtype} {mask.shape}")
        infos: dict[str, Any] = {}
        self._begin({i: seeds[i] for i in np.flatnonzero(mask).tolist()}, options, infos)
        return self._pictures.copy(), infos

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Raises ActionError; StateError before `reset`, after `close`, and without autoreset after an episode."""
        self._check_open()
        if None in self._episodes:
            raise StateError("The environment has no state yet. Call reset first.")
        if self._mode == AutoresetMode.DISABLED and self._over.any():
            raise StateError(f"worlds {np.flatnonzero(self._over).tolist()} have ended; reset them with reset_mask.")
        try:
            rows = list(actions)
        except TypeError as error:
            got = type(actions).__name__
            raise ActionError(f"actions: expected {self.num_envs} rows, one a world, got {got}") from error
        if len(rows) != self.num_envs:
            raise ActionError(f"actions: expected {self.num_envs} rows, one a world, got {len(rows)}")
        rewards = np.zeros(self.num_envs, np.float64)
        terminated, truncated = np.zeros(self.num_envs, np.bool_), np.zeros(self.num_envs, np.bool_)
        infos: dict[str, Any] = {}
        ended = np.flatnonzero(self._over).tolist()  # these begin again now, whatever their action
        ticks = self._worlds.step({i: rows[i] for i in range(self.num_envs) if not self._over[i]})
        if ended:
            self._begin(dict.fromkeys(ended), {}, infos)
        finished = {}
        for i, tick in ticks.items():
            self._pictures[i] = tick.picture
            rewards[i], terminated[i], truncated[i], info = self._episodes[i].count(tick)
            self._over[i] = terminated[i] or truncated[i]
            if self._over[i] and self._mode == AutoresetMode.SAME_STEP:
                finished[i] = {"final_obs": tick.picture, "final_info": info}
            else:
                infos = self._add_info(infos, info, i)
        for i, final in finished.items():
            infos = self._add_info(infos, final, i)
        if finished:
            self._begin(dict.fromkeys(finished), {}, infos)
        return self._pictures.copy(), rewards, terminated, truncated, infos

    def prompt(self, texts: str | Sequence[str | None]) -> list[tuple[str, ...]]:
        """What the worlds are told from their next step on, all the same or one each (None: nothing new).

        It holds until the episode ends. Gives the words that mean nothing, for each. Raises PromptError, and then no
        world has been told anything; StateError before `reset` and after `close`.
        """
        self._check_open()
        if None in self._episodes:
            raise StateError("The environment has no state yet. Call reset first.")
        each = [texts] * self.num_envs if isinstance(texts, str) else list(texts)
        if len(each) != self.num_envs:
            raise PromptError(f"prompt: expected a text, or {self.num_envs} of them, got {len(each)}")
        unknown = self._worlds.prompt({i: text for i, text in enumerate(each) if text is not None})
        return [unknown.get(i, ()) for i in range(self.num_envs)]

    def guide(self, pictures: np.ndarray | Sequence[np.ndarray | None]) -> None:
        """The guides of the worlds' next step and of those after it, uint8 [N, H, W, 3], or one each (None: as before).

        Raises GuideError, and then no world has been given any; StateError before `reset` and after `close`.
        """
        self._check_open()
        if None in self._episodes:
            raise StateError("The environment has no state yet. Call reset first.")
        if len(pictures) != self.num_envs:
            raise GuideError(f"guide: expected {self.num_envs} of them, one a world, got {len(pictures)}")
        self._worlds.guide({i: picture for i, picture in enumerate(pictures) if picture is not None})

    def render(self) -> tuple[np.ndarray, ...] | None:
        """The latest pictures, with `render_mode="rgb_array"`."""
        return tuple(self._pictures.copy()) if self.render_mode == "rgb_array" else None

    def close_extras(self, **_: Any) -> None:
        self._worlds.close()

    def _check_open(self) -> None:
        if self.closed:
            raise StateError("The environment is closed. Make it again.")

    def __reduce__(self) -> tuple:
        """A copy, by pickle or `copy.deepcopy`, is a new environment of the same settings, to be reset first."""
        settings = {"num_envs": self.num_envs, "render_mode": self.render_mode, "autoreset_mode": self._mode}
        return partial(type(self), **settings, **asdict(self._settings)), (), {"spec": self.spec}

    def _begin(self, seeds: dict[int, int | None], options: dict[str, Any], infos: dict[str, Any]) -> None:
        """Begins episodes, by world and seed; fills `infos`."""
        rngs = {i: next_rng(self._rngs[i], seed) for i, seed in seeds.items()}
        beginnings = {
            i: draw_beginning(rngs[i], seed=seed, options=options, manifest=self._worlds.manifest)
            for i, seed in seeds.items()
        }
        told = dict.fromkeys(seeds, options["prompt"]) if options.get("prompt") is not None else {}
        self._worlds.check_prompts(told)
        pictures = self._worlds.reset(beginnings)
        unknown = {i: {"unknown_words": words} for i, words in self._worlds.prompt(told).items()}
        for i, picture in pictures.items():
            self._pictures[i], self._rngs[i], self._over[i] = picture, rngs[i], False
            self._episodes[i] = Episode(self._settings, self._worlds, beginnings[i])
            self._add_info(infos, {**self._episodes[i].info(), **unknown.get(i, {})}, i)
