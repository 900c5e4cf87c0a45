"""push-t and doom-hall as sources: shapes, repeatability, and that input does what the action table says."""

import math
from types import ModuleType

import numpy as np
import pytest
import torch

from training.worlds.registry import world_module
from training.package.manifest import START_FRAMES, START_SEED
from training.worlds.picture_explorer import medikits, wall_ahead
from training.worlds.picture_pusher import found
from training.data.record import Recording, record
from training.room_tokenizer import RoomConfig, RoomTokenizer

WORLDS = ("push-t", "doom-hall")
GAMEPAD = {"leftX", "leftY", "leftYUp", "rightX", "rightY", "leftTrigger", "rightTrigger", "a", "b", "x", "y"}
FIELDS = {"name", "min", "max", "rest", "unit", "keys", "gamepad"}  # of an action in `src/model/manifest.ts`


@pytest.fixture(params=WORLDS)
def module(request) -> ModuleType:
    return world_module(request.param)


def act(module: ModuleType, **values: float) -> np.ndarray:
    """An action by name, at rest where nothing is said."""
    return np.array([values.get(spec["name"], spec["rest"]) for spec in module.ACTIONS], np.float32)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("policy", ["mixed", "sticky-random"])
def test_a_recording_repeats_itself(world, policy):
    spec = Recording(world=world, policy=policy, seed=3, frames=50, episode=25)
    once, again = record(spec, progress=False), record(spec, progress=False)
    for name in once:
        np.testing.assert_array_equal(once[name], again[name])
    assert once["frames"].shape == (50, 96, 96, 3) and once["frames"].dtype == np.uint8
    assert once["starts"].sum() >= 2
    other = record(Recording(world=world, policy=policy, seed=4, frames=50, episode=25), progress=False)
    assert (other["frames"] != once["frames"]).any()


def test_an_episode_does_not_depend_on_those_before_it(module):
    source = module.Source()
    first = source.reset(1).copy()
    source.reset(2)
    moved = source.step(act(module, **{module.ACTIONS[0]["name"]: 1.0})).copy()
    assert (source.reset(2) != moved).any()
    np.testing.assert_array_equal(source.reset(1), first)
    source.close()


def test_every_policy_stays_within_the_table(module):
    low, high = (np.array([spec[end] for spec in module.ACTIONS]) for end in ("min", "max"))
    source = module.Source()
    for name, policy in module.POLICIES.items():
        driver = policy(np.random.default_rng(5))
        source.reset(5)
        actions = []
        while len(actions) < 60 and not source.done:
            actions.append(driver(source))
            source.step(actions[-1])
        actions = np.stack(actions)
        assert actions.dtype == np.float32 and actions.shape[1] == len(module.ACTIONS)
        assert (actions >= low).all() and (actions <= high).all(), name
        assert (actions.std(0) > 0.05).any(), name
    source.close()


def test_the_action_table_is_one_the_manifest_takes(module):
    keys = [code for spec in module.ACTIONS for code in spec["keys"]]
    assert len(keys) == len(set(keys))
    for spec in module.ACTIONS:
        assert set(spec) == FIELDS and spec["gamepad"] in GAMEPAD
        assert spec["min"] < spec["max"] and spec["min"] <= spec["rest"] <= spec["max"]
        assert {spec["min"], spec["max"]} <= set(spec["keys"].values())
    controls = [spec["gamepad"] for spec in module.ACTIONS]
    assert len(controls) == len(set(controls))


def test_starts_have_a_history(module):
    starts = module.FACTS["starts"]
    last = max(frame for _, frame in starts)
    world = module.__name__.rsplit(".", 1)[-1].replace("_", "-")
    spec = Recording(world, module.FACTS["start_policy"], START_SEED, last + 1)
    begins = np.flatnonzero(record(spec, progress=False)["starts"])
    for title, frame in starts:
        begin = begins[begins <= frame].max()
        assert frame - begin >= START_FRAMES - 1, title


def test_pusher_goes_where_the_keys_say_and_stays_without():
    module = world_module("push-t")
    source = module.Source()
    source.reset(1)
    for name, axis in (("x", 0), ("y", 1)):
        for sign in (1, -1):
            before = source.pose()
            for _ in range(4):
                source.step(act(module, **{name: sign}))
            way = (source.pose() - before)[:2]
            assert sign * way[axis] > 40 and abs(way[1 - axis]) < 5
            for _ in range(4):
                source.step(act(module))
            before = source.pose()
            source.step(act(module))
            np.testing.assert_allclose(source.pose()[:2], before[:2], atol=0.1)
    source.close()


def test_pusher_moves_the_block_and_reward_is_its_share_of_the_goal():
    module = world_module("push-t")
    source = module.Source()
    driver = module.POLICIES["scripted"](np.random.default_rng(1))
    source.reset(1)
    poses, rewards = [source.pose()], []
    while len(poses) < 150 and not source.done:
        source.step(driver(source))
        poses.append(source.pose())
        rewards.append(source.reward)
    poses = np.array(poses)
    moving = np.linalg.norm(np.diff(poses[:, 2:4], axis=0), axis=1) > 1
    assert moving.mean() > 0.15
    assert np.ptp(poses[:, 4]) > math.radians(20)
    assert 0 <= min(rewards) < max(rewards) <= 1
    source.env.block.angle = float(source.env.goal_pose[2])
    source.env.block.position = source.env.goal_pose[:2].tolist()
    source.env.agent.position = (60, 60)
    source.step(act(module))
    assert source.reward == 1 and not source.done
    source.env.block.position = (-20, 256)
    source.step(act(module))
    assert source.done
    source.close()


def test_the_outline_is_the_block_of_the_environment():
    module = world_module("push-t")
    source = module.Source()
    source.reset(8)
    block = source.env.block
    theirs = {tuple(np.round(block.local_to_world(v), 6)) for shape in block.shapes for v in shape.get_vertices()}
    assert {tuple(np.round(corner, 6)) for corner in source.outline()} == theirs
    source.close()


def test_the_view_turns_and_the_player_walks_as_the_table_says():
    module = world_module("doom-hall")
    source = module.Source()
    first = source.reset(1).copy()
    heading = source.pose()[2]
    turned = source.step(act(module, turn=1.0))
    assert np.abs(turned.astype(int) - first).mean() > 2
    assert (heading - source.pose()[2]) % 360 == pytest.approx(module.TURN * module.TICS_PER_FRAME, abs=0.1)
    for name, side in (("walk", 0.0), ("strafe", -math.pi / 2)):
        source.reset(1)
        before = source.pose()
        for _ in range(8):
            source.step(act(module, **{name: 1.0}))
        way = (source.pose() - before)[:2]
        course = math.atan2(way[1], way[0]) - math.radians(before[2])
        assert np.linalg.norm(way) > 40
        assert math.cos(course - side) > 0.95
    source.close()


def test_the_explorer_sees_medikits_and_walls_and_gets_about():
    module = world_module("doom-hall")
    source = module.Source()
    picture = source.reset(6)
    explorer, places, near, far, kits = module.player(np.random.default_rng(3)), [], [], [], []
    for _ in range(400):
        x, y, heading = source.pose()
        to = [
            (edge - at) / way
            for at, way in ((x, math.cos(math.radians(heading))), (y, math.sin(math.radians(heading))))
            for edge in (0, module.HALL)
            if abs(way) > 1e-3 and (edge - at) / way > 0
        ]
        (near if min(to) < 100 else far if min(to) > 400 else []).append(wall_ahead(picture))
        away = source.medikits() - (x, y)
        ahead = away @ [math.cos(math.radians(heading)), math.sin(math.radians(heading))]
        kits.append((medikits(picture).sum(), bool((np.abs(ahead - 100) < 30).any())))
        places.append((x, y))
        picture = source.step(explorer(picture, picture))
        if source.done:
            picture = source.reset(7)
    source.close()
    assert np.ptp(places, axis=0).min() > 300
    assert np.median(far) < 16 < np.median(near)
    seen, close = np.array(kits, float).T
    assert seen[close == 1].mean() > seen[close == 0].mean()


def test_the_pusher_that_sees_only_pictures_finds_pusher_and_block_and_moves_the_block():
    module = world_module("push-t")
    source, act = module.Source(), module.player(np.random.default_rng(2))
    picture = before = source.reset(5)
    pose, off, blocks = source.pose(), [], []
    for _ in range(150):
        pose = found(picture, pose)
        true = source.pose()
        turn = math.degrees((pose[4] - true[4] + math.pi) % (2 * math.pi) - math.pi)
        off.append([*np.abs(pose - true)[:4], abs(turn)])
        blocks.append(true[2:4])
        before, picture = picture, source.step(act(before, picture))
    source.close()
    assert (np.median(off, 0) < [2, 2, 3, 3, 3]).all()  # units of 512, degrees
    assert (np.max(off, 0) < [6, 6, 12, 12, 12]).all()
    assert np.linalg.norm(np.ptp(blocks, axis=0)) > 30
    hidden = found(np.full((96, 96, 3), 255, np.uint8), pose)
    assert np.array_equal(hidden, pose)


def test_loops_lead_back_to_the_first_heading():
    module = world_module("doom-hall")
    source = module.Source()
    for name, actions in module.LOOPS.items():
        source.reset(2)
        before = source.pose()
        headings = []
        for action in actions:
            source.step(action)
            headings.append(source.pose()[2])
        np.testing.assert_allclose(source.pose()[:2], before[:2], atol=1, err_msg=name)
        assert math.cos(math.radians(source.pose()[2] - before[2])) > 0.999, name
        assert min(math.cos(math.radians(heading - before[2])) for heading in headings) < 0.1, name
    source.close()


def test_recordings_say_where_camera_and_medikits_are():
    module = world_module("doom-hall")
    arrays = record(Recording("doom-hall", "scripted", seed=4, frames=12), progress=False)
    assert arrays["states"].shape == (12, 8 + 2 * module.THINGS) and arrays["states"].dtype == np.float32
    source, seed = module.Source(), np.random.SeedSequence([4, 0])
    source.reset(int(seed.generate_state(1)[0]) & 0x7FFF_FFFF)
    for action, state in zip(arrays["actions"], arrays["states"], strict=True):
        x, y, heading = source.pose()
        np.testing.assert_allclose(state[[0, 1, 3]], [x, y, math.cos(math.radians(heading))], atol=1e-3)
        things = source.medikits()
        np.testing.assert_allclose(state[8 : 8 + 2 * len(things)], things.flatten(), atol=1e-3)
        assert np.isnan(state[8 + 2 * len(things) :]).all()
        source.step(action)
    source.close()


def test_movements_of_the_recording_lead_from_frame_to_frame():
    states = torch.from_numpy(record(Recording("doom-hall", "mixed", seed=5, frames=40), progress=False)["states"])
    assert not states[0, 5:8].any() and states[1:, 5:8].abs().amax(0).min() > 0.01
    room = RoomTokenizer(RoomConfig())
    torch.testing.assert_close(room.movement(states[:-1, :5], states[1:, :5]), states[1:, 5:8], atol=1e-3, rtol=1e-3)


def test_the_player_dies_of_acid_but_not_in_the_recording():
    module = world_module("doom-hall")
    source = module.Source()
    picture = source.reset(3).copy()
    while not source.done:
        last, picture = picture, source.step(act(module)).copy()
    np.testing.assert_array_equal(picture, last)  # no picture of the fall
    source.close()
