"""Trains the bidirectional teacher, which distribution matching (`matching.py`) holds the student's dreams to.

python -m training.stage teacher --world car-racing
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path

import torch

from ..model.picture import to_latent
from ..model.teacher import FRAMES, Teacher
from ..model.world_model import WorldModelConfig
from . import checkpoint
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .muon import optimisers
from .world_model import FIRST_AND_LAST, load_denoiser, training_rows

STAGE = "teacher"


@dataclass
class TeacherTraining(Training):
    """How long and how fast."""

    steps: int = 2400
    batch: int = 16  # clips
    muon_lr: float = 0.02
    adam_lr: float = 1e-3
    decay_from: float = 0.5  # share of the steps after which the rates fall linearly
    ema: float = 0.998
    compile: bool = True


def train(args: TeacherTraining) -> Teacher:
    """Of the world model's shapes; it has to be there."""
    torch.manual_seed(args.seed)
    place = find_place()
    config = load_denoiser(args.data, args.world.name).config
    rows = training_rows(args, FRAMES, place)
    model = Teacher(config).to(place.device)
    average = copy.deepcopy(model)
    ends = {"embed", "position", "time", "action", "level"} | FIRST_AND_LAST  # stem and head are named as there
    optims = optimisers(model, muon_lr=args.muon_lr, adam_lr=args.adam_lr, first_and_last=ends, half=place.half)
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "average": average, "optims": optims},
        frames=args.batch * FRAMES,
    )
    loss_of = compiled(model.loss, args.compile)
    for step, rng in loop:
        drawn = rows.draw(rng, args.batch)
        with place.autocast():
            loss = loss_of(to_latent(drawn.frames.to(place.device)), drawn.actions[:, :-1].to(place.device))
        loss.backward()
        share = loop.share
        loop.update(optims, rate=min(1.0, (step + 1) / 100, max(0.02, (1 - share) / (1 - args.decay_from))))
        follow(average, model, decay=args.ema, step=step)
        loop.log({"loss": loss.detach()})
    return average


def load_teacher(folder: Path, world: str) -> Teacher:
    """The averaged weights."""
    state = checkpoint.load(folder / f"{STAGE}.pt", world=world, stage=STAGE)
    model = Teacher(WorldModelConfig(**state["meta"]["config"]))
    model.load_state_dict(state["average"])
    return model.eval()
