"""Previews: dreamed by the package, small, the same every time, and no part of the package."""

import hashlib
import json

import numpy as np
import pytest
from PIL import Image
from tiny_world import copy_world
from worldloop.package import open_package
from worldloop.world import Dream, World

from training.errors import TrainingError
from training.package import preview
from training.package.manifest import write_manifest
from training.package.preview import SECONDS, dream, driver_of, encode, in_grid, main, random_keys, small


def test_preview_holds_what_the_package_dreams(tmp_path):
    folder = copy_world(tmp_path / "tiny")
    assert main([str(folder)]) == 0
    facts, contents = json.loads((folder / "preview.json").read_text()), (folder / "preview.webp").read_bytes()
    package = open_package(folder)
    files, rate = package.manifest["files"], package.manifest["frameRate"]
    assert facts["picture"] == {
        "file": "preview.webp",
        "bytes": len(contents),
        "sha256": hashlib.sha256(contents).hexdigest(),
    }
    assert facts["madeBy"] == {path: files[path]["sha256"] for path in facts["madeBy"]}
    assert package.manifest["tick"]["file"] in facts["madeBy"] and len(facts["madeBy"]) == 4
    assert facts["frames"] / facts["frameRate"] == pytest.approx(SECONDS, rel=0.1)
    assert facts["driver"] == "random keys"

    driver = driver_of(package.manifest)[1]
    dreamed = list(dream(World(Dream(package)), driver, round(SECONDS * rate)))[:: round(rate / facts["frameRate"])]
    sheet = np.asarray(Image.open(folder / "preview.webp").convert("RGB")).astype(int)
    expected, columns = in_grid(dreamed)
    assert (sheet.shape, columns) == (expected.shape, facts["columns"])
    assert np.abs(sheet - expected).mean() < np.abs(sheet - np.roll(expected, 1, axis=1)).mean()

    assert main([str(folder)]) == 0
    assert (folder / "preview.webp").read_bytes() == contents
    write_manifest(folder, json.loads((folder / "world.json").read_text()))
    assert not {"preview.webp", "preview.json"} & set(open_package(folder).manifest["files"])


def test_random_keys_are_held_and_are_keys():
    specs = [{"rest": 0.0, "keys": {"KeyA": -1.0, "KeyD": 1.0}}, {"rest": 0.5, "keys": {}}]
    act = random_keys(np.random.default_rng(1), specs)
    nothing = np.zeros((1, 1, 3), np.uint8)
    played = np.array([act(nothing, nothing) for _ in range(400)])
    assert set(played[:, 0]) == {-1, 0, 1} and set(played[:, 1]) == {0.5}
    assert np.count_nonzero(np.diff(played[:, 0])) < 100  # four ticks at least


def test_any_picture_becomes_small_enough(monkeypatch):
    assert small(np.zeros((96, 96, 3), np.uint8)).shape == (96, 96, 3)
    assert small(np.zeros((512, 1024, 3), np.uint8)).shape == (64, 128, 3)
    assert small(np.zeros((1, 4000, 3), np.uint8)).shape == (1, 128, 3)
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    best = len(encode(noise))
    monkeypatch.setattr(preview, "MOST_BYTES", best // 2)
    assert 0 < len(encode(noise)) <= best // 2
    monkeypatch.setattr(preview, "MOST_BYTES", 50)
    with pytest.raises(TrainingError, match="expected a preview of at most 50 bytes, got"):
        encode(noise)


def test_a_bad_package_is_told_in_one_line_and_gets_no_preview(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    broken = copy_world(tmp_path / "broken")
    (broken / "tick.onnx").write_bytes(b"other weights")
    assert main([str(broken)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and all(line.startswith("error: ") for line in lines)
    assert "tick.onnx: expected" in lines[1]
    assert not list(broken.glob("*preview*"))
