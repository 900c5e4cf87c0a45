"""Plays a world package in Python, exactly as the TypeScript runtime does: same ring, same noise, same graphs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime

from .errors import TrainingError
from .kv_window import ages_of, slot_of
from .rng import normals


class OnnxWorld:
    """`reset`, then `step` for ever. Pictures are uint8 [H, W, 3], actions float32 [A] in the order of the manifest."""

    def __init__(self, folder: Path, *, threads: int = 1, tick: str | None = None) -> None:
        """`tick` names another tick graph of the same folder, for comparisons.

        Raises TrainingError when `folder` holds no package.
        """
        if not (folder / "world.json").is_file():
            raise TrainingError(f"expected a world package, got '{folder}', which has no world.json.")
        self.manifest = json.loads((folder / "world.json").read_text())
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._tick = onnxruntime.InferenceSession(str(folder / (tick or self.manifest["tick"]["file"])), options)
        self._encoder = onnxruntime.InferenceSession(str(folder / self.manifest["encoder"]["file"]), options)
        self._shapes = {i.name: i.shape for i in self._tick.get_inputs()}

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """History of n pictures uint8 [n, H, W, 3] and the n - 1 actions between them; gives the last picture."""
        self.seed, self.tick, self.passes = seed, 0, 0
        self.kv = np.zeros(self._shapes["kv"], np.float32)
        self.written = [-1] * len(self.kv)
        latents = [self._encoder.run(["latent"], {"picture": frame})[0] for frame in frames]
        for latent, action in zip(latents[:-1], actions, strict=True):
            self.latent = latent
            self._run(np.zeros(self._shapes["noise"], np.float32), action)
        self.latent = latents[-1]
        return frames[-1]

    def step(self, action: np.ndarray) -> np.ndarray:
        shape = self._shapes["noise"]
        rgba, self.latent = self._run(normals(self.seed, self.tick, int(np.prod(shape))).reshape(shape), action)
        self.tick += 1
        return rgba[..., :3]

    def _run(self, noise: np.ndarray, action: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        feeds = {
            "noise": noise,
            "action": np.asarray(action, np.float32)[None],
            "latent": self.latent,
            "kv": self.kv,
            "age": ages_of(self.written, self.passes),
        }
        rgba, latent, slot = self._tick.run(["rgba", "latent_next", "slot"], feeds)
        kv = self.manifest["kv"]
        index = slot_of(self.passes, sink=kv["sink"], memory=kv["memory"], window=kv["window"])
        self.kv[index] = slot
        self.written[index] = self.passes
        self.passes += 1
        return rgba, latent
