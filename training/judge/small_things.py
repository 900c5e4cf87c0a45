"""Are the things that matter still in the picture, and where they should be? A ball, a paddle, a pusher, a block.

A detector that sees the picture alone (`World.objects`) looks at the dream; the environment says what is really there
under the same actions (`Source.objects`). On the real frames the same detector shows how much of it it finds at best.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, cast

import numpy as np
from tqdm import tqdm

from ..data.held_out import AHEAD, CONTEXT, LEAD_IN
from ..data.record import HELD_OUT_FROM
from ..errors import TrainingError
from ..worlds.world import Picture, Source, World
from .measures import interval
from .onnx_world import Playable
from .side_by_side import play_each

SEED = HELD_OUT_FROM + 5
HORIZONS = (1, 16, 64)  # frames ahead
NEAR = 4.0  # px, of 96, within which a thing is where it should be
Places = Mapping[str, tuple[float, float] | None]  # name to middle, x and y in pixels; None: not in the picture
Detector = Callable[[Picture], Places]


class ObjectSource(Source, Protocol):
    """A source that knows where the things of `World.objects` are."""

    def objects(self) -> Places: ...


@dataclass
class Scene:
    """A real episode and where things really are in it."""

    frames: np.ndarray  # uint8 [CONTEXT + AHEAD, H, W, 3]
    actions: np.ndarray  # float32 [CONTEXT + AHEAD, A]
    truth: list[Places]  # of each frame


def record_scenes(world: World, starts: int) -> list[Scene]:
    """`starts` real episodes of the start policy. Raises TrainingError where none lasts long enough."""
    source, scenes, tried = cast(ObjectSource, world.live()), [], 0
    bar = tqdm(total=starts, unit="start", desc="real objects", file=sys.stderr, disable=not sys.stderr.isatty())
    while len(scenes) < starts and tried < 4 * starts:
        policy = world.policies[world.start_policy](np.random.default_rng([SEED, tried]))
        picture = source.reset(SEED + tried)
        tried += 1
        frames, actions, truth = [], [], []
        for age in range(LEAD_IN + AHEAD):
            action = policy(source)
            if age >= LEAD_IN - CONTEXT:
                frames.append(picture.copy())
                actions.append(action)
                truth.append(source.objects())
            picture = source.step(action)
            if source.done:
                break
        if len(frames) == CONTEXT + AHEAD:
            scenes.append(Scene(np.stack(frames), np.stack(actions).astype(np.float32), truth))
            bar.update()
    bar.close()
    source.close()
    if not scenes:
        raise TrainingError(f"expected real episodes of {LEAD_IN + AHEAD} frames, all of {tried} ended before.")
    return scenes


def small_things(
    make_world: Callable[[], Playable], detect: Detector, scenes: list[Scene], *, bar: tqdm | None = None
) -> dict:
    """For each thing and horizon the share found of those that are really there, (mean, low, high) over the starts.

    `found` is anywhere in the picture, `near` within 4 px of the truth; `real` beside them is what the detector finds
    on the real frames. `false` is the share of all dreamed frames without the thing in which it is found; None where it
    is always there.
    """

    def play(world: Playable, number: int) -> list[Places]:
        scene = scenes[number]
        world.reset(seed=number, frames=scene.frames[:CONTEXT], actions=scene.actions[: CONTEXT - 1])
        return [detect(world.step(action)) for action in scene.actions[CONTEXT - 1 : -1]]

    dreamed = play_each(make_world, play, range(len(scenes)), bar=bar)
    real = [[detect(frame) for frame in scene.frames[CONTEXT:]] for scene in scenes]
    truth = [scene.truth[CONTEXT:] for scene in scenes]
    side = scenes[0].frames.shape[2]
    tolerance = NEAR * side / 96
    return {
        "starts": len(scenes),
        "tolerance_px": tolerance,
        "things": {name: _thing(name, dreamed, real, truth, tolerance) for name in truth[0][0]},
    }


def _thing(
    name: str, dreamed: list[list[Places]], real: list[list[Places]], truth: list[list[Places]], tolerance: float
) -> dict:
    ahead = {}
    for h in HORIZONS:
        there = [number for number, places in enumerate(truth) if places[h - 1][name] is not None]
        shares = {}
        for key, seen in (("", dreamed), ("real_", real)):
            pairs = [(seen[number][h - 1].get(name), truth[number][h - 1][name]) for number in there]
            shares[f"{key}found"] = [at is not None for at, _ in pairs]
            shares[f"{key}near"] = [is_near(at, true, tolerance) for at, true in pairs]
        ahead[str(h)] = {"there": len(there)} | {
            key: interval(values, np.mean) if values else None for key, values in shares.items()
        }
    return {"ahead": ahead, "false": _false(name, dreamed, truth), "real_false": _false(name, real, truth)}


def _false(name: str, seen: list[list[Places]], truth: list[list[Places]]) -> float | None:
    wrong = [
        at.get(name) is not None
        for places, true in zip(seen, truth, strict=True)
        for at, where in zip(places, true, strict=True)
        if where[name] is None
    ]
    return float(np.mean(wrong)) if wrong else None


def is_near(at: tuple[float, float] | None, true: tuple[float, float] | None, tolerance: float) -> bool:
    """Whether both are there and no more than `tolerance` px apart."""
    if at is None or true is None:
        return False
    return float(np.hypot(at[0] - true[0], at[1] - true[1])) <= tolerance
