"""What training reads: stretches of the recordings of one world or of several.

Recordings are mapped, not read: the page cache holds what is in use and is shared by processes, so a buffer of
gigabytes costs a process nothing, and files that appear while training runs are taken up by `refresh`. Where a device
with memory of its own trains, they are copied there once: rows that are drawn here would keep it waiting.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from worldloop.errors import WorldloopError
from worldloop.prompt import Words, parse_words

from ..errors import TrainingError
from ..worlds.world import World
from .episodes import check, stretches


@dataclass(frozen=True)
class Corpus:
    """A world and the folder of its recordings."""

    world: World
    data: Path


def words_of(world: World) -> Words | None:
    """The words that a world takes; none: it takes none. Raises TrainingError."""
    if world.words is None:
        return None
    try:
        return parse_words(world.words.read_bytes())
    except (OSError, WorldloopError) as error:
        raise TrainingError(f"'{world.words}': expected the words of {world.name}, got: {error}") from error


def prompts_of(world: World) -> int:
    """Numbers of a prompt; 0: the world takes none."""
    words = words_of(world)
    return 0 if words is None else words.vectors.shape[1]


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


@dataclass(frozen=True)
class Part:
    """One recording, or its mirror image."""

    world: int  # which corpus it belongs to
    actions: np.ndarray  # float32 [T, A + P], zeros behind the world's own, then the prompt, zeros where there was none
    frames: np.ndarray | Tensor  # uint8 [T, H, W, 3], not mirrored; a tensor where it lies on a device
    episode: np.ndarray  # int [T]: counts on from episode to episode
    guides: np.ndarray | Tensor | None = None  # of each frame, as they are; none: the world has none
    mirrored: bool = False

    def pictures(self, span: slice) -> Tensor:
        """uint8 [n, H, W, 3]."""
        return self._shown(self.frames[span])

    def guiding(self, span: slice) -> Tensor:
        """uint8 [n, H, W, 3]; zeros where there are none."""
        return torch.zeros_like(self.pictures(span)) if self.guides is None else self._shown(self.guides[span])

    def _shown(self, taken: np.ndarray | Tensor) -> Tensor:
        pictures = taken if isinstance(taken, Tensor) else torch.from_numpy(np.array(taken))
        return pictures.flip(2) if self.mirrored else pictures


class Place(NamedTuple):
    """Where a stretch begins."""

    part: Part
    first: int


@dataclass(frozen=True)
class Rows:
    """A batch of stretches."""

    frames: Tensor  # uint8 [B, length, H, W, 3], on the device of the recordings
    actions: Tensor  # float32 [B, length, A + P]
    world: Tensor  # int64 [B]
    guided: Tensor  # bool [B], whether its world is
    guides: Tensor | None = None  # uint8, of each frame; none where none of all worlds is guided


TURNING = 0.5  # share of the stretches in which a world is told something else, where it is told anything
HEARD = 5  # frames at least that follow what is told there


class Stretches:
    """Stretches of some corpora, every world as often as the others, a world's mirror image as often as itself.

    What a world is told changes seldom: to train on, stretches in which it does are drawn more often than they come.
    """

    def __init__(self, corpora: tuple[Corpus, ...], kind: str, length: int, device: torch.device | None = None) -> None:
        """kind: `train` or `held`; length: frames of a stretch; device: gets copies of the recordings."""
        self.corpora, self.kind, self.length, self.device = corpora, kind, length, device
        self.actions = max(len(corpus.world.actions) for corpus in corpora)
        self._words = [words_of(corpus.world) for corpus in corpora]
        widths = {words.vectors.shape[1] for words in self._words if words is not None}
        if len(widths) > 1:
            raise TrainingError(f"expected worlds whose words have vectors of one width, got {sorted(widths)}.")
        self.prompts = max(widths, default=0)
        self.guided = torch.tensor([corpus.world.guided for corpus in corpora])  # bool [W]
        self.parts: list[list[Part]] = [[] for _ in corpora]
        self._first: list[list[np.ndarray]] = [[] for _ in corpora]
        self._turning: list[list[np.ndarray]] = [[] for _ in corpora]  # those of `_first` in which the prompt changes
        self._found: list[dict[Path, list[tuple[Part, np.ndarray, np.ndarray]]]] = [{} for _ in corpora]
        self.refresh()
        for corpus, first in zip(corpora, self._first, strict=True):
            if not any(map(len, first)):
                raise TrainingError(
                    f"'{corpus.data}': expected {kind} recordings with episodes of at least {length} frames, got none. "
                    "Record longer episodes."
                )

    @property
    def size(self) -> int:
        """Side of the pictures, px."""
        return self.parts[0][0].frames.shape[1]

    def refresh(self) -> None:
        """Takes up recordings that were written since, and lets go of those that were deleted."""
        for number, corpus in enumerate(self.corpora):
            known, found = self._found[number], {}
            for file in recordings(corpus.data, self.kind):
                if file in known:
                    found[file] = known[file]
                    continue
                try:
                    parts = self._parts(number, file)
                except (TrainingError, FileNotFoundError):
                    if file.exists():
                        raise
                    continue  # it has just made room for a fresh one
                first = stretches(parts[0].episode, self.length)
                turning = first[self._turns(parts[0], first)]
                found[file] = [(part, first, turning) for part in parts]
            self._found[number] = found
            every = [part for parts in found.values() for part in parts]
            self.parts[number] = [part for part, _, _ in every]
            self._first[number] = [first for _, first, _ in every]
            self._turning[number] = [turning for _, _, turning in every]

    def _turns(self, part: Part, first: np.ndarray) -> np.ndarray:
        """Of stretches that begin at `first`, whether another prompt holds near their end; bool [N]."""
        told, late = part.actions[:, self.actions :], self.length - 1 - HEARD
        if self.kind != "train" or late < 1:
            return np.zeros(len(first), bool)
        return (told[first + 1] != told[first + late]).any(1)

    def _parts(self, number: int, file: Path) -> list[Part]:
        """A recording and, of what is trained on, its mirror image where its world has one."""
        recording, world = mapped(file), self.corpora[number].world
        own, frames, episode = recording["actions"], recording["frames"], np.cumsum(recording["starts"])
        if own.shape[1:] != (len(world.actions),):
            wanted = f"the {len(world.actions)} actions of {world.name}"
            raise TrainingError(f"'{file}': expected {wanted}, got {list(own.shape[1:])}.")
        guides = recording.get("guides") if world.guided else None
        if world.guided and guides is None:
            raise TrainingError(f"'{file}': expected a guide for every frame, got none: {world.name} is guided.")
        actions = np.zeros((len(own), self.actions + self.prompts), np.float32)
        actions[:, : own.shape[1]] = own
        words = self._words[number]
        if words is not None and "caption" in recording:
            vectors = [words.encode(str(text)).vector for text in recording["captions"]]
            silence = np.zeros(self.prompts, np.float32)  # the last: of -1
            actions[:, self.actions :] = np.stack([*vectors, silence])[recording["caption"]]
        if self.device is not None:
            frames = torch.from_numpy(np.array(frames)).to(self.device)
            guides = None if guides is None else torch.from_numpy(np.array(guides)).to(self.device)
        parts = [Part(number, actions, frames, episode, guides)]
        if world.mirror is not None and self.kind == "train":
            mirrored = actions.copy()
            mirrored[:, : own.shape[1]] *= np.array(world.mirror, np.float32)
            parts.append(Part(number, mirrored, frames, episode, guides, mirrored=True))
        return parts

    def place(self, rng: np.random.Generator, world: int | None = None) -> Place:
        """Of a stretch drawn at random. world: which; none: any."""
        number = int(rng.integers(len(self.parts))) if world is None else world
        turns = any(map(len, self._turning[number])) and rng.random() < TURNING
        firsts = self._turning[number] if turns else self._first[number]
        sizes = np.array([len(first) for first in firsts], float)
        which = int(rng.choice(len(sizes), p=sizes / sizes.sum()))
        return Place(self.parts[number][which], int(rng.choice(firsts[which])))

    def after(self, place: Place) -> Place | None:
        """The stretch that begins a frame later; none where its episode ends."""
        part, end = place.part, place.first + self.length
        lasts = end < len(part.episode) and part.episode[end] == part.episode[place.first]
        return Place(part, place.first + 1) if lasts else None

    def draw(self, rng: np.random.Generator, batch: int, world: int | None = None) -> Rows:
        return self.rows([self.place(rng, world) for _ in range(batch)])

    def rows(self, places: Sequence[Place]) -> Rows:
        spans = [(part, slice(at, at + self.length)) for part, at in places]
        return Rows(
            frames=torch.stack([part.pictures(span) for part, span in spans]),
            actions=torch.from_numpy(np.stack([part.actions[span] for part, span in spans])),
            world=torch.tensor([part.world for part, _ in spans]),
            guided=self.guided[[part.world for part, _ in spans]],
            guides=torch.stack([part.guiding(span) for part, span in spans]) if self.guided.any() else None,
        )
