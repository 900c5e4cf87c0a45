"""Philox against the published vectors, the statistics of the normals, and the goldens that TypeScript reads."""

import hashlib
import json
from pathlib import Path

import numpy as np
from worldloop.rng import normals, philox

GOLDENS = json.loads((Path(__file__).parent / "goldens" / "rng.json").read_text())


def test_philox_gives_the_published_vectors() -> None:
    for vector in GOLDENS["philox"]:
        words = philox(np.array([vector["counter"]], np.uint32), tuple(vector["key"]))
        assert words[0].tolist() == vector["words"]


def test_normals_keep_their_bits() -> None:
    for case in GOLDENS["normals"]:
        values = normals(case["seed"], case["tick"], case["count"])
        assert hashlib.sha256(values.astype("<f4").tobytes()).hexdigest() == case["sha256"]


def test_normals_agree_with_the_mathematics_of_numpy() -> None:
    words = philox(np.stack([np.arange(1000), *np.zeros((3, 1000))], 1).astype(np.uint32), (5, 0)).astype(np.float64)
    radius = np.sqrt(-2 * np.log((words[:, 0] + 1) / 2**32))
    np.testing.assert_allclose(normals(5, 0, 4000)[::4], radius * np.cos(2 * np.pi * words[:, 1] / 2**32), atol=1e-6)


def test_normals_are_normal_and_ticks_are_independent() -> None:
    a, b = normals(1, 0, 200_000).astype(np.float64), normals(1, 1, 200_000).astype(np.float64)
    assert abs(a.mean()) < 0.01
    assert abs(a.var() - 1) < 0.02
    assert abs((a**4).mean() / a.var() ** 2 - 3) < 0.1
    assert abs((a * b).mean()) < 0.01
    assert abs((a[:-1] * a[1:]).mean()) < 0.01
