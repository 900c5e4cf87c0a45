"""The worlds by name: those of this project, each a module with a `WORLD`, and those that a data folder describes."""

from __future__ import annotations

import difflib
import importlib
from pathlib import Path

from ..errors import TrainingError
from . import own_world
from .world import World

WORLDS = {
    "car-racing": "car_racing",
    "roads": "roads",
    "restyle": "restyle",
    "push-t": "push_t",
    "doom-hall": "doom_hall",
    "doom-rooms": "doom_rooms",
    "pong": "pong",
}

_folders: dict[str, Path] = {}  # where this process found worlds of one's own: those who ask later needn't know


def find_world(name: str, data: Path | None = None) -> World:
    """Imports lazily: an environment is heavy. `data` is the world's data folder, by default .data/NAME.

    Raises TrainingError for an unknown world.
    """
    if name in WORLDS:
        return importlib.import_module(f".{WORLDS[name]}", __package__).WORLD
    folder = data or _folders.get(name) or Path(".data") / name
    own = own_world.load(folder)
    if own is None:
        near = difflib.get_close_matches(name, WORLDS, n=1)
        hint = f"Did you mean '{near[0]}'?" if near else "training.run makes one: docs/own-world.md."
        raise TrainingError(
            f"unknown world: expected one of {', '.join(WORLDS)}, or one that '{folder}' describes, got '{name}'. "
            + hint
        )
    if own.name != name:
        raise TrainingError(f"'{folder / own_world.FILE}': expected the world '{name}', got '{own.name}'.")
    _folders[name] = folder
    return own_world.as_world(own)
