"""Do returns in the dream rank policies as reality does? Spearman's rank correlation, its interval, a picture."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE, MARGIN = 420, 56  # px of the picture's square, and around it
INK, FAINT, DOT = (30, 30, 30), (205, 205, 205), (40, 100, 190)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of the ranks of two samples [N]; equal values share their mean rank. NaN when one is constant."""
    ranks = [_ranks(np.asarray(x, np.float64)) for x in (a, b)]
    if min(np.ptp(r) for r in ranks) == 0:
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[group]


def spearman_interval(dream: np.ndarray, real: np.ndarray, *, draws: int = 2000) -> tuple[float, float, float]:
    """Of the mean returns of P policies over E episodes, [P, E] each: the correlation and its bootstrap 95 % interval.

    Episodes are drawn again, the same in the dream and in reality: it says how sure E episodes make us of these
    policies, not what other policies would give.
    """
    rng, episodes = np.random.default_rng(0), dream.shape[1]
    drawn = []
    for _ in range(draws):
        rows = rng.integers(0, episodes, episodes)
        drawn.append(spearman(dream[:, rows].mean(1), real[:, rows].mean(1)))
    told = [value for value in drawn if not np.isnan(value)] or [float("nan")]
    low, high = np.quantile(told, [0.025, 0.975])
    return spearman(dream.mean(1), real.mean(1)), float(low), float(high)


def scatter(dream: np.ndarray, real: np.ndarray, names: list[str], *, title: str) -> Image.Image:
    """A dot for each policy, at its mean return in reality (across) and in the dream (up), with standard errors."""
    image = Image.new("RGB", (SIDE + 2 * MARGIN + 90, SIDE + 2 * MARGIN), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(12)
    most = max(dream.mean(1).max(), real.mean(1).max(), 1e-6) * 1.1

    def place(x: float, y: float) -> tuple[float, float]:
        return MARGIN + SIDE * x / most, MARGIN + SIDE * (1 - y / most)

    pen.rectangle((MARGIN, MARGIN, MARGIN + SIDE, MARGIN + SIDE), outline=FAINT)
    pen.line((*place(0, 0), *place(most, most)), FAINT)
    pen.text((MARGIN, 18), title, INK, font)
    pen.text((MARGIN, MARGIN + SIDE + 26), "return in the real environment", INK, font)
    pen.text((MARGIN, MARGIN - 18), "return in the dream", INK, font)
    for value in np.linspace(0, most, 5):
        x, y = place(value, value)
        pen.text((x - 10, MARGIN + SIDE + 6), f"{value:.2f}", INK, font)
        pen.text((MARGIN - 34, y - 7), f"{value:.2f}", INK, font)
    for name, d, r in zip(names, dream, real, strict=True):
        (x, y), error = place(r.mean(), d.mean()), [v.std() / np.sqrt(len(v)) * SIDE / most for v in (r, d)]
        pen.line((x - error[0], y, x + error[0], y), DOT)
        pen.line((x, y - error[1], x, y + error[1]), DOT)
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=DOT)
        pen.text((x + 7, y - 15), name, INK, font)
    return image
