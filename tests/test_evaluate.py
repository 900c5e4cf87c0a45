"""The evaluation's arithmetic against values worked out by hand, and the whole of it once at its smallest."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.episodes import Episodes, load_episodes
from training.data.held_out import AHEAD, LEAD_IN, WINDOW, played, spread, steered
from training.data.record import HELD_OUT_FROM, Recording, record, to_train_on, write_npz
from training.errors import TrainingError
from training.judge import inverse_dynamics
from training.judge.copy_last import CopyLast
from training.judge.curves import draw_curves
from training.judge.drift import Reference, Window, drift, long_real_runs, real_windows
from training.judge.evaluate import main as evaluate
from training.judge.following import compare, levels_of
from training.judge.inverse_dynamics import BEFORE, FRAMES, ActionReader, ReaderTraining, train_reader
from training.judge.measures import (
    colours,
    frechet,
    interval,
    motion,
    psnr,
    sharpness,
    ssim,
    total_variation,
    wasserstein,
)
from training.judge.onnx_world import OnnxWorld
from training.judge.pose import errors, normalise
from training.judge.prediction import predict
from training.judge.revisit import score
from training.package.fixture import draw_actions, draw_pictures
from training.worlds import gym_world, push_t
from training.worlds.picture_driver import CAR_COLUMN, CAR_ROW, curvature

RNG = np.random.default_rng(0)


def flat(value: int) -> np.ndarray:
    return np.full((16, 16, 3), value, np.uint8)


def test_psnr_and_ssim_of_flat_pictures():
    assert psnr(flat(100), flat(100)) == 100
    assert psnr(flat(0), flat(51)) == pytest.approx(-20 * np.log10(0.2))
    assert ssim(flat(40), flat(40)) == pytest.approx(1)
    a, b, c1 = 51 / 255, 102 / 255, 0.01**2
    assert ssim(flat(51), flat(102)) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), rel=1e-4)


def test_sharpness_motion_and_colours():
    stripes = np.zeros((2, 16, 16, 3), np.uint8)
    stripes[0, :, ::2] = 200
    stripes[1, :, 1::2] = 200
    assert sharpness(stripes).tolist() == [200, 200]
    assert motion(stripes).tolist() == [200]
    assert total_variation(colours(stripes[:1]), colours(stripes[1:])) == 0
    assert total_variation(colours(stripes), colours(flat(0)[None])) == pytest.approx(0.5)


def test_frechet_of_known_gaussians():
    """Equal covariances leave the distance of the means; on the diagonal it is the sum of (sqrt a - sqrt b)^2."""
    points = np.concatenate([np.eye(4), -np.eye(4)]) * 2  # mean 0, covariance identity
    assert frechet(points, points) == pytest.approx(0, abs=1e-9)
    assert frechet(points, points + [3, 4, 0, 0]) == pytest.approx(25)
    assert frechet(points, points * [3, 1, 1, 0.5]) == pytest.approx((3 - 1) ** 2 + (1 - 0.5) ** 2)


def test_wasserstein_of_a_shift_is_the_shift():
    values = RNG.normal(size=500)
    assert wasserstein(values, values + 0.3) == pytest.approx(0.3)


def test_bootstrap_interval_covers_the_truth_as_often_as_it_says():
    inside = 0
    for trial in range(200):
        values = np.random.default_rng(trial).normal(5, 2, 40)
        middle, low, high = interval(values, np.mean, draws=400, seed=trial)
        assert low <= middle <= high
        inside += low <= 5 <= high
    assert 180 <= inside <= 198
    assert interval(np.full(9, 3.0)) == (3.0, 3.0, 3.0)


def test_lag_and_ratio_of_actions_read_late_and_half_as_well():
    pressed = RNG.normal(size=(6, 40, 2))
    late = np.roll(pressed, 2, axis=1)  # read two frames after it was pressed
    result = compare(late, pressed, pressed, ["a", "b"])
    assert result["lag"] == 2
    assert result["by_lag"][2] == pytest.approx(1)
    half = compare(pressed * (1 - 0.5**0.5), pressed, pressed, ["a", "b"])  # leaves half of the variance
    assert half["lag"] == 0
    assert half["ratio"][0] == pytest.approx(0.5, abs=0.02)
    blind = compare(pressed, np.zeros_like(pressed), pressed, ["a", "b"])
    assert blind["ratio"] is None and blind["axes"]["a"]["ratio"] is None


def test_a_button_is_judged_by_accuracy():
    pressed = np.zeros((2, 20, 1))
    pressed[:, ::2] = 1
    read = pressed * 0.8 + 0.05
    read[0, 0] = 0.1
    assert levels_of(pressed[0])[0].tolist() == [0, 1]
    assert compare(read, pressed, pressed, ["fire"])["axes"]["fire"]["dream"] == pytest.approx(39 / 40)
    idle = np.zeros_like(pressed)
    assert compare(idle, idle, idle, ["fire"])["ratio"] is None  # never pressed: nothing to follow


def window(*, far: float = 0.0, moving: float = 10.0, error: float = 0.1) -> Window:
    """A window whose features lie `far` off."""
    features = np.random.default_rng(1).normal(size=(90, 3)) + far
    return Window(features, colours(flat(0)[None]), 5.0, moving, np.array([error]))


def test_alive_until_the_first_window_that_is_far_off_frozen_or_deaf():
    rng = np.random.default_rng(2)
    real = [[window(far=rng.normal(0, 0.3)) for _ in range(3)] for _ in range(4)]
    reference = Reference(real, np.array([[-1.0], [1.0]]))

    def alive(*windows: Window, **rule: bool) -> int:
        rows = [reference.score(w) for w in windows]
        return reference.first_breach({name: [row[name] for row in rows] for name in rows[0]}, **rule)[0]

    good = window()
    assert alive(good, good, good) == 3
    assert alive(good, window(far=4.0), good) == 1  # a collapse in the middle isn't forgiven
    far = 1.0  # farther than any real window, though not by much
    assert reference.score(window(far=far))["frechet"] > reference.widest
    assert alive(good, window(far=far), widest=True) == 1
    rows = [reference.score(w) for w in (good, window(far=4.0), good, window(moving=2.4))]
    assert reference.breaches({name: [row[name] for row in rows] for name in rows[0]}) == ["", "frechet", "", "motion"]
    assert alive(good, good, widest=True) == 2
    assert alive(window(moving=2.4), good) == 0
    assert alive(good, window(moving=2.6)) == 2
    deaf = window(error=1.5)  # reads nothing, real windows 0.9
    assert alive(*[good] * 5, deaf, deaf) == 7  # by chance, now and then
    assert alive(*[good] * 5, deaf, deaf, deaf) == 7
    assert alive(*[window(error=0.6)] * 6) == 4  # reads 0.4 for five windows
    assert alive(*[window(error=0.5)] * 6) == 6


def test_a_loop_that_returns_scores_and_a_frozen_picture_does_not():
    pictures = draw_pictures(12, seed=1)
    back = np.concatenate([pictures, pictures[:1]])
    assert score(back, pictures[0], np.random.default_rng(0)) > 0.5
    assert score(pictures, pictures[0], np.random.default_rng(0)) < 0.1
    assert score(np.stack([pictures[0]] * 12), pictures[0], np.random.default_rng(0)) == 0


def test_errors_of_poses():
    layout = {"pusher": 512, "block": 512, "angle": "radians"}
    true = normalise(np.array([0, 0, 256, 256, np.pi - 0.05]), layout)
    read = normalise(np.array([51.2, 0, 256, 256 + 25.6, 0.05 - np.pi]), layout)  # across the seam of the angle
    found = errors(read[None], true[None], layout)
    assert {name: float(e[0]) for name, e in found.items()} == pytest.approx(
        {"pusher": 10, "block": 5, "angle": np.degrees(0.1)}
    )


def test_curvature_of_a_painted_road():
    picture = np.zeros((96, 96, 3), np.uint8)
    picture[..., 1] = 200
    rows = np.arange(96)
    for bend in (0.0, 0.01, -0.01):
        road = picture.copy()
        for row in rows:
            middle = CAR_COLUMN + bend / 2 * (CAR_ROW - row) ** 2
            road[row, max(0, int(middle) - 9) : max(0, int(middle) + 10)] = 105
        assert curvature(road) == pytest.approx(bend, abs=0.002)
    assert curvature(picture) is None


def test_the_reader_learns_what_moves_the_picture():
    episodes = moving_dots(episodes=30, length=40, seed=0)
    reader = train_reader(episodes, ReaderTraining(passes=12.0, batch=32))
    fresh = moving_dots(episodes=1, length=60, seed=1)
    read, features = reader.read(fresh.frames)
    assert read.shape == (60 - FRAMES + 1, 1) and features.shape == (60 - FRAMES + 1, inverse_dynamics.FEATURES)
    pressed = fresh.actions[BEFORE:][: len(read)]
    assert 1 - np.square(read - pressed).mean() / pressed.var() > 0.5


def moving_dots(*, episodes: int, length: int, seed: int) -> Episodes:
    """16 x 16 px: a bar that the action pushes up to three pixels left or right."""
    rng = np.random.default_rng(seed)
    frames = np.zeros((episodes * length, 16, 16, 3), np.uint8)
    actions = rng.integers(-3, 4, (episodes * length, 1)).astype(np.float32) / 3
    place = 0
    for t in range(len(frames)):
        frames[t, :, place % 16] = frames[t, :, (place + 1) % 16] = 255
        place += int(round(float(actions[t, 0]) * 3))
    return Episodes(frames, actions, np.arange(len(frames)) % length == 0)


@pytest.fixture(scope="module")
def tiny() -> tuple[Path, Episodes, ActionReader]:
    """The tiny world of random weights, real episodes of noise, and a reader fitted to them."""
    folder = Path(__file__).parent / "goldens/tiny-world"
    frames = draw_pictures(160, seed=3)
    actions = draw_actions(160, seed=3)
    episodes = Episodes(frames, actions, np.arange(160) % 80 == 0)
    return folder, episodes, train_reader(episodes, ReaderTraining(passes=0.1))


def test_copy_last_predicts_as_the_table_says_it_does(tiny):
    _, episodes, _ = tiny
    result = predict(CopyLast, episodes, 3, horizons=(1, 4))
    for row in result["prediction"].values():
        assert row["psnr"] == row["copy"] and row["ssim"] == row["copy_ssim"] and row["mse_to_copy"] == 1
    assert result["action_sensitivity_h8"] == 1


def test_drift_of_a_frozen_picture_is_death_and_the_strip_shows_both(tiny):
    folder, episodes, reader = tiny
    reference = real_windows(episodes, reader, 40)
    frozen, _ = drift(CopyLast, None, reader, episodes, reference, lengths=[40, 40])
    assert frozen["alive"]["40"][0] == 0 and frozen["measures"]["motion"]["worst"] == 0
    assert set(frozen["ended_by"]) <= {"frechet", "motion"} and frozen["frames_alive"] == [0, 0]
    dreamed, strip = drift(lambda: OnnxWorld(folder), None, reader, episodes, reference, lengths=[80, 40, 40])
    assert len(dreamed["frames_alive"]) == 3 and np.isfinite(dreamed["measures"]["frechet"]["course"]).all()
    assert strip.shape == (3 * 32, 3 * 16, 3)  # three runs, real above dreamed, 1, 10 and 30 frames ahead
    first = episodes.frames[8]
    assert np.array_equal(strip[:16, :16], first)


def test_reality_is_steered_by_sight_episode_after_episode():
    source, seeds = push_t.WORLD.live(), iter((21, 22, 23))
    rows = list(steered(source, push_t.player(np.random.default_rng(0)), seeds))  # until the seeds are used up
    begins = [picture for picture, _, first in rows if first]
    source.close()
    fresh = push_t.WORLD.live()
    assert len(begins) == 3
    for seed, picture in zip((21, 22, 23), begins, strict=True):
        assert np.array_equal(fresh.reset(seed), picture)
    fresh.close()


def test_real_runs_as_long_as_dreamed_ones_stand_beside_them():
    real = played(push_t.WORLD, runs=2, frames=2 * WINDOW)
    episodes = Episodes(real["frames"], real["actions"], real["starts"])
    reader = train_reader(episodes, ReaderTraining(passes=0.1))
    reference = real_windows(episodes, reader, WINDOW)
    courses = long_real_runs(push_t.WORLD, reader, reference, runs=2, frames=3 * WINDOW)
    assert [len(scores[name]) for scores in courses for name in ("frechet", "reader")] == [3] * 4
    assert courses == long_real_runs(push_t.WORLD, reader, reference, runs=2, frames=3 * WINDOW)
    table = drift(CopyLast, push_t.player, reader, episodes, reference, lengths=[WINDOW], real=courses)[0]
    breaks = [why for scores in courses for why in reference.breaches(scores)]
    own = zip(*reference.scores.values(), strict=True)
    breaks += [why for row in own for why in reference.breaches(dict(zip(reference.scores, row, strict=True)))]
    assert table["broken_real"] == np.mean([why != "" for why in breaks]) and table["broken"] == 1


def test_the_reader_makes_the_recordings_that_it_learns_from(tmp_path, monkeypatch):
    monkeypatch.setattr(inverse_dynamics, "to_train_on", partial(to_train_on, frames=60))
    assert inverse_dynamics.kept_action_reader(push_t.WORLD, tmp_path) is None and not list(tmp_path.iterdir())
    few = ReaderTraining(recordings=2, passes=0.1)
    made = inverse_dynamics.action_reader(push_t.WORLD, tmp_path, few)
    names = {path.name for path in tmp_path.glob("*.npz")}
    assert names == {"train-1.npz", "train-2.npz", "random-3500000-2x64.npz"}
    again = inverse_dynamics.kept_action_reader(push_t.WORLD, tmp_path, few)
    frames = load_episodes([tmp_path / "train-1.npz"]).frames
    assert np.array_equal(made.read(frames)[0], again.read(frames)[0])


def test_a_gymnasium_environment_must_last_as_long_as_the_judge_plays():
    assert gym_world.ENOUGH == LEAD_IN + AHEAD


def test_starts_longer_than_any_episode_are_refused(tiny):
    with pytest.raises(TrainingError, match="episode of 81 frames, the longest has 80"):
        spread(tiny[1], 81, 4)


def test_curves_are_drawn_in_their_colours():
    image = draw_curves({"motion": {"dream": [1.0, 0.2, 0.1], "copy-last": [0.0]}}, levels={"motion": 1.0}, step=100)
    assert isinstance(image, Image.Image) and image.width > 400
    assert {(200, 60, 40), (40, 100, 190)} <= set(map(tuple, np.asarray(image).reshape(-1, 3).tolist()))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A folder with short real recordings."""
    folder = tmp_path_factory.mktemp("data")
    for name, seed in (("train-1", 1), (f"held-{HELD_OUT_FROM}", HELD_OUT_FROM)):
        write_npz(folder / f"{name}.npz", record(Recording("push-t", "mixed", seed, 150), progress=False))
    return folder


def test_a_short_evaluation_has_the_usual_names_and_says_that_it_is_short(data, push_t_package, tmp_path, capsys):
    package = shutil.copytree(push_t_package, tmp_path / "push-t")
    asked = ["--world", "push-t", "--data", str(data), "--package", str(package), "--quick"]
    assert evaluate([*asked, "--starts", "2", "--runs", "1", "--frames", "100"]) == 0
    figures = json.loads((package / "metrics.json").read_text())
    assert figures["short"] and figures == json.loads(capsys.readouterr().out)
    assert np.isfinite(figures["prediction"]["1"]["psnr"]).all() and figures["prediction"]["64"]["mse_to_copy"] > 0
    assert figures["action_following"]["starts"] == 2 and 0 <= figures["drift"]["broken"] <= 1
    assert figures["drift"]["broken_limit"] >= 0.01 and figures["drift"]["lost"] == {"100": None}
    assert set(figures["spectrum"]["ahead"]) == {"1", "100"} and figures["spread"]["horizons"]["8"]["starts"] == 2
    assert set(figures["small_things"]["things"]) == {"pusher", "block"}
    assert figures["small_things"]["things"]["block"]["ahead"]["16"]["real_found"][0] == 1
    assert figures["rest"]["starts"] == 2 and figures["rest"]["things"]["real"][0] < 0.1
    assert not {"pose", "revisit", "drive", "twin"} & set(figures)
    card = (package / "README.md").read_text()
    for title in ("A short evaluation", "Prediction", "Sampling", "Drift", "Power spectrum", "Small things", "At rest"):
        assert title in card
    assert "--starts 2 --runs 1 --frames 100 --quick`" in card
    assert json.loads((package / "world.json").read_text())["metrics"]["block found 16 frames ahead, share"] <= 1


def test_nonsense_is_refused_before_any_work(tmp_path, capsys):
    assert evaluate(["--world", "car-racing", "--data", str(tmp_path), "--frames", "3"]) == 2
    assert "--frames of at least 8" in capsys.readouterr().err
    assert evaluate(["--world", "car-racing", "--data", str(tmp_path), "--package", str(tmp_path)]) == 2
    assert "no world.json" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
