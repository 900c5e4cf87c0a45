"""A world package as it lies on disk, while it is being made: no hashes are checked, `worldloop` plays it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np
from worldloop.package import Package
from worldloop.world import Beginning, Dream, World

from ..errors import TrainingError


class Remembering(Dream):
    """Keeps what it encoded: judges begin from the same history more than once."""

    def __init__(self, package: Package, *, threads: int) -> None:
        super().__init__(package, threads=threads)
        self._kept: dict[bytes, list[np.ndarray]] = {}

    def encoded(self, pictures: Iterable[np.ndarray]) -> list[np.ndarray]:
        frames = np.stack(list(pictures))
        key = hashlib.sha256(frames.tobytes()).digest()
        if key not in self._kept:
            self._kept[key] = super().encoded(frames)
        return self._kept[key]


class Playable(Protocol):
    """What is judged: a package, or a baseline that plays like one."""

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """History of n pictures uint8 [n, H, W, 3] and the n - 1 actions between them; gives the last picture."""
        ...

    def step(self, action: np.ndarray, told: str = "", guide: np.ndarray | None = None) -> np.ndarray:
        """The next picture. told: the prompt from now on, empty: as before; guide: of that picture, uint8 [H, W, 3]."""
        ...


class OnnxWorld:
    """`reset`, then `step` for ever. Pictures are uint8 [H, W, 3], actions float32 [A] in the order of the manifest."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """Raises TrainingError when `folder` holds no package."""
        if not (folder / "world.json").is_file():
            raise TrainingError(f"expected a world package, got '{folder}', which has no world.json.")
        self.manifest = json.loads((folder / "world.json").read_text())
        graphs = [self.manifest[name] for name in ("tick", "encoder", "reward", "prompt") if name in self.manifest]
        files = {graph["file"] for graph in graphs}
        contents = {file: (folder / file).read_bytes() for file in files}
        self._world = World(Remembering(Package(manifest=self.manifest, sha256="", files=contents), threads=threads))

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """History of n pictures uint8 [n, H, W, 3] and the n - 1 actions between them; gives the last picture."""
        return self._world.reset(Beginning(seed=seed, frames=frames, actions=actions))

    def step(self, action: np.ndarray, told: str = "", guide: np.ndarray | None = None) -> np.ndarray:
        if told and told != self._world.told:
            self._world.prompt(told)
        return self._world.step(action, guide=guide).picture

    @property
    def latent(self) -> np.ndarray:
        """float32 [1, cells, channels], the newest. Raises ValueError before the first `reset`."""
        if self._world.latent is None:
            raise ValueError("expected a world that was reset, got a new one.")
        return self._world.latent

    @property
    def passes(self) -> int:
        """Runs of the tick graph since `reset`; those over the history count."""
        return self._world.passes
