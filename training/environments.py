"""The environments that worlds are recorded from, by the name of their world.

A world's module offers `Source` (reset, step, close, done), `POLICIES`, `MIRROR` and `FACTS` (what its package says
about itself); `car_racing.py` is the example. Where it makes sense also `player` (steers by sight), `POSE` (what
`Source.pose()` holds, see `pose.py`), `LOOPS` (ways that lead back to the first view, see `revisit.py`), and what the
recipe shall do otherwise than usual: `SPRITES` and `SQUARE` (see `sprite_tokenizer.py`), `ROOM` (see
`room_tokenizer.py`) or `ROAD` (see `road_tokenizer.py`), `MODEL` (network shapes), `RECIPE` (settings by stage, those
of `record` and `package` among them) and `REFINE` (stages after the world model).

A world of one's own is described by its data folder instead (`own_world.py`); one that was imported from a folder of
episodes has no `Source`.
"""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path
from types import ModuleType

from . import own_world
from .errors import TrainingError

WORLDS = {"car-racing": "car_racing", "push-t": "push_t", "doom-hall": "doom_hall"}

_folders: dict[str, Path] = {}  # where this process found worlds of one's own: those who ask later needn't know


def world_module(world: str, data: Path | None = None) -> ModuleType:
    """Imports lazily: an environment is heavy. `data` is the world's data folder, by default .data/WORLD.

    Raises TrainingError for an unknown world.
    """
    if world in WORLDS:
        return importlib.import_module(f".{WORLDS[world]}", __package__)
    folder = data or _folders.get(world) or Path(".data") / world
    own = own_world.load(folder)
    if own is None:
        near = difflib.get_close_matches(world, WORLDS, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "training.run makes one: docs/own-world.md."
        raise TrainingError(
            f"unknown world: expected one of {', '.join(WORLDS)}, or one that '{folder}' describes, got '{world}'. "
            + hint
        )
    if own.name != world:
        raise TrainingError(f"'{folder / own_world.FILE}': expected the world '{world}', got '{own.name}'.")
    _folders[world] = folder
    return own_world.module_of(own)


def recipe(module: ModuleType, stage: str, **told: object) -> dict:
    """The settings of a stage in which the world differs from the usual, and over them what was told and isn't None."""
    return {**getattr(module, "RECIPE", {}).get(stage, {}), **{k: v for k, v in told.items() if v is not None}}
