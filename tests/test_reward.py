"""Reward heads: what they learn from, that they learn it, and what becomes of the package."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from worldloop import Beginning, Dream, World, open_package

from training.package import reward
from training.package.manifest import write_manifest
from training.package.reward import RewardTraining, Steps, add_head, add_to_card, judge, play, train
from training.worlds import car_racing, push_t


def made_up(count: int, seed: int) -> Steps:
    """A reward that a head can learn: how much brighter one corner is after the step."""
    rng = np.random.default_rng(seed)
    before, after = rng.integers(0, 256, (2, count, 2, 2, 3)).repeat(4, 2).repeat(4, 3).astype(np.uint8)
    paid = (0.1 * (after[:, 7, 0, 1] / 64 - before[:, 7, 0, 1] / 64) + 5).astype(np.float32)
    action = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    return Steps(before, action, after, paid, paid > 5.1, np.arange(count) % 2 == 0)


def test_steps_are_those_of_the_environment_and_what_it_paid() -> None:
    steps = play(push_t.WORLD, steps=120, seed=3, name="test")
    assert steps.before.shape == steps.after.shape == (120, 96, 96, 3) and steps.action.shape == (120, 2)
    assert 0.4 < steps.arranged.mean() < 0.6
    assert ((steps.reward == 1) == steps.done).all()
    assert steps.reward[steps.arranged].mean() > 0.3 > steps.reward[~steps.arranged].mean()
    source, rng = push_t.WORLD.live(), np.random.default_rng([3, 0])  # the first episode again
    driver, picture = push_t.WORLD.policies["mixed"](rng), source.reset(int(rng.integers(2**31)))
    for t in np.flatnonzero(~steps.arranged)[:5]:
        np.testing.assert_array_equal(steps.before[t], picture)
        action = driver(source)
        np.testing.assert_array_equal(steps.action[t], action)
        picture = source.step(action).copy()
        np.testing.assert_array_equal(steps.after[t], picture)
        assert steps.reward[t] == np.float32(source.reward)
    source.close()


def test_car_racing_pays_tiles_and_takes_a_little_for_each_frame() -> None:
    source = car_racing.WORLD.live()
    rewards = reward._episode(source, car_racing.WORLD, car_racing.TASK, rng=np.random.default_rng(0), rare=False)[2]
    source.close()
    tiles = np.round((np.array(rewards) + 0.2) * 0.3, 1)  # a track has about 300 of them
    assert len(rewards) == reward.PLAYED and (tiles >= 0).all() and tiles.max() > 0.5


def test_a_head_learns_what_can_be_learned_and_judges_itself_on_other_steps() -> None:
    args = RewardTraining("push-t", Path(), passes=40, noise=0.1)
    head = train(made_up(2000, 0), args)
    figures = judge(head, made_up(400, 1))
    assert figures["played"]["steps"] == figures["rare places"]["steps"] == 200
    assert figures["played"]["r2"] > 0.8 and figures["played"]["mae"] < 0.06
    assert figures["ends"]["precision"] > 0.8 and figures["ends"]["recall"] > 0.7
    endless = replace(made_up(400, 1), done=np.zeros(400, bool))
    assert judge(train(replace(endless), replace(args, passes=4)), endless)["ends"] == {
        "true": 0,
        "precision": None,
        "recall": None,
    }


def test_the_package_opens_and_a_world_says_what_torch_says(push_t_package: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(push_t_package, tmp_path / "push-t")
    torch.manual_seed(1)
    head = reward.round_weights(reward.RewardHead(576, 48, 2)).eval()
    head.scale.fill_(3.0)
    add_head(folder, head, json.loads((folder / reward.FIGURES).read_text()))
    world = World(Dream(open_package(folder)))
    world.reset(Beginning(seed=1, start=0))
    for action in np.float32([[1, 0], [-0.5, 0.25]]):
        before = torch.from_numpy(world.latent.copy())
        tick = world.step(action)
        expected, end = head(before, torch.from_numpy(action[None]), torch.from_numpy(world.latent))
        assert tick.reward == pytest.approx(expected.item(), abs=1e-4)
        assert tick.done == (end.item() > 0.5)


def test_the_card_has_one_section_of_rewards_and_keeps_its_others(push_t_package: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(push_t_package, tmp_path / "push-t")
    card = folder / "README.md"
    assert "## Reward" in card.read_text()
    card.write_text("# Push T\n\n## Drift\n\nNone.\n\n## Limits\n\nMany.\n\nMade by hand.\n")
    manifest = json.loads((folder / "world.json").read_text()) | {"metrics": {"drift": 1.0}}
    for _ in range(2):
        add_to_card(folder, manifest)
    text = card.read_text()
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        *("# Push T", "## Drift", "## Reward", "## Limits")
    ]
    assert text.endswith("\n\nMany.\n\nMade by hand.\n") and "\n\n\n" not in text
    assert list(manifest["metrics"])[:3] == ["drift", "reward, R²", "reward, mean error"]
    write_manifest(folder, manifest)
    assert open_package(folder).manifest["metrics"] == manifest["metrics"]


def test_worlds_without_a_task_get_no_head(push_t_package: Path, capsys: pytest.CaptureFixture) -> None:
    for arguments, message in (
        (["--world", "doom-hall", "--package", str(push_t_package)], "expected a world whose environment has a task"),
        (["--world", "car-racing", "--package", str(push_t_package)], "expected a package of car-racing, got one of"),
        (["--world", "push-t", "--package", "nowhere"], "expected"),
        (["--world", "push-t", "--steps", "1"], "expected --steps of at least 4, got 1"),
    ):
        assert reward.main(arguments) == 2
        assert message in capsys.readouterr().err
