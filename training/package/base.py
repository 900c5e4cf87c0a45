"""The base: one network trained on all shipped worlds together, from which every world starts, a user's own included.

It already knows how to see, how to paint and how pictures move. `assets/base/` holds its weights as float16 in one
file; nothing plays it as it is.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..errors import TrainingError
from ..model.tokenizer import Tokenizer, TokenizerConfig
from ..model.world_model import WorldModel, WorldModelConfig

FILE = "base.npz"
FOLDER = Path("assets/base")


@dataclass(frozen=True)
class Base:
    """Networks in evaluation mode, and what they saw."""

    tokenizer: Tokenizer
    model: WorldModel  # of as many worlds as `worlds` names
    worlds: tuple[str, ...]
    frames: int  # that the world model was trained on, of all worlds together

    def world_model(self, names: Sequence[str], actions: int) -> WorldModel:
        """The network for some worlds, those that the base saw and new ones, that reads so many actions."""
        return self.model.for_worlds([self.worlds.index(n) if n in self.worlds else None for n in names], actions)


def save(folder: Path, base: Base) -> Path:
    """Writes the file beside its place and renames; weights rounded to float16."""
    state = {f"model.{name}": value for name, value in base.model.state_dict().items()}
    state |= {f"tokenizer.{name}": value for name, value in base.tokenizer.state_dict().items()}
    about = {
        "model": base.model.config.dict(),
        "tokenizer": base.tokenizer.config.dict(),
        "worlds": base.worlds,
        "frames": base.frames,
    }
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"partial-{FILE}"
    half = {name: value.half().numpy() for name, value in state.items()}
    np.savez(partial, about=np.array(json.dumps(about)), **half)  # type: ignore[arg-type]
    return partial.replace(folder / FILE)


def load(folder: Path = FOLDER) -> Base:
    """Raises TrainingError where there is none, or something else."""
    path = folder / FILE
    if not path.is_file():
        raise TrainingError(f"expected a base at '{path}', found none; --from none trains from nothing.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            values = {name: archive[name] for name in archive.files}
        about = json.loads(str(values.pop("about")))
        model = WorldModel(WorldModelConfig(**about["model"]))
        tokenizer = Tokenizer(TokenizerConfig(**about["tokenizer"]))
        _fill(model, values, "model")
        _fill(tokenizer, values, "tokenizer")
        return Base(tokenizer, model, tuple(about["worlds"]), about["frames"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise TrainingError(f"'{path}': expected a base of training.run, got something else: {error}") from error


def _fill(module: nn.Module, values: dict[str, np.ndarray], prefix: str) -> None:
    state = {name: torch.from_numpy(values[f"{prefix}.{name}"]).float() for name in module.state_dict()}
    module.load_state_dict(state)
    module.eval()
