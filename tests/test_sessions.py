"""Sessions and logs of the page, played again in the real environment; what is refused before anything is written."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from training.data import replay
from training.data.episodes import load_episodes
from training.data.record import START_SEED, Recording, record
from training.data.replay import add_sessions, replayed
from training.data.sessions import Stretch, read_session, sessions_in
from training.errors import TrainingError
from training.worlds.push_t import WORLD as PUSH_T
from training.worlds.world import World

SPEC = {"min": -1.0, "max": 1.0, "rest": 0.0, "unit": "px", "keys": {}, "gamepad": "leftX"}
LASTS = 150  # frames of an episode


class Sum:
    """Its picture is the sum of all actions, behind a seed: what led to it can be read off."""

    def __init__(self) -> None:
        self.done, self.age, self.value = False, 0, 0.0

    def reset(self, seed: int) -> np.ndarray:
        self.done, self.age, self.value = False, 0, float(seed % 50 + 50)
        return self._draw()

    def step(self, action: np.ndarray) -> np.ndarray:
        self.age += 1
        self.value += float(action[0])
        self.done = self.age >= LASTS
        return self._draw()

    def close(self) -> None: ...

    def _draw(self) -> np.ndarray:
        return np.full((8, 8, 3), np.uint8(self.value % 256))


def up(rng: np.random.Generator) -> Callable:
    return lambda source: np.ones(1, np.float32)


FACTS = {"title": "", "description": "", "environment": "sums", "licence": "", "frame_rate": 10.0}
SUMS = World(name="sums", actions=[{"name": "add", **SPEC}], source=Sum, policies={"mixed": up}, size=8, **FACTS)
SUMS = replace(SUMS, starts=(("First", 5), ("Second", 30)))


def saved(**changes) -> dict:
    """A session of sums: 7 ticks from the second start, and a branch of 3 more."""
    branches = [branch([1, -1, 1, 1, 1, -1, 0]), branch([-1, -1, -1], {"branch": 0, "tick": 4})]
    session = {"format": "worldloop-session", "version": 1, "world": "sums", "packageSha256": "0" * 64, "seed": 7}
    return (
        session | {"start": 1, "actionNames": ["add"], "branches": branches, "at": {"branch": 1, "tick": 7}} | changes
    )


def branch(values: list, parting: dict | None = None) -> dict:
    packed = base64.b64encode(np.array(values, "<f4").tobytes()).decode()
    return {"name": "Main", "parting": parting, "ticks": len(values), "actions": packed}


def write(path: Path, session: object) -> Path:
    path.write_text(session if isinstance(session, str) else json.dumps(session))
    return path


def test_a_session_is_played_from_its_start_and_its_branches_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(replay, "ENOUGH", 1)
    stretches = read_session(write(tmp_path / "s.json", saved()), SUMS)
    assert [(each.actions[:, 0].tolist(), each.start) for each in stretches] == [
        ([1, -1, 1, 1, 1, -1, 0], 1),
        ([-1, -1, -1], None),
    ]
    begun, parted = replayed(SUMS, stretches, seed=3)
    assert len(begun.frames) == 30 + 7 + 1 and begun.actions[:30, 0].tolist() == [1] * 30
    assert begun.actions[30:, 0].tolist() == [1, -1, 1, 1, 1, -1, 0, 0]  # then nobody touches anything
    assert 20 + 3 < len(parted.frames) <= 60 + 3 + 1
    for episode in (begun, parted):
        seen = episode.frames[:, 0, 0, 0].astype(float)
        np.testing.assert_array_equal(np.diff(seen), episode.actions[:-1, 0])  # the action leads to the next picture
    again = replayed(SUMS, stretches, seed=3)
    np.testing.assert_array_equal(again[1].frames, parted.frames)


def test_one_that_began_at_a_picture_began_at_no_start(tmp_path):
    file = write(tmp_path / "s.json", saved(version=2, picture="AAAA"))
    assert [each.start for each in read_session(file, SUMS)] == [None, None]


def test_a_long_drive_is_cut_into_pieces_and_ends_with_its_episode(monkeypatch):
    monkeypatch.setattr(replay, "ENOUGH", 1)
    episodes = replayed(SUMS, [Stretch(np.full((1000, 1), -1, np.float32))], seed=1)
    assert len(episodes) == 9 and max(len(each.frames) for each in episodes) == LASTS
    assert 700 < sum((each.actions == -1).sum() for each in episodes) < 1000  # what its episode had no room for
    monkeypatch.setattr(replay, "MOST", 500)
    assert len(replayed(SUMS, [Stretch(np.full((1000, 1), -1, np.float32))], seed=1)) < 5


def test_a_short_one_is_played_in_several_places_and_added_once(tmp_path, capsys):
    file, data = write(tmp_path / "s.json", saved()), tmp_path / "data"
    add_sessions([file], SUMS, data)
    (path,) = data.iterdir()
    assert path.name.startswith("train-played-") and "10 ticks of" in capsys.readouterr().err
    episodes = load_episodes([path])
    assert episodes.starts.sum() == 2 * replay.MOST_PLACES
    assert len({frame.tobytes() for frame in episodes.frames[episodes.starts]}) > replay.MOST_PLACES
    before = path.stat().st_mtime_ns
    add_sessions([file], SUMS, data)
    assert [each.stat().st_mtime_ns for each in data.iterdir()] == [before]


def test_a_log_says_where_it_began_in_its_first_line(tmp_path):
    lines = '{"add": 0.5}\n{"add": -1}\n'
    shots = [{"seed": 1, "start": 1, "from": 0, "to": 2}]
    told = json.dumps({"provenance": {"schema": 1, "world": "sums", "shots": shots}}) + "\n"
    for text, start in ((lines, None), (told + lines, 1), ("\ufeff" + told + lines, 1)):
        (stretch,) = read_session(write(tmp_path / "a.jsonl", text), SUMS)
        assert stretch.start == start and stretch.actions[:, 0].tolist() == [0.5, -1]
    with pytest.raises(TrainingError, match="expected what was played in 'sums', got 'pong'"):
        read_session(write(tmp_path / "a.jsonl", told.replace("sums", "pong") + lines), SUMS)


def test_a_real_environment_stands_at_the_very_start_of_the_package(monkeypatch):
    monkeypatch.setattr(replay, "ENOUGH", 1)
    world = replace(PUSH_T, starts=(("Early", 12),))
    real = record(Recording("push-t", world.start_policy, START_SEED, 13), progress=False)
    (episode,) = replayed(world, [Stretch(np.full((20, 2), 0.5, np.float32), 0)], seed=1)
    np.testing.assert_array_equal(episode.frames[:13], real["frames"])
    assert len(episode.frames) == 12 + 20 + 1 and (episode.actions[12:-1] == 0.5).all()


def spoiled(change: Callable[[dict], object]) -> dict:
    session = saved()
    change(session)
    return session


TRUNCATED = json.dumps(saved())[:-60]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("s.json", spoiled(lambda s: s.update(world="pong")), "expected what was played in 'sums', got 'pong'"),
        ("s.json", spoiled(lambda s: s.update(actionNames=["sub"])), "expected the actions add of sums"),
        ("s.json", spoiled(lambda s: s.update(branches=[branch([1, 1.5])])), r"frame 1: expected add in \[-1, 1\]"),
        ("s.json", spoiled(lambda s: s.update(branches=[branch([0, np.nan])])), "expected add in"),
        ("s.json", spoiled(lambda s: s.update(branches=[branch([])])), "expected one action or more, got none"),
        ("s.json", spoiled(lambda s: s.update(branches=[])), "branches, one or more"),
        ("s.json", spoiled(lambda s: s["branches"][0].update(ticks=8)), "expected '?8 ticks of 1 float32 in branch 0"),
        (
            "s.json",
            spoiled(lambda s: s["branches"][1].update(actions="?")),
            "branch 1 with ticks and actions in base64",
        ),
        ("s.json", spoiled(lambda s: s["branches"][0].pop("ticks")), "branch 0 with ticks"),
        ("s.json", spoiled(lambda s: s.update(branches=[7])), "branch 0 with ticks"),
        ("s.json", spoiled(lambda s: s.update(version=3)), "expected version 1 or 2, got 3"),
        ("s.json", spoiled(lambda s: s.update(start=2)), "expected a start from 0 to 1, got 2"),
        ("s.json", spoiled(lambda s: s.update(start=-1)), "expected a start, and branches"),
        ("s.json", TRUNCATED, "expected a session that the page saved, got no JSON"),
        ("s.json", "[]", "got another file"),
        ("world.json", '{"schema": 1}', "got another file"),
        ("a.jsonl", "", "expected one action or more, got none"),
        ("a.jsonl", '{"add": 1}\n{"add": ', "line 2: expected an object with add"),
        ("a.jsonl", '{"add": 2}\n', r"expected add in \[-1, 1\], got 2"),
        ("a.jsonl", '{"sub": 1}\n', "line 1: expected an object with add"),
        ("a.png", "no session", "expected a session that the page saved, got no JSON"),
    ],
)
def test_what_is_no_session_of_the_world_is_one_error_and_writes_nothing(tmp_path, name, content, words):
    good, bad = write(tmp_path / "good.json", saved()), write(tmp_path / name, content)
    with pytest.raises(TrainingError, match=words) as caught:
        add_sessions([good, bad], SUMS, tmp_path / "data")
    assert name in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "data").exists()


def test_bytes_that_are_no_text_are_told(tmp_path):
    (tmp_path / "s.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TrainingError, match="got something unreadable"):
        read_session(tmp_path / "s.json", SUMS)


def test_a_folder_holds_sessions_or_episodes(tmp_path):
    assert sessions_in(tmp_path) == sessions_in(tmp_path / "nowhere") == []
    (tmp_path / "actions.json").write_text("{}")
    names = [write(tmp_path / name, content) for name, content in (("b.json", saved()), ("c.jsonl", '{"add": 1}'))]
    assert sessions_in(tmp_path) == names and sessions_in(names[0]) == names[:1]
    (tmp_path / "a.mp4").touch()
    with pytest.raises(TrainingError, match=r"got 'b.json' and 'a.mp4'. Bring one folder after the other"):
        sessions_in(tmp_path)
    names[0].unlink()
    assert sessions_in(tmp_path) == []  # a video, and a log that may be of another one: `import_episodes.py` says so


def test_there_must_be_an_environment_to_play_in(tmp_path, capsys):
    file = write(tmp_path / "s.json", saved())
    with pytest.raises(TrainingError, match="expected a world with an environment to play it in again, got 'sums'"):
        add_sessions([file], replace(SUMS, source=None), tmp_path / "data")
    from training.run import main as run  # heavy, and nobody else here wants it

    places = ["--tiny", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    for world, words in (("sums", "is new: expected --gym ID beside the session"), ("pong", "got 'sums'")):
        assert run(["--world", world, "--episodes", str(file), *places]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert line.startswith("error:") and words in line
    assert not (tmp_path / "data").exists()
