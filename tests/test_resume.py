"""Training that was killed goes on where its checkpoint stood, with the same curve; foreign checkpoints are refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_stages import CHAIN, KILLED, LAST_SAVED, STAGES, STEPS, WORLD, logged, make_data, prepare, world_model

from training.errors import TrainingError
from training.stage import main as one_stage
from training.stages import checkpoint, device
from training.stages.device import Place
from training.stages.loop import Loop, Training

ROOT = Path(__file__).parents[1]
WORDS = {"world-model": "expected the 3 actions of car-racing, got [2]", "self-forcing": "world-model.pt"}


@pytest.fixture(params=STAGES)
def stage(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Path:
    """Two folders, by what the network predicts, with all that a stage begins from."""
    folder = tmp_path_factory.mktemp("prepared")
    for prediction in ("score", "x"):
        (folder / prediction).mkdir()
        prepare(folder / prediction, prediction=prediction)
    return folder


def beginning(prepared: Path, folder: Path, stage: str) -> Path:
    """A copy of the folder in which `stage` has not begun."""
    later = [f"{name}.pt*" for name in STAGES][list(STAGES).index(stage) :]
    begun = prepared / ("x" if stage in CHAIN else "score")
    shutil.copytree(begun, folder, ignore=shutil.ignore_patterns("logs", *later))
    return folder


@pytest.fixture(scope="module")
def killed_runs(prepared, tmp_path_factory) -> dict[str, Path]:
    """For each stage the folder in which its run was killed."""
    killed = tmp_path_factory.mktemp("killed")
    folders = {name: beginning(prepared, killed / name, name) for name in STAGES}
    subprocess.run([sys.executable, "-m", "tests.tiny_stages", "kill", killed], cwd=ROOT, check=True)
    return folders


def test_a_killed_stage_ends_with_the_same_curve_and_weights(prepared, killed_runs, tmp_path, stage):
    whole, killed = beginning(prepared, tmp_path / "whole", stage), killed_runs[stage]
    assert json.loads((killed / f"{stage}.pt.json").read_text())["step"] == LAST_SAVED < KILLED - 1
    resumed, uninterrupted = STAGES[stage](killed).state_dict(), STAGES[stage](whole).state_dict()
    name = "fake" if stage == "matching" else "loss"  # the student of matching learns every third step only
    curve, expected = logged(killed, stage, name), logged(whole, stage, name)
    assert list(curve) == list(expected) == list(range(1, STEPS + 1))
    # All draws are seeded by step: equal but for the order of sums.
    np.testing.assert_allclose(list(curve.values()), list(expected.values()), rtol=1e-4)
    for name, weight in uninterrupted.items():
        torch.testing.assert_close(resumed[name], weight, rtol=1e-3, atol=1e-4, msg=name)


def test_a_stage_whose_time_is_up_leaves_a_checkpoint_and_goes_on(prepared, tmp_path):
    whole, cut = (beginning(prepared, tmp_path / name, "world-model") for name in ("whole", "cut"))
    for step in (1, 2):  # time for one step each
        world_model(cut, checkpoint_every=3600.0, until=0.0, scored_from=2.0)
        meta = json.loads((cut / "world-model.pt.json").read_text())
        assert (meta["step"], meta["steps"], meta["ended"], meta["frames"]) == (step, STEPS, True, step * 4 * 8)
    # In the first steps rates still rise, so how near the end is doesn't matter to them; what is learned by is fixed.
    resumed, uninterrupted = (world_model(folder, scored_from=2.0).state_dict() for folder in (cut, whole))
    metas = [json.loads((folder / "world-model.pt.json").read_text()) for folder in (cut, whole)]
    own = {"hours": 0, "identity": ""}
    assert metas[0] | own == metas[1] | own and metas[0]["frames"] == STEPS * 4 * 8
    assert list(logged(cut, "world-model").values()) == pytest.approx(list(logged(whole, "world-model").values()))
    for name, weight in uninterrupted.items():
        torch.testing.assert_close(resumed[name], weight, rtol=1e-3, atol=1e-4, msg=name)


def test_a_stage_nears_its_end_by_steps_or_by_the_clock(tmp_path):
    args = Training(WORLD, tmp_path, steps=10)
    loop = Loop("none", args, Place(torch.device("cpu")), config={}, parts={}, frames=1)
    assert loop.share == 0
    loop.step = 5
    assert loop.share == 0.5
    args.until = loop._begin + 3600
    assert loop.share == 0.5
    loop._begin -= 2 * 3600
    assert loop.share == pytest.approx(2 / 3, abs=0.01)
    args.until = loop._begin - 1
    assert loop.share == 1


def test_every_stage_runs_in_bfloat16(prepared, tmp_path, monkeypatch, stage):
    monkeypatch.setattr(device, "bfloat16_pays", lambda: True)
    folder = beginning(prepared, tmp_path / "half", stage)
    STAGES[stage](folder, steps=5)
    name = "fake" if stage == "matching" else "loss"
    assert np.isfinite(list(logged(folder, stage, name).values())).all()


def test_a_stage_knows_what_it_was_made_from_and_of(prepared, tmp_path):
    folder = beginning(prepared, tmp_path / "data", "self-forcing")
    STAGES["self-forcing"](folder, steps=1)
    begun = {name: json.loads((folder / f"{name}.pt.json").read_text()) for name in ("world-model", "self-forcing")}
    assert begun["self-forcing"]["made_from"] == {"world-model": begun["world-model"]["identity"]}
    make_data(folder / "more")
    (folder / "more/train-1.npz").rename(folder / "train-2.npz")
    STAGES["self-forcing"](folder, steps=1)  # it is done: what came later wasn't trained on
    assert checkpoint.frames_trained_on(folder, "self-forcing") == 120
    STAGES["self-forcing"](folder, steps=2)
    assert checkpoint.about(folder, "self-forcing")["identity"] == begun["self-forcing"]["identity"]
    assert checkpoint.frames_trained_on(folder, "self-forcing") == 240

    world_model(folder, steps=5)  # trained on, it is the same one
    checkpoint.check_made_from(folder, "self-forcing")
    for file in folder.glob("world-model.pt*"):
        file.unlink()
    with pytest.raises(TrainingError, match="made from a checkpoint of the stage 'world-model', that is gone"):
        checkpoint.check_made_from(folder, "self-forcing")
    world_model(folder, steps=1)
    with pytest.raises(TrainingError, match="'world-model', and there is another one now. Put that one back, or move"):
        STAGES["self-forcing"](folder, steps=3)


def test_a_stage_that_is_done_writes_nothing(prepared, tmp_path):
    folder = beginning(prepared, tmp_path / "done", "self-forcing")
    before = (folder / "world-model.pt").read_bytes()
    world_model(folder, steps=4)
    assert (folder / "world-model.pt").read_bytes() == before and not (folder / "logs").exists()


@pytest.mark.parametrize("foreign", ["another world", "another stage", "another network", "no checkpoint"])
def test_a_foreign_checkpoint_is_refused(prepared, tmp_path, stage, foreign):
    folder = beginning(prepared, tmp_path / "data", stage)
    path, meta = folder / f"{stage}.pt", {"world": WORLD.name, "stage": stage, "step": 2, "steps": 4, "config": {}}
    change, words = {
        "another world": ({"world": "car-racing"}, "expected a checkpoint of world 'push-t'"),
        "another stage": ({"stage": "reward"}, f"stage '{stage}', got 'push-t', 'reward'"),
        "another network": ({"config": {"wide": 5}}, "expected a network with wide = 16, got 5"),
        "no checkpoint": ({}, "unreadable"),
    }[foreign]
    checkpoint.save(path, {}, {**meta, **change})
    if foreign == "no checkpoint":
        path.write_bytes(path.read_bytes()[:100])
    before = path.read_bytes()
    with pytest.raises(TrainingError) as caught:
        STAGES[stage](folder)
    assert words in str(caught.value) and str(path) in str(caught.value)
    assert path.read_bytes() == before and not (folder / "logs").exists()


@pytest.mark.parametrize("name", ["world-model", "self-forcing"])
def test_the_command_says_it_in_one_line(prepared, tmp_path, capsys, name):
    folder = beginning(prepared, tmp_path / "data", "world-model")
    assert one_stage([name, "--world", "car-racing", "--data", str(folder), "--steps", "4"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error:") and WORDS[name] in said[0]


def test_a_loss_that_is_no_number_stops_the_stage_before_it_is_saved(prepared, tmp_path):
    folder = beginning(prepared, tmp_path / "data", "world-model")
    with pytest.raises(TrainingError, match="expected a finite loss, got nan at step"):
        world_model(folder, muon_lr=float("nan"))
    state = checkpoint.load(folder / "world-model.pt", world=WORLD.name, stage="world-model")
    assert state["meta"]["step"] == 1
