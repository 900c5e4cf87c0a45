"""What an agent sees of a world: spaces, how an episode begins and ends, what `info` says.

Shared by the single environment (`env.py`) and the batched one (`vector.py`), which is why both give the same frames.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding

from .client import RemoteWorlds
from .errors import ResetError
from .local import LocalWorlds
from .world import MAX_SEED, Beginning, Tick, check_beginning, check_count, is_whole

OPTIONS = ("start", "frames", "actions", "prompt")


@dataclass(frozen=True)
class Settings:
    """What `gymnasium.make` and `make_vec` take beside the id."""

    package: str | Path  # a world's name or the folder of its package; with `server`, the name there
    server: str | None = None  # ws://host:port of a `worldloop serve`; None computes in this process
    token: str | None = None  # what that server printed; default: the variable WORLDLOOP_TOKEN
    max_frames: int = 1000  # an episode is truncated after so many steps, 2 or more
    uncertainty: int = 0  # extra samples a step behind info["uncertainty"]; each costs another tick
    timing: bool = False  # info["tick_ms"], which no seed fixes; off so that `info` is the same on every run
    threads: int | None = None  # worlds stepped side by side in this process; default: one a core
    batched: bool = False  # several worlds in one run of the package's batch graph: quicker, last bits may differ

    def open(self, count: int) -> LocalWorlds | RemoteWorlds:
        """Raises ValueError, and what opening a package or reaching a server raises."""
        check_count("max_frames", self.max_frames, 2)
        check_count("uncertainty", self.uncertainty, 0)
        if self.threads is not None:
            check_count("threads", self.threads, 1)
        for name in ("timing", "batched"):
            if not isinstance(getattr(self, name), (bool, np.bool_)):
                raise ValueError(f"{name}: expected True or False, got {getattr(self, name)!r}")
        for name in ("threads", "batched"):
            if getattr(self, name) and self.server is not None:
                raise ValueError(f"{name}: expected worlds of this process, got the server {self.server}")
        if self.server is None:
            settings = {"threads": self.threads, "samples": self.uncertainty, "batched": self.batched}
            return LocalWorlds(self.package, count=count, **settings)
        name = Path(self.package).name.removesuffix(".zip")
        return RemoteWorlds(self.server, name, count=count, token=self.token, samples=self.uncertainty)


def spaces_of(manifest: dict) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Box]:
    """Observations uint8 [H, W, 3]; actions float32 [A] in the order and units of the manifest's table."""
    side = manifest["picture"]["height"], manifest["picture"]["width"]
    low, high = (np.array([spec[end] for spec in manifest["actions"]], np.float32) for end in ("min", "max"))
    return gymnasium.spaces.Box(0, 255, (*side, 3), np.uint8), gymnasium.spaces.Box(low, high, dtype=np.float32)


def draw_beginning(
    rng: np.random.Generator, *, seed: int | None, options: dict[str, Any] | None, manifest: dict
) -> Beginning:
    """`seed` is that of the session; without one it is drawn, and so is the start without an option.

    Options: `start`, an index; or `frames` uint8 [n, H, W, 3] and `actions` float32 [n - 1, A], a history to begin
    after; and `prompt`, what the world is told from its first step on, which is the caller's. Raises ResetError.
    """
    options = check_options(options)
    unknown = [name for name in options if name not in OPTIONS]
    if unknown:
        raise ResetError(f"options: expected {', '.join(OPTIONS)}, got {unknown[0]!r}")
    session = int(rng.integers(MAX_SEED + 1)) if seed is None else seed
    start = options.get("start")
    if start is None and options.get("frames") is None:
        start = int(rng.integers(len(manifest["starts"])))
    beginning = Beginning(seed=session, start=start, frames=options.get("frames"), actions=options.get("actions"))
    check_beginning(beginning, manifest)
    return beginning


def check_options(options: dict[str, Any] | None) -> dict[str, Any]:
    """A copy. Raises ResetError."""
    if options is not None and not isinstance(options, dict):
        raise ResetError(f"options: expected a dict, got {type(options).__name__}")
    return dict(options or {})


def next_rng(rng: np.random.Generator, seed: int | None) -> np.random.Generator:
    """What a reset draws from; the caller keeps it once the reset has gone well. Raises ResetError."""
    if seed is None:
        return deepcopy(rng)
    if not is_whole(seed) or not 0 <= seed <= MAX_SEED:
        raise ResetError(f"seed: expected an integer from 0 to {MAX_SEED}, got {seed!r}")
    return seeding.np_random(int(seed))[0]


class Episode:
    """Counts one episode's frames and words its `info`."""

    def __init__(self, settings: Settings, worlds: LocalWorlds | RemoteWorlds, beginning: Beginning) -> None:
        self._settings, self._worlds, self._beginning = settings, worlds, beginning
        self.frames = 0

    def info(self, tick: Tick | None = None) -> dict[str, Any]:
        """`model`: sha256 of world.json; `tick`, `seed`, `start` (−1 after frames of one's own), `reward_source`."""
        start = self._beginning.start
        info = {
            "model": self._worlds.sha256,
            "tick": self.frames,
            "seed": int(self._beginning.seed),
            "start": -1 if start is None else int(start),
            "reward_source": self._worlds.reward_source,
        }
        if tick is not None and tick.uncertainty is not None:
            info["uncertainty"] = tick.uncertainty
        if tick is not None and self._settings.timing:
            info["tick_ms"] = tick.ms
        return info

    def count(self, tick: Tick) -> tuple[float, bool, bool, dict[str, Any]]:
        """Reward, terminated, truncated and info of one step."""
        self.frames += 1
        return tick.reward, tick.done, self.frames >= self._settings.max_frames, self.info(tick)
