"""Recordings on disk as one array of frames in memory, and the rows that training draws from it."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..errors import TrainingError


@dataclass
class Episodes:
    """Frames of many episodes, end to end."""

    frames: np.ndarray  # uint8 [T, H, W, 3]; [0, H, W, 3] where nobody asked for them
    actions: np.ndarray  # float32 [T, A]; action t leads from frame t to t + 1
    starts: np.ndarray  # bool [T]
    told: np.ndarray = field(default_factory=lambda: np.zeros(0, "<U1"))
    """str [T], what is said about the step to come; empty: nothing. None at all: nothing is ever said."""
    guides: np.ndarray | None = None  # uint8, of each frame; none where a world has none

    def __post_init__(self) -> None:
        if not len(self.told):
            self.told = np.zeros(len(self.starts), "<U1")

    def windows(self, length: int) -> np.ndarray:
        """First indices of all stretches of `length` frames that stay within one episode. int64 [N]."""
        return stretches(np.cumsum(self.starts), length)


def stretches(episode: np.ndarray, length: int) -> np.ndarray:
    """First indices of all stretches of `length` frames of one number in `episode`, int [T]; int64 [N]."""
    first = np.arange(max(0, len(episode) - length + 1))
    return first[episode[first] == episode[first + length - 1]]


def load_episodes(files: list[Path], *, pictures: bool = True) -> Episodes:
    """Reads recordings of `training.data.record`; each problem is one error that names the file.

    Without `pictures` there are no frames: gigabytes that not every question has a use for.
    """
    if not files:
        raise TrainingError("expected at least one recording (.npz), got none.")
    parts = [load_recording(file, pictures=pictures) for file in files]
    shapes = {(p.frames.shape[1:], p.actions.shape[1]) for p in parts}
    if len(shapes) > 1:
        raise TrainingError(f"expected recordings of one world, got pictures and actions of {sorted(shapes)}.")
    guided = ("guides",) if all(p.guides is not None for p in parts) else ()
    fields = ("frames", "actions", "starts", "told", *guided)
    return Episodes(*(np.concatenate([getattr(p, k) for p in parts]) for k in fields))


def load_recording(file: Path, *, pictures: bool = True) -> Episodes:
    """One file of `training.data.record`; a TrainingError names it and what was expected."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(f"'{file}': expected a recording (.npz), got something unreadable: {error}") from error
    check(file, arrays)
    told = np.zeros(len(arrays["frames"]), "<U1")
    if "caption" in arrays:
        told = np.append(arrays["captions"], "")[arrays["caption"]]  # the last: of -1
    if not pictures:
        return Episodes(arrays["frames"][:0].copy(), arrays["actions"], arrays["starts"], told)
    return Episodes(arrays["frames"], arrays["actions"], arrays["starts"], told, arrays.get("guides"))


def check(file: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Raises TrainingError, naming the file, where arrays aren't those of a recording."""
    missing = {"frames", "actions", "starts"} - arrays.keys()
    if missing:
        raise TrainingError(f"'{file}': expected frames, actions and starts; {', '.join(sorted(missing))} missing.")
    frames, actions, starts = arrays["frames"], arrays["actions"], arrays["starts"]
    if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
        raise TrainingError(f"'{file}': expected frames uint8 [T, H, W, 3], got {frames.dtype} {list(frames.shape)}.")
    if actions.dtype != np.float32 or actions.ndim != 2:
        raise TrainingError(f"'{file}': expected actions float32 [T, A], got {actions.dtype} {list(actions.shape)}.")
    if starts.dtype != bool or not len(frames) == len(actions) == len(starts):
        raise TrainingError(
            f"'{file}': expected as many actions and starts (bool) as frames, "
            f"got {len(frames)} frames, {len(actions)} actions, {len(starts)} starts ({starts.dtype})."
        )
    if len(frames) == 0 or not starts[0]:
        raise TrainingError(f"'{file}': expected frames, the first of them a start.")
    if "caption" in arrays and (len(arrays["caption"]) != len(frames) or "captions" not in arrays):
        raise TrainingError(f"'{file}': expected captions, and which of them for every frame, got something else.")
    if "guides" in arrays and (arrays["guides"].dtype, arrays["guides"].shape) != (frames.dtype, frames.shape):
        raise TrainingError(f"'{file}': expected a guide for every frame, as large as it, got something else.")
    if not np.isfinite(actions).all():
        raise TrainingError(f"'{file}': expected finite actions, got NaN or infinity.")
