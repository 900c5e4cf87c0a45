"""What training reads: mapped as loaded, new files taken up, mirror images, several worlds, and bad files named."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from training.data import corpus as corpus_module
from training.data import refill
from training.data.corpus import Corpus, Place, Stretches, mapped, recordings
from training.data.episodes import load_recording
from training.data.record import write_npz
from training.errors import TrainingError
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


@pytest.fixture
def corpora(tmp_path) -> tuple[Corpus, ...]:
    """Two worlds, of two actions with a mirror image and of three without."""
    made = []
    for name, actions, mirror in (("two", 2, (-1.0, 1.0)), ("three", 3, None)):
        corpus = Corpus(make_world(name, actions, mirror), tmp_path / name)
        for seed in (1, 2):
            write_npz(corpus.data / f"train-{seed}.npz", recording(30, actions, seed))
        write_npz(corpus.data / "held-1000000.npz", recording(20, actions, 3))
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


def test_rows_are_stretches_of_one_episode_with_their_actions(corpora):
    rows = Stretches(corpora, "train", LENGTH)
    drawn = rows.draw(np.random.default_rng(0), 40)
    assert drawn.frames.shape == (40, LENGTH, SIZE, SIZE, 3) and drawn.actions.shape == (40, LENGTH, 3)
    assert set(drawn.world.tolist()) == {0, 1}
    two = drawn.world == 0
    assert (drawn.actions[two][..., 2] == 0).all() and (drawn.actions[~two][..., 2] != 0).all()
    assert 10 <= two.sum() <= 30  # every world as often as the others
    for frames, actions, world in zip(drawn.frames.numpy(), drawn.actions.numpy(), drawn.world, strict=True):
        part, at = next(
            (part, at)
            for part in rows.parts[world]
            for at in range(0, 30)
            if np.array_equal(part.pictures(slice(at, at + LENGTH)), frames)
        )
        np.testing.assert_array_equal(part.actions[at : at + LENGTH], actions)
        assert at % 10 <= 10 - LENGTH
    (one,) = set(rows.draw(np.random.default_rng(0), 8, 1).world.tolist())
    assert one == 1


def test_a_stretch_goes_on_until_its_episode_ends(corpora):
    rows = Stretches(corpora[1:], "train", LENGTH)
    place, count = Place(rows.parts[0][0], 0), 0
    while (after := rows.after(place)) is not None:
        earlier, later = rows.rows([place]), rows.rows([after])
        assert torch.equal(later.frames[:, :-1], earlier.frames[:, 1:])
        assert torch.equal(later.actions[:, :-1], earlier.actions[:, 1:])
        place, count = after, count + 1
    assert count == 10 - LENGTH
    assert rows.after(Place(rows.parts[0][-1], 30 - LENGTH)) is None  # nor does it leave the recording


def test_a_mirror_image_has_mirrored_actions(corpora):
    rows = Stretches(corpora[:1], "train", LENGTH)
    plain, mirror = rows.parts[0][:2]
    np.testing.assert_array_equal(mirror.actions, plain.actions * np.array([-1, 1], np.float32))
    everything = slice(0, 30)
    np.testing.assert_array_equal(mirror.pictures(everything), plain.frames[:, :, ::-1])
    assert {len(parts) for parts in Stretches(corpora, "train", LENGTH).parts} == {4, 2}


def test_recordings_on_a_device_give_the_same_rows(corpora):
    mapped_rows, copied = (Stretches(corpora, "train", LENGTH, device) for device in (None, torch.device("cpu")))
    assert isinstance(copied.parts[0][0].frames, torch.Tensor)
    for one, other in zip(
        *(vars(rows.draw(np.random.default_rng(1), 20)).values() for rows in (mapped_rows, copied)), strict=True
    ):
        assert one is other is None or torch.equal(one, other)


def test_files_that_appear_are_taken_up(corpora):
    rows = Stretches(corpora, "train", LENGTH)
    before = [len(parts) for parts in rows.parts]
    write_npz(corpora[1].data / "train-3.npz", recording(30, 3, 9))
    rows.refresh()
    rows.refresh()
    assert [len(parts) for parts in rows.parts] == [before[0], before[1] + 1]
    rng = np.random.default_rng(0)
    assert any(rows.place(rng, 1)[0] is rows.parts[1][-1] for _ in range(50))


def test_files_that_are_gone_are_let_go(corpora):
    rows = Stretches(corpora, "train", LENGTH)
    kept = rows.parts[0][2:]
    (corpora[0].data / "train-1.npz").unlink()
    rows.refresh()
    assert all(part is before for part, before in zip(rows.parts[0], kept, strict=True)) and len(rows.parts[1]) == 2
    assert rows.draw(np.random.default_rng(0), 4, 0).frames.shape[0] == 4


def test_a_file_that_vanishes_while_it_is_taken_up_is_none(corpora, monkeypatch):
    rows = Stretches(corpora[1:], "train", LENGTH)
    rows._found = [{}]

    def late(file: Path) -> dict[str, np.ndarray]:
        if file.name == "train-1.npz":
            file.unlink()
        return mapped(file)

    monkeypatch.setattr(corpus_module, "mapped", late)
    rows.refresh()
    assert [file.name for file in rows._found[0]] == ["train-2.npz"]


def test_what_was_imported_is_no_seed_and_stays(corpora, monkeypatch):
    data = corpora[0].data
    write_npz(data / "train-import-0a1b.npz", recording(30, 2, 5))
    monkeypatch.setattr(refill, "record", lambda spec, progress: recording(30, 2, spec.seed))
    assert refill.refill("two", data, most=2, frames=30).name == "train-3.npz"
    assert {path.name for path in recordings(data, "train")} == {"train-2.npz", "train-3.npz", "train-import-0a1b.npz"}


def test_recorders_side_by_side_take_seeds_of_their_own(corpora, monkeypatch):
    monkeypatch.setattr(refill, "record", lambda spec, progress: recording(30, 2, spec.seed))
    made = [refill.refill("two", corpora[0].data, most=9, frames=30, number=k, count=3).name for k in (0, 2, 1, 1)]
    assert made == ["train-3.npz", "train-5.npz", "train-7.npz", "train-10.npz"]


def test_episodes_that_are_too_short_are_said(corpora):
    with pytest.raises(TrainingError, match="two': expected train recordings with episodes of at least 11 frames"):
        Stretches(corpora, "train", 11)


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
    ],
)
def test_a_bad_recording_is_one_error_that_names_it(corpora, change, words):
    file = corpora[0].data / "train-2.npz"
    write_npz(file, change(recording(30, 2, 2)))
    with pytest.raises(TrainingError, match=words) as caught:
        Stretches(corpora, "train", LENGTH)
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
        Stretches((Corpus(make_world("none", 1), tmp_path),), "held", LENGTH)
