"""Worlds under guides: the runtime, Gymnasium environments in this process, and what hashes cover."""

import base64
import json
import warnings

import gymnasium
import numpy as np
import pytest
from tiny_world import TINY_WORLD
from worldloop import Beginning, Dream, World, open_package
from worldloop.errors import GuideError, StateError
from worldloop.provenance import actions_sha256, record

GUIDED = TINY_WORLD.parent / "tiny-guide"
GOLDENS = json.loads((TINY_WORLD.parent / "tiny-guide.json").read_text())
REST = np.zeros(2, np.float32)
GUIDES = {tick: np.frombuffer(base64.b64decode(data), np.uint8).reshape(16, 16, 3) for tick, data in GOLDENS["guides"]}


def test_a_world_under_guides_dreams_what_torch_dreams():
    world = World(Dream(open_package(GUIDED)))
    with pytest.raises(StateError, match="Call reset first"):
        world.guide(GUIDES[2])
    world.reset(Beginning(GOLDENS["seed"], start=0))
    for tick, golden in enumerate(GOLDENS["fromStart"], 1):
        picture = world.step(golden["action"], guide=GUIDES.get(tick)).picture
        expected = np.frombuffer(base64.b64decode(golden["rgba"]), np.uint8).reshape(16, 16, 4)[..., :3]
        assert np.abs(picture.astype(int) - expected).max() <= 1


def test_a_guide_holds_until_the_next_one_or_reset_and_what_cant_be_one_is_refused():
    env = gymnasium.make("worldloop/World-v0", package=GUIDED).unwrapped

    def pictures(guides: dict[int, np.ndarray]) -> list[np.ndarray]:
        env.reset(seed=5, options={"start": 0})
        return [env.step(REST, guides.get(step))[0] for step in range(4)]

    grey, once, again = pictures({}), pictures({1: GUIDES[2]}), pictures(dict.fromkeys((1, 2, 3), GUIDES[2]))
    assert np.array_equal(grey[0], once[0]) and not np.array_equal(grey[1], once[1])
    assert np.array_equal(once, again) and np.array_equal(grey, pictures({}))
    for wrong in (np.zeros((16, 16, 3)), np.zeros((8, 8, 3), np.uint8), "a picture", [[1], [1, 2]]):
        with pytest.raises(GuideError, match="^guide: expected uint8"):
            env.guide(wrong)
    env.close()
    plain = gymnasium.make("worldloop/World-v0", package=TINY_WORLD).unwrapped
    plain.reset(seed=5)
    with pytest.raises(GuideError, match="tiny-world takes none"):
        plain.step(REST, GUIDES[2])
    plain.close()


def test_several_worlds_have_a_guide_each():
    envs = gymnasium.make_vec("worldloop/World-v0", num_envs=2, package=GUIDED)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        envs.reset(seed=[5, 5], options={"start": 0})
    envs.unwrapped.guide([None, GUIDES[2]])
    one, other = envs.step(np.stack([REST, REST]))[0]
    assert not np.array_equal(one, other)
    with pytest.raises(GuideError, match="expected 2 of them, one a world, got 1"):
        envs.unwrapped.guide([GUIDES[2]])
    envs.close()


def test_hashes_cover_guides():
    for case in GOLDENS["hashes"]:
        assert actions_sha256(case["actions"], case["told"], GOLDENS["guidesSha256"]) == case["sha256"]
    given = {"seed": 1, "start": 0, "actions": [[0.5]]}
    guided = record("x", "0" * 64, **given, guides=GUIDES[2][None])["shots"][0]
    other = record("x", "0" * 64, **given, guides=GUIDES[3][None])["shots"][0]
    plain = record("x", "0" * 64, **given)["shots"][0]
    assert "guidesSha256" not in plain
    assert len({shot["actionsSha256"] for shot in (guided, other, plain)}) == 3
