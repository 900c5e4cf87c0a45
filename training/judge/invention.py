"""Is what a world with a road dreams a road? A driver that sees only the picture drives on it, and on real ones."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import CONTEXT
from ..data.record import HELD_OUT_FROM
from ..worlds.world import Road, World
from .measures import interval, motion, sharpness, wasserstein
from .onnx_world import Playable
from .side_by_side import play_each

PART_AFTER = 100  # frames after which two seeds from one state are compared
BEND = 0.2  # of full lock, half a second long: counts as a turn
BINS = np.linspace(-0.04, 0.04, 17)  # of the curvature histogram, 1/px


@dataclass
class Drive:
    """One drive of T frames."""

    road: np.ndarray  # bool [T], whether the car is on the road
    sharp: np.ndarray  # [T]
    motion: np.ndarray  # [T]
    turns: float  # per 100 frames
    bends: np.ndarray  # curvature of the road ahead at frames where it can be followed, 1/px
    last: np.ndarray  # uint8 [H, W, 3]


def drive(
    step: Callable[[np.ndarray], np.ndarray], picture: np.ndarray, frames: int, *, road: Road, frame_rate: float
) -> Drive:
    """Drives on from a picture; `step` takes an action and gives the next picture."""
    driver, on_road, sharp, moved, heading, bends = road.driver(), [], [], [], [], []
    for t in range(frames):
        before, action = picture, driver(picture)
        picture = step(action)
        on_road.append(road.on_road(picture))
        sharp.append(sharpness(picture[None])[0])
        moved.append(motion(np.stack([before, picture]))[0])
        heading.append(float(action[road.steering]))
        bend = road.curvature(picture) if t % 5 == 0 else None
        if bend is not None:
            bends.append(bend)
    half = max(1, int(frame_rate / 2))  # frames of half a second
    turning = np.abs(np.convolve(heading, np.ones(half) / half, "valid")) > BEND
    turns = float((turning[1:] & ~turning[:-1]).sum() * 100 / frames)
    return Drive(np.array(on_road), np.array(sharp), np.array(moved), turns, np.array(bends), picture)


def real_drives(world: World, road: Road, *, runs: int, frames: int) -> list[Drive]:
    """The same driver on real tracks."""
    source = world.live()
    drives = [
        drive(source.step, source.reset(HELD_OUT_FROM + run), frames, road=road, frame_rate=world.frame_rate)
        for run in tqdm(range(runs), unit="drive", desc="real", file=sys.stderr, disable=not sys.stderr.isatty())
    ]
    source.close()
    return drives


def invent(
    make_world: Callable[[], Playable],
    road: Road,
    held: Episodes,
    reals: list[Drive],
    *,
    frames: int,
    frame_rate: float,
    bar: tqdm | None = None,
) -> dict:
    """As many drives in the dream as there are real ones, from held-out starts on the road.

    Sharpness and motion are ratios to the real drives. `curvature_distance` is the Wasserstein distance between the
    bends of dream and real, 1/px; beside it that between two halves of the real drives.
    """
    seen = {"road": road, "frame_rate": frame_rate}
    windows = [w for w in held.windows(CONTEXT) if all(road.on_road(f) for f in held.frames[w : w + CONTEXT])]
    chosen = np.array(windows)[np.linspace(0, len(windows) - 1, len(reals)).astype(int)]

    def play(dream: Playable, number: int) -> tuple[Drive, float | None]:
        rows = slice(chosen[number], chosen[number] + CONTEXT)
        context = {"frames": held.frames[rows], "actions": held.actions[rows][:-1]}
        pair = [drive(dream.step, dream.reset(seed=s, **context), PART_AFTER, **seen) for s in (number, number + 1_000)]
        both = all(d.road.all() for d in pair)
        apart = float(np.abs(pair[0].last.astype(np.int16) - pair[1].last).mean()) if both else None
        return drive(dream.step, dream.reset(seed=number, **context), frames, **seen), apart

    played = play_each(make_world, play, range(len(reals)), bar=bar)
    dreams, parted = [d for d, _ in played], [apart for _, apart in played if apart is not None]
    ends = slice(frames - min(100, frames), frames)
    sharp, moved = (np.mean([getattr(r, k).mean() for r in reals]) for k in ("sharp", "motion"))
    bends, real_bends = (np.concatenate([d.bends for d in drives]) for drives in (dreams, reals))
    halves = [np.concatenate([np.zeros(0), *(d.bends for d in reals[i::2])]) for i in (0, 1)]
    strangers = [np.abs(a.last.astype(np.int16) - b.last).mean() for a, b in zip(reals, reals[1:], strict=False)]

    def distance(a: np.ndarray, b: np.ndarray) -> float | None:
        return wasserstein(a, b) if len(a) and len(b) else None

    return {
        "frames": frames,
        "runs": len(reals),
        "on_road": float(np.mean([d.road.mean() for d in dreams])),
        "on_road_interval": interval([d.road.mean() for d in dreams], np.mean)[1:],
        "on_road_real": float(np.mean([r.road.mean() for r in reals])),
        "on_road_last_100": float(np.mean([d.road[ends].mean() for d in dreams])),
        "sharpness_ratio_last_100": float(np.mean([d.sharp[ends].mean() for d in dreams]) / sharp),
        "motion_ratio_last_100": float(np.mean([d.motion[ends].mean() for d in dreams]) / moved),
        "turns_per_100": float(np.mean([d.turns for d in dreams])),
        "turns_per_100_real": float(np.mean([r.turns for r in reals])),
        "curvature": np.histogram(np.clip(bends, BINS[0], BINS[-1]), BINS)[0].tolist(),
        "curvature_real": np.histogram(np.clip(real_bends, BINS[0], BINS[-1]), BINS)[0].tolist(),
        "curvature_bins": BINS.round(4).tolist(),
        "curvature_distance": distance(bends, real_bends),
        "curvature_distance_real": distance(*halves),
        "two_seeds_both_on_road": len(parted),
        "two_seeds_difference": float(np.mean(parted)) if parted else None,
        "two_real_tracks_difference": float(np.mean(strangers)) if strangers else None,
    }
