"""A world package as it lies on disk, while it is being made: no hashes are checked, `worldloop` plays it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
from worldloop.package import Package
from worldloop.world import Beginning, Dream, World

from ..errors import TrainingError


class Remembering(Dream):
    """Keeps what it encoded: judges begin from the same history more than once."""

    def __init__(self, package: Package, *, threads: int) -> None:
        super().__init__(package, threads=threads)
        self._kept: dict[bytes, list[np.ndarray]] = {}

    def encoded(self, frames: np.ndarray) -> list[np.ndarray]:
        key = hashlib.sha256(frames).digest()
        if key not in self._kept:
            self._kept[key] = super().encoded(frames)
        return self._kept[key]


class OnnxWorld:
    """`reset`, then `step` for ever. Pictures are uint8 [H, W, 3], actions float32 [A] in the order of the manifest."""

    def __init__(self, folder: Path, *, threads: int = 1, tick: str | None = None) -> None:
        """`tick` names another tick graph of the same folder, for comparisons.

        Raises TrainingError when `folder` holds no package.
        """
        if not (folder / "world.json").is_file():
            raise TrainingError(f"expected a world package, got '{folder}', which has no world.json.")
        self.manifest = json.loads((folder / "world.json").read_text())
        graphs = self.manifest
        if tick:
            inputs = onnxruntime.InferenceSession(folder / tick, providers=["CPUExecutionProvider"]).get_inputs()
            evaluations = next(i.shape[0] for i in inputs if i.name == "noise")  # its own number
            graphs = {**graphs, "tick": {**graphs["tick"], "file": tick}, "evaluations": evaluations}
        files = {graphs[graph]["file"] for graph in ("tick", "encoder", "reward") if graph in graphs}
        contents = {file: (folder / file).read_bytes() for file in files}
        self._world = World(Remembering(Package(manifest=graphs, sha256="", files=contents), threads=threads))

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """History of n pictures uint8 [n, H, W, 3] and the n - 1 actions between them; gives the last picture."""
        return self._world.reset(Beginning(seed=seed, frames=frames, actions=actions))

    def step(self, action: np.ndarray) -> np.ndarray:
        return self._world.step(action).picture

    @property
    def latent(self) -> np.ndarray:
        """float32 [1, N, C], the newest."""
        return self._world.latent

    @property
    def passes(self) -> int:
        """Runs of the tick graph since `reset`; those over the history count."""
        return self._world.passes
