"""How well guides are followed: what copies the real look is perfect, what shows nothing has no edges."""

from dataclasses import replace

import numpy as np
import pytest
from tiny_world import TINY_WORLD

from training.data.episodes import Episodes
from training.errors import TrainingError
from training.judge.guided import agreement, edges, follow


def pictures(count: int, side: int = 16) -> np.ndarray:
    """A bright bar that moves."""
    frames = np.full((count, side, side, 3), 30, np.uint8)
    for number, frame in enumerate(frames):
        frame[:, number % (side - 4) : number % (side - 4) + 4] = 220
    return frames


def test_edges_agree_within_a_pixel():
    first, second, far = pictures(20, 32)[[4, 5, 16]]
    assert edges(first).any() and not edges(np.full_like(first, 90)).any()
    assert agreement(first, first) == 1 and agreement(np.full_like(first, 90), first) == 0
    assert agreement(second, first) > 0.9 > 0.5 > agreement(far, first)
    assert agreement(np.full_like(first, 90), np.full_like(first, 9)) == 1


def test_the_guide_stands_beside_the_dream_and_a_dream_after_a_cut():
    frames = pictures(80)
    held = Episodes(frames, np.zeros((80, 2), np.float32), np.arange(80) == 0, guides=frames)
    found = follow(TINY_WORLD.parent / "tiny-guide", held, starts=3, frames=14)
    assert set(found) == {"dream", "guide", "after a cut"}
    assert found["guide"]["psnr"][0] == 100 and found["guide"]["edges"][0] == found["guide"]["motion"][0] == 1
    assert 0 < found["dream"]["psnr"][0] < 40 and found["dream"] != found["after a cut"]
    with pytest.raises(TrainingError, match="expected recordings with guides"):
        follow(TINY_WORLD.parent / "tiny-guide", replace(held, guides=None), starts=3, frames=14)
