"""Packages a world again and again while it trains, so that somebody can watch it learn, and play it meanwhile.

A process of low priority looks every few minutes whether there is a newer checkpoint. What it packages is swapped in
whole, with a preview and `progress.png`: real frames above dreamed ones. These pictures are kept in the data folder's
`progress`, too, one a package, so that they can be leafed through.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from worldloop.errors import WorldloopError

from ..errors import TrainingError
from ..processes import end_with_parent
from ..stages import checkpoint
from ..stages.loop import Training
from ..stages.world_model import HISTORY_LEVEL, contact_sheet, held_rows, load_world_model
from ..worlds.registry import find_world
from .manifest import PROGRESS, PROGRESS_FACTS, Starts, frames_of, starts_of, write_package
from .preview import write_preview

NICE = 15


@dataclass(frozen=True)
class Publishing:
    """What is packaged, where to and how often."""

    world: str
    data: Path  # folder of the checkpoints
    out: Path  # the package
    stages: tuple[str, ...]  # of those with a checkpoint the last one is packaged
    every: float  # seconds


class Publisher:
    """Packages the newest checkpoint, unless it did before."""

    def __init__(self, job: Publishing) -> None:
        self.job, self.world = job, find_world(job.world, job.data)
        self.starts: Starts | None = None
        self.done = self._newest()  # what was there before is packaged, or is somebody else's beginning

    def publish(self) -> Path | None:
        """The picture that shows how it stands; None where nothing is new. Raises TrainingError, WorldloopError."""
        newest, job = self._newest(), self.job
        if newest is None or newest == self.done:
            return None
        stage, step = newest
        model = load_world_model(job.data, job.world, stage)
        self.starts = self.starts or starts_of(self.world, job.data)
        sheet = contact_sheet(model, held_rows(Training(self.world, job.data, steps=1)))
        picture = job.data / "progress" / f"{stage}-{step:06}.png"
        picture.parent.mkdir(exist_ok=True)
        Image.fromarray(sheet).save(picture)
        about = checkpoint.about(job.data, stage)
        facts = {"stage": stage, "step": step, "frames": about.get("frames", 0), "hours": about.get("hours", 0)}

        def beside(folder: Path) -> None:
            write_preview(folder)
            shutil.copyfile(picture, folder / PROGRESS)
            (folder / PROGRESS_FACTS).write_text(json.dumps(facts) + "\n")

        write_package(
            job.out,
            world=self.world,
            data=job.data,
            model=model,
            evaluations=1,
            context_level=HISTORY_LEVEL,
            trained_frames=frames_of(job.data, stage),
            starts=self.starts,
            beside=beside,
        )
        self.done = newest
        return picture

    def _newest(self) -> tuple[str, int] | None:
        """Stage and step of the checkpoint that is packaged now."""
        for stage in reversed(self.job.stages):
            step = checkpoint.about(self.job.data, stage).get("step")
            if step is not None:
                return stage, step
        return None


@contextlib.contextmanager
def publishing(job: Publishing) -> Iterator[None]:
    """Publishes while the block runs. What is half done at its end is cleared away."""
    process = multiprocessing.get_context("spawn").Process(target=_publish_for_ever, args=(job,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()
        for left in ("partial", "old"):
            shutil.rmtree(job.out.with_name(f"{job.out.name}.{left}"), ignore_errors=True)


def _publish_for_ever(job: Publishing) -> None:
    end_with_parent()
    os.nice(NICE)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    publisher, begin = Publisher(job), time.monotonic()
    while True:
        time.sleep(job.every)
        try:
            picture = publisher.publish()
        except (TrainingError, WorldloopError, OSError) as error:
            _say(f"not packaged this time: {error}")
            continue
        if picture is not None:
            minutes = (time.monotonic() - begin) / 60
            _say(f"{job.out}: packaged as it stands after {minutes:.0f} minutes; {picture} shows it")


def _say(line: str) -> None:
    """A line of its own, though a bar be on the screen."""
    print(f"\r\033[K{line}" if sys.stderr.isatty() else line, file=sys.stderr, flush=True)
