"""A stage in two processes of this machine: they share the batch, and what one of them can't do is one error."""

import json
import pickle

import pytest
from tiny_stages import EVERY, LAYERS, SHAPES, make_data

from training.errors import TrainingError
from training.model.world_model import WorldModelConfig
from training.stages import world_model
from training.stages.together import processes, train_together
from training.worlds.push_t import WORLD
from training.worlds.registry import WORLDS, find_world

CONFIG = WorldModelConfig(actions=2, **SHAPES, **LAYERS)


def settings(folder, steps=4):
    changes = {**EVERY, "steps": steps, "batch": 4, "length": 8, "compile": False}
    return world_model.WorldModelTraining(WORLD, folder, **changes)


def test_two_processes_share_the_batch(tmp_path):
    make_data(tmp_path)
    train_together(world_model.train, settings(tmp_path), CONFIG, count=2)
    meta = json.loads((tmp_path / "world-model.pt.json").read_text())
    assert (meta["step"], meta["frames"], meta["ended"]) == (4, 4 * 4 * 8, True)
    assert world_model.load_world_model(tmp_path, WORLD.name).config == CONFIG


def test_an_error_in_one_of_them_is_the_error(tmp_path):
    with pytest.raises(TrainingError, match="expected train recordings"):
        train_together(world_model.train, settings(tmp_path), CONFIG, count=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_go_to_other_processes(name):
    world = find_world(name)
    assert pickle.loads(pickle.dumps(world)).actions == world.actions


def test_there_is_always_one():
    assert processes() >= 1
