"""A stage in two processes of this machine: they share the batch, and what one of them can't do is one error."""

import json
import pickle

import pytest
from tiny_stages import EVERY, SIZE, make_data

from training.errors import TrainingError
from training.model.tokenizer import TokenizerConfig
from training.stages import tokenizer
from training.stages.together import processes, train_together
from training.worlds.push_t import WORLD
from training.worlds.registry import WORLDS, find_world

SHAPES = TokenizerConfig(size=SIZE, channels=8, wide=8, narrow=8)


def settings(folder, steps=4):
    return tokenizer.TokenizerTraining(WORLD, folder, **{**EVERY, "steps": steps, "batch": 4, "compile": False})


def test_two_processes_share_the_batch(tmp_path):
    make_data(tmp_path)
    train_together(tokenizer.train, settings(tmp_path), SHAPES, count=2)
    meta = json.loads((tmp_path / "tokenizer.pt.json").read_text())
    assert (meta["step"], meta["frames"], meta["ended"]) == (4, 16, True)
    assert tokenizer.load_tokenizer(tmp_path / "tokenizer.pt", WORLD.name).config == SHAPES


def test_an_error_in_one_of_them_is_the_error(tmp_path):
    with pytest.raises(TrainingError, match=r"expected train-\*.npz, found none"):
        train_together(tokenizer.train, settings(tmp_path), SHAPES, count=2)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", WORLDS)
def test_worlds_go_to_other_processes(name):
    world = find_world(name)
    assert pickle.loads(pickle.dumps(world)).actions == world.actions


def test_there_is_always_one():
    assert processes() >= 1
