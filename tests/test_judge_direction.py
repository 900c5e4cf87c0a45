"""Prompts by the judge: a world that obeys, one that obeys late, one that is deaf."""

from dataclasses import replace

import numpy as np
import pytest

from training.data.episodes import Episodes
from training.judge import direction as judge
from training.judge.sections import direction_section
from training.worlds.registry import find_world
from training.worlds.world import Direction

SIDE = 32
CLASSES = {"shade": ("dark", "bright"), "tone": ("red", "green", "blue")}
SHADES, TONES = {"dark": 60, "bright": 180}, {"red": 0, "green": 1, "blue": 2}


def paint(names, rng):
    picture = rng.integers(0, 20, (SIDE, SIDE, 3)) + SHADES[names["shade"]]
    picture[..., TONES[names["tone"]]] += 50
    return picture.astype(np.uint8)


class Source:
    done = False

    def reset(self, seed):
        self.rng = np.random.default_rng(seed)
        return self.step(None)

    def step(self, action):
        return paint({"shade": "dark", "tone": "red"}, self.rng)

    def close(self):
        pass

    def dress(self, rng):
        names = {attribute: str(rng.choice(classes)) for attribute, classes in CLASSES.items()}
        return paint(names, self.rng), names


def still(rng):
    return lambda source: np.zeros(1, np.float32)


def say(rng, names):
    return " ".join(names.values())


DIRECTION = Direction(classes=CLASSES, say=say, dress=Source.dress, unseen={"crimson": ("tone", "red")})
WORLD = replace(
    find_world("pong"), source=Source, policies={"sticky-random": still}, start_policy="sticky-random", size=SIDE
)


class Obedient:
    """Shows what it is told, so many frames later; knows one word that nobody told it."""

    def __init__(self, late=0):
        self.late = late

    def reset(self, *, seed, frames, actions):
        self.rng, self.names, self.asked = np.random.default_rng(seed), {"shade": "dark", "tone": "red"}, []
        return frames[-1]

    def step(self, action, told="", guide=None):
        self.asked.append(told.replace("crimson", "red"))
        for word in self.asked[-1 - self.late].split() if len(self.asked) > self.late else ():
            attribute = next(name for name, classes in CLASSES.items() if word in classes)
            self.names = {**self.names, attribute: word}
        return paint(self.names, self.rng)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(judge, "LEARNED", 320)
    patch.setattr(judge, "CEILING", 60)
    yield judge.direct(WORLD, tmp_path_factory.mktemp("data"), DIRECTION, 10)
    patch.undo()


def test_real_frames_are_read_and_every_class_is_asked_for(real):
    assert all(share > 0.95 for classes in real.ceiling.values() for share in classes.values())
    plan = judge.switches(DIRECTION, real.starts)
    assert {switch.attribute for switch in plan} == set(CLASSES)
    assert all(real.starts[switch.start].names[switch.attribute] != switch.wanted for switch in plan)


def test_a_world_that_obeys_late_is_told_from_one_that_obeys_at_once_and_from_a_deaf_one(real):
    at_once = judge.directed(Obedient, DIRECTION, real)
    late = judge.directed(lambda: Obedient(late=3), DIRECTION, real)
    deaf = judge.directed(lambda: Obedient(late=1000), DIRECTION, real)
    assert at_once["begins"][0] == at_once["frames"][0] == 1
    assert at_once["right"][0] == at_once["right_of_ceiling"] == at_once["kept"][0] == at_once["unseen"][0] == 1
    assert late["begins"][0] == late["frames"][0] == 4
    assert late["right"][0] == 1
    assert deaf["begins"][0] == judge.AHEAD + 1
    assert deaf["right"][0] < 0.7
    assert at_once["jump"][0] > 2 * deaf["jump"][0]
    for metrics in (at_once, late):
        for attribute in CLASSES:
            assert metrics["attributes"][attribute]["switches"] > 0


def test_the_card_says_it(real):
    told = judge.directed(Obedient, DIRECTION, real)
    following = {"ratio": (0.9, 0.8, 1.0)}
    section = direction_section({"direction": {**told, "following": following}, "action_following": following})
    assert "| tone |" in section
    assert "crimson 1.0" in section


def test_following_is_read_across_a_prompt(real):
    heard = []

    class Listening(Obedient):
        def step(self, action, told="", guide=None):
            heard.append(told)
            return super().step(action, told)

    class Reader:
        def read(self, frames):
            return np.zeros((len(frames) - 5, 1)), np.zeros((len(frames) - 5, 1))

    length = judge.CONTEXT + judge.FOLLOWING
    frames = np.zeros((2 * length, SIDE, SIDE, 3), np.uint8)
    episodes = Episodes(frames, np.zeros((2 * length, 1), np.float32), np.arange(2 * length) % length == 0)
    judge.follow_told(Listening, DIRECTION, Reader(), episodes, ["push"], starts=2)
    assert sorted(text for text in heard if text) == ["bright", "dark"]  # of threads side by side
    assert len(heard) == 2 * judge.FOLLOWING
