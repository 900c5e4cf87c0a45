"""Worlds in this process: one set of sessions, shared by all of them, stepped by a pool of threads.

Threads suffice because onnxruntime lets go of Python's lock while it computes. `client.py` offers the same over a
server.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from .package import find_package, open_package
from .world import Beginning, Dream, Tick, World, check_action, check_beginning


class LocalWorlds:
    """`count` worlds of one package. Pictures are uint8 [H, W, 3] and the caller's."""

    def __init__(self, package: str | Path, *, count: int, threads: int | None = None, samples: int = 0) -> None:
        """`threads` step worlds side by side, one core each; by default as many as there are worlds or cores.

        Raises what `find_package`, `open_package` and `Dream` raise.
        """
        dream = Dream(open_package(find_package(package)))
        self.manifest, self.sha256, self._samples = dream.manifest, dream.package.sha256, samples
        self.reward_source = self.manifest["reward"]["file"] if dream.has_reward else "none"
        self._worlds = [World(dream) for _ in range(count)]
        threads = min(count, threads or os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def reset(self, beginnings: dict[int, Beginning]) -> dict[int, np.ndarray]:
        """World index: its beginning, to its first picture. Raises ResetError, and then no world has changed."""
        for beginning in beginnings.values():
            check_beginning(beginning, self.manifest)
        return self._each(beginnings, lambda index, beginning: self._worlds[index].reset(beginning))

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Tick]:
        """World index: its action, to what follows. Raises ActionError, and then no world has changed; StateError."""
        actions = {index: check_action(action, self.manifest) for index, action in actions.items()}
        return self._each(actions, lambda index, action: self._worlds[index].step(action, samples=self._samples))

    def close(self) -> None:
        """Ends the threads; calling it again does nothing."""
        if self._pool:
            self._pool.shutdown()

    def _each(self, items: dict[int, Any], job: Callable[[int, Any], Any]) -> dict[int, Any]:
        results = (self._pool.map if self._pool else map)(job, items.keys(), items.values())
        return dict(zip(items.keys(), results, strict=True))
