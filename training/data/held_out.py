"""What worlds are judged on: real episodes of seeds that nobody trained on, recorded once and kept in the data folder.

Three kinds: the mixture that training saw, random action scripts, and long runs of the policy that drift is judged
under. A world without a live environment has only the first, which then stands for all three.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import TrainingError
from ..worlds.world import Player, Source, World
from .episodes import Episodes, load_episodes
from .record import HELD_OUT_FROM, Recording, record, write_npz

CONTEXT = 8  # real frames before a dream
AHEAD = 64  # frames dreamed from each start under random actions
WINDOW = 100  # frames that drift is judged by at a time
RANDOM_SEED, LONG_SEED = HELD_OUT_FROM + 1, HELD_OUT_FROM + 2
LEAD_IN = 60  # frames that the start policy plays before a random script begins


def held_out_episodes(world: World, data: Path, frames: int = 8000) -> Episodes:
    """Real episodes of the policy that the training data was made with."""
    return _kept(data / f"held-{HELD_OUT_FROM}.npz", Recording(world.name, "mixed", HELD_OUT_FROM, frames))


def random_episodes(world: World, data: Path, *, starts: int, ahead: int) -> Episodes:
    """Real episodes that end in `ahead` frames of a random action script; `held_out_episodes` where there are none."""
    if "sticky-random" not in world.policies:
        return held_out_episodes(world, data)
    return load_episodes([random_recording(world, data, seed=RANDOM_SEED, starts=starts, ahead=ahead)])


def random_recording(world: World, data: Path, *, seed: int, starts: int, ahead: int, make: bool = True) -> Path:
    """The file of `scripted_then_random`, recorded unless it is there or mustn't be."""
    path = data / f"random-{seed}-{starts}x{ahead}.npz"
    if make and not path.is_file():
        write_npz(path, scripted_then_random(world, seed=seed, starts=starts, ahead=ahead))
    return path


def scripted_then_random(world: World, *, seed: int, starts: int, ahead: int) -> dict[str, np.ndarray]:
    """`CONTEXT` frames of the start policy, then `ahead` under random actions, `starts` times; arrays as `record`.

    The start policy plays first: a car that stands, or has long left the road, shows little of what is pressed.
    """
    source, frames, actions = world.live(), [], []
    bar = tqdm(total=starts, unit="start", desc="random scripts", file=sys.stderr, disable=not sys.stderr.isatty())
    number = 0
    while len(frames) < starts and number < 4 * starts:
        rng = np.random.default_rng([seed, number])
        policies = [world.policies[name](rng) for name in (world.start_policy, "sticky-random")]
        picture, rows = source.reset(seed + number), []
        number += 1
        for age in range(LEAD_IN + ahead):
            action = policies[age >= LEAD_IN - 1](source)  # from the last frame of the context on
            rows.append((picture.copy(), action))
            picture = source.step(action)
            if source.done:
                break
        if len(rows) == LEAD_IN + ahead:
            frames.append(np.stack([row[0] for row in rows[LEAD_IN - CONTEXT :]]))
            actions.append(np.stack([row[1] for row in rows[LEAD_IN - CONTEXT :]]))
            bar.update()
    bar.close()
    source.close()
    if not frames:
        raise TrainingError(f"expected real episodes of {LEAD_IN + ahead} frames, all of {number} ended before.")
    begins = np.arange(len(frames) * (CONTEXT + ahead)) % (CONTEXT + ahead) == 0
    return {"frames": np.concatenate(frames), "actions": np.concatenate(actions).astype(np.float32), "starts": begins}


def long_episodes(world: World, data: Path, *, runs: int, frames: int) -> Episodes:
    """`runs` real episodes of up to `frames` frames: steered by sight where the world has a `player`, else `mixed`.

    `held_out_episodes`, whatever their length, where there is no environment to play in.
    """
    if world.source is None:
        return held_out_episodes(world, data)
    if world.player is None:
        path = data / f"long-{LONG_SEED}-{runs}x{frames}.npz"
        return _kept(path, Recording(world.name, "mixed", LONG_SEED, runs * frames, frames))
    path = data / f"played-{LONG_SEED}-{runs}x{frames}.npz"
    if not path.is_file():
        write_npz(path, played(world, runs=runs, frames=frames))
    return load_episodes([path])


def played(world: World, *, runs: int, frames: int) -> dict[str, np.ndarray]:
    """The real environment steered by the world's `player`, which sees pictures only; arrays as `record` gives them.

    Where an episode ends early, the next one begins.
    """
    if world.player is None:
        raise TrainingError(f"expected a world with a player that steers by sight, got '{world.name}'.")
    source, rows, seeds = world.live(), [], count(LONG_SEED + runs + 1)
    bar = tqdm(total=runs * frames, unit="frame", desc="real runs", file=sys.stderr, disable=not sys.stderr.isatty())
    for run in range(runs):
        act = world.player(np.random.default_rng([LONG_SEED, run]))
        for row in islice(steered(source, act, chain([LONG_SEED + run], seeds)), frames):
            rows.append(row)
            bar.update()
    bar.close()
    source.close()
    pictures, actions, starts = zip(*rows, strict=True)
    return {"frames": np.stack(pictures), "actions": np.stack(actions), "starts": np.array(starts, bool)}


def steered(source: Source, act: Player, seeds: Iterator[int]) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    """A real environment steered by sight, episode after episode, each from the next of `seeds`; without end.

    Gives the picture, the action that leads on from it, and whether an episode begins with it.
    """
    for seed in seeds:
        before = picture = source.reset(seed)
        begins = True
        while begins or not source.done:
            action = act(before, picture)
            yield picture, action, begins
            before, picture, begins = picture, source.step(action), False


def _kept(path: Path, spec: Recording) -> Episodes:
    if not path.is_file():
        write_npz(path, record(spec, progress=sys.stderr.isatty()))
    return load_episodes([path])


def spread(episodes: Episodes, length: int, count: int) -> np.ndarray:
    """First rows of `count` stretches of `length` frames, spread evenly over the episodes. int64 [count]."""
    windows = episodes.windows(length)
    if len(windows) == 0:
        longest = int(np.diff(np.flatnonzero(np.append(episodes.starts, True))).max())
        raise TrainingError(f"expected a held-out episode of {length} frames, the longest has {longest}; record more.")
    return windows[np.linspace(0, len(windows) - 1, count).astype(int)]
