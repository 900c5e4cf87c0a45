"""Checkpoints that survive a kill: written beside the target, renamed when complete, with their metadata as JSON."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import torch

from ..errors import TrainingError


def save(path: Path, state: dict, meta: dict) -> None:
    """Writes `path` and `path`.json atomically. `meta` must name its `world` and `stage`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save({**state, "meta": meta}, partial)
    os.replace(partial, path)
    partial.write_text(json.dumps(meta, indent=1))
    os.replace(partial, path.with_name(path.name + ".json"))


def load(path: Path, *, world: str, stage: str) -> dict:
    """The state that `save` wrote, refused when it belongs to another world or stage."""
    if not path.is_file():
        raise TrainingError(f"expected a checkpoint at '{path}', found none; run the stage '{stage}' first.")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise TrainingError(f"'{path}': expected a checkpoint of stage '{stage}', got an unreadable file.") from error
    meta = state.get("meta", {}) if isinstance(state, dict) else {}
    found = (meta.get("world"), meta.get("stage"))
    if found != (world, stage):
        raise TrainingError(
            f"'{path}': expected a checkpoint of world '{world}', stage '{stage}', got '{found[0]}', '{found[1]}'."
        )
    return state
