"""Checkpoints that survive a kill: written beside the target, renamed when complete, with their metadata as JSON.

Each has an identity, which it keeps while it is trained on, and says from which others it was made.
"""

from __future__ import annotations

import json
import os
import pickle
import secrets
from pathlib import Path

import torch

from ..errors import TrainingError

MADE_FROM = {  # stage: whose checkpoints it begins from, as far as they are there
    "self-forcing": ("world-model",),
    "consistency": ("world-model",),
    "matching": ("world-model", "consistency", "teacher"),
    "codes": ("world-model", "self-forcing", "tokenizer"),
    "pruned": ("world-model", "self-forcing"),
}


def save(path: Path, state: dict, meta: dict) -> None:
    """Writes `path` and `path`.json atomically. `meta` must name its `world` and `stage`; an identity it gets."""
    meta = {"identity": new_identity(), **meta}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    torch.save({**state, "meta": meta}, partial)
    os.replace(partial, path)
    partial.write_text(json.dumps(meta, indent=1))
    os.replace(partial, path.with_name(path.name + ".json"))


def new_identity() -> str:
    return secrets.token_hex(8)


def about(folder: Path, stage: str) -> dict:
    """The metadata of a stage's checkpoint; none where there is none. Raises TrainingError for what isn't any."""
    path = folder / f"{stage}.pt.json"
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        found = error
    if not isinstance(found, dict) or not isinstance(found.get("made_from", {}), dict):
        raise TrainingError(
            f"'{path}': expected what a checkpoint says of itself, got something else ({found!r:.60}). "
            f"Put it back, or move '{stage}.pt' away too, to make it anew."
        )
    return found


def made_from(folder: Path, stage: str) -> dict[str, str]:
    """Stage to identity of the checkpoints that `stage` begins from now."""
    found = {earlier: about(folder, earlier).get("identity") for earlier in MADE_FROM.get(stage, ())}
    return {earlier: identity for earlier, identity in found.items() if identity is not None}


def check_made_from(folder: Path, stage: str) -> None:
    """Raises TrainingError where a stage's checkpoint, or one it was made from, began from others than are there."""
    if not (folder / f"{stage}.pt").exists():
        return
    unsaid = {"world-model": None} if stage in MADE_FROM else {}  # before checkpoints had identities
    for earlier, identity in about(folder, stage).get("made_from", unsaid).items():
        gone = not (folder / f"{earlier}.pt").exists()
        if gone or (identity is not None and about(folder, earlier).get("identity") != identity):
            got = "that is gone" if gone else "and there is another one now"
            raise TrainingError(
                f"'{folder / stage}.pt': it was made from a checkpoint of the stage '{earlier}', {got}. Put that one "
                f"back, or move '{stage}.pt' and its .json away too, to make it anew."
            )
        check_made_from(folder, earlier)


def frames_trained_on(folder: Path, stage: str) -> int | None:
    """Recorded frames that a stage and those it was made from were trained on; None where none of them says."""
    noted = [about(folder, name).get("recordings") for name in (stage, *MADE_FROM.get(stage, ()))]
    together = {file: frames for each in noted if each is not None for file, frames in each.items()}
    return sum(together.values()) if any(each is not None for each in noted) else None


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
