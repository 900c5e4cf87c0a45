"""Dreamed worlds as Gymnasium environments, in this process."""

import base64
import copy
import json
import pickle
import resource
import warnings
from pathlib import Path

import gymnasium
import numpy as np
import onnx
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode
from onnx import helper
from tiny_world import TINY_WORLD, add_file, copy_world, copy_world_with_batch, copy_world_with_reward
from worldloop import Beginning, Dream, World, WorldVectorEnv, open_package, register_worlds
from worldloop.errors import ActionError, ResetError, ShapeError, StateError

GOLDENS = json.loads((TINY_WORLD.parent / "tiny-world.json").read_text())


def make(**kwargs) -> gymnasium.Env:
    return gymnasium.make("worldloop/World-v0", **{"package": TINY_WORLD, **kwargs})


def make_vec(count: int, **kwargs) -> gymnasium.vector.VectorEnv:
    return gymnasium.make_vec("worldloop/World-v0", num_envs=count, **{"package": TINY_WORLD, **kwargs})


def play(env: gymnasium.Env, steps: int, **reset) -> list[np.ndarray]:
    """The pictures that follow `reset` and actions of seed 0."""
    pictures = [env.reset(**reset)[0]]
    env.action_space.seed(0)
    for _ in range(steps):
        pictures.append(env.step(env.action_space.sample())[0])
    return pictures


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return np.array_equal(a, b)


def context() -> dict:
    frames = np.frombuffer(base64.b64decode(GOLDENS["context"]["frames"]), np.uint8).reshape(-1, 16, 16, 3)
    actions = np.array(GOLDENS["context"]["actions"], np.float32).reshape(len(frames) - 1, 2)
    return {"frames": frames, "actions": actions}


@pytest.mark.parametrize("history", ["fromStart", "fromContext"])
def test_a_world_dreams_what_torch_dreams(history: str) -> None:
    world = World(Dream(open_package(TINY_WORLD)))
    world.reset(Beginning(GOLDENS["seed"], **({"start": 0} if history == "fromStart" else context())))
    for golden in GOLDENS[history]:
        picture = world.step(golden["action"]).picture
        expected = np.frombuffer(base64.b64decode(golden["rgba"]), np.uint8).reshape(16, 16, 4)[..., :3]
        assert np.abs(picture.astype(int) - expected).max() <= 1


def test_the_environment_passes_the_checker_of_gymnasium_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(make(render_mode="rgb_array").unwrapped)


def test_a_found_package_has_an_id_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_world(tmp_path / "my-small-world")
    monkeypatch.setenv("WORLDLOOP_WORLDS", str(tmp_path))
    register_worlds()
    env = gymnasium.make("worldloop/MySmallWorld-v0", max_frames=3)
    assert env.observation_space == gymnasium.spaces.Box(0, 255, (16, 16, 3), np.uint8)
    assert env.action_space == gymnasium.spaces.Box(np.float32([-1, 0]), np.float32([1, 1]))
    env.reset()
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


def test_seed_start_and_history_fix_every_frame() -> None:
    env = make(render_mode="rgb_array")
    first = play(env, 8, seed=7)
    assert same(first, play(env, 8, seed=7))
    assert np.array_equal(env.render(), first[-1])
    assert not same(first, play(env, 8, seed=8))
    assert not same(play(env, 8), play(env, 8))  # without a seed the next episode is another one
    starts = [play(env, 4, seed=7, options={"start": index}) for index in (0, 1)]
    assert not same(*starts)
    assert same(play(env, 4, seed=7, options=context()), play(env, 4, seed=7, options=context()))
    assert {env.reset(seed=seed)[1]["start"] for seed in range(20)} == {0, 1}


def test_info_tells_model_uncertainty_and_where_the_reward_comes_from() -> None:
    env = make(uncertainty=3, timing=True)
    env.reset(seed=7, options={"start": 1})
    _, reward, _, _, info = env.step(np.float32([0, 0]))
    assert reward == 0
    assert info.pop("tick_ms") > 0
    assert 0 < info.pop("uncertainty") < 0.5
    sha256 = open_package(TINY_WORLD).sha256
    assert info == {"model": sha256, "tick": 1, "seed": 7, "start": 1, "reward_source": "none"}
    assert same(play(env, 5, seed=7), play(make(), 5, seed=7))  # the samples change no frame


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_frames": 1}, "max_frames: expected a whole number from 2, got 1"),
        ({"max_frames": 5.0}, "max_frames: expected a whole number from 2, got 5.0"),
        ({"uncertainty": -1}, "uncertainty: expected a whole number from 0, got -1"),
        ({"uncertainty": True}, "uncertainty: expected a whole number from 0, got True"),
        ({"threads": 0}, "threads: expected a whole number from 1, got 0"),
        ({"threads": -2}, "threads: expected a whole number from 1, got -2"),
        ({"threads": "2"}, "threads: expected a whole number from 1, got '2'"),
        ({"threads": 2, "server": "ws://127.0.0.1:1"}, "threads: expected worlds of this process, got the server"),
        ({"batched": "no"}, "batched: expected True or False, got 'no'"),
        ({"timing": 1}, "timing: expected True or False, got 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict, message: str) -> None:
    for open_env in (make, lambda **settings: make_vec(2, **settings)):
        with pytest.raises(ValueError, match=message):
            open_env(**settings)
    if set(settings) == {"threads"}:
        with pytest.raises(ValueError, match=message):
            Dream(open_package(TINY_WORLD), **settings)


@pytest.mark.parametrize(
    ("reset", "message"),
    [
        ({"seed": 2**53}, "seed: expected an integer from 0 to 9007199254740991"),
        ({"options": {"start": 2}}, "start: expected an integer from 0 to 1, got 2"),
        ({"options": {"begin": 0}}, "options: expected start, frames, actions, prompt, got 'begin'"),
        ({"options": {**context(), "start": 0}}, "expected a start or frames, got both"),
        ({"options": {"frames": context()["frames"]}}, r"actions: expected \(1, 2\) between 2 frames, got none"),
        ({"options": {"frames": np.zeros((1, 8, 8, 3), np.uint8)}}, r"frames: expected uint8 \[n, 16, 16, 3\]"),
        ({"options": {**context(), "actions": np.float32([[5, 0]])}}, "actions, 0: steer: expected a number in"),
    ],
)
def test_reset_refuses_what_the_world_cannot_take(reset: dict, message: str) -> None:
    with pytest.raises(ResetError, match=message):
        make().reset(**reset)


def test_pictures_that_the_encoder_cannot_read_are_said_to_be_that(monkeypatch: pytest.MonkeyPatch) -> None:
    dream = Dream(open_package(TINY_WORLD))
    latents = dream.encoded(context()["frames"])
    latents[0] = np.full_like(latents[0], np.nan)  # not the last
    monkeypatch.setattr(dream, "encoded", lambda _: latents)
    with pytest.raises(ResetError, match="frames, 0: expected one that the world's encoder can read, got NaN"):
        World(dream).reset(Beginning(seed=1, **context()))


def test_step_refuses_wrong_actions_and_keeps_its_state() -> None:
    env = make(disable_env_checker=True).unwrapped
    with pytest.raises(StateError, match="Call reset first"):
        env.step(np.float32([0, 0]))
    env.reset(seed=7)
    for action in ([2, 0], [np.nan, 0], [np.inf, 0], [0], [[0, 0]]):
        with pytest.raises(ActionError, match="expected"):
            env.step(np.float32(action))
    kept = env.step(np.float32([0, 0]))[0]
    env.reset(seed=7)
    assert np.array_equal(kept, env.step(np.float32([0, 0]))[0])


@pytest.mark.parametrize("mode", list(AutoresetMode)[:2])
def test_many_worlds_in_one_give_what_each_gives_alone(mode: AutoresetMode) -> None:
    ours = make_vec(3, max_frames=5, uncertainty=2, autoreset_mode=mode, threads=2)
    theirs = gymnasium.vector.SyncVectorEnv([lambda: make(max_frames=5, uncertainty=2)] * 3, autoreset_mode=mode)
    assert ours.metadata["autoreset_mode"] == mode
    results = [(env.reset(seed=3), env.action_space.seed(1))[0] for env in (ours, theirs)]
    for _ in range(13):
        assert_equal(*results)
        actions = ours.action_space.sample()
        results = [ours.step(actions), theirs.step(actions)]
    assert_equal(*results)


def assert_equal(a: object, b: object) -> None:
    """Of observations, rewards, ends and infos, however nested."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_equal(a[key], b[key])
    elif isinstance(a, (tuple, list)) or (isinstance(a, np.ndarray) and a.dtype == object):
        for x, y in zip(a, b, strict=True):
            assert_equal(x, y)
    else:
        np.testing.assert_array_equal(a, b)


def test_without_autoreset_worlds_wait_for_a_reset_of_their_own() -> None:
    env = make_vec(2, max_frames=3, autoreset_mode=AutoresetMode.DISABLED)
    with pytest.raises(StateError, match="Call reset first"):
        env.step(env.action_space.sample())
    env.reset(seed=1)
    env.step(env.action_space.sample())
    kept = env.step(env.action_space.sample())[0]
    after, info = env.reset(seed=[5, None], options={"reset_mask": np.array([True, False])})
    assert info["_seed"].tolist() == [True, False]
    assert np.array_equal(after[1], kept[1])
    assert env.step(env.action_space.sample())[3].tolist() == [False, True]
    with pytest.raises(StateError, match=r"worlds \[1\] have ended"):
        env.step(env.action_space.sample())
    for mask in (np.zeros(2, np.bool_), [1, 0], None, "10", [[True], [True, False]]):
        with pytest.raises(ResetError, match="reset_mask: expected bool"):
            env.reset(options={"reset_mask": mask})
    for count in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError, match="num_envs: expected a whole number from 1, got"):
            WorldVectorEnv(package=TINY_WORLD, num_envs=count)


def test_a_reward_head_gives_rewards_and_ends(tmp_path: Path) -> None:
    env = make(package=copy_world_with_reward(tmp_path / "world"))
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(np.float32([0.25, 0.5]))
    assert (reward, terminated, info["reward_source"]) == (0.75, False, "reward.onnx")
    assert env.step(np.float32([0.75, 0.75]))[1:3] == (1.5, True)


def test_a_graph_that_asks_for_gigabytes_gets_none(tmp_path: Path) -> None:
    folder = copy_world_with_reward(tmp_path / "world")
    model = onnx.load(folder / "reward.onnx")
    sizes = [helper.make_tensor("many", onnx.TensorProto.INT64, [2], [2**31, 2]), *model.graph.initializer]
    nodes = [helper.make_node("Expand", ["action", "many"], ["large"]), *model.graph.node]  # 16 GiB
    nodes += [helper.make_node("ReduceMax", ["large"], ["most"], keepdims=0)]
    nodes[1].input[0] = "most_and_action"
    nodes.insert(1, helper.make_node("Add", ["most", "action"], ["most_and_action"]))
    nodes.insert(1, nodes.pop())
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(sizes)
    manifest = json.loads((folder / "world.json").read_text())
    add_file(folder, manifest, "reward.onnx", model.SerializeToString())
    (folder / "world.json").write_text(json.dumps(manifest))
    env = make(package=folder)
    env.reset(seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ShapeError, match="reward.onnx: onnxruntime can't run the graph"):
        env.step(np.float32([0.25, 0.5]))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**21  # KiB


def test_worlds_of_one_run_dream_what_each_dreams_alone(tmp_path: Path) -> None:
    package = copy_world_with_batch(tmp_path / "world", 3)

    def frames(count: int, **settings) -> np.ndarray:
        env = make_vec(count, package=package, **settings)
        env.reset(seed=5)
        actions = np.random.default_rng(0).uniform([-1, 0], [1, 1], (6, 5, 2)).astype(np.float32)
        return np.stack([env.step(some[:count])[0] for some in actions])

    together = frames(5, batched=True)
    assert np.abs(together.astype(int) - frames(5)).max() <= 1
    assert np.array_equal(together, frames(5, batched=True))
    assert np.array_equal(together[:, :4], frames(4, batched=True))  # whoever else is there
    with pytest.raises(ValueError, match="expected a package with a batch graph, got 'tiny-world' without one"):
        make_vec(2, batched=True)
    with pytest.raises(ValueError, match="batched: expected worlds of this process, got the server ws://"):
        make_vec(2, package=package, batched=True, server="ws://127.0.0.1:1")


def test_a_failed_reset_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = (
        {"seed": 9, "options": {"start": 5}},
        {"seed": -1},
        {"seed": 1.5},
        {"options": [0]},
        {"seed": 9, "fails": 1},
    )

    def frames(env: gymnasium.Env, action: np.ndarray, *, disturbed: bool) -> list[np.ndarray]:
        pictures = [env.reset(seed=7)[0], env.step(action)[0]]
        for reset in wrong if disturbed else ():
            with monkeypatch.context() as patch, pytest.raises((ResetError, StateError)):
                if reset.get("fails"):  # while the second world's history is read
                    patch.setattr(World, "_finite", refuse)
                env.reset(**{name: value for name, value in reset.items() if name != "fails"})
        return [*pictures, env.step(action)[0], env.reset()[0], env.step(action)[0]]

    def refuse(self: World, latent: np.ndarray) -> np.ndarray:
        raise StateError("expected finite latents")

    for env, action in ((make().unwrapped, np.float32([0, 0])), (make_vec(2), np.zeros((2, 2), np.float32))):
        assert same(frames(env, action, disturbed=True), frames(env, action, disturbed=False))


@pytest.mark.parametrize("batched", [False, True])
def test_a_world_that_fails_stops_no_other_half_way(
    batched: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def frames(*, disturbed: bool) -> list[np.ndarray]:
        package = copy_world_with_batch(tmp_path / str(disturbed), 2) if batched else TINY_WORLD
        env = make_vec(3, package=package, batched=batched, threads=1)
        env.reset(seed=7)
        pictures = [env.step(np.zeros((3, 2), np.float32))[0]]
        if disturbed:
            finite, calls = World._finite, []

            def fails_at_the_third(self: World, latent: np.ndarray) -> np.ndarray:
                calls.append(self)
                return finite(self, latent if len(calls) < 3 else latent * np.nan)

            with monkeypatch.context() as patch, pytest.raises(StateError, match="Tick 1: expected finite latents"):
                patch.setattr(World, "_finite", fails_at_the_third)
                env.step(np.ones((3, 2), np.float32))
        return [*pictures, *(env.step(np.full((3, 2), 0.5, np.float32))[0] for _ in range(3))]

    assert same(frames(disturbed=True), frames(disturbed=False))


def test_what_is_no_action_is_named_and_changes_nothing() -> None:
    one, two = make(disable_env_checker=True).unwrapped, make_vec(2)
    one.reset(seed=7)
    two.reset(seed=7)
    for action in ([1j, 0], np.array([0, 0], complex), ["0", "0"], "00", {"steer": 0}, [[0], [0, 0]], None, [None, 0]):
        with pytest.raises(ActionError, match="action: expected 2"):
            one.step(action)
        with pytest.raises(ActionError, match="action"):
            two.step([[0, 0], action])
    with pytest.raises(ActionError, match="steer: expected a number in"):
        one.step([1e300, 0])
    for rows in (0, 1, 3):
        with pytest.raises(ActionError, match=f"actions: expected 2 rows, one a world, got {rows}"):
            two.step(np.zeros((rows, 2), np.float32))
    for actions in ({"steer": 0}, {"steer": 0, "gas": 0}, "00", None, 0, np.float32(0)):
        with pytest.raises(ActionError, match="expected 2"):
            two.step(actions)
    assert one.step([0, 0])[4]["tick"] == 1
    assert two.step(np.zeros((2, 2)))[4]["tick"].tolist() == [1, 1]


@pytest.mark.parametrize(
    "options", [{"frames": [[1], [1, 2]]}, {"frames": "no"}, {**context(), "actions": {"steer": 0}}]
)
def test_what_is_no_history_is_named(options: dict) -> None:
    with pytest.raises(ResetError, match="expected"):
        make().reset(options=options)


@pytest.mark.parametrize("env", [lambda: make().unwrapped, lambda: make_vec(1), lambda: make_vec(2, threads=2)])
def test_after_close_nothing_goes_on(env) -> None:
    closed = env()
    closed.reset(seed=1)
    closed.close()
    closed.close()
    for call in (lambda: closed.step(closed.action_space.sample()), closed.reset):
        with pytest.raises(StateError, match="The environment is closed"):
            call()


def test_copies_are_new_environments_and_a_copied_world_goes_on() -> None:
    for copied in (copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))):
        for env in (make(max_frames=5, render_mode="rgb_array"), make_vec(2, max_frames=5, threads=2)):
            first = env.reset(seed=3)[0]
            twin = copied(env)
            with pytest.raises(StateError, match="Call reset first"):
                twin.unwrapped.step(env.action_space.sample())
            assert np.array_equal(twin.reset(seed=3)[0], first)
            assert (twin.unwrapped.render_mode, twin.spec.id) == (env.unwrapped.render_mode, env.spec.id)
    world = World(Dream(open_package(TINY_WORLD)))
    world.reset(Beginning(7, start=0))
    world.step([0, 1])
    twin = copy.deepcopy(world)
    expected = [world.step([1, 0]).picture for _ in range(3)]
    assert same([twin.step([1, 0]).picture for _ in range(3)], expected)
