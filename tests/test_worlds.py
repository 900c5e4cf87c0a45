"""Worlds as sources: shapes, repeatability, and that push-t's and doom-hall's input does what their tables say."""

import math
from dataclasses import replace

import numpy as np
import pytest

from training.data.record import START_SEED, Recording, record
from training.errors import TrainingError
from training.package.manifest import START_FRAMES
from training.worlds import doom, doom_hall, push_t
from training.worlds.picture_explorer import medikits, wall_ahead
from training.worlds.picture_pusher import found
from training.worlds.registry import find_world
from training.worlds.world import World

WORLDS = ("push-t", "doom-hall", "doom-rooms", "pong")
GAMEPAD = {"leftX", "leftY", "leftYUp", "rightX", "rightY", "leftTrigger", "rightTrigger", "a", "b", "x", "y"}
FIELDS = {"name", "min", "max", "rest", "unit", "keys", "gamepad"}  # of an action in `src/model/manifest.ts`


@pytest.fixture(params=WORLDS)
def world(request) -> World:
    return find_world(request.param)


def act(world: World, **values: float) -> np.ndarray:
    """An action by name, at rest where nothing is said."""
    return np.array([values.get(spec["name"], spec["rest"]) for spec in world.actions], np.float32)


@pytest.mark.parametrize("policy", ["mixed", "sticky-random"])
def test_a_recording_repeats_itself(world, policy):
    spec = Recording(world=world.name, policy=policy, seed=3, frames=50, episode=25)
    once, again = record(spec, progress=False), record(spec, progress=False)
    for name in once:
        np.testing.assert_array_equal(once[name], again[name])
    assert once["frames"].shape == (50, 96, 96, 3) and once["frames"].dtype == np.uint8
    assert once["starts"].sum() >= 2
    other = record(Recording(world=world.name, policy=policy, seed=4, frames=50, episode=25), progress=False)
    assert (other["frames"] != once["frames"]).any()


def test_hands_leave_the_keys_for_a_share_of_the_frames(world):
    spec = Recording(world.name, "scripted", seed=3, frames=800, pauses=0.5)
    once, never = record(spec, progress=False), record(replace(spec, pauses=0.0), progress=False)
    at_rest, as_ever = ((each["actions"] == act(world)).all(1) for each in (once, never))
    assert 0.2 < (at_rest.mean() - as_ever.mean()) / (1 - as_ever.mean()) < 0.8
    stretches = np.flatnonzero(np.diff(np.concatenate([[0], at_rest.astype(int), [0]])))
    assert np.diff(stretches)[::2].max() > 20


def test_a_share_of_pauses_is_checked(world):
    with pytest.raises(TrainingError, match="--pauses from 0 to below 1, got 1.0"):
        record(Recording(world.name, "mixed", 1, 10, pauses=1.0))


def test_an_episode_does_not_depend_on_those_before_it(world):
    source = world.live()
    first = source.reset(1).copy()
    source.reset(2)
    moved = source.step(act(world, **{world.actions[0]["name"]: 1.0})).copy()
    assert (source.reset(2) != moved).any()
    np.testing.assert_array_equal(source.reset(1), first)
    source.close()


def test_every_policy_stays_within_the_table(world):
    low, high = (np.array([spec[end] for spec in world.actions]) for end in ("min", "max"))
    source = world.live()
    for name, policy in world.policies.items():
        driver = policy(np.random.default_rng(5))
        source.reset(5)
        actions = []
        while len(actions) < 60 and not source.done:
            actions.append(driver(source))
            source.step(actions[-1])
        actions = np.stack(actions)
        assert actions.dtype == np.float32 and actions.shape[1] == len(world.actions)
        assert (actions >= low).all() and (actions <= high).all(), name
        assert (actions.std(0) > 0.05).any(), name
    source.close()


def test_the_action_table_is_one_the_manifest_takes(world):
    keys = [code for spec in world.actions for code in spec["keys"]]
    assert len(keys) == len(set(keys))
    for spec in world.actions:
        assert set(spec) == FIELDS and spec["gamepad"] in GAMEPAD
        assert spec["min"] < spec["max"] and spec["min"] <= spec["rest"] <= spec["max"]
        assert {spec["min"], spec["max"]} <= set(spec["keys"].values())
    controls = [spec["gamepad"] for spec in world.actions]
    assert len(controls) == len(set(controls))


def test_starts_have_a_history(world):
    starts = world.starts
    last = max(frame for _, frame in starts)
    spec = Recording(world.name, world.start_policy, START_SEED, last + 1)
    begins = np.flatnonzero(record(spec, progress=False)["starts"])
    for title, frame in starts:
        begin = begins[begins <= frame].max()
        assert frame - begin >= START_FRAMES - 1, title


def test_pusher_goes_where_the_keys_say_and_stays_without():
    world = push_t.WORLD
    source = world.live()
    source.reset(1)
    for name, axis in (("x", 0), ("y", 1)):
        for sign in (1, -1):
            before = source.pose()
            for _ in range(4):
                source.step(act(world, **{name: sign}))
            way = (source.pose() - before)[:2]
            assert sign * way[axis] > 40 and abs(way[1 - axis]) < 5
            for _ in range(4):
                source.step(act(world))
            before = source.pose()
            source.step(act(world))
            np.testing.assert_allclose(source.pose()[:2], before[:2], atol=0.1)
    source.close()


def test_pusher_moves_the_block_and_reward_is_its_share_of_the_goal():
    world = push_t.WORLD
    source = world.live()
    driver = world.policies["scripted"](np.random.default_rng(1))
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
    source.step(act(world))
    assert source.reward == 1 and not source.done
    source.env.block.position = (-20, 256)
    source.step(act(world))
    assert source.done
    source.close()


def test_the_outline_is_the_block_of_the_environment():
    world = push_t.WORLD
    source = world.live()
    source.reset(8)
    block = source.env.block
    theirs = {tuple(np.round(block.local_to_world(v), 6)) for shape in block.shapes for v in shape.get_vertices()}
    assert {tuple(np.round(corner, 6)) for corner in source.outline()} == theirs
    source.close()


def test_the_view_turns_and_the_player_walks_as_the_table_says():
    world = doom_hall.WORLD
    source = world.live()
    first = source.reset(1).copy()
    heading = source.pose()[2]
    turned = source.step(act(world, turn=1.0))
    assert np.abs(turned.astype(int) - first).mean() > 2
    assert (heading - source.pose()[2]) % 360 == pytest.approx(doom.TURN * doom.TICS_PER_FRAME, abs=0.1)
    for name, side in (("walk", 0.0), ("strafe", -math.pi / 2)):
        source.reset(1)
        before = source.pose()
        for _ in range(8):
            source.step(act(world, **{name: 1.0}))
        way = (source.pose() - before)[:2]
        course = math.atan2(way[1], way[0]) - math.radians(before[2])
        assert np.linalg.norm(way) > 40
        assert math.cos(course - side) > 0.95
    source.close()


def test_the_explorer_sees_medikits_and_walls_and_gets_about():
    world = doom_hall.WORLD
    source = world.live()
    picture = source.reset(6)
    explorer, places, near, far, kits = world.player(np.random.default_rng(3)), [], [], [], []
    for _ in range(400):
        x, y, heading = source.pose()
        to = [
            (edge - at) / way
            for at, way in ((x, math.cos(math.radians(heading))), (y, math.sin(math.radians(heading))))
            for edge in (0, doom_hall.HALL)
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
    world = push_t.WORLD
    source, act = world.live(), world.player(np.random.default_rng(2))
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
    world = doom_hall.WORLD
    source = world.live()
    for name, actions in world.loops.items():
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


def test_the_player_dies_of_acid_but_not_in_the_recording():
    world = doom_hall.WORLD
    source = world.live()
    picture = source.reset(3).copy()
    while not source.done:
        last, picture = picture, source.step(act(world)).copy()
    np.testing.assert_array_equal(picture, last)  # no picture of the fall
    source.close()
