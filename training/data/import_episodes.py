"""Brings in episodes that others recorded: as a world of their own, or as more training data of a world that is there.

Five layouts: `.npz` as `training.data.record` and `worldloop collect --format npz` write them; a LeRobot dataset v3.0
with pictures or videos; a video and a log of actions (`NAME.mp4`, `NAME.jsonl`) per episode; VPT's recordings of
Minecraft; HDF5 recordings of CS:GO. The last two bring an action table. Everything is read and checked before anything
is written. `docs/own-world.md` is the guide.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import TrainingError
from ..worlds import own_world
from ..worlds.own_world import About, OwnWorld
from ..worlds.pictures import to_square
from ..worlds.world import ActionSpec
from .csgo_episodes import FRAME_RATE as CSGO_FRAME_RATE
from .csgo_episodes import LICENCE as CSGO_LICENCE
from .csgo_episodes import CsgoRecordings
from .episodes import load_recording
from .held_out import WINDOW
from .lerobot_episodes import INFO, LerobotDataset
from .record import HELD_OUT_FROM, write_npz
from .video import Video
from .vpt_episodes import LICENCE as VPT_LICENCE
from .vpt_episodes import VptRecordings, is_vpt

HELD_OUT = 0.1  # share of the episodes that is held out, two at least
LONG = WINDOW  # frames that the evaluation wants of a held-out episode
FILE_FRAMES = 10_000  # frames of a recording, after which the next one begins

Found = tuple[str, Iterable[np.ndarray], np.ndarray]  # where it is, pictures uint8 [H, W, 3], actions [T, A]


@dataclass
class Folder:
    """A folder of episodes in one of the layouts."""

    episodes: Iterator[Found]
    frame_rate: float | None = None  # None where the layout doesn't say
    frames: int | None = None  # in all; None where only reading tells
    actions: list[ActionSpec] | None = None  # the table in use; None where the layout has none and none was given
    licence: str | None = None  # where the layout tells whose recordings they are


@dataclass
class Episode:
    """One episode in a world's own size."""

    frames: np.ndarray  # uint8 [T, size, size, 3]
    actions: np.ndarray  # float32 [T, A]; action t leads from frame t to t + 1, the last one nowhere


def import_world(
    name: str,
    about: About | None,
    data: Path,
    *,
    episodes: str,
    camera: str | None = None,
    size: int = OwnWorld.size,
    fit: str = OwnWorld.fit,
) -> OwnWorld:
    """Makes a data folder of the folder `episodes`; the other arguments are fields of `OwnWorld`.

    Without `about` the action table is that of the layout, where it has one.
    `data` must be new or empty, and appears whole or not at all. Raises TrainingError naming file and expectation.
    """
    if data.exists() and any(data.iterdir()):
        raise TrainingError(
            f"'{data}': expected a new or empty folder for the world '{name}', got one with files in it."
        )
    folder = open_folder(Path(episodes), about.actions if about else None, camera)
    if folder.actions is None:
        raise TrainingError(
            f"'{episodes}': expected --actions FILE beside these --episodes, which say no action table."
        )
    about = about or About(folder.actions)
    frame_rate = folder.frame_rate or about.frame_rate
    if not frame_rate:
        raise TrainingError(f"'{episodes}' has no frame rate: say frameRate beside actions in the file of --actions.")
    check_rate(episodes, folder, frame_rate=about.frame_rate)
    world = OwnWorld(
        name=name,
        title=about.title or name.replace("-", " ").capitalize(),
        description=about.description or "A world learned from recorded episodes.",
        environment=f"the episodes of '{Path(episodes).name}'",
        licence=about.licence or folder.licence or "not stated",
        frame_rate=frame_rate,
        actions=about.actions,
        episodes=episodes,
        camera=camera,
        size=size,
        fit=fit,
    )
    read = read_episodes(folder, about.actions, size=world.size, how=world.fit)
    held = split([len(episode.frames) for episode in read], episodes)
    partial = data.with_name(data.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_npz(partial / f"held-{HELD_OUT_FROM}.npz", recording([read[n] for n in held]))
    for number, part in enumerate(parts([e for n, e in enumerate(read) if n not in held]), 1):
        write_npz(partial / f"train-{number}.npz", recording(part))
    own_world.save(world, partial)
    partial.replace(data)
    print(f"{data}: {len(read)} episodes, held out: {', '.join(str(n + 1) for n in held)}", file=sys.stderr)
    return world


def add_episodes(
    folder: Path,
    data: Path,
    actions: list[ActionSpec],
    *,
    size: int,
    how: str,
    camera: str | None = None,
    frame_rate: float | None = None,
) -> None:
    """Adds all episodes of a folder to the training data of a world with an environment; twice is the same as once."""
    opened = open_folder(folder, actions, camera)
    check_rate(str(folder), opened, frame_rate=frame_rate)
    read = read_episodes(opened, actions, size=size, how=how)
    if (folder / "provenance.json").is_file():
        print(
            f"note: the pictures of '{folder}' were dreamed by a network, and teach what it dreams already. Bring the "
            "session or the action log itself: then its actions are played in the real environment.",
            file=sys.stderr,
        )
    data.mkdir(parents=True, exist_ok=True)
    for part in parts(read):
        arrays = recording(part)
        digest = hashlib.sha256(arrays["frames"].tobytes() + arrays["actions"].tobytes()).hexdigest()[:12]
        path = data / f"train-import-{digest}.npz"
        if not path.exists():
            write_npz(path, arrays)
            print(f"{path}: {len(part)} episodes of '{folder}'", file=sys.stderr)


def check_rate(where: str, folder: Folder, *, frame_rate: float | None) -> None:
    """Raises TrainingError where episodes have another frame rate than the world; who says none contradicts nobody."""
    if folder.frame_rate and frame_rate and abs(folder.frame_rate - frame_rate) > 0.01:
        raise TrainingError(f"'{where}': expected {frame_rate:g} frames a second, got {folder.frame_rate:g}.")


def open_folder(folder: Path, actions: list[ActionSpec] | None, camera: str | None = None) -> Folder:
    """Sees what layout it is; `actions` is the table, None for that of the layout. Raises TrainingError when the layout
    is none or two.
    """
    if (folder / INFO).is_file():
        dataset = LerobotDataset(folder, camera, actions)
        return Folder(dataset.episodes(), dataset.frame_rate, dataset.frames, actions)
    if camera is not None:
        raise TrainingError(f"'{folder}': expected no --camera, which is for LeRobot datasets, got '{camera}'.")
    recordings, videos, logs = (sorted(folder.glob(f"*.{kind}")) for kind in ("npz", "mp4", "jsonl"))
    matches = list(folder.rglob("*.hdf5"))  # unpacked, they lie in folders of a hundred
    kinds = [kind for kind in (recordings, videos or logs, matches) if kind]
    if len(kinds) != 1:
        got = "several kinds" if kinds else "neither" if folder.is_dir() else "no folder"
        raise TrainingError(
            f"'{folder}': expected {INFO} of a LeRobot dataset, or recordings (.npz), or videos with logs of actions "
            f"(.mp4, .jsonl), or recordings of CS:GO (.hdf5), got {got}."
        )
    if recordings:
        return Folder(_recorded(recordings), actions=actions)
    if matches:
        csgo = CsgoRecordings(folder, matches, actions)
        return Folder(csgo.episodes(), CSGO_FRAME_RATE, csgo.frames, csgo.actions, CSGO_LICENCE)
    names = sorted({path.with_suffix("") for path in (*videos, *logs)})
    rates = {name: Video(name.with_suffix(".mp4")).frame_rate for name in names}
    for name, rate in rates.items():
        if abs(rate - rates[names[0]]) > 0.01:
            raise TrainingError(f"'{name}.mp4': expected {rates[names[0]]:g} frames a second, got {rate:g}.")
    if is_vpt(logs):
        vpt = VptRecordings(names, actions)
        return Folder(vpt.episodes(), rates[names[0]], vpt.frames, vpt.actions, VPT_LICENCE)
    return Folder(_filmed(names, [spec["name"] for spec in actions or []]), rates[names[0]], actions=actions)


def _recorded(files: list[Path]) -> Iterator[Found]:
    for file in files:
        episodes = load_recording(file)
        edges = np.append(np.flatnonzero(episodes.starts), len(episodes.starts))
        for number, (first, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            yield f"'{file}', episode {number}", episodes.frames[first:end], episodes.actions[first:end]


def _filmed(names: list[Path], actions: list[str]) -> Iterator[Found]:
    """The log has a line for each frame, or for each but the last, whose action leads nowhere."""
    for name in names:
        video, log = Video(name.with_suffix(".mp4")), name.with_suffix(".jsonl")
        pictures = list(video)
        rows = logged(log, actions)
        if len(rows) == len(pictures) - 1:
            rows.append(rows[-1])
        if len(rows) != len(pictures):
            raise TrainingError(
                f"'{log}': expected {len(pictures)} lines, one for each frame of '{video.path.name}', or one fewer, "
                f"got {len(rows)}."
            )
        yield f"'{log}'", pictures, np.array(rows)


def logged(log: Path, names: list[str]) -> list[list]:
    """Lines such as {"steer": -0.3, "gas": 0.5} as rows in the order of `names`; a first line may be a record."""
    try:
        lines = log.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise TrainingError(f"'{log}': expected a log of actions, got something unreadable: {error}") from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            action = json.loads(line)
        except ValueError:
            action = line
        if number == 1 and isinstance(action, dict) and set(action) == {"provenance"}:
            continue
        if not isinstance(action, dict) or set(action) != set(names):
            raise TrainingError(f"'{log}', line {number}: expected an object with {', '.join(names)}, got {line[:60]}")
        rows.append([action[name] for name in names])
        if not all(type(value) in (int, float) for value in rows[-1]):
            raise TrainingError(f"'{log}', line {number}: expected numbers, got {line[:60]}")
    return rows


def read_episodes(folder: Folder, actions: list[ActionSpec], *, size: int, how: str) -> list[Episode]:
    """Reads and checks all of it; pictures are brought to `size` as `pictures.to_square` does it.

    They may be of several sizes, not of several shapes: bars or cut edges that come and go would be learned.
    """
    episodes, hidden, shape = [], not sys.stderr.isatty(), None
    with tqdm(total=folder.frames, unit="frame", desc="import", file=sys.stderr, disable=hidden) as bar:
        for where, pictures, values in folder.episodes:
            values = checked_actions(values, actions, where)
            frames = []
            for picture in pictures:
                high, wide = picture.shape[:2]
                shape = shape or (high, wide)
                if abs(high * shape[1] - wide * shape[0]) > 0.01 * high * shape[1]:
                    raise TrainingError(
                        f"{where}, frame {len(frames)}: expected a picture of the shape of those before it, "
                        f"{shape[0]} x {shape[1]}, got {high} x {wide}."
                    )
                frames.append(to_square(picture, size, how))
            if len(frames) < 2 or len(frames) != len(values):
                raise TrainingError(
                    f"{where}: expected 2 frames or more and as many actions, got {len(frames)} and {len(values)}."
                )
            episodes.append(Episode(np.stack(frames), values))
            bar.update(len(frames))
    if not episodes:
        raise TrainingError("expected at least one episode, got none.")
    return episodes


def checked_actions(values: np.ndarray, actions: list[ActionSpec], where: str) -> np.ndarray:
    """float32 [T, A] if they are what the table says; the bounds are compared as float32, as in a browser."""
    names = ", ".join(spec["name"] for spec in actions)
    if values.ndim != 2 or values.shape[1] != len(actions) or values.dtype.kind not in "fiu":
        raise TrainingError(
            f"{where}: expected actions [T, {len(actions)}] ({names}), got {values.dtype} {list(values.shape)}."
        )
    values = values.astype(np.float32)
    for spec, column in zip(actions, values.T, strict=True):
        within = (column >= np.float32(spec["min"])) & (column <= np.float32(spec["max"]))  # never of NaN
        if not within.all():
            frame = int(np.argmin(within))
            raise TrainingError(
                f"{where}, frame {frame}: expected {spec['name']} in [{spec['min']:g}, {spec['max']:g}], "
                f"got {column[frame]:g}."
            )
    return values


def split(lengths: list[int], folder: str) -> list[int]:
    """Numbers of the episodes to hold out: a tenth, two at least, drawn from the long ones by a fixed seed."""
    long = [number for number, length in enumerate(lengths) if length >= LONG]
    count = max(2, round(HELD_OUT * len(lengths)))
    if len(long) < 3:
        raise TrainingError(
            f"'{folder}': expected three episodes of {LONG} frames or more, of which two are held out, got "
            f"{len(long)}; the longest of {len(lengths)} has {max(lengths)} frames."
        )
    return sorted(np.random.default_rng(HELD_OUT_FROM).choice(long, min(count, len(long) - 1), replace=False).tolist())


def parts(episodes: list[Episode]) -> Iterator[list[Episode]]:
    """Whole episodes, together about `FILE_FRAMES` frames."""
    part: list[Episode] = []
    for episode in episodes:
        part.append(episode)
        if sum(len(e.frames) for e in part) >= FILE_FRAMES:
            yield part
            part = []
    if part:
        yield part


def recording(episodes: list[Episode]) -> dict[str, np.ndarray]:
    """Arrays as `training.data.record` gives them."""
    return {
        "frames": np.concatenate([episode.frames for episode in episodes]),
        "actions": np.concatenate([episode.actions for episode in episodes]),
        "starts": np.concatenate([np.arange(len(episode.frames)) == 0 for episode in episodes]),
    }
