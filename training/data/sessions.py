"""Reads what a person did in a dreamed world: a session that the page saved, or its action log. Actions, no pictures.

A session (`src/record/session-file.ts`) is a tree of branches, each with its own actions as base64 of float32; a log
(`src/record/action-log.ts`) has an object of actions a line, and a record of where it came from before them.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TrainingError
from ..worlds.world import World
from .import_episodes import checked_actions, logged

FORMAT, VERSIONS = "worldloop-session", (1, 2)  # 2: with a picture of one's own, at which the session began
LARGEST = 2**26  # bytes, as the page has it


@dataclass(frozen=True)
class Stretch:
    """What was done without a break."""

    actions: np.ndarray  # float32 [T, A]
    start: int | None = None  # of the package, where the stretch began there; None: somewhere else


def sessions_in(path: Path) -> list[Path]:
    """The file itself, or the sessions and logs of a folder that holds no episodes; none: they are episodes.

    Raises TrainingError for a folder with both.
    """
    if path.is_file():
        return [path]
    saved = [file for file in sorted(path.glob("*.json")) if _is_session(file)]
    logs = [file for file in sorted(path.glob("*.jsonl")) if not file.with_suffix(".mp4").exists()]
    videos = [*path.glob("*.mp4"), *path.glob("*.npz"), *path.glob("meta/info.json")]
    if saved and videos:
        raise TrainingError(
            f"'{path}': expected either sessions of the page or episodes with pictures, got '{saved[0].name}' and "
            f"'{videos[0].name}'. Bring one folder after the other."
        )
    return [] if videos else [*saved, *logs]


def read_session(file: Path, world: World) -> list[Stretch]:
    """What was done in `world`. Raises TrainingError, naming the file, for anything else."""
    try:
        if file.stat().st_size > LARGEST:
            raise TrainingError(f"'{file}': expected at most {LARGEST >> 20} MB, got {file.stat().st_size >> 20} MB.")
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"'{file}': expected a session or an action log, got something unreadable: {error}"
        ) from error
    names = [spec["name"] for spec in world.actions]
    if file.suffix == ".jsonl":
        stretches = [_read_log(file, text, names, world)]
    else:
        stretches = _read_tree(file, text, names, world)
    stretches = [
        Stretch(checked_actions(each.actions, world.actions, f"'{file}'"), each.start)
        for each in stretches
        if len(each.actions)
    ]
    if not stretches:
        raise TrainingError(f"'{file}': expected one action or more, got none. Play for a while, then save again.")
    for each in stretches:
        if each.start is not None and world.starts and each.start >= len(world.starts):
            raise TrainingError(f"'{file}': expected a start from 0 to {len(world.starts) - 1}, got {each.start}.")
    return stretches


def _is_session(file: Path) -> bool:
    try:
        with file.open(encoding="utf-8-sig") as opened:
            return FORMAT in opened.read(100)
    except (OSError, ValueError):
        return False


def _read_log(file: Path, text: str, names: list[str], world: World) -> Stretch:
    """A log without a record doesn't say where it began."""
    rows = np.array(logged(file, names), np.float64).reshape(-1, len(names))
    try:
        record = json.loads(text.partition("\n")[0]).get("provenance")
    except (ValueError, AttributeError):
        record = None
    if not isinstance(record, dict):
        return Stretch(rows)
    _check_world(file, record.get("world"), world)
    shots = record.get("shots")
    start = shots[0].get("start") if isinstance(shots, list) and shots and isinstance(shots[0], dict) else None
    return Stretch(rows, start if _is_count(start) else None)


def _read_tree(file: Path, text: str, names: list[str], world: World) -> list[Stretch]:
    """Each branch's own actions: what it shares with another is that one's."""

    def refuse(expected: str, got: object) -> TrainingError:
        return TrainingError(f"'{file}': expected {expected}, got {got!r:.80}. Save the session again.")

    try:
        saved = json.loads(text)
    except ValueError as error:
        raise TrainingError(f"'{file}': expected a session that the page saved, got no JSON: {error}.") from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise TrainingError(
            f"'{file}': expected a session that the page saved (.json) or its action log (.jsonl), got another file."
        )
    if isinstance(saved.get("version"), bool) or saved.get("version") not in VERSIONS:
        raise refuse("version 1 or 2", saved.get("version"))
    _check_world(file, saved.get("world"), world)
    if saved.get("actionNames") != names:
        raise refuse(f"the actions {', '.join(names)} of {world.name}", saved.get("actionNames"))
    start, branches = saved.get("start"), saved.get("branches")
    if not _is_count(start) or not isinstance(branches, list) or not branches:
        raise refuse("a start, and branches, one or more", (start, branches))
    stretches = []
    for number, branch in enumerate(branches):
        try:
            raw = base64.b64decode(branch["actions"], validate=True)
            ticks = branch["ticks"]
        except (TypeError, KeyError, ValueError, binascii.Error) as error:
            raise refuse(f"branch {number} with ticks and actions in base64", error) from error
        if not _is_count(ticks) or len(raw) != 4 * len(names) * ticks:
            raise refuse(f"{ticks} ticks of {len(names)} float32 in branch {number}", f"{len(raw)} bytes")
        actions = np.frombuffer(raw, "<f4").reshape(-1, len(names))
        stretches.append(Stretch(actions, start if number == 0 and saved.get("picture") is None else None))
    return stretches


def _check_world(file: Path, played: Any, world: World) -> None:
    if played != world.name:
        raise TrainingError(
            f"'{file}': expected what was played in '{world.name}', got '{played}'. "
            f"Train that one with it, or play '{world.name}'."
        )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
