"""What drift's rule makes of a run: which windows break it, how many are allowed to, and which runs are lost."""

import numpy as np

from training.judge.drift import LOST, Reference, Window, lost_after, summary
from training.judge.measures import colours

BAD, GOOD = "motion", ""


def window(moving: float = 10.0) -> Window:
    features = np.random.default_rng(1).normal(size=(90, 3))
    return Window(features, colours(np.zeros((1, 16, 16, 3), np.uint8)), 5.0, moving, np.array([0.1]))


def test_a_run_is_lost_at_the_first_of_five_windows_in_a_row():
    assert lost_after([GOOD] * 20) is None
    assert lost_after([GOOD, *[BAD] * 4, GOOD, *[BAD] * 4]) is None
    assert lost_after([GOOD, *[BAD] * 3, GOOD, *[BAD] * 6, GOOD]) == 5
    assert lost_after([BAD] * 4) is None and lost_after([BAD] * LOST) == 0


def courses(reference: Reference, broken: list[bool]) -> dict[str, list[float]]:
    rows = [reference.score(window(1.0 if bad else 10.0)) for bad in broken]
    return {name: [row[name] for row in rows] for name in rows[0]}


def test_share_of_broken_windows_its_limit_and_share_lost():
    reference = Reference([[window() for _ in range(10)] for _ in range(4)], np.array([[-1.0], [1.0]]))
    good, flickers, gone = [False] * 10, [True, False] * 5, [False] * 4 + [True] * 6
    runs = [courses(reference, run) for run in (good, flickers, gone, good)]
    table = summary(runs, reference, [1_000] * 4, [])
    assert table["broken"] == 11 / 40 and table["broken_real"] == 0 and table["broken_limit"] == 0.01
    assert table["lost"]["1000"][0] == 0.25 and table["lost_real"]["1000"][0] == 0
    assert table["alive"]["1000"][0] == 0.5
    beside = summary(runs, reference, [1_000] * 4, [courses(reference, flickers)])
    assert beside["broken_real"] == 5 / 50 and abs(beside["broken_limit"] - 0.16) < 1e-9
    assert beside["lost_real"]["1000"][0] == 0


def test_runs_shorter_than_five_windows_can_not_be_lost():
    reference = Reference([[window() for _ in range(3)] for _ in range(2)], np.array([[-1.0], [1.0]]))
    table = summary([courses(reference, [True] * 3)], reference, [300], [])
    assert table["alive"]["300"][0] == 0 and table["lost"] == {"300": None}
