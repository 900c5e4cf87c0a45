"""Reads recordings of Counter-Strike as Pearce and Zhu made them, and DIAMOND learned from: HDF5 files of 1,000 frames.

Source of the layout: "Counter-Strike Deathmatch with Large-Scale Behavioural Cloning" (arXiv:2104.04258) and its
repository TeaPearce/Counter-Strike_Behavioural_Cloning: `README.md` (the datasets of a file), `config.py` (the 51
numbers of an action, bins of the mouse, 16 frames a second), `tools_dataset_inspect.py` (blue comes first).
eloialonso/diamond (branch csgo) reads them the same way: `src/data/dataset.py`, `src/csgo/action_processing.py`.

Action i answers picture i and leads to the next: `dm_record_data.py` takes a picture at the end of a tick and keeps it
with what it reads of the player a tick later. As in DIAMOND a file is one episode, deaths included; the auxiliary
inputs and the flags of kills and deaths (`xaux`, `helperarr`) aren't read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from ..errors import TrainingError
from ..worlds.world import ActionSpec
from .controls import axis, button, columns

FRAME_RATE = 16.0
LICENCE = (
    "MIT by its dataset card (Pearce and Zhu); their repository: personal projects and open-sourced research, "
    "no commercial use; pictures of Counter-Strike, Valve"
)
KEYS = ("w", "a", "s", "d", "space", "ctrl", "shift", "1", "2", "3", "r")  # then both mouse buttons, then two groups:
MOUSE_X = (-1000, -500, -300, -200, -100, -60, -30, -20, -10, -4, -2, 0, 2, 4, 10, 20, 30, 60, 100, 200, 300, 500, 1000)
MOUSE_Y = (-200, -100, -50, -20, -10, -4, -2, 0, 2, 4, 10, 20, 50, 100, 200)  # counts a frame; one-hot each
X, Y = len(KEYS) + 2, len(KEYS) + 2 + len(MOUSE_X)  # where those groups begin
NUMBERS = Y + len(MOUSE_Y)  # 51

# The view turns by the rank of the bin, not by its counts: small turns, of which there are most, would all be near 0.
# Arrows turn as DIAMOND's do, 60 and 50 counts. Crouch is on no Ctrl, as in the game: a browser closes on Ctrl + W.
ACTIONS: list[ActionSpec] = [
    axis(
        "look_x",
        "bin of the mouse out of 11, right; 1 is 1000 counts a frame, 6/11 is 60",
        {"ArrowLeft": -6 / 11, "ArrowRight": 6 / 11},
        "rightX",
    ),
    axis(
        "look_y",
        "bin of the mouse out of 7, down; 1 is 200 counts a frame, 5/7 is 50",
        {"ArrowUp": -5 / 7, "ArrowDown": 5 / 7},
        "rightY",
    ),
    axis("walk", "forward key minus back key", {"KeyW": 1.0, "KeyS": -1.0}, "leftYUp"),
    axis("strafe", "right key minus left key", {"KeyA": -1.0, "KeyD": 1.0}, "leftX"),
    button("jump", "pressed", "Space", "a"),
    button("crouch", "pressed", "KeyC", "b"),
    button("walk_slowly", "pressed", "ShiftLeft", "y"),
    button("reload", "pressed", "KeyR", "x"),
    button("fire", "pressed, left mouse button", "Enter", "rightTrigger"),
    button("scope", "pressed, right mouse button", "KeyE", "leftTrigger"),
]  # as many as a gamepad has controls; `--actions` may also name the rest of `NAMES`
BUTTONS = {
    "jump": KEYS.index("space"),
    "crouch": KEYS.index("ctrl"),
    "walk_slowly": KEYS.index("shift"),
    "reload": KEYS.index("r"),
    "weapon_1": KEYS.index("1"),
    "weapon_2": KEYS.index("2"),
    "weapon_3": KEYS.index("3"),
    "fire": len(KEYS),
    "scope": len(KEYS) + 1,
}
NAMES = ("look_x", "look_y", "walk", "strafe", *BUTTONS)


class CsgoRecordings:
    """Number of frames, and the episodes: one a file. Raises TrainingError, naming the file and frame, as it reads."""

    def __init__(self, folder: Path, files: list[Path], actions: list[ActionSpec] | None) -> None:
        self.actions = actions or ACTIONS
        self.order = columns(self.actions, NAMES, folder)
        self.lengths = {file: _length(file) for file in sorted(files, key=_number)}
        self.frames = sum(self.lengths.values())

    def episodes(self) -> Iterator[tuple[str, Iterator[np.ndarray], np.ndarray]]:
        """For each: where it is, its pictures uint8 [H, W, 3], its actions [T, A]."""
        for path, length in self.lengths.items():
            with _opened(path) as file:
                values = np.stack([_vector(file, path, number) for number in range(length)])
                yield f"'{path}'", _pictures(file, path, length), decode(values)[:, self.order]


def decode(values: np.ndarray) -> np.ndarray:
    """[T, 51] as in the files to float32 [T, all of `NAMES`]."""
    pressed = (values[:, :X] >= 0.5).astype(np.float32)
    w, a, s, d = pressed[:, :4].T
    looks = []
    for first, bins in ((X, MOUSE_X), (Y, MOUSE_Y)):
        middle = len(bins) // 2
        looks.append((values[:, first : first + len(bins)].argmax(1) - middle) / middle)
    return np.stack([*looks, w - s, d - a, *pressed[:, list(BUTTONS.values())].T], 1).astype(np.float32)


def _number(file: Path) -> tuple[str, int]:
    """Orders hdf5_dm_july2021_9 before hdf5_dm_july2021_10."""
    found = re.search(r"\d+$", file.stem)
    return file.stem[: found.start()] if found else file.stem, int(found.group()) if found else 0


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise TrainingError(
            f"'{path}': expected HDF5, got something unreadable: {error}. Is it cut short? Download it again, or take "
            "it out of the folder."
        ) from error


def _length(path: Path) -> int:
    """How many frames a file has. Raises TrainingError where one is missing."""
    with _opened(path) as file:
        names = set(file)
    count = sum(re.fullmatch(r"frame_\d+_x", name) is not None for name in names)
    wanted = [f"frame_{number}_{kind}" for number in range(max(1, count)) for kind in "xy"]
    missing = next((name for name in wanted if name not in names), None)
    if missing:
        raise TrainingError(
            f"'{path}': expected CS:GO recordings with frame_0_x, frame_0_y and so on, got {count} frames, "
            f"{missing} is missing."
        )
    return count


def _vector(file: h5py.File, path: Path, number: int) -> np.ndarray:
    """The 51 numbers of a frame."""
    values = np.asarray(file[f"frame_{number}_y"])
    if values.shape != (NUMBERS,) or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise TrainingError(
            f"'{path}', frame_{number}_y: expected {NUMBERS} finite numbers, got {values.dtype} {list(values.shape)}."
        )
    for first, end in ((X, Y), (Y, NUMBERS)):
        if values[first:end].max() <= 0:
            raise TrainingError(
                f"'{path}', frame_{number}_y: expected one of the numbers {first} to {end - 1}, the bins of the mouse, "
                "to be 1, got none."
            )
    return values


def _pictures(file: h5py.File, path: Path, length: int) -> Iterator[np.ndarray]:
    for number in range(length):
        picture = np.asarray(file[f"frame_{number}_x"])
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[-1] != 3:
            raise TrainingError(
                f"'{path}', frame_{number}_x: expected a picture uint8 [H, W, 3], got {picture.dtype} "
                f"{list(picture.shape)}."
            )
        yield picture[..., ::-1]  # blue, green, red in the file
