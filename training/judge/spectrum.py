"""Is a dream's sharpness that of real pictures? The power spectrum of its luminance, octave by octave.

Mean |gradient| can be bought by a checkerboard, which has all its power at two pixels; a blur has none below some
wavelength. Beside the real spectrum both show. Octaves are rings of the Fourier plane: wavelengths of 96 to 48 px, 48
to 24 and so on, the last one from 3 px to the shortest that there are.
"""

from __future__ import annotations

import numpy as np

from ..data.episodes import Episodes
from ..data.held_out import CONTEXT

AHEAD = (1, 100, 1_000, 10_000)  # frames at which dreams are looked at
STRETCH, EVERY = 50, 10  # frames before those that count too, every so many: one picture alone is mostly chance
GOAL = 1.5  # factor that no octave may be off
LUMINANCE = np.array([0.299, 0.587, 0.114])  # of red, green, blue (ITU-R BT.601)
LEAST = 1e-3  # of 255, squared: less power than this is rounding
BATCH = 256  # pictures transformed at once


def edges(side: int) -> np.ndarray:
    """Where octaves begin, in cycles per pixel, for pictures of `side` px: 1 / side, 2 / side, ... below 1 / 2."""
    return 2.0 ** np.arange(np.ceil(np.log2(side)) - 1) / side


def names(side: int) -> list[str]:
    """The octaves by their wavelengths, long ones first."""
    lengths = 1 / edges(side)
    between = [f"{long:g} to {short:g} px" for long, short in zip(lengths, lengths[1:], strict=False)]
    return [*between, f"under {lengths[-1]:g} px"]


def power(pictures: np.ndarray) -> np.ndarray:
    """uint8 [T, H, W, 3] to float64 [T, O]: what each octave adds to the variance of the luminance, of 255, squared.

    A Hann window keeps the picture's borders, which don't meet, out of it.
    """
    high, wide = pictures.shape[1:3]
    window = np.hanning(high + 2)[1:-1, None] * np.hanning(wide + 2)[1:-1]  # [H, W]
    window /= np.sqrt(np.square(window).sum())
    cycles = np.hypot(np.fft.fftfreq(high)[:, None], np.fft.rfftfreq(wide))  # [H, W / 2 + 1]
    octave = np.searchsorted(edges(min(high, wide)) * (1 - 1e-9), cycles, side="right")  # 0: longer than the picture
    # A real picture's spectrum is symmetric: the half that isn't computed counts as the one that is.
    double = np.where((np.arange(cycles.shape[1]) == 0) | (2 * np.arange(cycles.shape[1]) == wide), 1, 2)
    rings = np.stack([(octave == number + 1) * double for number in range(len(edges(min(high, wide))))])
    parts = []
    for i in range(0, len(pictures), BATCH):
        light = pictures[i : i + BATCH].astype(np.float64) @ LUMINANCE  # [B, H, W]
        weight = np.square(window)
        light -= (light * weight).sum((1, 2), keepdims=True)
        spectrum = np.square(np.abs(np.fft.rfft2(light * window)))
        parts.append(np.einsum("bhw,ohw->bo", spectrum, rings) / (high * wide))
    return np.concatenate(parts)


def real_power(episodes: Episodes) -> np.ndarray:
    """Of every tenth real frame, float64 [N, O]."""
    return power(episodes.frames[::EVERY])


def first_power(episodes: Episodes, starts: np.ndarray) -> np.ndarray:
    """Of the real frames one ahead of the histories that begin at `starts`, float64 [R, O]."""
    return power(episodes.frames[np.minimum(starts + CONTEXT, len(episodes.frames) - 1)])


class Spectra:
    """Collects the spectra of long runs at `AHEAD`; `drift` shows it their pictures."""

    def __init__(self) -> None:
        self.seen: dict[int, dict[int, np.ndarray]] = {h: {} for h in AHEAD}  # frames ahead to run to [O]

    def watch(self, run: int, before: int, pictures: np.ndarray) -> None:
        """`pictures` [T, H, W, 3] of a run follow on `before` earlier ones. May be called from several threads."""
        for h in AHEAD:
            last = h - before
            if 0 < last <= len(pictures):
                stretch = pictures[max(0, last - STRETCH) : last][::-1][::EVERY]
                self.seen[h][run] = power(stretch).mean(0)

    def compare(self, real: np.ndarray, side: int, *, first: np.ndarray | None = None) -> dict:
        """Ratio of dreamed to real power for each octave at each horizon, (ratio of means, low, high) over the runs.

        `real` [N, O] is what `real_power` gives, `first` [R, O] the power of the real frames in the first one's place:
        one frame ahead a dream still shows where it began, so it is compared with that. `chance` is where that ratio
        lies, 95 times in 100, for as many stretches of real frames. `factor` is that of the worst octave, up or down.
        """
        ahead = {}
        for h, runs in self.seen.items():
            if not runs:
                continue
            dreamed = np.stack([runs[run] for run in sorted(runs)])  # [R, O]
            beside = first if h == 1 and first is not None else real
            ratio = _floor(dreamed.mean(0)) / _floor(beside.mean(0))
            low, high = _interval(dreamed, beside)
            chance = _interval(_stretches(real, 1 if h == 1 else STRETCH // EVERY), real, size=len(dreamed))
            ahead[str(h)] = {
                "runs": len(dreamed),
                "ratio": np.stack([ratio, low, high], 1).tolist(),
                "chance": np.stack(chance, 1).tolist(),
                "factor": float(np.maximum(ratio, 1 / ratio).max()),
            }
        return {"octaves": names(side), "goal": GOAL, "ahead": ahead}


def _floor(values: np.ndarray) -> np.ndarray:
    return np.maximum(values, LEAST)


def _stretches(real: np.ndarray, length: int) -> np.ndarray:
    """Means of `length` consecutive rows, [N / length, O]; real ones as they are where there are fewer."""
    whole = len(real) // length * length
    return real[:whole].reshape(-1, length, real.shape[1]).mean(1) if whole else real


def _interval(values: np.ndarray, real: np.ndarray, *, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Bootstrap 95 % interval [O] twice of the mean of `size` rows of `values` [N, O], over that of `real`."""
    rows = np.random.default_rng(0).integers(0, len(values), (1000, size or len(values)))
    means = np.stack([values[row].mean(0) for row in rows])
    low, high = np.quantile(_floor(means) / _floor(real.mean(0)), [0.025, 0.975], axis=0)
    return low, high
