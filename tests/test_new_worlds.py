"""doom-rooms and pong: input does what the action table says, policies cover the map and keep the ball in play.

What holds for every world is tested in `test_worlds.py`.
"""

import math
from collections import Counter

import numpy as np
import pytest

from training.worlds import doom_rooms, pong
from training.worlds.picture_paddles import found
from training.worlds.world import World


def act(world: World, **values: float) -> np.ndarray:
    """An action by name, at rest where nothing is said."""
    return np.array([values.get(spec["name"], spec["rest"]) for spec in world.actions], np.float32)


# Rooms


def test_the_view_turns_and_the_player_walks_as_the_table_says():
    world, source = doom_rooms.WORLD, doom_rooms.Source()
    first = source.reset(1).copy()
    heading = source.pose()[2]
    turned = source.step(act(world, turn=1.0))
    assert np.abs(turned.astype(int) - first).mean() > 2
    assert (heading - source.pose()[2]) % 360 == pytest.approx(8, abs=0.1)
    checked = 0
    for seed in range(12):
        for name, side in (("walk", 0.0), ("strafe", -math.pi / 2)):
            source.reset(seed)
            x, y, heading = source.pose()
            course = math.radians(heading) + side
            left, low, right, high = doom_rooms.PLACES[source.place()]
            space = (x + 60 * math.cos(course) - left, y + 60 * math.sin(course) - low)
            space += (right - left - space[0], high - low - space[1])
            if min(space) < doom_rooms.BODY:
                continue  # a wall or a doorway
            for _ in range(6):
                source.step(act(world, **{name: 1.0}))
            way = (source.pose() - (x, y, heading))[:2]
            assert way @ [math.cos(course), math.sin(course)] > 0.9 * np.linalg.norm(way) > 30
            checked += 1
    assert checked >= 2
    source.close()


def test_the_plan_of_the_map_holds_and_joins_all_places():
    for one in doom_rooms.PLACES:
        for other in doom_rooms.PLACES:
            way = doom_rooms.route(one, other)
            assert (way[0], way[-1]) == (one, other)
            assert all(after in doom_rooms.DOORWAYS[before] for before, after in zip(way, way[1:], strict=False))
    source = doom_rooms.Source()
    for seed in range(3):
        driver = doom_rooms.mixed(np.random.default_rng(seed))
        source.reset(seed)
        for _ in range(150):
            if source.done:
                break
            x, y, _ = source.pose()
            left, low, right, high = doom_rooms.PLACES[source.place()]
            assert left <= x <= right and low <= y <= high
            source.step(driver(source))
    source.close()


def test_the_explorer_sees_all_rooms_and_walks_through_doorways():
    source, at, doorways, frames = doom_rooms.Source(), Counter(), 0, 0
    colours = {name: [] for name in doom_rooms.ROOMS}
    for seed in range(40, 56):
        driver = doom_rooms.mixed(np.random.default_rng(seed))
        picture, before = source.reset(seed), None
        for _ in range(200):
            place = source.place()
            at[place] += 1
            doorways += before is not None and place != before
            if place in colours:
                colours[place].append(picture[16:64].mean((0, 1)))
            before, frames = place, frames + 1
            picture = source.step(driver(source))
            if source.done:
                break
    source.close()
    assert doorways / frames > 0.02
    assert min(at[room] for room in doom_rooms.ROOMS) / frames > 0.01
    assert max(at.values()) / frames < 0.3
    means = np.array([np.mean(seen, 0) for seen in colours.values()])
    apart = np.linalg.norm(means[:, None] - means[None], axis=2)[~np.eye(len(means), dtype=bool)]
    assert np.median(apart) > 15  # rooms differ


def test_rest_is_rest():
    source = doom_rooms.Source()
    source.reset(4)
    for _ in range(15):
        source.step(act(doom_rooms.WORLD))
    pose = source.pose()
    for _ in range(5):
        source.step(act(doom_rooms.WORLD))
    np.testing.assert_allclose(source.pose(), pose, atol=1e-6)
    still = [doom_rooms.scripted(np.random.default_rng(seed)) for seed in range(4)]
    actions = []
    for seed, driver in enumerate(still):
        source.reset(seed)
        for _ in range(150):
            if source.done:
                break
            actions.append(driver(source))
            source.step(actions[-1])
    source.close()
    assert 0.01 < np.mean(~np.any(actions, axis=1)) < 0.3


# Pong


def test_paddles_go_where_the_keys_say_and_stay_without():
    source = pong.Source()
    for name, other in (("left", "right"), ("right", "left")):
        for way in (-1.0, 1.0):
            source.reset(1)
            before = source.objects()
            source.step(act(pong.WORLD, **{name: way}))
            after = source.objects()
            assert after[name][1] - before[name][1] == pytest.approx(way * pong.PADDLE * pong.SIDE / pong.HIGH)
            assert after[other] == before[other]
            source.step(act(pong.WORLD, **{name: 0.4 * way}))
            assert source.objects()[name] == after[name]


def test_the_ball_is_where_the_source_says():
    source, seen, frames = pong.Source(), 0, 0
    for seed, policy in enumerate(pong.POLICIES.values()):
        driver, picture = policy(np.random.default_rng(seed)), source.reset(seed)
        for _ in range(200):
            said, shown = source.objects(), found(picture)
            for name, place in said.items():
                if place and shown[name]:
                    np.testing.assert_allclose(shown[name], place, atol=0.6, err_msg=name)
            assert shown["left"] and shown["right"]
            seen, frames = seen + bool(shown["ball"]), frames + 1
            picture = source.step(driver(source))
    assert seen / frames > 0.99
    assert not any(found(np.zeros((96, 96, 3), np.uint8)).values())


def test_the_ball_bounces_is_lost_and_is_served_again():
    source = pong.Source()
    lost = {}
    for name, policy in pong.POLICIES.items():
        paddles = walls = lost[name] = 0
        for seed in range(4):
            driver, course = policy(np.random.default_rng(seed)), np.zeros(2)
            source.reset(seed)
            for _ in range(300):
                source.step(driver(source))
                now = np.sign(source.scene().speed)
                if source.game.num_frames > 1:
                    paddles, walls = paddles + (now[0] != course[0]), walls + (now[1] != course[1])
                course = now
            lost[name] += source.lost
        assert walls > 10
        assert paddles > 12 or name == "sticky-random"
    assert lost["scripted"] <= 4 < lost["sticky-random"]
    assert not source.done


def test_serves_differ_and_begin_in_the_middle():
    source, ways = pong.Source(), []
    source.reset(5)
    while len(ways) < 4:
        source.step(act(pong.WORLD))
        if source.game.num_frames == 0 and not source.game.terminate:
            ways.append(source.scene().speed)
            assert source.objects()["ball"] == pytest.approx((pong.SIDE / 2, pong.SIDE / 2))
    assert len({tuple(np.round(way, 3)) for way in ways}) == 4


def test_a_player_by_sight_keeps_the_ball_in_the_field():
    source, player = pong.Source(), pong.player(np.random.default_rng(1))
    before = picture = source.reset(11)
    for _ in range(600):
        before, picture = picture, source.step(player(before, picture))
    assert source.lost <= 3
