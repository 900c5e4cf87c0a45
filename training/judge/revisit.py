"""Does a dream remember? Loops of actions that lead away and back, and how like the start the return looks.

A world offers loops as `World.loops`: actions after which the view is the first one again, such as turning left and
right again, or once around.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from tqdm import tqdm

from ..data.held_out import CONTEXT
from ..data.record import HELD_OUT_FROM
from ..worlds.world import World
from .measures import interval, ssim
from .onnx_world import Playable
from .side_by_side import play_each

SEED = HELD_OUT_FROM + 3
BEFORE_LOOP = 40  # frames that the start policy plays first, so that loops begin in many places
OTHERS = 16  # frames of the same run that the return is compared with
GATE = 0.15  # how much the view must have changed on the way for the score to count in full


def score(pictures: np.ndarray, start: np.ndarray, rng: np.random.Generator) -> float:
    """SSIM(return, start) less the mean SSIM of the return to other frames of the run, gated by motion.

    `pictures` uint8 [T, H, W, 3] come after `start`; the last is the return. A frozen picture gets 0, not 1.
    """
    back = pictures[-1]
    others = pictures[rng.integers(0, len(pictures), OTHERS)]
    gate = min(1.0, (1 - min(ssim(p, start) for p in pictures)) / GATE)
    return (ssim(back, start) - float(np.mean([ssim(back, p) for p in others]))) * gate


def real_loops(world: World, starts: int) -> dict[str, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """For each loop and start: the real context, the actions between, and the real pictures of the loop."""
    source, loops = world.live(), {}
    for name, actions in world.loops.items():
        loops[name] = []
        for number in range(starts):
            policy = world.policies[world.start_policy](np.random.default_rng([SEED, number]))
            frames, before = [source.reset(SEED + number).copy()], []
            for _ in range(BEFORE_LOOP - 1):
                before.append(policy(source))
                frames.append(source.step(before[-1]).copy())
            pictures = np.stack([source.step(action).copy() for action in actions])
            loops[name].append((np.stack(frames[-CONTEXT:]), np.stack(before[-CONTEXT + 1 :]), pictures))
    source.close()
    return loops


def revisit(
    make_world: Callable[[], Playable],
    paths: Mapping[str, np.ndarray],
    loops: dict,
    *,
    window: int,
    bar: tqdm | None = None,
) -> dict:
    """Per loop of `paths` (`World.loops`) the gated score (mean, low, high) of the dream and of the real environment.

    Above 0 beats chance. `windows_away` is half the loop's length over the `window` of the KV cache: what it takes to
    remember.
    """
    table = {}
    for name, runs in loops.items():

        def play(world: Playable, number: int, name: str = name, runs: list = runs) -> float:
            frames, actions, _ = runs[number]
            start = world.reset(seed=number, frames=frames, actions=actions)
            shown = np.stack([world.step(action) for action in paths[name]])
            return score(shown, start, np.random.default_rng(number))

        dreamed = play_each(make_world, play, range(len(runs)), bar=bar)
        real = [
            score(pictures, frames[-1], np.random.default_rng(number))
            for number, (frames, _, pictures) in enumerate(runs)
        ]
        table[name] = {
            "frames": len(paths[name]),
            "windows_away": len(paths[name]) / 2 / window,
            "dream": interval(dreamed, np.mean),
            "real": interval(real, np.mean),
        }
    return table
