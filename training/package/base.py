"""The base: one network trained on all shipped worlds together, from which every world starts, a user's own included.

It already knows how pictures move and how to paint. `assets/base/` holds its weights as float16, those of its coder in
a file of their own; nothing plays it as it is.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from ..errors import TrainingError
from ..model.critic import Critic
from ..model.world_model import WorldModel, WorldModelConfig

FILE = "base.npz"
CODER_FILE = "coder.npz"  # only where it has one
CODER_BEFORE = "coder-before.npz"  # of another network, that lay there
FOLDER = Path("assets/base")
CODER_SHAPES = ("codes", "code_wide", "code_narrow", "stays")  # of the config, in that file
CRITIC, CODER = "critic.", "coder."  # before the names of their weights


@dataclass(frozen=True)
class Base:
    """A network in evaluation mode, what it saw, and who judged its dreams."""

    model: WorldModel  # of as many worlds as `worlds` names
    worlds: tuple[str, ...]
    frames: int  # that it was trained on, of all worlds together
    critic: Critic | None = None  # of self-forcing

    def numbers(self, names: Sequence[str]) -> list[int | None]:
        """Which of the base's worlds these are; none: new ones."""
        return [self.worlds.index(name) if name in self.worlds else None for name in names]

    def world_model(self, names: Sequence[str], actions: int, prompts: int = 0, *, guided: bool = False) -> WorldModel:
        """The network for some worlds, those that the base saw and new ones, that reads so many actions.

        `prompts`: numbers of what they are told in words; `guided`: whether one of them is.
        """
        return self.model.for_worlds(self.numbers(names), actions, prompts, guided)


def save(folder: Path, base: Base) -> Path:
    """Writes each file beside its place and renames; weights rounded to float16."""
    config = base.model.config
    about = {"model": replace(config, codes=0).dict(), "worlds": base.worlds, "frames": base.frames}
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: value.half().numpy() for name, value in base.model.state_dict().items()}
    coder = {name: half.pop(name) for name in tuple(half) if name.startswith(CODER)}
    if base.critic is not None:
        half |= {CRITIC + name: value.half().numpy() for name, value in base.critic.state_dict().items()}
    if coder:
        _write(folder / CODER_FILE, {name: getattr(config, name) for name in CODER_SHAPES}, coder)
    elif (folder / CODER_FILE).exists():
        (folder / CODER_FILE).replace(folder / CODER_BEFORE)
        print(f"'{folder}': this base has no coder; {CODER_FILE}, another's, is now {CODER_BEFORE}", file=sys.stderr)
    return _write(folder / FILE, about, half)


def _write(path: Path, about: dict, weights: dict[str, np.ndarray]) -> Path:
    partial = path.with_name(f"partial-{path.name}")
    np.savez(partial, about=np.array(json.dumps(about)), **weights)  # type: ignore[arg-type]
    return partial.replace(path)


def load(folder: Path = FOLDER, *, coder: bool = True) -> Base:
    """With its coder if it has one and `coder` says so. Raises TrainingError where there is none, or something else."""
    path = folder / FILE
    if not path.is_file():
        raise TrainingError(f"expected a base at '{path}', found none; --from none trains from nothing.")
    try:
        about, values = _read(path)
        config = WorldModelConfig(**about["model"])
        if coder and (folder / CODER_FILE).is_file():
            path = folder / CODER_FILE
            shapes, more = _read(path)
            config, values = replace(config, **shapes), {**values, **more}
        model = WorldModel(config)
        model.load_state_dict({name: torch.from_numpy(values[name]).float() for name in model.state_dict()})
        critic = Critic(model.config) if any(name.startswith(CRITIC) for name in values) else None
        if critic is not None:
            critic.load_state_dict(
                {name: torch.from_numpy(values[CRITIC + name]).float() for name in critic.state_dict()}
            )
        return Base(model.eval(), tuple(about["worlds"]), about["frames"], critic)
    except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError, zipfile.BadZipFile) as error:
        raise TrainingError(f"'{path}': expected a base of training.run, got something else: {error}") from error


def _read(path: Path) -> tuple[dict, dict[str, np.ndarray]]:
    with np.load(path, allow_pickle=False) as archive:
        values = {name: archive[name] for name in archive.files}
    return json.loads(str(values.pop("about"))), values
