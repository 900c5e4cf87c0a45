"""How near a dream stays to the real environment under the same actions, beside the last real frame kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import CONTEXT, spread
from ..model.tokenizer import to_uint8
from ..package.weights import FILE as TRAINING_FILE
from ..package.weights import load_package
from .measures import interval, psnr, sharpness, ssim
from .onnx_world import Playable

HORIZONS = (1, 4, 8, 16, 32, 64)
SHUFFLED_AT = 8  # frames ahead at which other actions are compared with the true ones


def predict(
    world: Playable,
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
    length = CONTEXT + max(*horizons, SHUFFLED_AT)
    chosen = spread(held, length, starts)
    scores = {h: {"psnr": [], "copy": [], "ssim": [], "copy_ssim": [], "sharpness": []} for h in horizons}
    ratios = []
    for number, first in enumerate(chosen):
        frames = held.frames[first : first + length]
        actions = held.actions[first : first + length]
        seen = frames[:CONTEXT]
        world.reset(seed=number, frames=seen, actions=actions[: CONTEXT - 1])
        last = frames[CONTEXT - 1]
        for h in range(1, length - CONTEXT + 1):
            picture, real = world.step(actions[CONTEXT - 2 + h]), frames[CONTEXT - 1 + h]
            if h in scores:
                for name, score, dreamed in (("psnr", psnr, picture), ("copy", psnr, last)):
                    scores[h][name].append(score(dreamed, real))
                for name, dreamed in (("ssim", picture), ("copy_ssim", last)):
                    scores[h][name].append(ssim(dreamed, real))
                scores[h]["sharpness"].append(np.divide(*sharpness(np.stack([picture, real]))))
            if h == SHUFFLED_AT:
                true = psnr(picture, real)
        # The same start under another start's actions: how much the picture depends on them.
        other = held.actions[chosen[(number + starts // 2) % starts] :][:length]
        world.reset(seed=number, frames=seen, actions=actions[: CONTEXT - 1])
        for h in range(1, SHUFFLED_AT + 1):
            picture = world.step(other[CONTEXT - 2 + h])
        ratios.append(10 ** ((true - psnr(picture, frames[CONTEXT - 1 + SHUFFLED_AT])) / 10))
        if bar is not None:
            bar.update()
    table = {
        h: {name: interval(values) for name, values in row.items()}
        | {"mse_to_copy": float(np.median(10 ** ((np.array(row["copy"]) - row["psnr"]) / 10)))}
        for h, row in scores.items()
    }
    return {"prediction": table, f"action_sensitivity_h{SHUFFLED_AT}": float(np.median(ratios))}


@torch.no_grad()
def reconstruction(folder: Path, held: Episodes, starts: int) -> dict | None:
    """The ceiling: PSNR and SSIM of real frames encoded and decoded, (median, low, high). None without the weights."""
    if not (folder / TRAINING_FILE).is_file():
        return None
    tokenizer = load_package(folder)[1]
    frames = held.frames[spread(held, 1, starts)]
    decoded = to_uint8(tokenizer.decode(tokenizer.encode(torch.from_numpy(frames)))).numpy()
    pairs = list(zip(decoded, frames, strict=True))
    return {"psnr": interval([psnr(*p) for p in pairs]), "ssim": interval([ssim(*p) for p in pairs])}
