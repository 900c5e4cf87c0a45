"""Does a dream obey? A reader of actions, trained on real frames, says what was pressed, at which delay."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import AHEAD, CONTEXT, spread
from .inverse_dynamics import BEFORE, ActionReader
from .onnx_world import Playable
from .side_by_side import play_each

LAGS = range(-2, 5)
READABLE = 0.1  # an axis that even real frames don't show can't be judged


def explained(read: np.ndarray, pressed: np.ndarray) -> float:
    """R² of what was read, both [N] numbers of one axis: 1 is perfect, 0 no better than the mean."""
    return float(1 - np.square(read - pressed).mean() / max(pressed.var(), 1e-8))


def accuracy(read: np.ndarray, pressed: np.ndarray, levels: np.ndarray) -> float:
    """Share of the frames at which the level nearest to what was read is the one that was pressed."""

    def nearest(values: np.ndarray) -> np.ndarray:
        return np.abs(values[:, None] - levels).argmin(1)

    return float((nearest(read) == nearest(pressed)).mean())


def agreement(read: np.ndarray, pressed: np.ndarray, levels: list[np.ndarray | None]) -> np.ndarray:
    """Per axis, accuracy for buttons and R² for the rest. [N, A] twice to [A]; `levels` is None for analog axes."""
    return np.array(
        [
            explained(r, p) if level is None else accuracy(r, p, level)
            for r, p, level in zip(read.T, pressed.T, levels, strict=True)
        ]
    )


def levels_of(actions: np.ndarray) -> list[np.ndarray | None]:
    """For each axis of [N, A] its levels when it is a button (one or two values), None when it is analog."""
    values = [np.unique(axis) for axis in actions.T]
    return [v if len(v) <= 2 else None for v in values]


def readable(ceiling: np.ndarray, pressed: np.ndarray, levels: list[np.ndarray | None]) -> np.ndarray:
    """bool [A]: axes that real frames show, 0.1 or more of the way from a constant to perfect. `pressed` [N, A]."""
    chance = [
        0.0 if level is None else float(np.mean(axis[:, None] == level, axis=0).max())
        for axis, level in zip(pressed.T, levels, strict=True)
    ]
    return ceiling >= np.array(chance) + READABLE * (1 - np.array(chance)) + 1e-9  # an axis that never moves: never


def by_lag(read: np.ndarray, pressed: np.ndarray, levels: list[np.ndarray | None]) -> dict[int, np.ndarray]:
    """Agreement [A] of what was read k frames later with what was pressed, for each lag k. Runs [R, T, A] twice."""
    edge = max(LAGS)
    inner = slice(-min(LAGS), pressed.shape[1] - edge)  # the same frames at every lag
    flat = pressed[:, inner].reshape(-1, pressed.shape[-1])
    return {k: agreement(np.roll(read, -k, axis=1)[:, inner].reshape(flat.shape), flat, levels) for k in LAGS}


def follow(
    make_world: Callable[[], Playable],
    reader: ActionReader,
    episodes: Episodes,
    names: list[str],
    *,
    starts: int,
    ahead: int = AHEAD,
    bar: tqdm | None = None,
) -> dict:
    """Action following under the episodes' actions, on the dream and on the real frames they gave.

    `ratio` is (mean over axes of dream / real, low, high), the bootstrap over starts; axes that real frames
    don't show are listed but not counted, a dream worse than none counts as 0. `lag` is the delay in frames at which
    dream and input agree best; 0 is what it must be.
    """
    length = CONTEXT + ahead
    chosen = spread(episodes, length, starts)
    begin = CONTEXT - 1 - BEFORE  # so that the first action read is the first one dreamed

    def play(world: Playable, number: int) -> np.ndarray:
        rows = slice(chosen[number], chosen[number] + length)
        frames, actions = episodes.frames[rows], episodes.actions[rows]
        world.reset(seed=number, frames=frames[:CONTEXT], actions=actions[: CONTEXT - 1])
        dream = [world.step(action) for action in actions[CONTEXT - 1 : -1]]
        return reader.read(np.stack([*frames[begin:CONTEXT], *dream]))[0]

    dreamed = np.stack(play_each(make_world, play, range(starts), bar=bar))  # [starts, T, A]
    real = np.stack([reader.read(episodes.frames[first + begin : first + length])[0] for first in chosen])
    pressed = np.stack([episodes.actions[first + CONTEXT - 1 :][: real.shape[1]] for first in chosen])
    return {"starts": starts, "frames": pressed.shape[1], **compare(dreamed, real, pressed, names)}


def compare(dreamed: np.ndarray, real: np.ndarray, pressed: np.ndarray, names: list[str]) -> dict:
    """What `follow` reports, from actions read off dreams and off real frames and those pressed, each [R, T, A]."""
    levels = levels_of(pressed.reshape(-1, pressed.shape[-1]))
    analog = np.array([level is None for level in levels])
    # Random scripts aren't what the reader learned from: its scale and offset are set anew on the real frames.
    slope = (real * (pressed - pressed.mean((0, 1)))).mean((0, 1)) / np.maximum(real.var((0, 1)), 1e-8)  # [A]
    middle, pressed_middle = real.mean((0, 1)), pressed.mean((0, 1))
    dreamed, real = (np.where(analog, pressed_middle + slope * (x - middle), x) for x in (dreamed, real))

    def scores(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        flat = [x[rows].reshape(-1, x.shape[-1]) for x in (dreamed, real, pressed)]
        return agreement(flat[0], flat[2], levels), agreement(flat[1], flat[2], levels)

    every = np.arange(len(pressed))
    dream, ceiling = scores(every)
    counted = readable(ceiling, pressed.reshape(-1, pressed.shape[-1]), levels)

    def ratio(rows: np.ndarray) -> float:
        return float((np.maximum(scores(rows)[0][counted], 0) / ceiling[counted]).mean())

    result: dict = {
        "axes": {
            name: {
                "kind": "analog, R²" if level is None else "button, accuracy",
                "dream": float(d),
                "real": float(c),
                "ratio": float(max(d, 0) / c) if judged else None,
            }
            for name, level, d, c, judged in zip(names, levels, dream, ceiling, counted, strict=True)
        },
        "ratio": None,
        "lag": None,
    }
    if counted.any():
        draws = np.random.default_rng(0).integers(0, len(every), (300, len(every)))
        low, high = np.quantile([ratio(rows) for rows in draws], [0.025, 0.975])
        lags = {k: float(score[counted].mean()) for k, score in by_lag(dreamed, pressed, levels).items()}
        result |= {
            "ratio": (ratio(every), float(low), float(high)),
            "by_lag": lags,
            "lag": max(lags, key=lambda lag: lags[lag]),
        }
    return result
