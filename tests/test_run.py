"""What the run decides: a base and a world from it, a budget of minutes, and what is refused before it costs time."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training import run as module
from training.data.record import write_npz
from training.model.world_model import WorldModel, WorldModelConfig
from training.package.base import Base, load, save
from training.run import main as run
from training.stages.self_forcing import load_critic
from training.stages.world_model import load_world_model
from training.worlds.registry import find_world

WORLD, SIZE = "square", 64
TABLE = {"title": "Square", "frameRate": 10, "actions": []}
for control, name in (("leftX", "right"), ("leftY", "down")):
    spec = {"name": name, "min": -1, "max": 1, "rest": 0, "unit": "px", "keys": {}, "gamepad": control}
    TABLE["actions"].append(spec)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory) -> list[str]:
    """A square that the actions move; the arguments that bring it."""
    folder = tmp_path_factory.mktemp("square")
    for seed in range(4):
        rng = np.random.default_rng(seed)
        actions = np.repeat(rng.uniform(-1, 1, (26, 2)), 4, 0).astype(np.float32)
        frames = np.full((104, SIZE, SIZE, 3), 60, np.uint8)
        for frame, (x, y) in zip(frames, 20 + np.cumsum(2 * actions, 0).astype(int) % 30, strict=True):
            frame[y : y + 9, x : x + 9] = (230, 90, 20)
        arrays = {"frames": frames, "actions": actions, "starts": np.arange(104) == 0}
        write_npz(folder / f"{seed}.npz", arrays)
    (folder / "actions.json").write_text(json.dumps(TABLE))
    return ["--episodes", str(folder), "--actions", str(folder / "actions.json"), "--size", str(SIZE)]


@pytest.fixture
def judged(monkeypatch) -> list[list[str]]:
    """The arguments of each evaluation, which isn't done: `test_evaluate.py` does it."""
    calls: list[list[str]] = []
    monkeypatch.setattr(module, "evaluate", lambda arguments: calls.append(arguments) or 0)
    monkeypatch.setattr(module, "told", lambda before, now: f"{now} beside {before}")  # it reads what would be judged
    return calls


def state(data: Path, stage: str) -> dict:
    return json.loads((data / f"{stage}.pt.json").read_text())


def test_minutes_end_with_a_package_and_the_same_command_goes_on(episodes, judged, tmp_path, capsys, monkeypatch):
    data, out = tmp_path / "data", tmp_path / WORLD
    command = ["--world", WORLD, "--tiny", *episodes, "--data", str(data), "--out", str(out)]
    assert run([*command, "--minutes", "1e-6"]) == 0
    assert state(data, "world-model")["step"] == 1
    assert (out / "world.json").is_file() and "--quick" in judged[0]
    before = (out / "tick.onnx").read_bytes()
    package = module.package

    def package_later(arguments: list[str]) -> int:
        """What came meanwhile wasn't trained on."""
        shutil.copy(data / "train-1.npz", data / "train-2.npz")
        return package(arguments)

    monkeypatch.setattr(module, "package", package_later)
    assert run(command) == 0
    meta = state(data, "self-forcing")
    assert meta["step"] == meta["steps"] == 3 and meta["ended"]
    assert state(data, "world-model")["step"] == 1  # what began from it isn't begun again
    assert (out / "tick.onnx").read_bytes() != before and "--quick" not in judged[1]
    assert "--before" not in judged[0] and judged[1][-2:] == ["--before", str(data / "before")]
    assert (data / "before" / "tick.onnx").read_bytes() == before and f"{out} beside" in capsys.readouterr().err
    assert json.loads((out / "world.json").read_text())["recordedFrom"]["frames"] == 2 * 104 and len(judged) == 2
    monkeypatch.setattr(module, "finish", lambda *_: None)
    # One whose weights are gone is made anew, though what it said of itself is there.
    (data / "self-forcing.pt").unlink()
    assert run(command) == 0
    meta = state(data, "self-forcing")
    assert (data / "self-forcing.pt").exists()
    # A stage whose beginning is gone isn't gone on with.
    for file in data.glob("world-model.pt*"):
        file.unlink()
    capsys.readouterr()
    assert run(command) == 2
    assert "made from a checkpoint of the stage 'world-model', that is gone" in capsys.readouterr().err
    assert not (data / "world-model.pt").exists() and state(data, "self-forcing") == meta


@pytest.mark.parametrize("ending", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_what_ends_it_clears_up_and_says_how_to_go_on(tmp_path, capsys, monkeypatch, ending):
    cleared = []

    def work(_) -> None:
        try:
            signal.raise_signal(getattr(signal, ending))
        finally:
            cleared.append(ending)

    monkeypatch.setattr(module, "run", work)
    assert run(["--world", "push-t", "--tiny", "--data", str(tmp_path / "d"), "--out", str(tmp_path / "o")]) == 130
    assert cleared == [ending] and "the same command goes on" in capsys.readouterr().err


def test_no_process_outlives_the_command(tmp_path):
    """Even where that is killed: a training would go on for ever, and package over what comes later."""
    script, note = tmp_path / "parent.py", tmp_path / "child"
    script.write_text(
        "import multiprocessing, os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from training.processes import end_with_parent\n"
        "def child(note):\n"
        "    end_with_parent()\n"
        "    signal.raise_signal(signal.SIGINT)\n"  # the parent's to deal with
        "    Path(note).write_text(str(os.getpid()))\n"
        "    time.sleep(600)\n"
        "if __name__ == '__main__':\n"
        "    multiprocessing.get_context('spawn').Process(target=child, args=(sys.argv[1],)).start()\n"
        "    time.sleep(600)\n"
    )
    root = str(Path(module.__file__).parents[1])
    parent = subprocess.Popen([sys.executable, script, note], env={**os.environ, "PYTHONPATH": root})
    while not note.is_file() or not note.read_text():
        assert parent.poll() is None
        time.sleep(0.05)
    child = int(note.read_text())
    parent.kill()
    parent.wait()
    for _ in range(1200):
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    else:
        pytest.fail("it goes on without its parent")


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> tuple[Path, Path]:
    """Data folder and place of a tiny base of two worlds."""
    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("base") / "base"
    assert run(["--base", "push-t,pong", "--tiny", "--data", str(data), "--out", str(out)]) == 0
    return data, out


def test_a_base_is_trained_on_all_its_worlds(base):
    data, out = base
    found = load(out)
    assert found.worlds == ("push-t", "pong") and found.model.config.worlds == 2
    states = [state(data, stage) for stage in ("world-model", "self-forcing")]
    assert found.frames == sum(meta["frames"] for meta in states) > 0
    assert {meta["world"] for meta in states} == {"base"}
    assert {path.parent.name for path in data.rglob("train-*.npz")} == {"push-t", "pong"}
    assert [path.name for path in out.iterdir()] == ["base.npz"]


def test_a_world_that_the_base_knows_goes_on_dreaming(base, tmp_path, monkeypatch):
    data, out = base
    monkeypatch.setattr(module, "finish", lambda *_: None)  # the package: `test_pipeline.py`
    found = load(out)
    begun: list[dict] = []
    train = module.train

    def watched(plan, name, *shapes, until) -> None:
        begun.append(torch.load(plan.data / f"{name}.pt", weights_only=True)["model"])
        train(plan, name, *shapes, until=until)

    monkeypatch.setattr(module, "train", watched)
    mine = tmp_path / "pong"
    mine.mkdir()
    for file in (data / "pong").glob("*.npz"):
        (mine / file.name).symlink_to(file)
    call = ["--world", "pong", "--tiny", "--data", str(mine), "--out", str(tmp_path / "out"), "--from", str(out)]
    assert run(call) == 0
    alone = found.world_model(["pong"], begun[0]["trunk.action_weight"].shape[1]).state_dict()
    assert all(torch.equal(begun[0][name], value) for name, value in alone.items())
    trained = load_world_model(mine, "pong", "self-forcing")
    assert trained.config.worlds == 1 and state(mine, "self-forcing")["step"] == 3
    assert state(mine, "world-model")["step"] == 0
    assert not torch.equal(trained.stem.fine.weight, alone["stem.fine.weight"])
    critic = torch.load(mine / "critic.pt", weights_only=True)["critic"]
    assert found.critic is not None
    assert torch.equal(critic["world.weight"][0], found.critic.world.weight[1])


def test_a_new_world_learns_what_its_actions_do_before_it_dreams(base, tmp_path):
    plan = module.Run(replace(find_world("pong"), name="new"), tmp_path, tmp_path / "out", minutes=20)
    config = module.begin_from(plan, base[1])
    critic, begins = load_critic(tmp_path, "new", config)
    assert config.worlds == critic.config.worlds == 1 and not begins
    assert [name for name, _ in module.shares_of(plan)] == ["world-model", "self-forcing"]
    assert [share for _, share in module.shares_of(plan)] == pytest.approx([0.6, 1])
    (tmp_path / "self-forcing.pt").touch()
    assert module.shares_of(plan) == [("self-forcing", 1)]


def test_a_base_brings_its_coder(tmp_path):
    shapes = {
        "fine": 8,
        "wide": 16,
        "features": 8,
        "width": 32,
        "heads": 4,
        "mlp": 32,
        "code_wide": 16,
        "code_narrow": 8,
    }
    model = WorldModel(WorldModelConfig(codes=16, **shapes))
    start, refine = save(tmp_path / "base", Base(model, ("pong",), 7)).parent, ("self-forcing", "tokenizer", "codes")
    saved = load(start).model
    for name, stages in (("pong", ["codes"]), ("new", ["world-model", *refine])):
        plan = module.Run(replace(find_world("pong"), name=name), tmp_path / name, tmp_path / "out", refine=refine)
        assert module.begin_from(plan, start).codes == 0
        assert [stage for stage, _ in module.shares_of(plan)] == stages
        assert load_world_model(tmp_path / name, name).coder is None
        brought = torch.load(tmp_path / name / "coder.pt", weights_only=True)["coder"]
        assert saved.coder is not None
        assert all(torch.equal(brought[key], value) for key, value in saved.coder.state_dict().items())
    unasked = module.Run(replace(find_world("pong"), name="plain"), tmp_path / "plain", tmp_path / "out")
    for plan, brought in ((unasked, False), (replace(unasked, refine=refine), True)):
        module.begin_from(plan, start)
        assert (tmp_path / "plain" / "world-model.pt").exists()
        assert (tmp_path / "plain" / "coder.pt").exists() == brought
    known = load_world_model(tmp_path / "pong", "pong", "codes")
    wanted = saved.for_worlds([0], known.config.actions).state_dict()
    assert all(torch.equal(known.state_dict()[key], value) for key, value in wanted.items())


def tiny_base(folder: Path, size: int) -> Path:
    config = WorldModelConfig(grid=size // 4, patch=2, fine=8, wide=16, features=8, width=32, heads=4, mlp=32)
    return save(folder, Base(WorldModel(config), ("push-t",), 1)).parent


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--refine", "magic"], "--refine: expected stages of"),
        (["--refine", "self-forcing,teacher"], "a student last, got 'self-forcing,teacher'"),
        (["--refine", "teacher,matching"], "expected a network with prediction 'x' for matching, teacher, got 'score'"),
        (["--from", "nowhere"], "expected a base at 'nowhere/base.npz', found none"),
        (["--from", "BAD"], "expected a base of training.run, got something else"),
        (["--from", "SMALL"], "expected a world with pictures of 32 px, got 96"),
    ],
)
def test_nonsense_is_refused_before_anything_is_recorded(tmp_path, capsys, arguments, words):
    data, bad = tmp_path / "data", tmp_path / "bad"
    bad.mkdir()
    (bad / "base.npz").write_text("a base")
    places = {"BAD": str(bad), "SMALL": str(tiny_base(tmp_path / "small", 32))}
    arguments = [places.get(argument, argument) for argument in arguments]
    assert run(["--world", "push-t", "--tiny", "--data", str(data), "--out", str(tmp_path / "out"), *arguments]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1 and said[0].startswith("error:") and words in said[0]
    assert not data.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--world", "push-t", "--minutes", "0"], "--minutes: expected more than 0, got 0."),
        (["--world", "push-t", "--minutes", "-3"], "--minutes: expected more than 0, got -3."),
        (["--world", "push-t", "--minutes", "nan"], "--minutes: expected more than 0, got nan."),
        (["--world", "push-t", "--minutes", "ten"], "invalid float value: 'ten'"),
        (["--world", "push-t", "--prediction", "v"], "invalid choice: 'v'"),
        (["--base", "push-t", "--world", "push-t"], "not allowed with argument"),
        (["--tiny", "--world", "push-t"], "--tiny wants --data and --out"),
        ([], "one of the arguments --world --base is required"),
    ],
)
def test_bad_flags_are_refused(capsys, arguments, words):
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2 and words in capsys.readouterr().err


def test_an_unknown_world_of_a_base_is_said(tmp_path, capsys):
    assert run(["--base", "push-t,pung", "--tiny", "--data", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "unknown world" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
