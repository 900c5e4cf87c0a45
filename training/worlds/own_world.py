"""Worlds that no module describes: a folder of episodes with an action table, or a Gymnasium environment.

What such a world is lies in its data folder as `own-world.json`, written once by `training.run` and read by every
later stage. `docs/own-world.md` is the guide; `import_episodes.py` and `gym_world.py` bring in what is recorded.
"""

from __future__ import annotations

import functools
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from .pictures import FITS
from .world import ActionSpec, World

FILE = "own-world.json"
SIZES = (64, 96)  # sides of a world's picture, px, that the networks have shapes for
CONTROLS = ("leftX", "leftY", "leftYUp", "rightX", "rightY", "rightYUp", "leftTrigger", "rightTrigger")
CONTROLS = (*CONTROLS, "a", "b", "x", "y")  # of a gamepad, as in `src/model/manifest.ts`


@dataclass(frozen=True)
class OwnWorld:
    """A world without a module of its own."""

    name: str  # as in the address of the page: small letters, digits, dashes
    title: str
    description: str
    environment: str  # what the pictures are of, for the card
    licence: str  # of the pictures
    frame_rate: float  # recorded frames per second
    actions: list[ActionSpec]  # the action table
    size: int = 96  # side of the picture, px
    fit: str = "letterbox"  # how other pictures are brought to the square: see `pictures.to_square`
    episodes: str | None = None  # folder that it was imported from
    camera: str | None = None  # which pictures of that folder, where it has several kinds
    gym: str | None = None  # id of the Gymnasium environment
    frame_skip: int = 1  # the environment's steps per recorded frame
    idle: int = 0  # of a discrete environment: the choice that nothing pressed stands for

    def __post_init__(self) -> None:
        for fits, expected, got in (
            (re.fullmatch("[a-z0-9][a-z0-9-]*", self.name), "a name of small letters, digits and dashes", self.name),
            (self.size in SIZES, f"--size {' or '.join(map(str, SIZES))}", self.size),
            (self.fit in FITS, f"--fit {' or '.join(FITS)}", self.fit),
            (self.frame_skip >= 1, "--frame-skip of at least 1", self.frame_skip),
            (self.frame_rate > 0, "a frame rate over 0", self.frame_rate),
        ):
            if not fits:
                raise TrainingError(f"world '{self.name}': expected {expected}, got '{got}'.")


@dataclass
class About:
    """What the file of `--actions` says: the action table, and what else a card and a recorder want to know."""

    actions: list[ActionSpec]
    title: str | None = None
    description: str | None = None
    licence: str | None = None
    frame_rate: float | None = None


def read_about(path: Path) -> About:
    """Reads a table, an object with one (`actions`, and as you like `title` and so on), or the world.json of a package.

    Raises TrainingError naming the file, the action and the field.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise TrainingError(f"'{path}': expected an action table as JSON, got something unreadable: {error}") from error
    content = content if isinstance(content, dict) else {"actions": content}
    recorded = content.get("recordedFrom")  # of a world.json
    about = About(
        actions=checked_table(content.get("actions"), str(path)),
        title=content.get("title"),
        description=content.get("description"),
        licence=recorded.get("licence") if isinstance(recorded, dict) else content.get("licence"),
        frame_rate=content.get("frameRate"),
    )
    texts = (about.title, about.description, about.licence)
    if not all(text is None or isinstance(text, str) for text in texts):
        raise TrainingError(f"'{path}': expected title, description and licence in words.")
    if about.frame_rate is not None and not (_is_number(about.frame_rate) and about.frame_rate > 0):
        raise TrainingError(f"'{path}': expected a frameRate over 0, got {about.frame_rate!r}.")
    return about


def checked_table(actions: Any, where: str) -> list[ActionSpec]:
    """The table if it is one that the manifest takes (`src/model/manifest.ts`), else a TrainingError."""

    def refuse(number: int, expected: str, got: object) -> TrainingError:
        return TrainingError(f"'{where}', action {number + 1}: expected {expected}, got {got!r}.")

    if not isinstance(actions, list) or not actions:
        raise TrainingError(f"'{where}': expected a list of actions, one or more, got {actions!r}.")
    wanted = {"name", "min", "max", "rest", "unit", "keys", "gamepad"}
    for n, spec in enumerate(actions):
        if not isinstance(spec, dict) or set(spec) != wanted:
            raise refuse(n, f"the fields {', '.join(sorted(wanted))}", sorted(spec) if isinstance(spec, dict) else spec)
        if not isinstance(spec["name"], str) or not re.fullmatch("[a-z][a-z0-9_]*", spec["name"]):
            raise refuse(n, "a name of small letters, digits and _", spec["name"])
        numbers = [spec[key] for key in ("min", "rest", "max")]
        if not all(map(_is_number, numbers)) or not numbers[0] <= numbers[1] <= numbers[2] > numbers[0]:
            raise refuse(n, "numbers min <= rest <= max, min < max", numbers)
        if not isinstance(spec["keys"], dict) or not all(map(_is_number, spec["keys"].values())):
            raise refuse(n, "keys as an object, code to value", spec["keys"])
        if not isinstance(spec["unit"], str) or spec["gamepad"] not in CONTROLS:
            raise refuse(n, f"a unit in words and a gamepad of {', '.join(CONTROLS)}", (spec["unit"], spec["gamepad"]))
    names = [spec["name"] for spec in actions]
    if len(set(names)) < len(names):
        raise TrainingError(f"'{where}': expected each action once, got {', '.join(names)}.")
    return actions


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")


def load(data: Path) -> OwnWorld | None:
    """The world that a data folder describes; None where it describes none."""
    path = data / FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text())
        checked_table(content["actions"], str(path))
        return OwnWorld(**content)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrainingError(f"'{path}': expected what training.run wrote, got something else: {error!r}") from error


def save(world: OwnWorld, data: Path) -> None:
    """Writes it beside its place and renames."""
    data.mkdir(parents=True, exist_ok=True)
    partial = data / f"{FILE}.partial"
    partial.write_text(json.dumps(asdict(world), indent=1) + "\n")
    os.replace(partial, data / FILE)


def check_same(world: OwnWorld, data: Path, wishes: dict) -> None:
    """Raises TrainingError where the command line (field to value) asks for another world than the one there."""
    for field in fields(world):
        there, asked = getattr(world, field.name), wishes.get(field.name)
        if asked is not None and asked != there:
            raise TrainingError(
                f"'{data / FILE}': world '{world.name}' has {field.name} {there!r}, got {asked!r}. "
                "Leave that flag out to go on with it, or take another --world and --data."
            )


def as_world(own: OwnWorld) -> World:
    """The typed description. A world of a folder has no source and no policies."""
    source, policies = None, {}
    if own.gym is not None:
        from . import gym_world  # heavy, and only some worlds want it

        source = functools.partial(gym_world.GymSource, own)
        policies = gym_world.POLICIES
    return World(
        name=own.name,
        title=own.title,
        description=own.description,
        environment=own.environment,
        licence=own.licence,
        actions=own.actions,
        frame_rate=own.frame_rate,
        size=own.size,
        fit=own.fit,
        source=source,
        policies=policies,
    )
