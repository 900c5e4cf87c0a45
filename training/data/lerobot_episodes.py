"""Reads a LeRobot dataset v3.0: PNG or JPEG bytes inside the parquet files, or videos; actions from its `action`.

What its files say of each other must agree: a dataset that contradicts itself is one error. Source of the layout:
lerobot 0.4, `lerobot/datasets/utils.py`. The dataset that `worldloop collect` writes is one.
"""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ..errors import TrainingError
from ..worlds.world import ActionSpec
from .video import Video

INFO = Path("meta/info.json")
VERSION = "v3.0"
BATCH = 256  # rows read at a time


class LerobotDataset:
    """Frame rate, number of frames, and the episodes. Raises TrainingError, naming the file, as it reads."""

    def __init__(self, folder: Path, camera: str | None = None, actions: list[ActionSpec] | None = None) -> None:
        """`actions` is the table that the columns of `action` are read by."""
        self.folder, path = folder, folder / INFO
        try:
            info = json.loads(path.read_text())
            version, self.video_path = info["codebase_version"], info["video_path"]
            self.frame_rate, self.frames = float(info["fps"]), int(info["total_frames"])
            self.count, features = int(info["total_episodes"]), info["features"]
            kinds = {name: feature["dtype"] for name, feature in features.items()}
            shapes = {name: list(feature["shape"]) for name, feature in features.items()}
            if not 0 < self.frame_rate <= 1000:
                raise ValueError(f"{self.frame_rate} frames a second")
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise TrainingError(
                f"'{path}': expected that of a LeRobot dataset, got something else: {error!r}"
            ) from error
        if version != VERSION:
            raise TrainingError(
                f"'{path}': expected a dataset {VERSION}, got {version}. Convert it with LeRobot's script."
            )
        if "action" not in kinds:
            raise TrainingError(f"'{path}': expected a feature 'action', got {', '.join(kinds)}.")
        cameras = [name for name, kind in kinds.items() if kind in ("image", "video")]
        if camera not in (*cameras, None) or not cameras or (camera is None and len(cameras) > 1):
            raise TrainingError(f"'{path}': expected --camera {' or '.join(cameras) or 'of pictures'}, got {camera}.")
        self.camera = camera or cameras[0]
        self.is_video = kinds[self.camera] == "video"
        if self.is_video and not isinstance(self.video_path, str):
            raise TrainingError(f"'{path}', video_path: expected where the videos are, got {self.video_path!r}.")
        self.video: Video | None = None
        self.size = [side for side in shapes[self.camera] if side > 4]  # height and width, without the channels
        _check_names(f"'{path}'", features["action"].get("names"), actions or [])

    def episodes(self) -> Iterator[tuple[str, Iterator[np.ndarray], np.ndarray]]:
        """For each: where it is, its pictures uint8 [H, W, 3], its actions [T, A]."""
        entries = self._entries()
        columns = ["episode_index", "frame_index", "timestamp", "action", *([] if self.is_video else [self.camera])]
        rows = self._rows(sorted(self.folder.glob("data/*/*.parquet")), columns)
        seen = set()
        for number, group in itertools.groupby(rows, key=lambda row: row["episode_index"]):
            episode = list(group)
            where = f"{episode[0]['file']}, episode {number}"
            if number not in entries or number in seen:
                raise TrainingError(f"{where}: expected an episode of the table in meta/episodes, once.")
            seen.add(number)
            frames, length = [row["frame_index"] for row in episode], entries[number]["length"]
            if len(frames) != length or frames != list(range(length)):
                missing = next((n for n, frame in enumerate(frames) if frame != n), len(frames))
                gap = f", frame {missing} is missing" if missing < length else ""
                raise TrainingError(f"{where}: expected frames 0 to {length - 1} in order, got {len(frames)}{gap}.")
            self._check_times(episode, where)
            pictures = self._filmed(entries[number]) if self.is_video else self._drawn(episode, where)
            yield where, self._sized(pictures, where), _actions(episode, where)
        if len(seen) < len(entries):
            gone = min(set(entries) - seen)
            raise TrainingError(
                f"'{self.folder / 'data'}': expected {len(entries)} episodes, episode {gone} is missing."
            )

    def _entries(self) -> dict[int, dict]:
        """The table of episodes, by their number."""
        columns = ["episode_index", "length"]
        if self.is_video:
            columns += [f"videos/{self.camera}/{key}" for key in ("chunk_index", "file_index", "from_timestamp")]
        entries = list(self._rows(sorted(self.folder.glob("meta/episodes/*/*.parquet")), columns))
        if not entries:
            raise TrainingError(f"'{self.folder / 'meta/episodes'}': expected a table of episodes, got none.")
        for entry in entries:
            wrong = [name for name in columns if not isinstance(entry[name], int | float) or not entry[name] >= 0]
            if wrong:
                raise TrainingError(
                    f"{entry['file']}: expected numbers from 0 in {wrong[0]!r}, got {entry[wrong[0]]!r}."
                )
        by_number = {entry["episode_index"]: entry for entry in entries}
        said, found = (self.count, self.frames), (len(entries), sum(entry["length"] for entry in entries))
        if said != found or len(by_number) < len(entries):
            raise TrainingError(
                f"'{self.folder / 'meta/episodes'}': expected {said[0]} episodes of {said[1]} frames in all, each "
                f"once, as {INFO} says, got {len(by_number)} in {found[0]} entries, {found[1]} frames."
            )
        return by_number

    def _check_times(self, episode: list[dict], where: str) -> None:
        """Frames must follow each other at the frame rate that the dataset says."""
        for row in episode:
            expected = row["frame_index"] / self.frame_rate
            if row["timestamp"] is None or not abs(row["timestamp"] - expected) < 0.5 / self.frame_rate:
                raise TrainingError(
                    f"{where}, frame {row['frame_index']}: expected it at {expected:g} s, for {self.frame_rate:g} "
                    f"frames a second, got {row['timestamp']}."
                )

    def _sized(self, pictures: Iterator[np.ndarray], where: str) -> Iterator[np.ndarray]:
        for number, picture in enumerate(pictures):
            if list(picture.shape[:2]) != self.size:
                raise TrainingError(
                    f"{where}, frame {number}: expected a picture of {self.size}, height and width, as {INFO} says, "
                    f"got {list(picture.shape[:2])}."
                )
            yield picture

    def _rows(self, files: list[Path], columns: list[str]) -> Iterator[dict]:
        for file in files:
            try:
                with pq.ParquetFile(file) as table:
                    missing = set(columns) - set(table.schema_arrow.names)
                    if missing:
                        raise TrainingError(f"'{file}': expected a column {min(missing)!r}, found none.")
                    for batch in table.iter_batches(BATCH, columns=columns):
                        yield from ({**row, "file": f"'{file}'"} for row in batch.to_pylist())
            except (OSError, pa.ArrowException) as error:
                raise TrainingError(f"'{file}': expected parquet, got something unreadable: {error}") from error

    def _drawn(self, episode: list[dict], where: str) -> Iterator[np.ndarray]:
        for row in episode:
            image = row[self.camera]
            try:
                contents = image.get("bytes") if isinstance(image, dict) else None
                yield _in_8_bits(Image.open(io.BytesIO(contents or b"")))
            except (OSError, SyntaxError, ValueError, TypeError, Image.DecompressionBombError) as error:
                at = f"{where}, frame {row['frame_index']}"
                raise TrainingError(f"{at}: expected the bytes of a picture in '{self.camera}', got none.") from error

    def _filmed(self, entry: dict) -> Iterator[np.ndarray]:
        """Several episodes may share a video; it is read on where they follow each other."""
        chunk, file, begin = (
            entry[f"videos/{self.camera}/{key}"] for key in ("chunk_index", "file_index", "from_timestamp")
        )
        path, first = self._video_file(int(chunk), int(file)), round(begin * self.frame_rate)
        if self.video is None or self.video.path != path or self.video.next > first:
            self.video = Video(path)
            rate = self.video.frame_rate
            if abs(rate - self.frame_rate) > 0.01 * self.frame_rate:
                raise TrainingError(
                    f"'{path}': expected {self.frame_rate:g} frames a second, as {INFO} says, got {rate:g}."
                )
        for number in range(self.video.next, first + entry["length"]):
            picture = self.video.frame()
            if picture is None:
                raise TrainingError(f"'{path}': expected {first + entry['length']} frames or more, got {number}.")
            if number >= first:
                yield picture

    def _video_file(self, chunk: int, file: int) -> Path:
        """Inside the dataset, whatever its file says."""
        try:
            name = self.video_path.format(video_key=self.camera, chunk_index=chunk, file_index=file)
            path = (self.folder / name).resolve()
            inside = path.is_relative_to(self.folder.resolve())
        except (ValueError, KeyError, IndexError, AttributeError, OSError) as error:
            raise TrainingError(
                f"'{self.folder / INFO}', video_path: expected the path of a video, with video_key, chunk_index and "
                f"file_index, got {self.video_path!r}: {error!r}"
            ) from error
        if not inside:
            raise TrainingError(f"'{self.folder / INFO}', video_path: expected one in the dataset, got {name!r}.")
        return self.folder / name


def _check_names(where: str, names: Any, actions: list[ActionSpec]) -> None:
    """A column that is named as an action of the table must lie where the table has it; other names tell nothing."""
    if isinstance(names, dict):  # {"motors": [...]}
        names = next(iter(names.values()), None)
    table = [spec["name"] for spec in actions]
    for at, name in enumerate(names if isinstance(names, list) else []):
        if name in table and table.index(name) != at:
            raise TrainingError(
                f"{where}: expected the columns of 'action' in the order of the action table, {', '.join(table)}, "
                f"got {', '.join(map(str, names))}. Write the table in the order of the columns."
            )


def _in_8_bits(image: Image.Image) -> np.ndarray:
    """uint8 [H, W, 3]. Of grey in 16 bits the upper eight, as Pillow takes of colours; grey it would clip."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
    return np.array(image.convert("RGB"))


def _actions(episode: list[dict], where: str) -> np.ndarray:
    """[T, A]; a feature of one number is no list in the file."""
    rows = [row["action"] if isinstance(row["action"], list) else [row["action"]] for row in episode]
    widths = {len(row) for row in rows}
    if len(widths) > 1 or not all(isinstance(value, int | float) for row in rows for value in row):
        raise TrainingError(f"{where}: expected the same number of numbers as every action, got something else.")
    return np.array(rows)
