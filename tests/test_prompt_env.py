"""Worlds that are told something, as Gymnasium environments and as the runtime has them, in this process."""

import base64
import json
import warnings

import gymnasium
import numpy as np
import pytest
from tiny_world import TINY_WORLD
from worldloop import Beginning, Dream, World, open_package
from worldloop.errors import PromptError, StateError

PROMPTED = TINY_WORLD.parent / "tiny-prompt"
GOLDENS = json.loads((TINY_WORLD.parent / "tiny-prompt.json").read_text())
REST = np.zeros(2, np.float32)


def make(**kwargs) -> gymnasium.Env:
    return gymnasium.make("worldloop/World-v0", **{"package": PROMPTED, **kwargs})


def pictures(env: gymnasium.Env, told: dict[int, str], **reset) -> list[np.ndarray]:
    env.reset(seed=5, options={"start": 0, **reset})
    seen = []
    for step in range(6):
        if step in told:
            env.unwrapped.prompt(told[step])
        seen.append(env.step(REST)[0])
    return seen


def test_a_world_under_prompts_dreams_what_torch_dreams():
    world, told = World(Dream(open_package(PROMPTED))), dict(GOLDENS["told"])
    world.reset(Beginning(GOLDENS["seed"], start=0))
    for tick, golden in enumerate(GOLDENS["fromStart"], 1):
        if tick in told:
            assert world.prompt(told[tick]) == ()
        picture = world.step(golden["action"]).picture
        expected = np.frombuffer(base64.b64decode(golden["rgba"]), np.uint8).reshape(16, 16, 4)[..., :3]
        assert np.abs(picture.astype(int) - expected).max() <= 1
    assert world.told == "Rain at dusk"


def test_a_prompt_holds_from_its_step_until_reset():
    env = make()
    silent, later = pictures(env, {}), pictures(env, {3: "night, snow"})
    assert np.array_equal(silent[:3], later[:3]) and not np.array_equal(silent[3], later[3])
    assert np.array_equal(pictures(env, {}), silent)
    assert np.array_equal(pictures(env, {0: "rain"}), pictures(env, {}, prompt="rain"))
    env.close()


def test_unknown_words_are_given_back_and_what_cant_be_a_prompt_changes_nothing():
    env = make()
    with pytest.raises(StateError, match="Call reset first"):
        env.unwrapped.prompt("snow")
    info = env.reset(seed=1, options={"prompt": "a blue night"})[1]
    assert info["unknown_words"] == ("blue",)
    assert "unknown_words" not in env.reset(seed=1)[1]
    assert env.unwrapped.prompt("green snow") == ("green",)
    for text in ("", "😀", "x" * 301, "zebra", 5):
        with pytest.raises(PromptError, match="^prompt: expected"):
            env.unwrapped.prompt(text)
        with pytest.raises(PromptError, match="^prompt: expected"):
            env.reset(options={"prompt": text})
    assert env.unwrapped._worlds._worlds[0].told == "green snow"
    env.close()


def test_a_world_that_takes_none_says_so():
    env = make(package=TINY_WORLD)
    env.reset(seed=1)
    with pytest.raises(PromptError, match="tiny-world takes none"):
        env.unwrapped.prompt("snow")
    with pytest.raises(PromptError, match="tiny-world takes none"):
        env.reset(options={"prompt": "snow"})
    env.close()


def test_several_worlds_are_told_one_thing_or_one_each():
    envs = gymnasium.make_vec("worldloop/World-v0", num_envs=2, package=PROMPTED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, infos = envs.reset(seed=[5, 5], options={"start": 0, "prompt": "blue snow"})
    assert list(infos["unknown_words"]) == [("blue",), ("blue",)]
    both = envs.step(np.stack([REST, REST]))[0]
    assert np.array_equal(both[0], both[1])
    assert envs.unwrapped.prompt([None, "night"]) == [(), ()]
    one, other = envs.step(np.stack([REST, REST]))[0]
    assert not np.array_equal(one, other)
    with pytest.raises(PromptError, match="a text, or 2 of them, got 1"):
        envs.unwrapped.prompt(["snow"])
    envs.close()
