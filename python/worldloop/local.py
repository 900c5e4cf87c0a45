"""Worlds in this process: one set of sessions, shared by all of them, stepped by a pool of threads.

Threads suffice because onnxruntime lets go of Python's lock while it computes. `client.py` offers the same over a
server.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from .package import find_package, open_package
from .world import Beginning, Dream, Step, Tick, World, check_action, check_beginning, check_guide, encoded_prompt


class LocalWorlds:
    """`count` worlds of one package. Pictures are uint8 [H, W, 3] and the caller's."""

    def __init__(
        self,
        package: str | Path,
        *,
        count: int,
        threads: int | None = None,
        samples: int = 0,
        batched: bool = False,
    ) -> None:
        """`threads` step worlds side by side, one core each; by default as many as there are worlds or cores.

        `batched`: several worlds a run, by the package's batch graph. Raises what `find_package`, `open_package` and
        `Dream` raise, and ValueError for a package without such a graph.
        """
        dream = Dream(open_package(find_package(package)), batched=batched)
        self.manifest, self.sha256, self._samples = dream.manifest, dream.package.sha256, samples
        self.reward_source = self.manifest["reward"]["file"] if dream.has_reward else "none"
        if batched and not dream.batch:
            raise ValueError(
                f"batched: expected a package with a batch graph, got '{self.manifest['name']}' without one; "
                "training.package.manifest --batch 8 adds it."
            )
        self._dream, self._together = dream, dream.batch if batched else 1
        self._worlds = [World(dream) for _ in range(count)]
        most = os.cpu_count() or 1 if threads is None else threads
        threads = min(-(-count // self._together), most)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def reset(self, beginnings: dict[int, Beginning]) -> dict[int, np.ndarray]:
        """World index: its beginning, to its first picture.

        Raises ResetError, StateError, and then no world has changed.
        """
        for beginning in beginnings.values():
            check_beginning(beginning, self.manifest)
        fresh = {index: World(self._dream) for index in beginnings}  # they take the place of the old ones together
        pictures = self._each(beginnings, lambda index, beginning: fresh[index].reset(beginning))
        for index, world in fresh.items():
            self._worlds[index] = world
        return pictures

    def prompt(self, texts: dict[int, str]) -> dict[int, tuple[str, ...]]:
        """World index: what it is told from its next step on, to the words that mean nothing to it.

        Raises PromptError, and then no world has been told anything; StateError.
        """
        self.check_prompts(texts)
        return {index: self._worlds[index].prompt(text) for index, text in texts.items()}

    def check_prompts(self, texts: dict[int, str]) -> None:
        """Raises PromptError."""
        for text in texts.values():
            encoded_prompt(self._dream.words, text, self.manifest)

    def guide(self, pictures: dict[int, np.ndarray]) -> None:
        """World index: the guide of its next step and of those after it, uint8 [H, W, 3].

        Raises GuideError, and then no world has been given any; StateError.
        """
        checked = {index: check_guide(picture, self.manifest) for index, picture in pictures.items()}
        for index, picture in checked.items():
            self._worlds[index].guide(picture)

    def step(self, actions: dict[int, np.ndarray]) -> dict[int, Tick]:
        """World index: its action, to what follows. Raises ActionError, StateError, and then no world has changed."""
        actions = {index: check_action(action, self.manifest) for index, action in actions.items()}
        return {index: self._worlds[index].take(step) for index, step in self._compute(actions).items()}

    def _compute(self, actions: dict[int, np.ndarray]) -> dict[int, Step]:
        """What would follow: one world may fail after others, and then none of them may have gone on."""
        if self._together == 1:
            return self._each(actions, lambda index, action: self._worlds[index].compute(action, samples=self._samples))
        groups = {index // self._together: {} for index in actions}
        for index, action in actions.items():
            groups[index // self._together][index] = action
        computed = self._each(groups, self._compute_together)
        return {index: step for steps in computed.values() for index, step in steps.items()}

    def _compute_together(self, group: int, actions: dict[int, np.ndarray]) -> dict[int, Step]:
        """A world keeps its place in the batch, so that its frames don't depend on who else is stepped."""
        began, first = time.perf_counter(), group * self._together
        places: list[dict[str, np.ndarray] | None] = [None] * self._together
        for index, action in actions.items():
            places[index - first] = self._worlds[index].prepare(action)
        outputs = self._dream.run_batch(places)
        ms = 1000 * (time.perf_counter() - began) / len(actions)
        settings = {"ms": ms, "samples": self._samples}
        return {i: self._worlds[i].finish(places[i - first], outputs[i - first], **settings) for i in actions}

    def close(self) -> None:
        """Ends the threads; calling it again does nothing."""
        if self._pool:
            self._pool.shutdown()

    def _each(self, items: dict[int, Any], job: Callable[[int, Any], Any]) -> dict[int, Any]:
        results = (self._pool.map if self._pool else map)(job, items.keys(), items.values())
        return dict(zip(items.keys(), results, strict=True))
