"""The world `roads`: looks that have a name and a spread, words that say them, changes in mid-drive."""

import re

import numpy as np

from training.data.corpus import mapped
from training.data.record import Recording, record, write_npz
from training.worlds import roads, roads_words
from training.worlds.registry import find_world
from training.worlds.roads_look import ATTRIBUTES, SIDE, Layers, change, draw_look, paint


def layers() -> Layers:
    """A road through the middle, and no car."""
    flat = np.zeros((SIDE, SIDE), np.float32)
    road = flat.copy()
    road[:, 40:56] = 1
    ground = np.stack(np.mgrid[:SIDE, :SIDE], -1).astype(np.float32)
    return Layers(road, flat, flat, flat, flat, np.zeros((SIDE, SIDE, 3), np.float32), ground)


def shades(names: dict[str, str], count: int = 8) -> np.ndarray:
    """Mean shade beside the road of as many looks of the same names, [count, 3]."""
    pictures = [paint(draw_look(np.random.default_rng(seed), names), layers(), 3) for seed in range(count)]
    return np.stack([picture[:, :36].mean((0, 1)) for picture in pictures])


def test_a_name_is_a_class_with_a_spread_and_classes_lie_farther_apart_than_their_spread():
    plain = {"light": "day", "weather": "dry", "road": "asphalt"}
    lands = {land: shades({"land": land, **plain}) for land in ATTRIBUTES["land"]}
    for land, drawn in lands.items():
        spread = np.linalg.norm(drawn - drawn.mean(0), axis=1)
        assert spread.min() > 0.5, land  # none is another's copy
        others = [np.linalg.norm(drawn.mean(0) - other.mean(0)) for name, other in lands.items() if name != land]
        assert min(others) > 1.5 * spread.mean(), land
    noon, night = lands["snow"], shades({"land": "snow", **plain, "light": "night"})
    assert night.mean() < 0.5 * noon.mean()


def test_what_isnt_changed_keeps_all_that_was_drawn_of_it():
    look = draw_look(np.random.default_rng(1))
    after = change(np.random.default_rng(2), look, ["light"])
    assert after.names["light"] != look.names["light"]
    assert after.land is look.land and after.road is look.road and after.weather is look.weather


def test_captions_say_the_look_in_words_of_the_vocabulary_and_leave_parts_out():
    rng, said, words = np.random.default_rng(0), set(), set(roads_words.vocabulary())
    names = {"land": "snow", "light": "night", "weather": "rain", "road": "ice"}
    ways = {
        attribute: {text for texts in roads_words.SAID[attribute][name] for text in texts}
        for attribute, name in names.items()
    }
    shares = dict.fromkeys(names, 0)
    for _ in range(300):
        text = roads_words.caption(rng, names, ("light",))
        assert set(re.findall("[a-z]+", text)) <= words
        assert any(way in text for way in ways["light"])
        said.add(text)
        for attribute in names:
            shares[attribute] += any(way in text for way in ways[attribute])
    assert len(said) > 100
    assert all(150 < shares[attribute] < 270 for attribute in ("land", "weather", "road"))
    assert not set(roads_words.UNSEEN) & words and len(roads_words.UNSEEN) == 20


def test_a_recording_says_what_each_step_was_told(tmp_path):
    spec = Recording("roads", "scripted", seed=5, frames=260, episode=130)
    once = record(spec, progress=False)
    assert once["frames"].shape == (260, SIDE, SIDE, 3) and once["frames"].dtype == np.uint8
    assert once["caption"].dtype == np.int32 and once["caption"].shape == (260,)
    assert once["caption"].max() == len(once["captions"]) - 1 and len(once["captions"]) >= 2
    write_npz(tmp_path / "train-5.npz", once)
    read = mapped(tmp_path / "train-5.npz")
    assert [str(text) for text in read["captions"]] == [str(text) for text in once["captions"]]


def test_pictures_change_with_the_words_and_an_episode_depends_on_its_seed_alone():
    source, rest = roads.Source(), np.array([0, 0, 0], np.float32)
    first, jumps = source.reset(3).copy(), []
    for seed in range(6):
        source.reset(seed)
        source.steady, source.next = False, 2
        look, said = source.look, source.caption
        pictures = [source.step(rest).astype(int) for _ in range(8)]
        if source.look is not look:
            assert source.silent or source.caption != said
            jumps.append((np.abs(pictures[2] - pictures[1]).mean(), np.abs(pictures[6] - pictures[1]).mean()))
    assert len(jumps) >= 2 and all(0.3 < begun < whole for begun, whole in jumps)  # begins at once, is there soon
    np.testing.assert_array_equal(source.reset(3), first)
    source.close()


def test_worlds_without_words_record_as_before():
    assert find_world("pong").words is None
    assert set(record(Recording("pong", "mixed", 1, 5), progress=False)) == {"frames", "actions", "starts"}
