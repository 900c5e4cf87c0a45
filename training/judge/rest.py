"""Does what nobody touches stay where it is? Dreams under the rest action, for long enough to see things creep.

Real and dreamed episodes rest from the same start. After 50 frames, when the real environment has settled, the picture
is cut into cells; those that hold something and don't change in reality during the next 100 frames are looked for again
in the dream 100 frames on. Small errors add up to a drift that no measure of one frame sees.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from tqdm import tqdm

from ..data.held_out import CONTEXT
from ..data.record import HELD_OUT_FROM
from ..worlds.world import World
from .measures import interval
from .onnx_world import Playable
from .side_by_side import play_each
from .spectrum import LUMINANCE

SEED = HELD_OUT_FROM + 6
STARTS = 16  # at most
BEFORE_REST = 30  # frames that the start policy plays first
SETTLE, AHEAD = 50, 100  # frames at rest before, and while, things are watched
GOAL = 1.0  # % of the width
GRID = 6  # cells across and down: 16 px each
REACH = 8  # px that a cell is looked for in each direction
TEXTURE = 4.0  # standard deviation of the light in a cell, of 255, from which on there is something to find again
STILL = 3.0  # mean change, of 255, that a cell which rests in reality stays below
LAZY = 0.005  # of a cell's variance, a pixel: an edge fits all along itself; the nearest place is meant
LOST = 0.5  # of a cell's variance: it is nowhere


@dataclass
class Rest:
    """A real episode that comes to rest."""

    frames: np.ndarray  # uint8 [CONTEXT, H, W, 3], the history
    actions: np.ndarray  # float32 [CONTEXT - 1, A]
    before: np.ndarray  # uint8 [H, W, 3], after SETTLE frames at rest
    after: np.ndarray  # AHEAD frames later
    judged: list[tuple[slice, slice]]  # cells with something in them that rests


def rest_action(world: World) -> np.ndarray:
    return np.array([action["rest"] for action in world.actions], np.float32)


def real_rests(world: World, starts: int) -> list[Rest]:
    """Up to `starts` real episodes that last long enough; none where the environment ends all of them before."""
    source, rests, tried = world.live(), [], 0
    bar = tqdm(total=starts, unit="start", desc="real rests", file=sys.stderr, disable=not sys.stderr.isatty())
    while len(rests) < starts and tried < 2 * starts:
        policy = world.policies[world.start_policy](np.random.default_rng([SEED, tried]))
        frames, actions = [source.reset(SEED + tried).copy()], []
        tried += 1
        for age in range(BEFORE_REST - 1 + SETTLE + AHEAD):
            actions.append(policy(source) if age < BEFORE_REST - 1 else rest_action(world))
            frames.append(source.step(actions[-1]).copy())
            if source.done:
                break
        if source.done:
            continue
        watched = np.stack(frames[BEFORE_REST - 1 + SETTLE :])
        rests.append(
            Rest(
                frames=np.stack(frames[BEFORE_REST - CONTEXT : BEFORE_REST]),
                actions=np.stack(actions[BEFORE_REST - CONTEXT : BEFORE_REST - 1]).astype(np.float32),
                before=watched[0],
                after=watched[-1],
                judged=resting_cells(watched),
            )
        )
        bar.update()
    bar.close()
    source.close()
    return rests


def resting_cells(pictures: np.ndarray) -> list[tuple[slice, slice]]:
    """Rows and columns of the cells that hold something and don't change, uint8 [T, H, W, 3]."""
    light = luminance(pictures)  # [T, H, W]
    high, wide = light.shape[1] // GRID, light.shape[2] // GRID
    cells = [
        (slice(row * high, (row + 1) * high), slice(column * wide, (column + 1) * wide))
        for row in range(GRID)
        for column in range(GRID)
    ]
    return [
        (rows, columns)
        for rows, columns in cells
        if light[0, rows, columns].std() >= TEXTURE
        and np.abs(light[:, rows, columns] - light[0, rows, columns]).mean((1, 2)).max() <= STILL
    ]


def luminance(pictures: np.ndarray) -> np.ndarray:
    """uint8 [..., H, W, 3] to float32 [..., H, W], of 255."""
    return (pictures.astype(np.float32) @ LUMINANCE.astype(np.float32)).astype(np.float32)


def displacement(before: np.ndarray, after: np.ndarray, cell: tuple[slice, slice]) -> tuple[float, float]:
    """How far, right and down in px, what is in a cell of `before` lies in `after`; both float32 [H, W].

    A cell that is found nowhere, or that there was nothing in, counts as moved by the whole reach.
    """
    rows, columns = cell
    wanted = np.ascontiguousarray(before[rows, columns])
    if wanted.std() < TEXTURE / 2:
        return float(REACH), 0.0
    top, left = max(0, rows.start - REACH), max(0, columns.start - REACH)
    within = np.ascontiguousarray(after[top : rows.stop + REACH, left : columns.stop + REACH])
    cost = cv2.matchTemplate(within, wanted, cv2.TM_SQDIFF) / (wanted.size * wanted.var())
    down = np.arange(cost.shape[0]) + top - rows.start  # px, of each row of `cost`
    across = np.arange(cost.shape[1]) + left - columns.start
    lazy = cost + LAZY * np.hypot(down[:, None], across)
    y, x = np.unravel_index(int(lazy.argmin()), lazy.shape)
    if cost[y, x] > LOST:
        return float(REACH), 0.0
    return float(across[x] + _between(cost[y], int(x))), float(down[y] + _between(cost[:, x], int(y)))


def _between(cost: np.ndarray, at: int) -> float:
    """Where, between its neighbours, a parabola through the lowest cost has its lowest point, -0.5 to 0.5."""
    if not 0 < at < len(cost) - 1:
        return 0.0
    low, middle, high = (float(value) for value in cost[at - 1 : at + 2])
    bend = low - 2 * middle + high
    return float(np.clip(0.5 * (low - high) / bend, -0.5, 0.5)) if bend > 1e-6 else 0.0


def creep(before: np.ndarray, after: np.ndarray, cells: list[tuple[slice, slice]]) -> dict[str, float]:
    """Two pictures uint8 [H, W, 3]: how far cells went, % of the width, and how much they changed, of 255.

    `things` is the 90th percentile of the cells' ways, `whole` the length of their median.
    """
    width = before.shape[1]
    a, b = luminance(before), luminance(after)
    ways = np.array([displacement(a, b, cell) for cell in cells])  # [N, 2]
    return {
        "things": 100 / width * float(np.quantile(np.linalg.norm(ways, axis=1), 0.9)),
        "whole": 100 / width * float(np.linalg.norm(np.median(ways, axis=0))),
        "change": float(np.mean([np.abs(a[cell] - b[cell]).mean() for cell in cells])),
    }


def rest(
    make_world: Callable[[], Playable], action: np.ndarray, rests: list[Rest], *, bar: tqdm | None = None
) -> dict | None:
    """Medians over the starts, (median, low, high), of the dream and of the real environment. None: nothing rests."""
    still = [r for r in rests if r.judged]
    if not still:
        return None

    def play(world: Playable, number: int) -> dict[str, float]:
        r = still[number]
        world.reset(seed=number, frames=r.frames, actions=r.actions)
        pictures = [world.step(action) for _ in range(SETTLE + AHEAD)]
        return creep(pictures[SETTLE - 1], pictures[-1], r.judged)

    dreamed = play_each(make_world, play, range(len(still)), bar=bar)
    real = [creep(r.before, r.after, r.judged) for r in still]
    return {"starts": len(still), "frames": AHEAD, "goal": GOAL, "cells": sum(len(r.judged) for r in still)} | {
        key: {"dream": interval([d[key] for d in dreamed]), "real": interval([r[key] for r in real])}
        for key in ("things", "whole", "change")
    }
