"""The pictures of `docs/how-it-works.md` are parts of the very tick that a package plays."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from training.errors import TrainingError
from training.judge import anatomy
from training.package.weights import load_package

WORLD = "assets/worlds/push-t"


@pytest.fixture(scope="module")
def taken():
    package = anatomy.open_package(anatomy.Path(WORLD))
    dream = anatomy.play(package, start=0, seed=1, action=np.array([1, 0.3], np.float32), ticks=3)
    parts, picture = anatomy.take_apart(load_package(anatomy.Path(WORLD)), dream.feeds)
    return dream, parts, picture


def test_parts_make_the_picture_that_the_graph_gave(taken):
    dream, parts, picture = taken
    assert anatomy.check_same(picture, dream.outputs[0][..., :3], WORLD) <= 0.001
    paint = parts["shares"][-1]
    made = parts["moved"] * (1 - paint) + parts["paint"] * paint
    assert torch.allclose(made, parts["next"], atol=1e-3)


def test_shares_and_attention_add_up(taken):
    _, parts, _ = taken
    assert torch.allclose(parts["shares"].sum(0), torch.ones(96, 96), atol=1e-5)
    by_head = parts["attention"].sum((-2, -1))  # [layers, heads, queries]
    assert torch.allclose(by_head, torch.ones_like(by_head), atol=1e-4)
    # The window holds the start's history and three ticks: what was never written isn't looked at.
    empty = torch.from_numpy(taken[0].feeds["age"] < 0)
    assert parts["attention"][..., :-1, :][..., empty, :].sum() == 0


def test_another_network_is_refused(taken):
    dream, _, picture = taken
    with pytest.raises(TrainingError, match="package the world again"):
        anatomy.check_same(picture // 2, dream.outputs[0][..., :3], WORLD)


def test_files_are_written_or_the_reason_is_told(tmp_path, capsys):
    out = tmp_path / "parts"
    common = ["--world", "push-t", "--out", str(out), "--ticks", "2"]
    assert anatomy.main([*common, "--action", "jump=1"]) == 2
    assert "expected names of x, y, got jump" in capsys.readouterr().err
    assert anatomy.main([*common, "--start", "99"]) == 2
    assert "start: expected an integer from 0 to 4" in capsys.readouterr().err
    assert not out.exists()
    assert anatomy.main([*common, "--action", "x=1"]) == 0
    about = json.loads((out / "parts.json").read_text())
    assert about["action"] == {"x": 1.0, "y": 0.0} and len(about["attention"]) == 2
    assert Image.open(out / "next.png").size == (96, 96)
