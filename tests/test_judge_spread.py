"""Spread against error, on samples drawn from distributions that are known."""

import numpy as np
import pytest

from training.data.episodes import Episodes
from training.judge.copy_last import CopyLast
from training.judge.measures import psnr
from training.judge.spread import SAMPLES, distance, pooled, sampled, spread_and_error, summary

SIDE = 32
LAST = np.full((SIDE, SIDE, 3), 128, np.uint8)


def futures(count: int, rng: np.random.Generator, *, wide: float = 20.0) -> np.ndarray:
    """Pictures of 4 x 4 px cells whose grey nobody can know: uint8 [count, SIDE, SIDE, 3]."""
    greys = rng.normal(128, wide, (count, SIDE // 4, SIDE // 4))
    return greys.repeat(4, 1).repeat(4, 2)[..., None].repeat(3, 3).clip(0, 255).round().astype(np.uint8)


def judged(draw, starts: int = 60) -> dict:
    """`draw` takes a generator, gives the samples; the truth is one of `futures`."""
    rng = np.random.default_rng(0)
    return summary([sampled(draw(rng), futures(1, rng)[0], LAST, rng) for _ in range(starts)])


def test_samples_of_the_true_distribution_are_as_far_apart_as_from_the_truth():
    row = judged(lambda rng: futures(SAMPLES, rng))
    assert row["ratio"][0] == pytest.approx(1, abs=0.03) and row["ratio"][1] < 1.01 and row["ratio"][2] > 0.99
    assert row["distance"] < row["distance_chance"] < 0.05
    assert np.allclose(row["ranks"], 1 / 9, atol=0.02) and sum(row["ranks"]) == pytest.approx(1)
    assert row["psnr_mean"][0] > row["psnr_one"][0] + 1.5  # the mean of eight beats one, as squared errors say
    assert row["copy"][0] > row["psnr_mean"][0]  # and here the mean of all futures is what one began from


def test_half_the_spread_is_half_the_ratio_and_truth_outside():
    row = judged(lambda rng: futures(SAMPLES, rng, wide=10.0))
    assert 0.45 < row["ratio"][0] < 0.55
    assert row["ranks"][0] > 0.2 and row["ranks"][-1] > 0.2  # a bowl: below or above all samples
    assert row["distance"] > 3 * row["distance_chance"]


def test_one_future_told_again_and_again_has_no_spread():
    row = judged(lambda rng: futures(1, rng).repeat(SAMPLES, 0))
    assert row["ratio"] == (0, 0, 0)
    assert row["psnr_one"][0] == pytest.approx(row["psnr_mean"][0])


def test_where_nothing_moves_nothing_is_ranked():
    rng = np.random.default_rng(0)
    row = sampled(LAST[None].repeat(SAMPLES, 0), LAST, LAST, rng)
    assert row.ranks.shape == (1 + SAMPLES, 0) and row.error == 0
    assert summary([row])["distance"] == 0


def test_distance_from_flat():
    assert distance(np.full(9, 7)) == 0
    assert distance(np.eye(9)[0]) == pytest.approx(8 / 9)


def test_cells_are_means_of_luminance():
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    picture[:4, 4:8] = 100
    assert pooled(picture)[:3].round(6).tolist() == [0, 100, 0]


class Guess:
    """Dreams noise that the seed decides."""

    def __init__(self) -> None:
        self.seeds: list[int] = []

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        self.seeds.append(seed)
        self.rng = np.random.default_rng(seed)
        return frames[-1]

    def step(self, action: np.ndarray, told: str = "", guide: np.ndarray | None = None) -> np.ndarray:
        return futures(1, self.rng)[0]


def test_all_starts_go_a_short_way_and_some_a_long_one():
    rng = np.random.default_rng(5)
    episodes = Episodes(futures(90, rng), np.zeros((90, 1), np.float32), np.arange(90) == 0)
    made: list[Guess] = []

    def make() -> Guess:
        made.append(Guess())
        return made[-1]

    table = spread_and_error(make, episodes, 9)
    assert {h: row["starts"] for h, row in table["horizons"].items()} == {"1": 9, "4": 9, "8": 9, "16": 9, "64": 2}
    seeds = [seed for world in made for seed in world.seeds]
    assert len(seeds) == len(set(seeds)) == 9 * SAMPLES
    assert table["horizons"]["8"]["ratio"][0] == pytest.approx(1, abs=0.1)
    still = spread_and_error(CopyLast, episodes, 2)["horizons"]["4"]
    assert still["ratio"][0] == 0 and still["psnr_one"] == still["copy"]
    assert still["copy"][0] < psnr(LAST, futures(1, rng)[0])
