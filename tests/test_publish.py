"""A world that is packaged while it trains: whole or not at all, with its picture; and the page meanwhile."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_stages import SIZE, make_data, world_model
from tiny_stages import WORLD as PUSH_T

from training.errors import TrainingError
from training.package import manifest, preview, publish, watch
from training.package.manifest import swap_in
from training.package.publish import Publisher, Publishing
from training.package.watch import check_watchable, page_served
from training.run import main as run


@pytest.fixture
def job(tmp_path, monkeypatch) -> Publishing:
    """A tiny world that has trained for a step."""
    world = replace(PUSH_T, starts=(), player=None)  # its own are of another size
    for module in (publish, preview):
        monkeypatch.setattr(module, "find_world", lambda *_: world)
    data = tmp_path / "data"
    make_data(data)
    world_model(data, steps=1)
    return Publishing("push-t", data, tmp_path / "worlds" / "push-t", ("world-model", "self-forcing"), 60)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_each_newer_checkpoint_is_packaged_once_with_its_picture_or_the_old_one_stays(job, monkeypatch):
    job.out.parent.mkdir()
    publisher = Publisher(job)
    assert publisher.publish() is None  # what was there before isn't this training's
    world_model(job.data, steps=2)
    picture = publisher.publish()
    assert picture == job.data / "progress" / "world-model-000002.png"
    listed = json.loads((job.out / "world.json").read_text())
    assert {"progress.png", "progress.json", "preview.webp", "preview.json"} <= names(job.out)
    assert not {name for name in listed["files"] if name.startswith(("progress", "preview"))}
    assert (job.out / "progress.png").read_bytes() == picture.read_bytes()
    sheet = np.asarray(Image.open(picture))
    assert sheet.shape == (4 * SIZE, 6 * SIZE, 3)  # two rows of real pictures, two of dreamed ones
    assert json.loads((job.out / "progress.json").read_text())["step"] == 2
    assert publisher.publish() is None
    before = {path.name: path.read_bytes() for path in job.out.iterdir() if path.is_file()}
    world_model(job.data, steps=3)

    def full(folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(publish, "write_preview", full)
        with pytest.raises(OSError, match="No space left"):
            publisher.publish()
    assert {path.name: path.read_bytes() for path in job.out.iterdir() if path.is_file()} == before
    assert publisher.publish() is not None  # the next time
    assert (job.out / "tick.onnx").read_bytes() != before["tick.onnx"]
    assert names(job.out.parent) == {"push-t"}


def test_a_swap_that_fails_puts_the_old_folder_back(tmp_path, monkeypatch):
    old, new = tmp_path / "world", tmp_path / "world.partial"
    for folder in (old, new):
        folder.mkdir()
        (folder / "world.json").write_text(folder.name)
    rename = Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path == new:
            raise OSError("in use")
        return rename(path, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", refuse)
        with pytest.raises(OSError, match="in use"):
            swap_in(new, old)
    assert (old / "world.json").read_text() == "world"
    swap_in(new, old)
    assert (old / "world.json").read_text() == "world.partial" and names(tmp_path) == {"world"}


def test_a_manifest_is_replaced_whole(tmp_path):
    (tmp_path / "progress.png").touch()
    (tmp_path / "tick.onnx").touch()
    manifest.write_manifest(tmp_path, {})
    assert names(tmp_path) == {"progress.png", "tick.onnx", "world.json"}
    assert list(json.loads((tmp_path / "world.json").read_text())["files"]) == ["tick.onnx"]


SAYS = "\\033[32mLocal:\\033[39m http://127.0.0.1:\\033[1m4173\\033[22m/"
SERVER = f"import time; print('{SAYS}', flush=True); time.sleep(600)"


def test_the_page_is_served_until_the_run_fails(monkeypatch, capsys):
    monkeypatch.setattr(watch, "COMMAND", [sys.executable, "-c", SERVER])
    with pytest.raises(TrainingError, match="out of memory"), page_served("mine") as address:
        assert address == "http://127.0.0.1:4173/?follow#world=mine"
        raise TrainingError("out of memory")
    assert address in capsys.readouterr().err


def test_a_page_that_can_not_be_served_is_one_error(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(watch, "COMMAND", [sys.executable, "-c", "print('vite: not found'); print()"])
    with pytest.raises(TrainingError, match="to serve the page, it ended, saying: vite: not found"):
        page_served("mine").__enter__()
    monkeypatch.setattr(watch, "COMMAND", ["no-such-program"])
    with pytest.raises(TrainingError, match="expected Node with npm"):
        check_watchable(watch.WORLDS / "mine")
    call = ["--world", "push-t", "--tiny", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "out"), "--watch"]
    capsys.readouterr()
    assert run(call) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: --watch: expected --out in 'assets/worlds'")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [["--world", "push-t", "--watch", "0"], ["--base", "push-t", "--watch"]])
def test_watching_wants_a_world_and_time(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(arguments)
    assert caught.value.code == 2 and "--watch: expected a world, and more than 0 minutes" in capsys.readouterr().err
