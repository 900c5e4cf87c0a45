"""Records episodes from a real environment.

    python -m training.data.record --world car-racing --policy mixed --seed 1 --frames 400 --out x.npz

The file holds `frames` uint8 [T, H, W, 3], `actions` float32 [T, A] (action t leads from frame t to t + 1; the last
action of an episode leads nowhere) and `starts` bool [T] (true on the first frame of an episode); of a guided world
also `guides` uint8 [T, H, W, 3], each of its frame's moment. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import os
import sys
import zipfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import count, islice
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from ..errors import TrainingError, exit_status
from ..processes import end_with_parent
from ..worlds.registry import find_world
from ..worlds.sticky import Pausing
from ..worlds.world import Action, Picture, Source, World

HELD_OUT_FROM = 1_000_000  # `--seed` from here on is never trained on
START_SEED = 2_000_000  # the package's starts are recorded from a seed of their own, which nothing is judged on
FRAMES = 10_000  # of a recording to train on
PAUSES = 0.25  # of what is recorded to train on


@dataclass
class Recording:
    """What one call records."""

    world: str  # name of the world
    policy: str  # who plays: a key of the world's policies
    seed: int  # together with an episode's number it fixes the episode and its policy
    frames: int  # how many frames in all
    episode: int = 400  # longest episode, frames
    pauses: float = 0.0  # share of the frames in which nobody touches anything, besides what the policy does


def record(spec: Recording, *, progress: bool = True) -> dict[str, np.ndarray]:
    """Plays `spec.frames` frames and returns the arrays."""
    if spec.frames < 1 or spec.episode < 2:
        raise TrainingError(f"expected --frames >= 1 and --episode >= 2, got {spec.frames} and {spec.episode}.")
    if not 0 <= spec.pauses < 1:
        raise TrainingError(f"expected --pauses from 0 to below 1, got {spec.pauses}.")
    if spec.seed < 0:
        raise TrainingError(f"expected --seed >= 0, got {spec.seed}.")
    world = find_world(spec.world)
    source = world.live()
    if spec.policy not in world.policies:
        source.close()
        raise TrainingError(f"unknown policy: expected one of {', '.join(world.policies)}, got '{spec.policy}'.")
    rows = islice(play(world, source, spec), spec.frames)
    bar = tqdm(rows, total=spec.frames, unit="frame", disable=not progress, file=sys.stderr)
    frames, actions, starts, said, guides = zip(*bar, strict=True)
    source.close()
    arrays = {
        "frames": np.stack(frames),
        "actions": np.stack(actions).astype(np.float32),
        "starts": np.array(starts, bool),
        **({"guides": np.stack(guides)} if world.guided else {}),
    }
    if world.words is None:
        return arrays
    texts = list(dict.fromkeys(text for text in said if text is not None))
    numbers = [-1 if text is None else texts.index(text) for text in said]
    return {
        **arrays,
        "captions": np.array(texts, f"<U{max(map(len, texts), default=1)}"),
        "caption": np.array(numbers, np.int32),
    }


class Row(NamedTuple):
    """A frame of `play`."""

    picture: Picture
    action: Action
    begins: bool  # whether an episode does
    said: str | None  # about the step to come
    guide: Picture | None  # of the picture's moment


def play(world: World, source: Source, spec: Recording) -> Iterator[Row]:
    """What `spec.policy` sees and does, episode after episode, without end.

    The source stands at the picture; its action is taken when the next row is asked for.
    """
    rest = np.array([action["rest"] for action in world.actions], np.float32)
    for episode in count():
        seed = np.random.SeedSequence([spec.seed, episode])
        rng = np.random.default_rng(seed)
        policy = world.policies[spec.policy](rng)
        if spec.pauses:
            policy = Pausing(rng, policy, rest, share=spec.pauses)
        picture = source.reset(int(seed.generate_state(1)[0]) & 0x7FFF_FFFF)
        for age in range(spec.episode):
            action = policy(source)
            yield Row(picture, action, age == 0, getattr(source, "caption", None), getattr(source, "guide", None))
            picture = source.step(action)
            if source.done:
                break


def to_train_on(world: str, folder: Path, recordings: int, frames: int = FRAMES) -> list[tuple[Path, Recording]]:
    """What a world is trained on, for `record_all`: `train-SEED.npz` of seeds 1, 2, ..."""
    return [
        (folder / f"train-{seed}.npz", Recording(world, "mixed", seed, frames, pauses=PAUSES))
        for seed in range(1, recordings + 1)
    ]


def record_all(jobs: list[tuple[Path, Recording]]) -> None:
    """Writes each recording into its world's data folder, as many at a time as there are cores."""
    total = sum(spec.frames for _, spec in jobs)
    workers = max(1, min(len(jobs), os.cpu_count() or 1))
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=end_with_parent) as pool,
        tqdm(total=total, unit="frame", desc="recordings", disable=not sys.stderr.isatty(), file=sys.stderr) as bar,
    ):
        try:
            for done in as_completed([pool.submit(_record_into, *job) for job in jobs]):
                bar.update(done.result())
        except BaseException:
            for process in active_children():  # or the pool would wait until all is recorded
                process.terminate()
            for path, _ in jobs:
                partial_of(path).unlink(missing_ok=True)
            raise


def _record_into(path: Path, spec: Recording) -> int:
    find_world(spec.world, path.parent)  # a world of one's own is described there
    write_npz(path, record(spec, progress=False))
    return spec.frames


def partial_of(path: Path) -> Path:
    """Where it is written."""
    return path.with_name(path.name + ".partial")


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes beside the target and renames: an interrupted recording leaves nothing half-written.

    Times in the archive are fixed, so equal arrays give equal bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_of(path)
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)
    os.replace(partial, path)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True, help="name of the world, such as car-racing")
    parser.add_argument("--policy", default="mixed", help="sticky-random, scripted or mixed")
    parser.add_argument("--seed", type=int, default=1, help=f"from {HELD_OUT_FROM:,} on: held out of training")
    parser.add_argument("--frames", type=int, default=400)
    parser.add_argument("--episode", type=int, default=400, help="longest episode, frames")
    parser.add_argument("--pauses", type=float, default=0.0, help="share of the frames in which nobody acts (0)")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    args = parser.parse_args(argv)

    def work() -> None:
        if args.out.suffix != ".npz":
            raise TrainingError(f"expected --out to end in .npz, got '{args.out}'.")
        there = next(folder for folder in args.out.absolute().parents if folder.exists())
        if not there.is_dir():
            raise TrainingError(f"expected a folder for --out, got the file '{there}'.")
        spec = Recording(args.world, args.policy, args.seed, args.frames, args.episode, args.pauses)
        arrays = record(spec, progress=sys.stderr.isatty())
        write_npz(args.out, arrays)
        print(f"{args.out}: {len(arrays['frames'])} frames, {int(arrays['starts'].sum())} episodes")

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
