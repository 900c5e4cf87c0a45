"""The same environments as clients of `worldloop serve`: a real server, the same frames as in this process."""

import json
import os
import re
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from tiny_world import TINY_WORLD, copy_world_with_reward
from worldloop import client
from worldloop.errors import (
    CapacityError,
    ManifestError,
    ManifestVersionError,
    PromptError,
    ResetError,
    ServerError,
    ShapeError,
    UnknownWorldError,
)

ROOT = Path(__file__).parents[1]
PROMPTED = TINY_WORLD.parent / "tiny-prompt"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """`server` and `token` of a server of the tiny world and of one with a reward head, `rewarding`."""
    rewarding = copy_world_with_reward(tmp_path_factory.mktemp("worlds") / "rewarding")
    worlds = [str(TINY_WORLD), str(rewarding), str(PROMPTED)]
    command = ["node", "--import", "tsx", "src/cli/main.ts", "serve", "--port", "0", "--max-sessions", "8"]
    process = subprocess.Popen([*command, "--world", *worlds], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        url = re.search(r"ws://\S+", lines[0])
        token = re.search(r": (\S+)$", lines[1])
        assert url and token, lines
        yield {"server": url[0], "token": token[1]}
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def make(**kwargs) -> gymnasium.Env:
    return gymnasium.make("worldloop/World-v0", **{"package": TINY_WORLD, **kwargs})


def test_it_gives_the_frames_and_infos_of_this_process(server: dict) -> None:
    rng = np.random.default_rng(0)
    history = {
        "frames": rng.integers(0, 256, (3, 16, 16, 3), dtype=np.uint8),
        "actions": np.float32([[0, 1], [-0.3, 0.1]]),
    }
    with make(uncertainty=2, **server) as far, make(uncertainty=2) as near:
        for options in ({}, {"start": 1}, history):
            assert_same(far.reset(seed=7, options=options), near.reset(seed=7, options=options))
            for _ in range(12):
                action = near.action_space.sample()
                assert_same(far.step(action), near.step(action))


def test_a_world_that_takes_prompts_is_told_the_same_far_and_near(server: dict) -> None:
    with make(package=PROMPTED, **server) as far, make(package=PROMPTED) as near:
        options = {"start": 0, "prompt": "a blue night"}
        assert_same(far.reset(seed=7, options=options), near.reset(seed=7, options=options))
        for step in range(6):
            if step == 3:
                assert far.unwrapped.prompt("rain, zebra") == near.unwrapped.prompt("rain, zebra") == ("zebra",)
            action = near.action_space.sample()
            assert_same(far.step(action), near.step(action))
        with pytest.raises(PromptError, match="U\\+1F600"):
            far.unwrapped.prompt("😀")
    with make(**server) as env:
        env.reset(seed=1)
        with pytest.raises(PromptError, match="takes none"):
            env.unwrapped.prompt("snow")


def test_a_batch_is_stepped_by_one_message_and_gives_the_same(server: dict) -> None:
    kwargs = {"num_envs": 3, "package": TINY_WORLD, "max_frames": 4}
    far = gymnasium.make_vec("worldloop/World-v0", **kwargs, **server)
    near = gymnasium.make_vec("worldloop/World-v0", **kwargs)
    assert_same(far.reset(seed=3), near.reset(seed=3))
    for _ in range(10):
        actions = near.action_space.sample()
        assert_same(far.step(actions), near.step(actions))
    far.close()
    near.close()


def assert_same(far: tuple, near: tuple) -> None:
    """Observation, numbers and info; only uncertainties may differ, by the order of summation."""
    for a, b in zip(far[:-1], near[:-1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert far[-1].keys() == near[-1].keys()
    for key, value in far[-1].items():
        if key == "uncertainty":
            np.testing.assert_allclose(value, near[-1][key], rtol=1e-9)
        else:
            np.testing.assert_array_equal(value, near[-1][key])


def test_rewards_of_a_head_come_over_the_wire(server: dict) -> None:
    with make(package="rewarding", **server) as env:
        env.reset(seed=0)
        assert env.step(np.float32([0.25, 0.5]))[1:3] == (0.75, False)
        assert env.step(np.float32([0.75, 0.75]))[1:3] == (1.5, True)


def test_it_passes_the_checker_of_gymnasium_without_a_warning(server: dict) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with make(render_mode="rgb_array", **server) as env:
            check_env(env.unwrapped)


def test_refusals_are_named_errors(server: dict) -> None:
    with pytest.raises(ServerError, match="refused with 401: expected the token"):
        make(server=server["server"], token="wrong")
    with pytest.raises(ServerError, match="expected a server that answers"):
        make(server="ws://127.0.0.1:1", token="any")
    with pytest.raises(UnknownWorldError, match="expected one of tiny-world, rewarding, tiny-prompt, got"):
        make(package="nowhere", **server)
    with pytest.raises(CapacityError, match="expected at most"):
        gymnasium.make_vec("worldloop/World-v0", num_envs=9, package=TINY_WORLD, **server)


def test_a_server_is_believed_no_more_than_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = json.loads((TINY_WORLD / "world.json").read_text())
    for change, error in (
        ({"schema": 2}, ManifestVersionError),
        ({"picture": {"width": 16, "height": -16}}, ManifestError),
        ({"evaluations": 3}, ShapeError),
    ):
        opened = {"type": "opened", "manifest": {**manifest, **change}, "sha256": "0" * 64}
        monkeypatch.setattr(client, "connect", lambda *_, opened=opened, **__: Answering(opened))
        with pytest.raises(error, match=r"world\.json"):
            client.RemoteWorlds("ws://127.0.0.1:1", "tiny", count=1)


DEEP = "[" * 100_000 + "]" * 100_000
FRAMES = {"type": "frames", "worlds": [{"index": 0, "ms": 1.0}]}
SHAPE = 16 * 16 * 3


def message(entry: object, contents: bytes = bytes(SHAPE)) -> bytes:
    text = entry if isinstance(entry, bytes) else json.dumps(entry).encode()
    return len(text).to_bytes(4, "little") + text + contents


@pytest.mark.parametrize(
    "answer", ["", "[]", "5", "null", '{"type": "frames"}', '{"type": ["error"]}', DEEP, b"", b"\1", message(FRAMES)]
)
def test_what_is_no_answer_to_opening_is_named(answer: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "connect", lambda *_, **__: Answering(answer))
    with pytest.raises(ServerError, match="ws://127.0.0.1:1: expected"):
        client.RemoteWorlds("ws://127.0.0.1:1", "tiny", count=1)


@pytest.mark.parametrize(
    "answer",
    [
        *("", "[]", DEEP, json.dumps(FRAMES), b"", b"\xff\xff\xff\xff{}", message(b"{"), message(DEEP.encode())),
        *(
            message([]),
            message({**FRAMES, "worlds": 5}),
            message({**FRAMES, "worlds": [5]}),
            message({"type": "frames"}),
        ),
        *(message(FRAMES, bytes(SHAPE - 1)), message(FRAMES, bytes(2 * SHAPE))),
        *(
            message({**FRAMES, "worlds": [{"index": 0, "ms": 1.0, **change}]})
            for change in ({"index": 7}, {"ms": "1"}, {"ms": None}, {"reward": float("nan")}, {"done": "no"})
        ),
    ],
)
def test_what_are_no_frames_is_named(answer: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = json.loads((TINY_WORLD / "world.json").read_text())
    says = Answering({"type": "opened", "manifest": manifest, "sha256": "0" * 64})
    monkeypatch.setattr(client, "connect", lambda *_, **__: says)
    worlds = client.RemoteWorlds("ws://127.0.0.1:1", "tiny", count=1)
    says.answer = message(FRAMES)
    assert worlds.step({0: np.float32([0, 0])})[0].picture.shape == (16, 16, 3)
    says.answer = answer
    with pytest.raises(ServerError, match="ws://127.0.0.1:1: expected"):
        worlds.step({0: np.float32([0, 0])})


class Answering:
    """A server that says one thing."""

    def __init__(self, answer: object) -> None:
        self.answer = answer

    def __enter__(self) -> "Answering":
        return self

    def __exit__(self, *_) -> None:
        pass

    def send(self, _: str) -> None:
        pass

    def recv(self, timeout: float) -> str | bytes:
        return self.answer if isinstance(self.answer, (str, bytes)) else json.dumps(self.answer)


def test_the_token_may_come_from_the_environment(server: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "WORLDLOOP_TOKEN", server["token"])
    with make(server=server["server"]) as env:
        assert env.reset(seed=1)[0].shape == (16, 16, 3)


def test_histories_longer_than_a_message_go_in_several(server: dict) -> None:
    rng = np.random.default_rng(0)
    history = {"frames": rng.integers(0, 256, (150, 16, 16, 3), dtype=np.uint8), "actions": np.zeros((149, 2))}
    kwargs = {"num_envs": 4, "package": TINY_WORLD}  # 600 KB together
    far = gymnasium.make_vec("worldloop/World-v0", **kwargs, **server)
    near = gymnasium.make_vec("worldloop/World-v0", **kwargs)
    assert_same(far.reset(seed=3, options=history), near.reset(seed=3, options=history))
    actions = near.action_space.sample()
    assert_same(far.step(actions), near.step(actions))
    long = {"frames": np.zeros((600, 16, 16, 3), np.uint8), "actions": np.zeros((599, 2))}
    with pytest.raises(ResetError, match="frames: expected a history of at most"):
        far.reset(options=long)
    assert_same(far.step(actions), near.step(actions))  # it goes on where it was
    far.close()
    near.close()
