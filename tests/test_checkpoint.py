"""What a checkpoint says of itself and of what it was made from, whatever was done to the folder meanwhile."""

from pathlib import Path

import pytest
import torch

from training.errors import TrainingError
from training.stages import checkpoint

LATER, EARLIER = "self-forcing", "world-model"


@pytest.fixture
def folder(tmp_path) -> Path:
    save(tmp_path, EARLIER)
    save(tmp_path, LATER, made_from=checkpoint.made_from(tmp_path, LATER))
    return tmp_path


def save(folder: Path, stage: str, **more) -> None:
    about = {"world": "square", "stage": stage, "step": 3, "steps": 3, **more}
    checkpoint.save(folder / f"{stage}.pt", {"model": torch.zeros(1)}, about)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: cut(f / f"{LATER}.pt.json"), "self-forcing.pt.json': expected what a checkpoint says of itself"),
        (lambda f: cut(f / f"{EARLIER}.pt.json"), "world-model.pt.json': expected what a checkpoint says of itself"),
        (lambda f: (f / f"{LATER}.pt.json").write_text("[]"), r"got something else \(\[\]\)"),
        (lambda f: (f / f"{LATER}.pt.json").write_text('{"made_from": ["x"]}'), "got something else"),
        (lambda f: (f / f"{LATER}.pt.json").write_bytes(b"\xff\xfe{}"), "got something else"),
        (lambda f: (f / f"{LATER}.pt.json").write_text("[" * 100_000), "got something else"),
        (lambda f: save(f, EARLIER), "'world-model', and there is another one now"),
        (lambda f: (f / f"{EARLIER}.pt").unlink(), "'world-model', that is gone"),
        (lambda f: (f / f"{EARLIER}.pt.json").unlink(), "'world-model', and there is another one now"),
    ],
)
def test_a_folder_that_contradicts_itself_is_refused_by_name(folder, change, words):
    checkpoint.check_made_from(folder, LATER)
    change(folder)
    with pytest.raises(TrainingError, match=words):
        checkpoint.check_made_from(folder, LATER)


def test_a_copy_is_the_same_checkpoint(folder, tmp_path):
    for file in list(folder.iterdir()):
        file.write_bytes(file.read_bytes())  # another time of change
    checkpoint.check_made_from(folder, LATER)
