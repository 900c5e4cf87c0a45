"""Action specs of games that people play with keyboard and mouse, for layouts that bring their own action table."""

from __future__ import annotations

from pathlib import Path

from ..errors import TrainingError
from ..worlds.world import ActionSpec


def axis(name: str, unit: str, keys: dict[str, float], gamepad: str) -> ActionSpec:
    """An action in [-1, 1] that rests in the middle."""
    return {"name": name, "min": -1.0, "max": 1.0, "rest": 0.0, "unit": unit, "keys": keys, "gamepad": gamepad}


def button(name: str, unit: str, key: str, gamepad: str) -> ActionSpec:
    """An action in [0, 1]: 1 while it is pressed."""
    return {"name": name, "min": 0.0, "max": 1.0, "rest": 0.0, "unit": unit, "keys": {key: 1.0}, "gamepad": gamepad}


def columns(actions: list[ActionSpec], known: tuple[str, ...], folder: Path) -> list[int]:
    """Where the actions of a table are among the `known` ones. Raises TrainingError naming those that aren't."""
    unknown = [spec["name"] for spec in actions if spec["name"] not in known]
    if unknown:
        raise TrainingError(
            f"'{folder}': expected --actions with names out of {', '.join(known)}, got {', '.join(unknown)}. "
            "Rename or remove them, or leave --actions out."
        )
    return [known.index(spec["name"]) for spec in actions]
