"""Things found in dreams that are painted here, and the detector of push-t against the truth."""

import numpy as np
import pytest

from training.data.held_out import AHEAD, CONTEXT
from training.judge.copy_last import CopyLast
from training.judge.small_things import Scene, is_near, record_scenes, small_things
from training.worlds import picture_explorer, push_t
from training.worlds.picture_pusher import objects


def dot(x: int | None) -> np.ndarray:
    picture = np.zeros((96, 96, 3), np.uint8)
    if x is not None:
        picture[40, x] = 255
    return picture


def detect(picture: np.ndarray) -> dict[str, tuple[float, float] | None]:
    rows, columns = np.nonzero(picture[..., 0])
    return {"dot": (float(columns[0]), float(rows[0])) if len(rows) else None}


def scene(places: list[int | None]) -> Scene:
    frames = np.stack([dot(x) for x in places])
    return Scene(frames, np.zeros((len(places), 1), np.float32), [detect(frame) for frame in frames])


class Painter:
    """Dreams a dot at given places, whatever is done."""

    def __init__(self, places: list[int | None]) -> None:
        self.places = places

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        self.age = 0
        return frames[-1]

    def step(self, action: np.ndarray, told: str = "", guide: np.ndarray | None = None) -> np.ndarray:
        self.age += 1
        return dot(self.places[self.age - 1])


def test_found_anywhere_near_the_truth_and_where_nothing_is():
    real = [10] * (CONTEXT + 32) + [None] * 31 + [10]
    scenes = [scene(real)] * 3
    dreamed = [12] * 8 + [40] * 8 + [None] * 16 + [50] * 31 + [None]
    thing = small_things(lambda: Painter(dreamed), detect, scenes)["things"]["dot"]
    ahead = thing["ahead"]
    assert ahead["1"]["found"][0] == ahead["1"]["near"][0] == 1
    assert ahead["16"]["found"][0] == 1 and ahead["16"]["near"][0] == 0
    assert ahead["64"]["found"][0] == 0
    assert all(ahead[h]["real_found"][0] == ahead[h]["real_near"][0] == 1 for h in ahead)
    assert thing["false"] == 1 and thing["real_false"] == 0


def test_where_a_thing_never_is_or_always_there_is_no_figure():
    always = small_things(lambda: Painter([10] * AHEAD), detect, [scene([10] * (CONTEXT + AHEAD))])["things"]["dot"]
    assert always["false"] is None and always["ahead"]["64"]["near"] == (1, 1, 1)
    never = small_things(lambda: Painter([None] * AHEAD), detect, [scene([None] * (CONTEXT + AHEAD))])["things"]["dot"]
    assert never["false"] == 0 and never["ahead"]["1"] == {
        "there": 0,
        "found": None,
        "near": None,
        "real_found": None,
        "real_near": None,
    }


def test_near_is_a_circle():
    assert is_near((0, 0), (3, 2), 4) and not is_near((0, 0), (3, 3), 4)
    assert not is_near(None, (0, 0), 4) and not is_near((0, 0), None, 4)


def test_pusher_and_block_are_found_where_they_are():
    scenes = record_scenes(push_t.WORLD, 2)
    assert [len(s.truth) for s in scenes] == [CONTEXT + AHEAD] * 2 == [len(s.frames) for s in scenes]
    for s in scenes:
        for frame, truth in zip(s.frames, s.truth, strict=True):
            for name, at in objects(frame).items():
                assert at == pytest.approx(truth[name], abs=1.0)
    table = small_things(CopyLast, objects, scenes)
    assert table["things"]["block"]["ahead"]["64"]["found"][0] == 1
    assert objects(np.zeros((96, 96, 3), np.uint8)) == {"pusher": None, "block": None}
    smeared = np.concatenate([scenes[0].frames[0][:, :48], scenes[0].frames[-1][:, 48:]], 1)
    smeared[::2] = 255  # every second line of the block is gone: a scrap
    assert objects(smeared)["block"] is None or objects(scenes[0].frames[0])["block"] is not None


def test_the_lowest_medikit_is_found_across_its_cross():
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[50:53, 20:24] = 180  # farther away
    picture[70:76, 60:64] = picture[70:76, 67:71] = 180  # both sides of a cross
    picture[80, 5:8] = 180  # too small
    assert picture_explorer.objects(picture) == {"medikit": (65.5, 73)}
    assert picture_explorer.objects(picture[::-1] // 4) == {"medikit": None}
