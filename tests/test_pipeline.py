"""The whole pipeline at its smallest, from the real environment to a judged package, and what it must refuse."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from worldloop.rng import normals

from training.data import record as recorder
from training.data.episodes import load_episodes
from training.data.record import write_npz
from training.errors import TrainingError
from training.judge.onnx_world import OnnxWorld
from training.package.export import Tick, round_weights
from training.package.unpack import main as unpack
from training.package.weights import load_package
from training.run import main as run
from training.stages.world_model import HISTORY_LEVEL, WorldModelTraining, load_world_model
from training.stages.world_model import train as train_world_model
from training.worlds import car_racing
from training.worlds.registry import find_world

WORLD = "car-racing"
CHAIN = "self-forcing,tokenizer,codes"  # the last of them into the package


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory) -> tuple[Path, Path]:
    """Folders of data and package."""
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("worlds") / WORLD
    with pytest.MonkeyPatch.context() as patch:  # all starts take 1,700 frames: `test_worlds.py` records them
        patch.setattr(car_racing, "WORLD", replace(car_racing.WORLD, starts=car_racing.WORLD.starts[1:2]))
        assert run(["--world", WORLD, "--tiny", "--refine", CHAIN, "--data", str(data), "--out", str(out)]) == 0
    return data, out


def test_package_lists_every_file_and_is_evaluated(pipeline):
    _, out = pipeline
    manifest = json.loads((out / "world.json").read_text())
    beside = {"world.json", "preview.json", "preview.webp"}
    present = {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()}
    assert beside <= present
    present -= beside
    assert set(manifest["files"]) == present
    assert {"tick.onnx", "encoder.onnx", "README.md", "metrics.json", "strip.png"} <= present
    assert len(manifest["metrics"]) > 6
    assert manifest["tick"]["inputs"]["action"]["shape"] == [1, len(manifest["actions"])]


def test_our_own_engine_knows_its_powers(pipeline):
    """It squares and takes roots, `src/engine/operators.ts`; a graph with others would run on onnxruntime alone."""
    graph = onnx.load(str(pipeline[1] / "tick.onnx")).graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    powers = {float(constants[node.input[1]]) for node in graph.node if node.op_type == "Pow"}
    assert powers <= {2.0, 0.5}


def test_onnx_plays_what_torch_dreams_past_the_window(pipeline):
    data, out = pipeline
    model = round_weights(load_world_model(data, WORLD, "codes"))
    held = load_episodes(sorted(data.glob("held-*.npz")))
    c, context, ticks = model.config, 4, 2 * model.config.window
    frames, actions = held.frames[:context], held.actions[: context - 1 + ticks]

    world = OnnxWorld(out)
    world.reset(seed=3, frames=frames, actions=actions[: context - 1])
    history = torch.from_numpy(np.concatenate(world._world.dream.encoded(frames)))
    tick = Tick(model, HISTORY_LEVEL)
    kv = torch.zeros(c.window, len(c.window_layers), 2, c.tokens, c.kv_width)
    age = torch.full((c.window,), -1, dtype=torch.int32)
    latent = history[:1]
    with torch.no_grad():
        for t in range(context - 1 + ticks):
            dreaming = t - (context - 1)
            shape = world.manifest["tick"]["inputs"]["noise"]["shape"]
            noise = torch.from_numpy(normals(3, max(dreaming, 0), math.prod(shape)).reshape(shape))
            rgba, following, slot = tick(noise, torch.from_numpy(actions[t : t + 1]), latent, kv, age)
            latent = following if dreaming >= 0 else history[t + 1 : t + 2]
            kv[t % c.window] = slot
            age = torch.where(age >= 0, age + 1, age)
            age[t % c.window] = 1
            if dreaming >= 0:
                picture = world.step(actions[t])
                np.testing.assert_allclose(world.latent, latent.numpy(), atol=1e-3)
                assert np.abs(picture.astype(int) - rgba[..., :3].numpy()).max() <= 1
    assert world.passes == context - 1 + ticks


def test_a_package_can_be_trained_on(pipeline):
    data, out = pipeline
    wanted = round_weights(load_world_model(data, WORLD, "codes")).state_dict()
    state = load_package(out).state_dict()
    assert all(torch.equal(state[name], weight) for name, weight in wanted.items())
    with np.load(out / "training.npz") as rest:
        assert sum(rest[name].nbytes for name in rest.files) < 0.3 * (out / "tick.onnx").stat().st_size


def test_a_package_becomes_a_checkpoint_and_overwrites_none(pipeline, tmp_path, capsys):
    data, out = pipeline
    call = ["--world", WORLD, "--package", str(out), "--data", str(tmp_path)]
    assert unpack(call) == 0
    model, found = load_package(out), load_world_model(tmp_path, WORLD)
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in found.state_dict().items())
    for file in (*data.glob("train-*.npz"), *data.glob("held-*.npz")):
        (tmp_path / file.name).symlink_to(file)
    settings = {"steps": 1, "batch": 2, "count": 2, "compile": False}
    train_world_model(WorldModelTraining(find_world(WORLD), tmp_path, **settings), model.config)
    assert json.loads((tmp_path / "world-model.pt.json").read_text())["step"] == 1
    before = (tmp_path / "world-model.pt").read_bytes()
    assert unpack(call) == 2
    assert "expected no checkpoint" in capsys.readouterr().err
    assert (tmp_path / "world-model.pt").read_bytes() == before


def test_recording_repeats_itself_and_says_what_is_wrong(tmp_path, capsys):
    for name in ("a.npz", "new/b.npz"):
        arguments = ["--world", WORLD, "--policy", "mixed", "--seed", "5", "--frames", "12", "--out"]
        assert recorder.main([*arguments, str(tmp_path / name)]) == 0
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "new/b.npz").read_bytes()
    with np.load(tmp_path / "a.npz") as file:
        assert file["frames"].shape == (12, 96, 96, 3) and file["frames"].dtype == np.uint8
        assert file["actions"].shape == (12, 3) and file["actions"].dtype == np.float32
        assert file["starts"].tolist() == [True] + [False] * 11
    wrong = {
        "unknown world": ["--world", "car-racin", "--out", str(tmp_path / "c.npz")],
        "unknown policy": ["--world", WORLD, "--policy", "sleepy", "--out", str(tmp_path / "c.npz")],
        "--frames >= 1": ["--world", WORLD, "--frames", "0", "--out", str(tmp_path / "c.npz")],
        ".npz": ["--world", WORLD, "--out", str(tmp_path / "c.zip")],
        "got the file": ["--world", WORLD, "--out", str(tmp_path / "a.npz" / "c.npz")],
    }
    capsys.readouterr()
    for words, arguments in wrong.items():
        assert recorder.main(arguments) == 2
        said = capsys.readouterr().err.strip().splitlines()
        assert words in said[-1] and said[-1].startswith("error:")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["a.npz", "b.npz", "new"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: a.pop("actions"), "actions missing"),
        (lambda a: a.update(frames=a["frames"].astype(np.float32)), "frames uint8"),
        (lambda a: a.update(actions=a["actions"] * np.nan), "finite actions"),
        (lambda a: a.update(actions=a["actions"][:-1]), "as many actions"),
        (lambda a: a.update(starts=np.zeros(4, bool)), "the first of them a start"),
    ],
)
def test_a_bad_recording_is_named(tmp_path, change, words):
    arrays = {
        "frames": np.zeros((4, 96, 96, 3), np.uint8),
        "actions": np.zeros((4, 3), np.float32),
        "starts": np.array([True, False, False, False]),
    }
    change(arrays)
    write_npz(tmp_path / "bad.npz", arrays)
    with pytest.raises(TrainingError, match=words) as caught:
        load_episodes([tmp_path / "bad.npz"])
    assert "bad.npz" in str(caught.value)


def test_a_checkpoint_of_another_world_is_refused(pipeline):
    data, _ = pipeline
    with pytest.raises(TrainingError, match="world 'push-t'"):
        load_world_model(data, "push-t")
