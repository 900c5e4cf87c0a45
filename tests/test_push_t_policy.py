"""The example that clones a pusher and compares returns: its parts, and the whole of it at its smallest."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_world import TINY_WORLD

from examples.push_t_policy import policies
from examples.push_t_policy.__main__ import main
from examples.push_t_policy.correlation import spearman, spearman_interval
from examples.push_t_policy.eyes import read_pose
from examples.push_t_policy.places import CONTEXT, Dreamed, Real, play
from examples.push_t_policy.pusher import distance, push
from training.worlds import push_t


def test_the_script_brings_the_block_to_its_goal() -> None:
    source = push_t.Source()
    for seed in (7005, 7006):
        source.reset(seed)
        assert distance(source.pose()) > 100
        rewards = []
        while len(rewards) < 200 and max(rewards, default=0) < 0.9:
            source.step(push(source.pose()))
            rewards.append(source.reward)
        assert max(rewards) >= 0.9
    source.close()


def test_an_action_is_one_of_the_table_wherever_things_are() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        pose = np.array([*rng.uniform(0, 512, 4), rng.uniform(-7, 7)])
        action = push(pose)
        assert action.dtype == np.float32 and action.shape == (2,)
        assert np.isfinite(action).all() and np.abs(action).max() <= 1


def test_the_eyes_see_where_things_are() -> None:
    source = push_t.Source()
    errors = []
    for seed in range(40):
        seen = read_pose(source.reset(seed))
        true = source.pose()
        turn = np.degrees(abs((seen[4] - true[4] + np.pi) % (2 * np.pi) - np.pi))
        errors.append([*np.abs(seen - true)[:4], turn])
    source.close()
    assert np.median(errors, axis=0).max() < 1.5 and np.max(errors) < 15  # units and degrees
    assert read_pose(np.full((96, 96, 3), 255, np.uint8)).tolist() == [256, 256, 256, 256, 0]


def test_dream_and_reality_begin_with_the_same_picture(push_t_package: Path) -> None:
    dream, real = Dreamed(push_t_package, frames=5), Real()
    first = dream.reset(5)
    np.testing.assert_array_equal(first, real.reset(5))
    assert len(real.first_frames(5)) == CONTEXT
    picture, reward, done = dream.step(np.float32([1, 0]))
    assert picture.shape == first.shape and 0 <= reward <= 1 and isinstance(done, bool)
    assert (dream.reset(6) != first).any()


def test_an_episode_that_reached_the_goal_counts_as_if_it_stayed_there() -> None:
    class Place:
        def reset(self, seed):
            self.left = seed
            return np.zeros((1, 1, 3), np.uint8)

        def step(self, action):
            self.left -= 1
            return np.zeros((1, 1, 3), np.uint8), 0.5, self.left == 0

    rest = policies.rest(0)
    assert play(Place(), rest, seed=3, frames=4) == pytest.approx((0.5 + 0.5 + 1 + 1) / 4)
    assert play(Place(), rest, seed=9, frames=4) == pytest.approx(0.5)


def test_spearman_is_the_correlation_of_ranks() -> None:
    assert spearman([1, 2, 3, 4], [1, 4, 9, 16]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 2, 3], [10, 20, 30, 40]) == pytest.approx(0.9486833)  # ties share ranks 2 and 3
    assert np.isnan(spearman([1, 1], [1, 2]))
    rng = np.random.default_rng(0)
    strength = np.linspace(0, 1, 8)[:, None]
    value, low, high = spearman_interval(*(strength + 0.4 * rng.normal(size=(2, 8, 16))))
    assert low < value <= high and 0.5 < value


def test_the_whole_example_prints_both_returns(push_t_package: Path, tmp_path: Path, capsys) -> None:
    small = ["--episodes", "1", "--frames", "3", "--demonstrations", "2", "--updates", "6", "--out", str(tmp_path)]
    assert main(["--world", str(push_t_package), *small]) == 0
    said = capsys.readouterr().out
    assert "clone, 6 updates: return " in said and "Spearman " in said
    figures = json.loads((tmp_path / "returns.json").read_text())
    assert len(figures["policies"]) == 10
    assert all(len(f["dream"]) == len(f["real"]) == 1 for f in figures["policies"].values())
    assert Image.open(tmp_path / "returns.png").size[0] > 400


def test_a_world_that_pays_nothing_is_refused(capsys) -> None:
    assert main(["--world", str(TINY_WORLD)]) == 2
    assert "error: " in capsys.readouterr().err
