"""Fresh episodes beside the training, for ever: the buffer of recordings is bounded, and its oldest make room.

A process of low priority records each world in turn and removes the oldest recording where a world has more than its
share. `Stretches.refresh` takes up what is new and lets go of what is gone. It rests three times as long as it works:
recording is cheap, and the cores are the training's. Where a GPU trains, all cores but two record without rest.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from ..processes import end_with_parent
from ..worlds.registry import find_world
from .corpus import Corpus, recordings
from .record import FRAMES, PAUSES, Recording, record, write_npz

REST = 3.0  # times as long as it worked
NICE = 15


@contextlib.contextmanager
def refilling(corpora: tuple[Corpus, ...], *, most: int, frames: int = FRAMES) -> Iterator[None]:
    """Records while the block runs. most: recordings that a world keeps; frames: of each.

    Worlds without a live environment, and a `most` of what is there already, are left as they are.
    """
    live = tuple(corpus for corpus in corpora if corpus.world.source is not None)
    if not live:
        yield
        return
    context = multiprocessing.get_context("spawn")
    folders = [(corpus.world.name, corpus.data) for corpus in live]
    idle = torch.cuda.is_available()
    count = max(1, len(os.sched_getaffinity(0)) - 2) if idle else 1
    recorders = [
        context.Process(
            target=_record_for_ever,
            args=(folders[number % len(folders) :] + folders[: number % len(folders)], most, frames),
            kwargs={"number": number, "count": count, "rest": 0.0 if idle else REST},
            daemon=True,
        )
        for number in range(count)
    ]
    for recorder in recorders:
        recorder.start()
    try:
        yield
    finally:
        for recorder in recorders:
            recorder.terminate()
            recorder.join()
        for corpus in live:
            for left in corpus.data.glob("*.partial"):
                left.unlink()


def _record_for_ever(
    folders: list[tuple[str, Path]], most: int, frames: int, *, number: int, count: int, rest: float
) -> None:
    end_with_parent()
    os.nice(NICE)
    torch.set_num_threads(1)
    for world, data in folders:
        find_world(world, data)  # a process that has just begun doesn't know where worlds of one's own lie
    while True:
        for world, data in folders:
            begin = time.monotonic()
            refill(world, data, most=most, frames=frames, number=number, count=count)
            time.sleep(rest * (time.monotonic() - begin))


def recorded(data: Path) -> list[Path]:
    """What was recorded to train on, oldest first; not what was imported."""
    return [file for file in recordings(data, "train") if file.stem.removeprefix("train-").isdigit()]


def seed_of(file: Path) -> int:
    return int(file.stem.removeprefix("train-"))


def refill(world: str, data: Path, *, most: int, frames: int, number: int = 0, count: int = 1) -> Path:
    """Records one more file of a world with the next seed, and removes the oldest ones beyond `most`.

    Of `count` processes that do so side by side, `number` takes the seeds that are congruent to it.
    """
    seed = max(map(seed_of, recorded(data)), default=0) + 1
    seed += (number - seed) % count
    file = data / f"train-{seed}.npz"
    write_npz(file, record(Recording(world, "mixed", seed, frames, pauses=PAUSES), progress=False))
    for old in recorded(data)[:-most]:
        old.unlink(missing_ok=True)
    return file
