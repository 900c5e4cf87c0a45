"""Does a dream know what it can't know? Several samples from one start under the same actions, against what happened.

Where the future is open, samples should differ by as much as they miss the truth: then the truth could be one of them.
Too little spread is a mean of futures, or one future told again and again; too much is noise. Measures and corrections
are those of ensemble weather forecasts (Fortin et al. 2014; Hamill 2001).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import CONTEXT, spread
from .measures import interval, psnr
from .onnx_world import Playable
from .side_by_side import play_each
from .spectrum import LUMINANCE

SAMPLES = 8
NEAR = (1, 4, 8, 16)  # frames ahead, from every start
FAR, FAR_EVERY = (64,), 8  # frames ahead that only each eighth start is dreamed to
CELLS = 8  # by as many: luminance is ranked in the means of such cells
MOVED = 2.0  # of 255 that the truth or a sample must have changed in a cell since the start, or nothing was open there
GREY = 1.0  # of 255, standard deviation of the noise that is added before ranking: so much nobody sees
SEED = 50_000  # of the samples


@dataclass
class Sampled:
    """One start at one horizon."""

    one: float  # PSNR of the first sample, dB
    mean: float  # of the mean of all samples
    copy: float  # of the last real frame
    variance: float  # of the samples, mean over pixels, unbiased, of 255, squared
    error: float  # squared, of the mean of the samples
    ranks: np.ndarray  # [1 + SAMPLES, C] of the truth and each sample among all of them, in cells that moved


def sampled(samples: np.ndarray, truth: np.ndarray, last: np.ndarray, rng: np.random.Generator) -> Sampled:
    """Samples uint8 [M, H, W, 3] against the truth [H, W, 3]; `last` is the picture that all of them began from."""
    every = samples.astype(np.float64)
    mean = every.mean(0)
    light = np.stack([pooled(p) for p in (truth, *samples)])  # [1 + M, C]
    moved = np.abs(light - pooled(last)).max(0) > MOVED
    noisy = light[:, moved] + rng.normal(0, GREY, (len(light), int(moved.sum())))
    return Sampled(
        one=psnr(samples[0], truth),
        mean=psnr(mean, truth),
        copy=psnr(last, truth),
        variance=float(every.var(0, ddof=1).mean()),
        error=float(np.square(mean - truth).mean()),
        ranks=noisy.argsort(0).argsort(0),
    )


def pooled(picture: np.ndarray) -> np.ndarray:
    """Mean luminance of 8 x 8 cells: uint8 [H, W, 3] to float64 [64], of 255."""
    light = picture.astype(np.float64) @ LUMINANCE
    rows = [part.mean(0) for part in np.array_split(light, CELLS)]
    return np.array([cell.mean() for row in rows for cell in np.array_split(row, CELLS)])


def distance(histogram: np.ndarray) -> float:
    """Of counts from a flat histogram: the share that would have to move, from 0 to nearly 1."""
    shares = histogram / max(1, histogram.sum())
    return float(0.5 * np.abs(shares - 1 / len(shares)).sum()) if histogram.sum() else 0.0


def summary(of: list[Sampled]) -> dict:
    """Figures of one horizon. `ratio` is spread over error, (ratio, low, high); `ranks` where the truth stands, shares.

    The variance is corrected for how few samples there are: the mean of M is off by 1 / M of it itself. `distance` is
    that of the ranks from a flat histogram, `distance_chance` what it stays below 95 times in 100 when a sample drawn
    for each start takes the truth's place: cells of one picture go together, so it is more than counting says.
    """
    variance, error = (np.array([getattr(s, name) for s in of]) for name in ("variance", "error"))
    members = len(of[0].ranks)
    rows = np.random.default_rng(0).integers(0, len(of), (1000, len(of)))

    def ratio(v: np.ndarray, e: np.ndarray) -> np.ndarray:
        return np.sqrt(members / (members - 1) * v.sum(-1) / np.maximum(e.sum(-1), 1e-9))  # 1 + 1 / M, of M samples

    def histogram(places: np.ndarray) -> np.ndarray:
        counts = [np.bincount(s.ranks[place], minlength=members) for s, place in zip(of, places, strict=True)]
        return np.sum(counts, 0)

    low, high = np.quantile(ratio(variance[rows], error[rows]), [0.025, 0.975])
    truth = histogram(np.zeros(len(of), int))
    draws = np.random.default_rng(1).integers(0, members, (300, len(of)))
    return {
        "starts": len(of),
        "psnr_one": interval([s.one for s in of]),
        "psnr_mean": interval([s.mean for s in of]),
        "copy": interval([s.copy for s in of]),
        "ratio": (float(ratio(variance, error)), float(low), float(high)),
        "ranks": (truth / max(1, truth.sum())).tolist(),
        "distance": distance(truth),
        "distance_chance": float(np.quantile([distance(histogram(draw)) for draw in draws], 0.95)),
    }


def spread_and_error(
    make_world: Callable[[], Playable], held: Episodes, starts: int, *, bar: tqdm | None = None
) -> dict:
    """Eight samples from each held-out start, under the recorded actions; `summary` for each horizon."""
    length = CONTEXT + max(*NEAR, *FAR)
    chosen = spread(held, length, starts)

    def play(world: Playable, number: int) -> dict[int, Sampled]:
        frames = held.frames[chosen[number] : chosen[number] + length]
        actions = held.actions[chosen[number] : chosen[number] + length]
        told = held.told[chosen[number] : chosen[number] + length]
        horizons = (*NEAR, *FAR) if number % FAR_EVERY == 0 else NEAR
        shown: dict[int, list[np.ndarray]] = {h: [] for h in horizons}
        for sample in range(SAMPLES):
            seed = SEED + SAMPLES * number + sample
            world.reset(seed=seed, frames=frames[:CONTEXT], actions=actions[: CONTEXT - 1])
            for h in range(1, max(horizons) + 1):
                picture = world.step(actions[CONTEXT - 2 + h], told[CONTEXT - 2 + h])
                if h in shown:
                    shown[h].append(picture)
        rng = np.random.default_rng([SEED, number])
        last = frames[CONTEXT - 1]
        return {h: sampled(np.stack(shown[h]), frames[CONTEXT - 1 + h], last, rng) for h in horizons}

    every = play_each(make_world, play, range(starts), bar=bar)
    return {
        "samples": SAMPLES,
        "horizons": {str(h): summary([of[h] for of in every if h in of]) for h in (*NEAR, *FAR)},
    }
