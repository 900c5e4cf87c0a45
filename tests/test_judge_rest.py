"""Creeping, on pictures that are shifted by known ways."""

import cv2
import numpy as np
import pytest

from training.judge.copy_last import CopyLast
from training.judge.rest import (
    AHEAD,
    GRID,
    REACH,
    SETTLE,
    Rest,
    creep,
    displacement,
    luminance,
    real_rests,
    rest,
    rest_action,
    resting_cells,
)
from training.worlds import push_t

SIDE = 96
RNG = np.random.default_rng(0)


def scenery() -> np.ndarray:
    """Smooth patches of light and dark, uint8 [96, 96, 3]."""
    grey = cv2.GaussianBlur(RNG.normal(128, 400, (SIDE, SIDE)), (0, 0), 3).clip(0, 255)
    return grey.astype(np.uint8)[..., None].repeat(3, 2)


def moved(picture: np.ndarray, right: float, down: float) -> np.ndarray:
    return cv2.warpAffine(
        picture, np.array([[1, 0, right], [0, 1, down]], np.float32), (SIDE, SIDE), borderMode=cv2.BORDER_REFLECT
    )


INNER = (slice(32, 48), slice(48, 64))


@pytest.mark.parametrize("way", [(0, 0), (1, 0), (0, -2), (3, 5), (0.5, 0), (-1.4, 0.6)])
def test_a_shift_is_found(way):
    picture = scenery()
    a, b = luminance(picture), luminance(moved(picture, *way))
    assert displacement(a, b, INNER) == pytest.approx(way, abs=0.2)


def test_an_edge_fits_all_along_itself_and_stays():
    edge = np.zeros((SIDE, SIDE, 3), np.uint8)
    edge[:, 56:] = 200
    noisy = (edge + RNG.integers(0, 4, edge.shape)).astype(np.uint8)
    assert displacement(luminance(edge), luminance(noisy), INNER) == pytest.approx((0, 0), abs=0.2)
    assert displacement(luminance(edge), luminance(moved(edge, 2, 0)), INNER) == pytest.approx((2, 0), abs=0.2)


def test_what_is_gone_counts_as_far_away():
    picture = scenery()
    assert displacement(luminance(picture), np.full((SIDE, SIDE), 90, np.float32), INNER) == (REACH, 0)
    assert displacement(np.full((SIDE, SIDE), 90, np.float32), luminance(picture), INNER) == (REACH, 0)


def test_cells_that_are_empty_or_move_in_reality_do_not_count():
    picture = scenery()
    picture[:16] = 90
    pictures = picture[None].repeat(3, 0)
    pictures[1, 80:, 80:] = 255 - pictures[1, 80:, 80:]
    cells = resting_cells(pictures)
    assert 0 < len(cells) <= GRID * (GRID - 1) - 1
    assert all(rows.start >= 16 for rows, _ in cells)
    assert (slice(80, 96), slice(80, 96)) not in cells


def test_creep_of_one_thing_and_of_everything():
    picture = np.full((SIDE, SIDE, 3), 230, np.uint8)
    thing = picture.copy()
    thing[36:44, 36:44] = 30
    cells = resting_cells(thing[None].repeat(2, 0))
    assert creep(thing, thing, cells) == {"things": 0, "whole": 0, "change": 0}
    crept = creep(thing, moved(thing, 2, 0), cells)
    assert crept["things"] == pytest.approx(100 * 2 / SIDE, abs=0.2)
    whole = scenery()
    crept = creep(whole, moved(whole, 0, 3), resting_cells(whole[None].repeat(2, 0)))
    assert crept["whole"] == pytest.approx(100 * 3 / SIDE, abs=0.3)


class Creeping:
    """Shows its history's last picture, 2 px further every 100 frames."""

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        self.picture, self.age = frames[-1], 0
        return self.picture

    def step(self, action: np.ndarray, told: str = "", guide: np.ndarray | None = None) -> np.ndarray:
        self.age += 1
        return moved(self.picture, 2 * self.age / AHEAD, 0)


def test_a_dream_that_creeps_beside_a_world_that_rests():
    rests = []
    for _ in range(3):
        picture = scenery()
        judged = resting_cells(picture[None].repeat(2, 0))
        rests.append(Rest(picture[None].repeat(8, 0), np.zeros((7, 1), np.float32), picture, picture, judged))
    table = rest(Creeping, np.zeros(1, np.float32), rests)
    assert table["whole"]["dream"][0] == pytest.approx(100 * 2 / SIDE, abs=0.3)
    assert table["things"]["real"][0] < 0.1 and table["starts"] == 3
    still = rest(CopyLast, np.zeros(1, np.float32), rests)
    assert still["things"]["dream"][0] < 0.1 and still["change"]["dream"] == (0, 0, 0)
    nothing = Rest(rests[0].frames, rests[0].actions, rests[0].before, rests[0].after, [])
    assert rest(CopyLast, np.zeros(1, np.float32), [nothing]) is None


def test_the_table_of_push_t_rests():
    action = rest_action(push_t.WORLD)
    assert action.tolist() == [0, 0]
    (real,) = real_rests(push_t.WORLD, 1)
    assert real.frames.shape == (8, 96, 96, 3) and real.actions.shape == (7, 2) and len(real.judged) > 3
    table = rest(CopyLast, action, [real])
    assert table["things"]["real"][0] < 0.1 and SETTLE == 50
