"""How near a dream stays to the real environment under the same actions and guides, beside the last real frame kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import CONTEXT, spread
from .measures import interval, psnr, sharpness, ssim
from .onnx_world import Playable
from .side_by_side import play_each

HORIZONS = (1, 4, 8, 16, 32, 64)
SHUFFLED_AT = 8  # frames ahead at which other actions are compared with the true ones


@dataclass
class Predicted:
    """One start."""

    scores: dict[int, dict[str, float]] = field(default_factory=dict)  # horizon to measure to value
    sensitivity: float = 1.0  # squared error under another start's actions over that under the true ones


def predict_each(
    make_world: Callable[[], Playable],
    held: Episodes,
    starts: int,
    *,
    horizons: Sequence[int],
    bar: tqdm | None = None,
) -> list[Predicted]:
    """What `predict` sums up, start by start: always the same starts of the same episodes."""
    length = CONTEXT + max(*horizons, SHUFFLED_AT)
    chosen = spread(held, length, starts)

    def play(world: Playable, number: int) -> Predicted:
        first, result = chosen[number], Predicted()
        frames = held.frames[first : first + length]
        actions, told = held.actions[first : first + length], held.told[first : first + length]
        guides = [None] * length if held.guides is None else held.guides[first : first + length]
        seen, last = frames[:CONTEXT], frames[CONTEXT - 1]
        true = wrong = 0.0
        world.reset(seed=number, frames=seen, actions=actions[: CONTEXT - 1])
        for h in range(1, length - CONTEXT + 1):
            picture = world.step(actions[CONTEXT - 2 + h], told[CONTEXT - 2 + h], guides[CONTEXT - 1 + h])
            real = frames[CONTEXT - 1 + h]
            if h in horizons:
                result.scores[h] = {
                    "psnr": psnr(picture, real),
                    "copy": psnr(last, real),
                    "ssim": ssim(picture, real),
                    "copy_ssim": ssim(last, real),
                    "sharpness": float(np.divide(*sharpness(np.stack([picture, real])))),
                }
            if h == SHUFFLED_AT:
                true = psnr(picture, real)
        # The same start under another start's actions: how much the picture depends on them.
        other = held.actions[chosen[(number + starts // 2) % starts] :][:length]
        world.reset(seed=number, frames=seen, actions=actions[: CONTEXT - 1])
        for h in range(1, SHUFFLED_AT + 1):
            picture = world.step(other[CONTEXT - 2 + h], told[CONTEXT - 2 + h], guides[CONTEXT - 1 + h])
            if h == SHUFFLED_AT:
                wrong = psnr(picture, frames[CONTEXT - 1 + h])
        result.sensitivity = 10 ** ((true - wrong) / 10)
        return result

    return play_each(make_world, play, range(starts), bar=bar)


def predict(
    make_world: Callable[[], Playable],
    held: Episodes,
    starts: int,
    *,
    horizons: Sequence[int],
    bar: tqdm | None = None,
) -> dict:
    """PSNR (dB) and SSIM at each horizon of the dream and of copy-last-frame, and the sensitivity to actions.

    Each is (median, low, high) over the starts, with the bootstrap 95 % interval; `sharpness` is the dream's as a share
    of the real picture's. `mse_to_copy` is the median ratio of squared errors; `action_sensitivity_h8` is the squared
    error under another start's actions divided by that under the true ones, again the median.
    """
    every = predict_each(make_world, held, starts, horizons=horizons, bar=bar)
    table = {}
    for h in horizons:
        row = {name: np.array([start.scores[h][name] for start in every]) for name in every[0].scores[h]}
        table[h] = {name: interval(values) for name, values in row.items()}
        table[h]["mse_to_copy"] = float(np.median(10 ** ((row["copy"] - row["psnr"]) / 10)))
    sensitivity = float(np.median([start.sensitivity for start in every]))
    return {"prediction": table, f"action_sensitivity_h{SHUFFLED_AT}": sensitivity}
