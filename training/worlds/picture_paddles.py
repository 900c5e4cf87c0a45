"""What a picture of pong shows: where the ball and the two paddles are. For the judge, and for a player by sight.

The paddles are found first, in the columns at the edges that nothing else is ever in but a ball that is being lost;
the ball is the brightest thing that is left.
"""

from __future__ import annotations

import numpy as np

# Pixels of a picture. A paddle's columns are those that it fills over its whole height.
LEFT, LEFT_HIGH = slice(0, 2), 40 * 96 / 280
RIGHT, RIGHT_HIGH = slice(93, 96), 60 * 96 / 280
# The right paddle's tiers: left end and height of each but the one at the edge.
TIERS = ((90, 40 * 96 / 280), (87, 20 * 96 / 280), (84, 5 * 96 / 280))
BALL_WIDE, BALL_HIGH = 2.0, 10 * 96 / 280
LEAST = 0.5  # share of its light that a thing must have to be seen


def found(picture: np.ndarray) -> dict[str, tuple[float, float] | None]:
    """Middles of `ball`, `left` and `right` paddle, x and y in pixels, as `Source.objects`; None: can't be seen.

    picture is uint8 [96, 96, 3].
    """
    light = picture.mean(2) / 255  # [96, 96]
    left = _paddle(light[:, LEFT].mean(1), LEFT_HIGH)
    right = _paddle(light[:, RIGHT].mean(1), RIGHT_HIGH)
    rest = light.copy()
    if left is not None:
        _wipe(rest, left, LEFT.start, LEFT.stop, LEFT_HIGH)
    if right is not None:
        _wipe(rest, right, RIGHT.start, RIGHT.stop, RIGHT_HIGH)
        for start, high in TIERS:
            _wipe(rest, right, start, start + 3, high)
    return {
        "ball": _ball(rest),
        "left": None if left is None else (LEFT.stop / 2, left),
        "right": None if right is None else ((RIGHT.start + RIGHT.stop) / 2, right),
    }


def _paddle(column: np.ndarray, high: float) -> float | None:
    """The middle, in pixels, of a bar `high` pixels long in a column of light [96]."""
    sums = np.convolve(column, np.ones(round(high)), "valid")
    first = int(sums.argmax())
    if sums[first] < LEAST * high:
        return None
    rows = np.arange(max(first - 1, 0), min(first + round(high) + 1, len(column)))
    return float((column[rows] * (rows + 0.5)).sum() / column[rows].sum())


def _wipe(light: np.ndarray, middle: float, start: int, stop: int, high: float) -> None:
    """Takes away, in place, the light of a rectangle about the row `middle`."""
    rows = np.arange(len(light))
    cover = np.clip(np.minimum(rows + 1, middle + high / 2) - np.maximum(rows, middle - high / 2), 0, 1)
    strip = light[:, start:stop]
    strip -= cover[:, None]
    strip[strip < 0.12] = 0  # what rounding leaves


def _ball(light: np.ndarray) -> tuple[float, float] | None:
    """The middle of the brightest patch of a ball's size."""
    padded = np.pad(light, ((2, 2), (1, 1)))
    patches = np.lib.stride_tricks.sliding_window_view(padded, (5, 3))  # 5 rows by 3 columns about each pixel
    sums = patches.sum((2, 3))
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    if sums[row, column] < LEAST * BALL_WIDE * BALL_HIGH:
        return None
    patch = padded[row : row + 5, column : column + 3]
    rows, columns = np.arange(row - 2, row + 3) + 0.5, np.arange(column - 1, column + 2) + 0.5
    return float((patch.sum(0) * columns).sum() / patch.sum()), float((patch.sum(1) * rows).sum() / patch.sum())
