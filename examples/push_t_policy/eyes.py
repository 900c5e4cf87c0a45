"""Reads the pose off a picture by the colours of PushT: no network, so real and dreamed pictures are seen alike."""

from __future__ import annotations

import math

import numpy as np

from training.worlds.push_t import ARENA

# What a pixel is: the nearest of these. White and wall are listed so that nothing else takes their pixels.
COLOURS = {"pusher": (65, 105, 225), "block": (119, 136, 153), "goal": (144, 238, 144), "wall": (211, 211, 211)}
TABLE = np.array([*COLOURS.values(), (255, 255, 255)], np.float32)  # [5, 3]
PUSHER, BLOCK = 0, 1
CENTRE = np.array([0.0, 40.7])  # of the block's area, in its own coordinates, units
LEAST = 4  # pixels: with fewer a thing isn't seen


def read_pose(picture: np.ndarray) -> np.ndarray:
    """uint8 [96, 96, 3] to pusher x, y, block x, y (units of the arena), angle (radians), [5].

    What can't be seen is said to be in the middle.
    """
    difference = picture[:, :, None].astype(np.float32) - TABLE  # [H, W, 5, 3]
    kind = (difference**2).sum(-1).argmin(-1)
    pusher, block = (_places(kind == number, len(picture)) for number in (PUSHER, BLOCK))
    here = pusher.mean(0) if len(pusher) >= LEAST else np.full(2, ARENA / 2)
    if len(block) < LEAST:
        return np.array([*here, ARENA / 2, ARENA / 2, 0.0])
    centre = block.mean(0)
    _, axes = np.linalg.eigh(np.cov((block - centre).T))
    stem = axes[:, 1]  # the block is longest along its stem,
    if (((block - centre) @ stem) ** 3).sum() < 0:  # which reaches farther from the middle than the bar
        stem = -stem
    angle = math.atan2(-stem[0], stem[1])  # the stem points along the block's own y
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return np.array([*here, *(centre - turn @ CENTRE), angle])


def _places(mask: np.ndarray, side: int) -> np.ndarray:
    """Middles of the pixels of a mask, units, [n, 2]: x, y."""
    return (np.argwhere(mask)[:, ::-1] + 0.5) * ARENA / side
