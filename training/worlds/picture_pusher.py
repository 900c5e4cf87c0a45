"""What a picture of push-t shows: where pusher and block are. A pusher that sees no more than that can push dreams.

It knows colours: the pusher is blue, the block grey. The block's place is the middle of its pixels; its turn follows
from their spread, which is largest along the stem, and from the stem's end being further from the middle than the bar.
"""

from __future__ import annotations

import math

import numpy as np

UNITS = 512 / 96  # of the arena in a pixel
MIDDLE = 40.7  # of the block below its bar's upper edge, where its own coordinates begin, units
FEWEST = 8  # pixels that a thing must show to be seen
PUSHER, BLOCK = 24, 260  # pixels that they fill, edges included
WHOLE = (0.5, 1.3)  # of them that a thing shows when it is there: less is a scrap, more a smear


def found(picture: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Pusher x, y, block x, y (units of the arena) and the block's angle (radians): float64 [5], as `Source.pose`.

    picture is uint8 [96, 96, 3]. What can't be seen is where it was in the pose `before`.
    """
    pose = before.copy()
    pusher, block = _pixels(picture)
    if len(pusher) >= FEWEST:
        pose[:2] = UNITS * (pusher.mean(0)[::-1] + 0.5)
    if len(block) >= FEWEST:
        places = UNITS * (block[:, ::-1] + 0.5)
        middle = places.mean(0)
        off = places - middle
        stem = np.linalg.eigh(off.T @ off)[1][:, 1]
        if ((off @ stem) ** 3).sum() < 0:
            stem = -stem
        pose[2:4] = middle - MIDDLE * stem
        pose[4] = math.atan2(-stem[0], stem[1])
    return pose


def objects(picture: np.ndarray) -> dict[str, tuple[float, float] | None]:
    """Middles of `pusher` and `block`, x and y in pixels, as `Source.objects`; None: not there, or not whole.

    picture is uint8 [96, 96, 3].
    """
    places: dict[str, tuple[float, float] | None] = {}
    for name, pixels, full in zip(("pusher", "block"), _pixels(picture), (PUSHER, BLOCK), strict=True):
        y, x = pixels.mean(0) + 0.5 if len(pixels) else (0.0, 0.0)
        places[name] = (float(x), float(y)) if WHOLE[0] * full <= len(pixels) <= WHOLE[1] * full else None
    return places


def _pixels(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the pixels of pusher and block, int64 [N, 2] each."""
    r, g, b = (picture[..., i].astype(np.int16) for i in range(3))
    pusher = np.argwhere((b - r > 80) & (b - g > 50))
    block = np.argwhere((np.abs(b - r - 34) < 16) & (np.abs(g - r - 17) < 10) & (r < 190))
    return pusher, block
