"""Plays again, in the real environment, what people did in the dream: fresh real episodes of the kind they play.

A dream's own pictures teach nothing but the dream, so of a session only the actions are taken. Dream and reality part
ways within seconds, and then a person's actions no longer fit what is there; so a drive is played in pieces, each from
a place of its own that the world's start policy has led to, the first one from the very start that the dream began at.
A short session is played in several places, for else it would be lost among what the recorder plays.
"""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import TrainingError
from ..worlds.world import Action, Picture, Source, World
from .import_episodes import Episode, recording
from .record import START_SEED, Recording, play, write_npz
from .sessions import Stretch, read_session

PIECE = 120  # frames of a person's play at a stretch: some seconds
LEAD = 20, 60  # frames of the start policy before it, from the first to below the second
ENOUGH = 6_000  # frames that a session shall make, in as many places as that takes
MOST_PLACES = 10  # of a piece
MOST = 20_000  # frames of a session; of a longer one, pieces spread evenly over it
PLACES_FROM = 3_000_000  # seeds of the places from here on: none of the recorder's


def add_sessions(files: list[Path], world: World, data: Path) -> None:
    """Adds what was played to the training data of a world with an environment; twice is the same as once.

    All files are read and checked before one is played. Raises TrainingError.
    """
    if world.source is None:
        raise TrainingError(
            f"'{files[0]}': expected a world with an environment to play it in again, got '{world.name}', which came "
            "from a folder: the pictures of a session were dreamed and teach nothing. Record the real thing instead."
        )
    if world.guided:
        raise TrainingError(f"'{files[0]}': expected a world without guides, got '{world.name}': a session keeps none.")
    read = [(file, read_session(file, world)) for file in files]
    data.mkdir(parents=True, exist_ok=True)
    for file, stretches in read:
        digest = hashlib.sha256(world.name.encode())
        for stretch in stretches:
            digest.update(f"{stretch.start}".encode() + stretch.actions.tobytes())
        path = data / f"train-played-{digest.hexdigest()[:12]}.npz"
        if path.exists():
            continue
        episodes = replayed(world, stretches, seed=PLACES_FROM + int.from_bytes(digest.digest()[:4], "little"))
        write_npz(path, recording(episodes))
        ticks = sum(len(stretch.actions) for stretch in stretches)
        frames = sum(len(episode.frames) for episode in episodes)
        print(
            f"{path}: {ticks:,} ticks of '{file}', played in {len(episodes):,} places of {world.environment}: "
            f"{frames:,} frames",
            file=sys.stderr,
        )


def replayed(world: World, stretches: list[Stretch], *, seed: int) -> list[Episode]:
    """Real episodes of what was done. The same ones each time, where the environment repeats itself."""
    pieces = [piece for stretch in stretches for piece in pieces_of(stretch)]
    size = sum(len(piece.actions) + sum(LEAD) // 2 for piece in pieces)
    if size > MOST:
        kept = np.linspace(0, len(pieces) - 1, max(1, len(pieces) * MOST // size)).astype(int)
        pieces = [pieces[number] for number in kept]
    places = max(1, min(MOST_PLACES, math.ceil(ENOUGH / size)))
    source, rng = world.live(), np.random.default_rng(seed)
    jobs = [*pieces, *(Stretch(piece.actions) for _ in range(places - 1) for piece in pieces)]
    try:
        bar = tqdm(jobs, unit="place", desc="replay", file=sys.stderr, disable=not sys.stderr.isatty())
        return [play_piece(world, source, piece, rng) for piece in bar]
    finally:
        source.close()


def play_piece(world: World, source: Source, piece: Stretch, rng: np.random.Generator) -> Episode:
    """A piece in reality, behind what led to its place; shorter where the environment ends the episode."""
    policy = world.start_policy
    if piece.start is not None and world.starts:
        spec, frame = Recording(world.name, policy, START_SEED, 1), world.starts[piece.start][1]
    else:
        spec, frame = Recording(world.name, policy, int(rng.integers(PLACES_FROM, 2**31)), 1), int(rng.integers(*LEAD))
    rows, picture = led_to(world, source, spec, frame)
    for action in piece.actions:
        rows.append((picture.copy(), action))
        picture = source.step(action)
        if source.done:
            break
    else:
        rows.append((picture.copy(), np.array([spec["rest"] for spec in world.actions])))
    pictures, actions = zip(*rows, strict=True)
    return Episode(np.stack(pictures), np.stack(actions).astype(np.float32))


def led_to(world: World, source: Source, spec: Recording, frame: int) -> tuple[list[tuple[Picture, Action]], Picture]:
    """Up to `LEAD` pictures and actions before a frame of a recording; and the frame: there the source stands then."""
    rows: list[tuple[Picture, Action]] = []
    for number, (picture, action, begins, *_) in enumerate(play(world, source, spec)):
        if begins:
            rows = []
        if number == frame:
            return rows[-LEAD[1] :], picture
        rows.append((picture.copy(), action))
    raise AssertionError("A recording never ends.")


def pieces_of(stretch: Stretch) -> Iterator[Stretch]:
    """Equal parts of at most `PIECE` frames; where the first begins stays known."""
    parts = np.array_split(stretch.actions, math.ceil(len(stretch.actions) / PIECE))
    for number, part in enumerate(parts):
        yield Stretch(part, stretch.start if number == 0 else None)
