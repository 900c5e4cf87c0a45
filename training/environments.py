"""The environments that worlds are recorded from, by the name of their world.

A world's module offers `Source` (reset, step, close, done), `POLICIES`, `MIRROR` and `FACTS` (what its package says
about itself); `car_racing.py` is the example. Where it makes sense also `player` (steers by sight), `POSE` (what
`Source.pose()` holds, see `pose.py`) and `LOOPS` (ways that lead back to the first view, see `revisit.py`).
"""

from __future__ import annotations

import difflib
import importlib
from types import ModuleType

from .errors import TrainingError

WORLDS = {"car-racing": "car_racing", "push-t": "push_t", "doom-hall": "doom_hall"}


def world_module(world: str) -> ModuleType:
    """Imports lazily: an environment is heavy. Raises TrainingError for an unknown world."""
    if world not in WORLDS:
        near = difflib.get_close_matches(world, WORLDS, n=1)
        hint = f" Did you mean '{near[0]}'?" if near else ""
        raise TrainingError(f"unknown world: expected one of {', '.join(WORLDS)}, got '{world}'.{hint}")
    return importlib.import_module(f".{WORLDS[world]}", __package__)
