"""A package beside the one whose place it took: what is kept, and what is said of the two."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from training.data.record import HELD_OUT_FROM, write_npz
from training.judge.before import COMPARED, before_section, compare, keep_package, told
from training.worlds.world import World

TINY = Path(__file__).parent / "goldens" / "tiny-world"
MANIFEST = json.loads((TINY / "world.json").read_text())
FACTS = {"title": "", "description": "", "environment": "", "licence": "", "frame_rate": 25.0}
WORLD = World(name="tiny-world", actions=MANIFEST["actions"], size=16, **FACTS)


@pytest.fixture
def out(tmp_path) -> Path:
    return Path(shutil.copytree(TINY, tmp_path / "out"))


def test_the_package_that_a_run_began_with_is_kept_until_one_has_ended(out, tmp_path, capsys):
    data = tmp_path / "data"
    assert keep_package(tmp_path / "none", data) is None
    kept = keep_package(out, data)
    assert kept is not None and (kept / "tick.onnx").read_bytes() == (out / "tick.onnx").read_bytes()
    text = (out / "world.json").read_text()
    (out / "world.json").write_text(text.replace("Tiny world", "Half trained"))
    assert keep_package(out, data) == kept and "Half trained" not in (kept / "world.json").read_text()
    (out / "metrics.json").write_text(json.dumps({"before": {}}))
    assert f"rm -r {out} && cp -r {kept} {out}" in told(kept, out)
    assert keep_package(out, data) == kept and "Half trained" in (kept / "world.json").read_text()
    assert not (kept / COMPARED).exists()
    (out / "tick.onnx").write_bytes(b"damaged")
    assert keep_package(out, data) is None and "isn't compared with what comes: tick.onnx" in capsys.readouterr().err


def test_both_are_played_from_the_same_starts(out, tmp_path):
    rng, frames = np.random.default_rng(0), 400
    pictures = np.clip(120 + np.cumsum(rng.normal(0, 4, (frames, 16, 16, 3)), 0), 0, 255)
    arrays = {"frames": pictures.astype(np.uint8), "actions": np.zeros((frames, 2), np.float32)}
    write_npz(tmp_path / f"held-{HELD_OUT_FROM}.npz", {**arrays, "starts": np.arange(frames) == 0})
    same = compare(TINY, out, WORLD, tmp_path)
    for ahead in same["ahead"].values():
        assert ahead["psnr"][0] == ahead["psnr"][1] and ahead["gain"] == (0, 0, 0)
    assert "No difference that these starts could show." in before_section(same)
    manifest = json.loads((out / "world.json").read_text())
    manifest["actions"][0]["name"] = "lean"
    (out / "world.json").write_text(json.dumps(manifest))
    assert compare(TINY, out, WORLD, tmp_path) == {}
    assert "nothing to compare" in before_section({})


def test_a_training_that_made_it_worse_is_told_so():
    def ahead(before: float, gain: tuple[float, float, float]) -> dict:
        return {"psnr": [before, before + gain[0]], "gain": gain}

    table = {1: ahead(30, (0.5, 0.2, 0.7)), 16: ahead(22, (0.1, -0.3, 0.4)), 64: ahead(20, (-2, -2.5, -1))}
    card = before_section({"starts": 16, "ahead": table, "sharpness": [0.9, 0.5], "obeys": [3.0, 2.0]})
    assert "It predicts worse 64 frames ahead and better 1 frames ahead." in card
    assert "| PSNR 64 ahead, dB | 20.00 | 18.00 | -2.00 (-2.50 to -1.00) |" in card
    assert "| sharpness 64 ahead, of the real one | 0.90 | 0.50 | -0.40 |" in card
