"""Many short dreams at a time, one a core: networks compute outside Python's lock, so threads are enough."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from .onnx_world import Playable

WORKERS = 2  # dreams at a time, each on one core
Item = TypeVar("Item")
Result = TypeVar("Result")


def play_each(
    make_world: Callable[[], Playable],
    play: Callable[[Playable, Item], Result],
    items: Iterable[Item],
    *,
    workers: int = WORKERS,
    bar: tqdm | None = None,
) -> list[Result]:
    """What `play` gives for each item, in their order. Each thread makes a world of its own; `play` resets it."""
    own = threading.local()

    def work(item: Item) -> Result:
        if not hasattr(own, "world"):
            own.world = make_world()
        result = play(own.world, item)
        if bar is not None:
            bar.update()
        return result

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, items))
