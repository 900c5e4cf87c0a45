"""The arithmetic of the evaluation: what pictures and distributions differ by, and how sure a median is.

No file, no network of a world and no environment here; pictures are uint8 [H, W, 3].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike

BINS = 8  # of a colour histogram, per channel


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB between two pictures, mean squared error in [0, 1]; 100 for equal ones."""
    mse = np.square((a.astype(np.float64) - b) / 255).mean()
    return float(-10 * np.log10(max(mse, 1e-10)))


def ssim(a: np.ndarray, b: np.ndarray, window: int = 7) -> float:
    """Structural similarity of two pictures (Wang et al. 2004), windows of 7 x 7 px, every second one; 1 when equal."""
    x, y = (torch.from_numpy(np.array(p)).permute(2, 0, 1)[None].float() / 255 for p in (a, b))  # [1, 3, H, W]

    def mean(values: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(values.contiguous(), window, stride=2)  # channels-last pooling is many times slower

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx**2, mean(y * y) - my**2, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return float((((2 * mx * my + c1) * (2 * cov + c2)) / ((mx**2 + my**2 + c1) * (vx + vy + c2))).mean())


def sharpness(pictures: np.ndarray) -> np.ndarray:
    """Mean absolute difference of neighbouring pixels, down and across. uint8 [T, H, W, 3] to [T], of 255."""
    p = pictures.astype(np.int16)
    down, across = np.abs(np.diff(p, axis=1)), np.abs(np.diff(p, axis=2))
    return down.mean((1, 2, 3)) + across.mean((1, 2, 3))


def motion(pictures: np.ndarray) -> np.ndarray:
    """Mean absolute change from each picture to the next. uint8 [T, H, W, 3] to [T - 1], of 255."""
    return np.abs(np.diff(pictures.astype(np.int16), axis=0)).mean((1, 2, 3))


def colours(pictures: np.ndarray) -> np.ndarray:
    """Share of the pixels in each of 8 x 8 x 8 boxes of colour. uint8 [T, H, W, 3] to [512]."""
    boxes = (pictures >> 5).astype(np.int32)
    index = (boxes[..., 0] * BINS + boxes[..., 1]) * BINS + boxes[..., 2]
    return np.bincount(index.ravel(), minlength=BINS**3) / index.size


def total_variation(p: np.ndarray, q: np.ndarray) -> float:
    """Distance between two histograms that each add up to 1: the share that would have to move, 0 to 1."""
    return float(0.5 * np.abs(p - q).sum())


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """Squared Fréchet distance between the Gaussians fitted to two sets of features [N, F] (Heusel et al. 2017)."""
    ca, cb = np.cov(a, rowvar=False, bias=True), np.cov(b, rowvar=False, bias=True)
    values, vectors = np.linalg.eigh(np.atleast_2d(ca))
    root = (vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T
    # tr (ca cb)^1/2 is the sum of the roots of the eigenvalues of ca^1/2 cb ca^1/2, which is symmetric.
    cross = np.sqrt(np.clip(np.linalg.eigvalsh(root @ np.atleast_2d(cb) @ root), 0, None)).sum()
    return float(max(0.0, np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.atleast_2d(ca + cb)) - 2 * cross))


def wasserstein(a: np.ndarray, b: np.ndarray) -> float:
    """First Wasserstein distance between two samples of numbers: the mean gap between their quantiles."""
    levels = (np.arange(1000) + 0.5) / 1000
    return float(np.abs(np.quantile(a, levels) - np.quantile(b, levels)).mean())


def interval(
    values: ArrayLike, statistic: Callable[..., np.ndarray] = np.median, *, draws: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """A statistic of independent values [N] and its bootstrap 95 % interval (percentiles of resampled values)."""
    sample = np.asarray(values, np.float64)
    resampled = statistic(np.random.default_rng(seed).choice(sample, (draws, len(sample))), axis=1)
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(statistic(sample, axis=0)), float(low), float(high)
