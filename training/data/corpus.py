"""What training reads: the recordings of one world or of several, and the latents that a tokenizer made of them.

Recordings are mapped, not read: the page cache holds what is in use and is shared by processes, so a buffer of
gigabytes costs a process nothing, and files that appear while training runs are taken up by `refresh`.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import TrainingError
from ..worlds.world import World
from .episodes import check, stretches


@dataclass(frozen=True)
class Corpus:
    """A world and the folder of its recordings."""

    world: World
    data: Path


def mapped(file: Path) -> dict[str, np.ndarray]:
    """The arrays of a recording, mapped read-only. Raises TrainingError for a file that `record` didn't write."""
    arrays = {}
    try:
        with zipfile.ZipFile(file) as archive, file.open("rb") as raw:
            for info in archive.infolist():
                raw.seek(info.header_offset + 26)  # lengths of the member's name and extra field
                name, extra = np.frombuffer(raw.read(4), "<u2")
                raw.seek(info.header_offset + 30 + int(name) + int(extra))
                version = np.lib.format.read_magic(raw)
                first = version == (1, 0)
                header = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
                shape, by_columns, dtype = header(raw)
                if info.compress_type != zipfile.ZIP_STORED or by_columns or dtype.hasobject:
                    raise ValueError(f"{info.filename} is laid out otherwise")
                arrays[info.filename.removesuffix(".npy")] = np.memmap(file, dtype, "r", raw.tell(), shape)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise TrainingError(f"'{file}': expected a recording of training.data.record, got: {error}") from error
    check(file, arrays)
    return arrays


def recordings(folder: Path, kind: str) -> list[Path]:
    """Files of a kind, `train` or `held`, in the order of their seeds."""
    return sorted(folder.glob(f"{kind}-*.npz"), key=lambda file: (len(file.name), file.name))


def latents_of(corpus: Corpus, file: Path) -> list[Path]:
    """Where a recording's latents lie: `latents-NAME.npy`; of what is trained on also mirrored, `mirror-NAME.npy`."""
    mirrored = corpus.world.mirror is not None and file.name.startswith("train-")
    prefixes = ("latents", "mirror") if mirrored else ("latents",)
    return [corpus.data / f"{prefix}-{file.stem}.npy" for prefix in prefixes]


@dataclass(frozen=True)
class Part:
    """One recording, or its mirror image."""

    file: Path  # of the latents
    world: int  # which corpus it belongs to
    latents: np.ndarray  # float16 [T, C, h, w]
    actions: np.ndarray  # float32 [T, A], zeros behind the world's own
    frames: np.ndarray  # uint8 [T, H, W, 3]; of a mirror image not mirrored
    episode: np.ndarray  # int [T]: counts on from episode to episode

    def windows(self, length: int) -> np.ndarray:
        """First indices of all stretches of `length` frames that stay within one episode. int64 [N]."""
        return stretches(self.episode, length)


@dataclass(frozen=True)
class Rows:
    """A batch of stretches."""

    latents: Tensor  # float32 [B, length, C, h, w]
    actions: Tensor  # float32 [B, length, A]
    world: Tensor  # int64 [B]
    frames: list[np.ndarray]  # B of uint8 [length, H, W, 3], mapped


class Latents:
    """Stretches of latents and actions of some corpora, every world as often as the others."""

    def __init__(self, corpora: tuple[Corpus, ...], kind: str, length: int) -> None:
        """kind: `train` or `held`; length: frames of a stretch."""
        self.corpora, self.kind, self.length = corpora, kind, length
        self.actions = max(len(corpus.world.actions) for corpus in corpora)
        self.parts: list[list[Part]] = [[] for _ in corpora]
        self._first: list[list[np.ndarray]] = [[] for _ in corpora]
        self.refresh()
        for corpus, first in zip(corpora, self._first, strict=True):
            if not any(map(len, first)):
                raise TrainingError(
                    f"'{corpus.data}': expected {kind} recordings with episodes of at least {length} frames and their "
                    "latents, got none. Record longer episodes, or train the tokenizer first."
                )

    def refresh(self) -> None:
        """Takes up latents that were written since, and lets go of those that were deleted."""
        for number, corpus in enumerate(self.corpora):
            known = {
                part.file: (part, first) for part, first in zip(self.parts[number], self._first[number], strict=True)
            }
            found: dict[Path, tuple[Part, np.ndarray]] = {}
            for file in recordings(corpus.data, self.kind):
                for latents in latents_of(corpus, file):
                    if latents in known:
                        found[latents] = known[latents]
                    elif latents.exists():
                        try:
                            part = self._part(number, file, latents)
                        except (TrainingError, FileNotFoundError):
                            if latents.exists():
                                raise
                            continue  # it has just made room for a fresh one
                        found[latents] = part, part.windows(self.length)
            self.parts[number] = [part for part, _ in found.values()]
            self._first[number] = [first for _, first in found.values()]

    def _part(self, number: int, file: Path, latents: Path) -> Part:
        recording, world = mapped(file), self.corpora[number].world
        own, seen = recording["actions"], np.load(latents, mmap_mode="r")
        if own.shape[1:] != (len(world.actions),):
            wanted = f"the {len(world.actions)} actions of {world.name}"
            raise TrainingError(f"'{file}': expected {wanted}, got {list(own.shape[1:])}.")
        if len(seen) != len(own):
            raise TrainingError(
                f"'{latents}': expected latents of the {len(own)} frames of '{file.name}', got {len(seen)}. Delete it."
            )
        mirror = world.mirror if latents.name.startswith("mirror") else None
        mirror = mirror or (1.0,) * len(world.actions)
        actions = np.zeros((len(own), self.actions), np.float32)
        actions[:, : own.shape[1]] = own * np.array(mirror, np.float32)
        return Part(latents, number, seen, actions, recording["frames"], np.cumsum(recording["starts"]))

    def place(self, rng: np.random.Generator, world: int | None = None) -> tuple[Part, int]:
        """A recording and the first frame of a stretch in it. world: which; none: any."""
        number = int(rng.integers(len(self.parts))) if world is None else world
        sizes = np.array([len(first) for first in self._first[number]], float)
        which = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
        return self.parts[number][which], int(rng.choice(self._first[number][which]))

    def draw(self, rng: np.random.Generator, batch: int, world: int | None = None) -> Rows:
        places = [self.place(rng, world) for _ in range(batch)]
        spans = [(part, slice(at, at + self.length)) for part, at in places]
        return Rows(
            latents=torch.from_numpy(np.stack([part.latents[span] for part, span in spans]).astype(np.float32)),
            actions=torch.from_numpy(np.stack([part.actions[span] for part, span in spans])),
            world=torch.tensor([part.world for part, _ in spans]),
            frames=[part.frames[span] for part, span in spans],
        )
