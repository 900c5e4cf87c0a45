"""The power spectrum by octave, on pictures whose power is known."""

import numpy as np
import pytest

from training.data.episodes import Episodes
from training.data.held_out import CONTEXT
from training.judge.spectrum import Spectra, edges, first_power, names, power, real_power

SIDE = 96
RNG = np.random.default_rng(0)


def waves(length: float, *, amplitude: float = 40.0, count: int = 1) -> np.ndarray:
    """Grey pictures with one wave across, of `length` px."""
    wave = 128 + amplitude * np.sin(2 * np.pi * np.arange(SIDE) / length)
    return np.broadcast_to(wave.round().astype(np.uint8)[None, None, :, None], (count, SIDE, SIDE, 3))


def noise(count: int) -> np.ndarray:
    return RNG.integers(64, 192, (count, SIDE, SIDE, 1)).repeat(3, 3).astype(np.uint8)


def test_octaves_of_a_picture():
    assert (SIDE * edges(SIDE)).tolist() == [1, 2, 4, 8, 16, 32]
    assert names(SIDE) == ["96 to 48 px", "48 to 24 px", "24 to 12 px", "12 to 6 px", "6 to 3 px", "under 3 px"]
    assert names(16) == ["16 to 8 px", "8 to 4 px", "under 4 px"]


def test_a_wave_has_its_power_in_its_octave():
    for number, length in ((2, 17), (3, 8), (4, 4), (5, 2.5)):
        shares = power(waves(length))[0]
        assert shares.sum() == pytest.approx(40**2 / 2, rel=0.05)
        assert shares[number] > 0.95 * shares.sum()
    shares = power(waves(48))[0]  # on the border of two octaves, and so long that the window smears it over both
    assert min(shares[:2]) > 0.1 * shares.sum() and shares[:2].sum() > 0.9 * shares.sum()
    assert power(np.full((1, SIDE, SIDE, 3), 77, np.uint8)).max() < 1e-9


def test_all_octaves_together_are_the_variance():
    assert power(noise(20)).sum(1).mean() == pytest.approx(noise(20).astype(float).var(), rel=0.05)


def ratios(dreamed: np.ndarray, real: np.ndarray) -> np.ndarray:
    """[O] one frame ahead, as many runs as pictures."""
    spectra = Spectra()
    for run, picture in enumerate(dreamed):
        spectra.watch(run, 0, picture[None])
    table = spectra.compare(power(real), SIDE)
    assert list(table["ahead"]) == ["1"] and table["ahead"]["1"]["runs"] == len(dreamed)
    return np.array(table["ahead"]["1"]["ratio"])[:, 0]


def test_real_pictures_are_like_others_and_lie_within_chance():
    spectra = Spectra()
    for run, picture in enumerate(noise(12)):
        spectra.watch(run, 0, picture[None])
    row = spectra.compare(power(noise(200)), SIDE)["ahead"]["1"]
    assert row["factor"] < 1.5
    for (ratio, low, high), chance in zip(row["ratio"], row["chance"], strict=True):
        assert low <= ratio <= high and chance[0] < 1 < chance[1]


def test_a_checkerboard_shows_though_it_is_as_sharp():
    soft = waves(24, amplitude=60, count=4)
    checks = 20 * (np.indices((SIDE, SIDE)).sum(0) % 2 * 2 - 1)[..., None]
    found = ratios((soft + checks).astype(np.uint8), soft)
    assert found[-1] > 100 and found[2] == pytest.approx(1, abs=0.1)


def test_a_blur_shows():
    real = noise(6).astype(float)
    blurred = (real + np.roll(real, 1, 1) + np.roll(real, 1, 2) + np.roll(real, (1, 1), (1, 2))) / 4
    found = ratios(blurred.astype(np.uint8), real.astype(np.uint8))
    assert found[-1] < 0.4 and found[0] > 0.8


def test_one_frame_ahead_is_compared_with_the_frames_in_its_place():
    place = waves(8)
    episodes = Episodes(np.concatenate([noise(20), place]), np.zeros((21, 1), np.float32), np.arange(21) == 0)
    spectra = Spectra()
    spectra.watch(0, 0, place)
    first = first_power(episodes, np.array([20 - CONTEXT]))
    row = spectra.compare(power(noise(20)), SIDE, first=first)["ahead"]["1"]
    assert row["factor"] == pytest.approx(1)


def test_horizons_are_taken_from_windows_as_runs_reach_them():
    spectra = Spectra()
    plain, wavy = np.full((100, SIDE, SIDE, 3), 50, np.uint8), waves(4, count=100)
    for before in range(0, 1_000, 100):
        spectra.watch(0, before, wavy if before == 900 else plain)
    spectra.watch(1, 0, plain)
    episodes = Episodes(wavy, np.zeros((100, 1), np.float32), np.arange(100) == 0)
    table = spectra.compare(real_power(episodes), SIDE)["ahead"]
    assert {h: row["runs"] for h, row in table.items()} == {"1": 2, "100": 2, "1000": 1}
    assert table["1000"]["ratio"][4][0] == pytest.approx(1) and table["100"]["ratio"][4][0] < 0.01
