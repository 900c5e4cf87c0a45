"""Reads recordings of Minecraft as OpenAI's VPT contractors made them: NAME.mp4, and NAME.jsonl with a line a frame.

Source of the layout: openai/Video-Pre-Training, `README.md` (data format), `run_inverse_dynamics_model.py` (keys, mouse
buttons, degrees a count) and `data_loader.py` (which line belongs to which frame, the stuck attack, the hotbar); paper
arXiv:2206.11795. Line t is what the player did on seeing frame t.

That loader leaves out lines on which nothing is pressed; here they stay, since time must not jump. It draws the cursor
into menus; here menus are cut out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import TrainingError
from ..worlds.world import ActionSpec
from .controls import axis, button, columns
from .video import Video

LICENCE = "MIT (that of OpenAI's Video-Pre-Training, which publishes it); Minecraft is Microsoft's, not licensed by it"
DEGREES = 360 / 2400  # that a count of the mouse turns the view
FULL = 10.0  # degrees a frame at full deflection; VPT's agents turn no faster (`camera_maxval` in `agent.py`)
SLACK = 0.1  # share by which a log and its video may differ in length; beyond it they aren't of one recording
PEEK = 10  # lines of a log by which the layout is known

# Sprint is on no Ctrl, as it is in the game: a browser closes the page on Ctrl + W.
ACTIONS: list[ActionSpec] = [
    axis("look_x", f"share of {FULL:g} degrees a frame, right", {"ArrowLeft": -0.5, "ArrowRight": 0.5}, "rightX"),
    axis("look_y", f"share of {FULL:g} degrees a frame, down", {"ArrowUp": -0.5, "ArrowDown": 0.5}, "rightY"),
    axis("walk", "forward key minus back key", {"KeyW": 1.0, "KeyS": -1.0}, "leftYUp"),
    axis("strafe", "right key minus left key", {"KeyA": -1.0, "KeyD": 1.0}, "leftX"),
    button("jump", "pressed", "Space", "a"),
    button("sneak", "pressed", "ShiftLeft", "b"),
    button("sprint", "pressed", "KeyC", "x"),
    button("attack", "pressed, left mouse button", "Enter", "rightTrigger"),
    button("use", "pressed, right mouse button", "KeyE", "leftTrigger"),
    button("drop", "pressed", "KeyQ", "y"),
]  # as many as a gamepad has controls; `--actions` may also name the rest of `NAMES`
AXES = ("look_x", "look_y", "walk", "strafe")
KEYS = {
    "jump": "key.keyboard.space",
    "sneak": "key.keyboard.left.shift",
    "sprint": "key.keyboard.left.control",
    "drop": "key.keyboard.q",
    "swap_hands": "key.keyboard.f",
    "inventory": "key.keyboard.e",
    **{f"hotbar_{slot}": f"key.keyboard.{slot}" for slot in range(1, 10)},
}
MOUSE = {"attack": 0, "use": 1, "pick_item": 2}
NAMES = (*AXES, *MOUSE, *KEYS)
WANTED = "mouse {dx, dy, buttons}, keyboard {keys} and isGuiOpen"


@dataclass
class _Pair:
    """A log as read, and how far its video goes."""

    path: Path  # of both, without the ending
    rows: np.ndarray  # float32 [T, A], in the order of the table
    stretches: list[tuple[int, int]]  # first frame and the one past the last, between menus


def is_vpt(logs: list[Path]) -> bool:
    """Whether one of the first lines of a log is a frame of VPT."""
    return any(_is_frame(_parsed(line)) for log in logs for line in islice(_lines(log), PEEK))


def _lines(log: Path) -> Iterator[str]:
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            yield from (line.rstrip("\n") for line in file)
    except OSError as error:
        raise TrainingError(f"'{log}': expected a log of actions, got something unreadable: {error}") from error


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _is_frame(line: Any) -> bool:
    if not isinstance(line, dict) or not isinstance(line.get("isGuiOpen"), bool):
        return False
    mouse, keyboard = line.get("mouse"), line.get("keyboard")
    if not isinstance(mouse, dict) or not isinstance(keyboard, dict):
        return False
    moved = [mouse.get("dx"), mouse.get("dy")]
    lists = isinstance(mouse.get("buttons"), list) and isinstance(keyboard.get("keys"), list)
    return lists and all(isinstance(value, int | float) and math.isfinite(value) for value in moved)


class VptRecordings:
    """Number of frames, and the episodes. Logs are read before the first video is.

    A menu, inventory or pause (`isGuiOpen`) ends an episode and is left out; the next one begins behind it. Raises
    TrainingError, naming the file and line.
    """

    def __init__(self, paths: list[Path], actions: list[ActionSpec] | None) -> None:
        """`paths` are those of the pairs, without the ending."""
        self.actions = actions or ACTIONS
        order = columns(self.actions, NAMES, paths[0].parent)
        self.pairs = [_read_pair(path, order) for path in paths]
        self.frames = sum(end - first for pair in self.pairs for first, end in pair.stretches)

    def episodes(self) -> Iterator[tuple[str, Iterator[np.ndarray], np.ndarray]]:
        """For each: where it is, its pictures uint8 [H, W, 3], its actions [T, A]."""
        for pair in self.pairs:
            video = Video(pair.path.with_suffix(".mp4"))
            for first, end in pair.stretches:
                where = f"'{pair.path.with_suffix('.jsonl')}', lines {first + 1} to {end}"
                yield where, _filmed(video, first, end), pair.rows[first:end]


def _read_pair(path: Path, order: list[int]) -> _Pair:
    log, video = path.with_suffix(".jsonl"), Video(path.with_suffix(".mp4"))
    rows, playing = _read_log(log)
    if abs(len(rows) - video.frames) > SLACK * video.frames:
        raise TrainingError(
            f"'{log}': expected about {video.frames} lines, one a frame of '{video.path.name}', got {len(rows)}. "
            "Bring the two files of one recording, or take both out of the folder."
        )
    playing = playing[: video.frames]  # what has a frame or a line only is left out, as VPT's loader does
    edges = np.flatnonzero(np.diff(np.concatenate([[False], playing, [False]]).astype(np.int8)))
    pairs = zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    return _Pair(path, rows[:, order], [(first, end) for first, end in pairs if end - first > 1])


def _read_log(log: Path) -> tuple[np.ndarray, np.ndarray]:
    """float32 [T, all of `NAMES`], and whether no menu is open, bool [T].

    A null or garbled line is an error: VPT's loader reads no such file either.
    """
    rows, playing = [], []
    is_stuck, slot = False, None
    for number, line in enumerate(_lines(log), 1):
        frame = _parsed(line)
        if not _is_frame(frame):
            raise TrainingError(
                f"'{log}', line {number}: expected an object with {WANTED}, got '{line[:60]}'. "
                "Take the recording out of the folder: VPT's own loader can't read it either."
            )
        mouse, held, pressed = frame["mouse"], set(map(str, frame["keyboard"]["keys"])), frame["mouse"]["buttons"]
        # Some recordings begin with an attack that nobody presses; it lasts until the button is pressed anew.
        news = mouse.get("newButtons") or []
        is_stuck = news == [0] if number == 1 else is_stuck and 0 not in news
        values = dict.fromkeys(NAMES, 0.0)
        values["look_x"] = min(1.0, max(-1.0, mouse["dx"] * DEGREES / FULL))
        values["look_y"] = min(1.0, max(-1.0, mouse["dy"] * DEGREES / FULL))
        values["walk"] = float("key.keyboard.w" in held) - float("key.keyboard.s" in held)
        values["strafe"] = float("key.keyboard.d" in held) - float("key.keyboard.a" in held)
        values.update({name: float(key in held) for name, key in KEYS.items()})
        values.update({name: float(which in pressed) for name, which in MOUSE.items()})
        if is_stuck:
            values["attack"] = 0.0
        before, slot = slot, frame.get("hotbar")  # the wheel changes it too, and isn't recorded
        if before is not None and slot != before and slot in range(9):
            values[f"hotbar_{slot + 1}"] = 1.0
        rows.append([values[name] for name in NAMES])
        playing.append(not frame["isGuiOpen"])
    return np.array(rows, np.float32).reshape(-1, len(NAMES)), np.array(playing, bool)


def _filmed(video: Video, first: int, end: int) -> Iterator[np.ndarray]:
    """Frames of a video that is read on from episode to episode."""
    for number in range(video.next, end):
        picture = video.frame()
        if picture is None:
            raise TrainingError(
                f"'{video.path}': expected {end} frames or more, got {number}. Is it cut short? Download it again."
            )
        if number >= first:
            yield picture
