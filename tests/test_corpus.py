"""What training reads: mapped as loaded, new files taken up, mirror images, several worlds, and bad files named."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data import refill
from training.data.corpus import Corpus, Latents, mapped, recordings
from training.data.episodes import load_recording
from training.data.record import write_npz
from training.errors import TrainingError
from training.model.tokenizer import Tokenizer, TokenizerConfig
from training.stages.latents import write_latents
from training.worlds.world import World

SIZE, LENGTH = 16, 6


def make_world(name: str, actions: int, mirror: tuple[float, ...] | None = None) -> World:
    spec = {"min": -1, "max": 1, "rest": 0, "unit": "", "keys": {}, "gamepad": "leftX"}
    return World(
        name=name,
        title=name,
        description="",
        environment="none",
        licence="MIT",
        actions=[{"name": f"a{i}", **spec} for i in range(actions)],
        frame_rate=10,
        size=SIZE,
        mirror=mirror,
    )


def recording(frames: int, actions: int, seed: int) -> dict[str, np.ndarray]:
    """Episodes of ten frames."""
    rng = np.random.default_rng(seed)
    return {
        "frames": rng.integers(0, 255, (frames, SIZE, SIZE, 3), np.uint8),
        "actions": rng.uniform(-1, 1, (frames, actions)).astype(np.float32),
        "starts": np.arange(frames) % 10 == 0,
    }


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    torch.manual_seed(0)
    return Tokenizer(TokenizerConfig(size=SIZE, channels=4, wide=8, narrow=4)).eval()


@pytest.fixture
def corpora(tmp_path, tokenizer) -> tuple[Corpus, ...]:
    """Two worlds, of two actions with a mirror image and of three without."""
    made = []
    for name, actions, mirror in (("two", 2, (-1.0, 1.0)), ("three", 3, None)):
        corpus = Corpus(make_world(name, actions, mirror), tmp_path / name)
        for seed in (1, 2):
            write_npz(corpus.data / f"train-{seed}.npz", recording(30, actions, seed))
        write_npz(corpus.data / "held-1000000.npz", recording(20, actions, 3))
        write_latents(tokenizer, corpus, trained=0.0)
        made.append(corpus)
    return tuple(made)


def test_a_mapped_recording_equals_a_loaded_one(tmp_path):
    file = tmp_path / "train-1.npz"
    write_npz(file, recording(30, 2, 1))
    loaded, arrays = load_recording(file), mapped(file)
    for name, array in arrays.items():
        assert isinstance(array, np.memmap) and not array.flags.writeable
        np.testing.assert_array_equal(array, getattr(loaded, name))
        assert array.dtype == getattr(loaded, name).dtype
    np.savez(tmp_path / "train-2.npz", **recording(30, 2, 1))  # numpy's own archives too
    np.testing.assert_array_equal(mapped(tmp_path / "train-2.npz")["frames"], loaded.frames)


def test_recordings_are_in_the_order_of_their_seeds(tmp_path):
    for seed in (10, 9, 1):
        (tmp_path / f"train-{seed}.npz").touch()
    (tmp_path / "held-1000000.npz").touch()
    assert [file.name for file in recordings(tmp_path, "train")] == ["train-1.npz", "train-9.npz", "train-10.npz"]


def test_rows_are_stretches_of_one_episode_with_their_actions(corpora, tokenizer):
    rows = Latents(corpora, "train", LENGTH)
    drawn = rows.draw(np.random.default_rng(0), 40)
    assert drawn.latents.shape == (40, LENGTH, 4, 2, 2) and drawn.actions.shape == (40, LENGTH, 3)
    assert set(drawn.world.tolist()) == {0, 1}
    two = drawn.world == 0
    assert (drawn.actions[two][..., 2] == 0).all() and (drawn.actions[~two][..., 2] != 0).all()
    assert 10 <= two.sum() <= 30  # every world as often as the others
    for number in range(40):
        frames, seen = drawn.frames[number], drawn.latents[number]
        again = tokenizer.encode_all(frames)
        mirrored = tokenizer.encode_all(frames[:, :, ::-1])
        close = [torch.allclose(seen, latents, atol=0.01) for latents in (again, mirrored)]
        assert any(close) and (close[0] or drawn.world[number] == 0)
    for parts in rows.parts:
        for part in parts:
            first = part.windows(LENGTH)
            assert (first % 10 <= 10 - LENGTH).all() and len(first) == 3 * (10 - LENGTH + 1)
    (one,) = set(rows.draw(np.random.default_rng(0), 8, 1).world.tolist())
    assert one == 1


def test_a_mirror_image_has_mirrored_actions(corpora):
    rows = Latents(corpora[:1], "train", LENGTH)
    plain, mirror = rows.parts[0][:2]
    np.testing.assert_array_equal(mirror.actions, plain.actions * np.array([-1, 1], np.float32))
    assert not np.array_equal(mirror.latents, plain.latents)
    assert {len(parts) for parts in Latents(corpora, "train", LENGTH).parts} == {4, 2}


def test_files_that_appear_are_taken_up(corpora, tokenizer):
    rows = Latents(corpora, "train", LENGTH)
    before = [len(parts) for parts in rows.parts]
    write_npz(corpora[1].data / "train-3.npz", recording(30, 3, 9))
    rows.refresh()
    assert [len(parts) for parts in rows.parts] == before  # its latents aren't there yet
    write_latents(tokenizer, corpora[1], trained=0.0)
    rows.refresh()
    rows.refresh()
    assert [len(parts) for parts in rows.parts] == [before[0], before[1] + 1]
    rng = np.random.default_rng(0)
    assert any(rows.place(rng, 1)[0] is rows.parts[1][-1] for _ in range(50))


def test_files_that_are_gone_are_let_go(corpora):
    rows = Latents(corpora, "train", LENGTH)
    kept = rows.parts[0][2:]
    for file in (*corpora[0].data.glob("*-train-1.npy"), corpora[0].data / "train-1.npz"):
        file.unlink()
    rows.refresh()
    assert [part.file for part in rows.parts[0]] == [part.file for part in kept] and len(rows.parts[1]) == 2
    assert rows.draw(np.random.default_rng(0), 4, 0).latents.shape[0] == 4


def test_a_file_that_vanishes_while_it_is_taken_up_is_none(corpora, monkeypatch):
    rows = Latents(corpora[1:], "train", LENGTH)
    gone = corpora[1].data / "latents-train-1.npy"
    rows.parts, rows._first = [[]], [[]]
    load = np.load

    def late(file: Path, **options) -> np.ndarray:
        if file == gone and gone.exists():
            gone.unlink()
        return load(file, **options)

    monkeypatch.setattr(np, "load", late)
    rows.refresh()
    assert [part.file.name for part in rows.parts[0]] == ["latents-train-2.npy"]


def test_what_was_imported_is_no_seed_and_stays(corpora, monkeypatch):
    world, data = corpora[0].world, corpora[0].data
    write_npz(data / "train-import-0a1b.npz", recording(30, 2, 5))
    monkeypatch.setattr(refill, "find_world", lambda name, folder: world)
    monkeypatch.setattr(refill, "record", lambda spec, progress: recording(30, 2, spec.seed))
    encoded = []
    file = refill.refill("two", data, lambda corpus, path: encoded.append(path), most=2, frames=30)
    assert file.name == "train-3.npz" and encoded == [file]
    assert {path.name for path in recordings(data, "train")} == {"train-2.npz", "train-3.npz", "train-import-0a1b.npz"}
    assert not list(data.glob("*-train-1.npy"))


def test_latents_are_written_anew_when_the_tokenizer_is_newer(corpora, tokenizer):
    path = corpora[1].data / "latents-train-1.npy"
    path.write_bytes(b"kept")
    write_latents(tokenizer, corpora[1], trained=path.stat().st_mtime - 10)
    assert path.read_bytes() == b"kept"
    os.utime(path, (1, 1))
    write_latents(tokenizer, corpora[1], trained=2.0)
    assert np.load(path).shape == (30, 4, 2, 2) and np.load(path).dtype == np.float16
    assert not list(corpora[1].data.glob("partial-*"))


def test_episodes_that_are_too_short_are_said(corpora):
    with pytest.raises(TrainingError, match="two': expected train recordings with episodes of at least 11 frames"):
        Latents(corpora, "train", 11)


def without(arrays: dict, name: str) -> dict:
    return {key: value for key, value in arrays.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: without(a, "starts"), "starts missing"),
        (lambda a: a | {"frames": a["frames"].astype(np.float32)}, "expected frames uint8"),
        (lambda a: a | {"actions": a["actions"].astype(np.float64)}, "actions float32"),
        (lambda a: a | {"actions": a["actions"][:-1]}, "got 30 frames, 29 actions, 30 starts"),
        (lambda a: a | {"actions": a["actions"][:, :1]}, r"expected the 2 actions of two, got \[1\]"),
        (lambda a: {name: array[:-1] for name, array in a.items()}, "expected latents of the 29 frames"),
    ],
)
def test_a_bad_recording_is_one_error_that_names_it(corpora, change, words):
    file = corpora[0].data / "train-2.npz"
    write_npz(file, change(recording(30, 2, 2)))
    with pytest.raises(TrainingError, match=words) as caught:
        Latents(corpora, "train", LENGTH)
    assert "train-2" in str(caught.value)


@pytest.mark.parametrize("spoil", ["cut", "text", "compressed", "columns", "empty"])
def test_a_file_of_something_else_is_named(tmp_path, spoil):
    file = tmp_path / "train-1.npz"
    write_npz(file, recording(30, 2, 1))
    whole = file.read_bytes()
    if spoil == "cut":
        file.write_bytes(whole[: len(whole) // 2])
    elif spoil == "compressed":
        np.savez_compressed(file, **recording(30, 2, 1))
    elif spoil == "columns":
        np.savez(file, **recording(30, 2, 1) | {"actions": np.asfortranarray(recording(30, 2, 1)["actions"])})
    else:
        file.write_text(json.dumps({"frames": []}) if spoil == "text" else "")
    with pytest.raises(TrainingError, match="expected a recording of training.data.record, got") as caught:
        mapped(file)
    assert str(file) in str(caught.value)


def test_a_folder_without_recordings_is_said(tmp_path: Path):
    with pytest.raises(TrainingError, match="expected held recordings"):
        Latents((Corpus(make_world("none", 1), tmp_path),), "held", LENGTH)
