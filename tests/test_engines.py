"""A package that is judged as a server plays it gives the frames of this process, whatever the engine."""

import numpy as np
import pytest

from training.errors import TrainingError
from training.judge import engines
from training.judge.engines import served
from training.judge.onnx_world import OnnxWorld


def dreamed(world, frames: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    world.reset(seed=3, frames=rng.integers(0, 255, (3, 96, 96, 3), np.uint8), actions=np.zeros((2, 2), np.float32))
    return np.stack([world.step(np.array([0.5, -1], np.float32)) for _ in range(frames)]).astype(int)


@pytest.mark.parametrize(("engine", "precision", "apart"), [("own", "float32", 1), ("own", "int8", 12)])
def test_a_server_plays_what_the_judge_plays(push_t_package, engine, precision, apart):
    here = dreamed(OnnxWorld(push_t_package), 3)
    with served(push_t_package, engine, precision) as make:
        there = dreamed(make(), 3)
    assert here.std() > 1 and np.abs(there - here).max() <= apart


def test_what_a_server_says_before_it_ends_is_told(push_t_package):
    with pytest.raises(TrainingError, match="expected --engine own beside int8"), served(push_t_package, "ort", "int8"):
        pass


def test_bad_input_is_one_line(tmp_path, capsys):
    assert engines.main(["--world", "push-t", "--package", str(tmp_path), "--data", str(tmp_path)]) == 2
    assert "which has no world.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
