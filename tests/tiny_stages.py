"""The training stages at their smallest, on pictures made up here: for the tests of resuming and of several processes.

`python -m tests.tiny_stages kill FOLDER` trains each stage in FOLDER/STAGE, in a process that dies by SIGKILL in the
middle; `torchrun -m tests.tiny_stages together FOLDER` trains all stages, and each process leaves its weights.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from training.data.record import write_npz
from training.model.tokenizer import TokenizerConfig
from training.model.world_model import WorldModelConfig
from training.stages import (
    checkpoint,
    codes,
    consistency,
    matching,
    self_forcing,
    teacher,
    tokenizer,
)
from training.stages import world_model as train_world_model
from training.stages.device import Place, find_place
from training.stages.loop import Loop, Training
from training.worlds import push_t

SIZE = 32
WORLD = replace(push_t.WORLD, size=SIZE)
STEPS = 12
LAST_SAVED, KILLED = 4, 8  # the killed run writes its last checkpoint after 4 steps and dies in its eighth
EVERY = {"log_every": 1, "evaluate_every": STEPS, "checkpoint_every": 0.0, "count": 2}


def make_data(folder: Path) -> None:
    """Recordings: a bright square that the two actions move."""
    for name, seed, frames in (("train-1", 1, 120), ("held-1000000", 2, 90)):
        rng = np.random.default_rng(seed)
        actions = np.repeat(rng.uniform(-1, 1, (frames // 6, 2)), 6, 0).astype(np.float32)
        place = 12 + np.cumsum(2 * actions, 0).astype(int) % 16
        pictures = np.full((frames, SIZE, SIZE, 3), 60, np.uint8)
        for picture, (x, y) in zip(pictures, place, strict=True):
            picture[y : y + 8, x : x + 8] = (230, 90, 20)
        starts = np.arange(frames) == 0
        write_npz(folder / f"{name}.npz", {"frames": pictures, "actions": actions, "starts": starts})


SHAPES = {"grid": SIZE // 4, "patch": 2, "fine": 8, "wide": 16, "features": 8}
LAYERS = {"width": 32, "heads": 4, "mlp": 32, "window": 4, "trunk_layers": 2, "window_layers": (1,)}


def world_model(folder: Path, *, prediction: str = "score", **changes) -> nn.Module:
    rates = {"muon_lr": 0.1, "adam_lr": 5e-3}  # a dozen steps are all within the warm-up
    settings = {"steps": STEPS, "batch": 4, "length": 8, "compile": False, **rates, **EVERY, **changes}
    args = train_world_model.WorldModelTraining(WORLD, folder, **settings)
    return train_world_model.train(args, WorldModelConfig(prediction=prediction, **SHAPES, **LAYERS))


def denoiser(folder: Path, **changes) -> nn.Module:
    """What the chain from a teacher begins from."""
    return world_model(folder, prediction="x", **changes)


def teaching(folder: Path, **changes) -> nn.Module:
    args = teacher.TeacherTraining(WORLD, folder, **{"steps": STEPS, "batch": 2, "compile": False, **EVERY, **changes})
    return teacher.train(args)


def distilling(folder: Path, **changes) -> nn.Module:
    settings = {"steps": STEPS, "batch": 2, "length": 8, "compile": False, **EVERY, **changes}
    return consistency.train(consistency.ConsistencyTraining(WORLD, folder, **settings))


def matched(folder: Path, **changes) -> nn.Module:
    settings = {"steps": STEPS, "rows": 2, "batch": 2, "compile": False, **EVERY, **changes}
    return matching.train(matching.MatchingTraining(WORLD, folder, **settings))


def forcing(folder: Path, **changes) -> nn.Module:
    settings = {
        "steps": STEPS,
        "batch": 4,
        "length": 8,
        "judged": 4,
        "real": 1.0,  # all rows fresh: a run that was cut off has no dreams to go on from
        "alone": 2,
        "compile": False,
        **EVERY,
        **changes,
    }
    return self_forcing.train(self_forcing.SelfForcing(WORLD, folder, **settings))


def tokenizing(folder: Path, **changes) -> nn.Module:
    settings = {"steps": STEPS, "batch": 4, "compile": False, **EVERY, **changes}
    args = tokenizer.TokenizerTraining(WORLD, folder, **settings)
    return tokenizer.train(args, TokenizerConfig(wide=16, narrow=8))


def coding(folder: Path, **changes) -> nn.Module:
    settings = {"steps": STEPS, "batch": 4, "length": 8, "real": 1.0, "compile": False, **EVERY, **changes}
    return codes.train(codes.CodesTraining(WORLD, folder, **settings))


@dataclass
class Line(Training):
    """A stage that fits a line: its loss draws nothing, so that a batch may be halved."""

    batch: int = 8


def line(folder: Path, place: Place, **changes) -> nn.Module:
    args = Line(WORLD, folder, **{"steps": STEPS, **EVERY, **changes})
    torch.manual_seed(args.seed)
    model = nn.Linear(3, 1)
    optims = [torch.optim.SGD(model.parameters(), lr=0.1)]
    loop = Loop("line", args, place, config={}, parts={"model": model, "optims": optims}, frames=args.batch)
    for step, rng in loop:
        loss = line_loss(model, rng.normal(size=(args.batch, 3)))
        loss.backward()
        loop.update(optims, rate=1 - step / args.steps)
        loop.log({"loss": loss.detach()})
    return model


def line_loss(model: nn.Module, at: np.ndarray) -> torch.Tensor:
    x = torch.from_numpy(at.astype(np.float32))  # [B, 3]
    return (model(x)[:, 0] - x.sum(1)).square().mean()


STAGES: dict[str, Callable[..., nn.Module]] = {  # by checkpoint
    "world-model": world_model,
    "self-forcing": forcing,
    "tokenizer": tokenizing,
    "codes": coding,
    "teacher": teaching,
    "consistency": distilling,
    "matching": matched,
}


CHAIN = ("teacher", "consistency", "matching")  # stages of a network that denoises


def prepare(folder: Path, *, prediction: str = "score") -> None:
    """Recordings, and all that later stages begin from."""
    make_data(folder)
    world_model(folder, prediction=prediction, steps=4)
    tokenizing(folder, steps=4)
    if prediction == "x":
        for train in (teaching, distilling):
            train(folder, steps=4)


def logged(folder: Path, stage: str, name: str = "loss") -> dict[int, float]:
    """A curve as TensorBoard shows it, by step."""
    events = EventAccumulator(str(folder / "logs" / stage)).Reload()
    return {event.step: event.value for event in events.Scalars(f"{stage}/{name}")}


def kill_in_the_middle(stage: str, folder: Path) -> None:
    if os.fork():  # sooner than a process that imports everything anew
        _, status = os.wait()
        assert os.WTERMSIG(status) == signal.SIGKILL
        return
    log = Loop.log

    def log_or_die(loop: Loop, logs: dict) -> None:
        if loop.step > LAST_SAVED:  # the step at work is counted already
            loop.args.checkpoint_every = math.inf
        if loop.step == KILLED:
            os.kill(os.getpid(), signal.SIGKILL)
        log(loop, logs)

    Loop.log = log_or_die
    STAGES[stage](folder)
    os._exit(1)


def train_together(folder: Path) -> None:
    place = find_place()
    if not place.first:

        def refuse(*_args) -> None:
            raise AssertionError("only the first process may write")

        checkpoint.save = refuse
    models = {}
    chain = folder / "chain"
    if place.first:
        shutil.copytree(folder, chain, ignore=shutil.ignore_patterns("logs"))
    place.wait()
    denoiser(chain)
    for stage, train in STAGES.items():
        models[stage] = train(chain if stage in CHAIN else folder).state_dict()
        place.wait()
    models["line"] = line(folder, place).state_dict()
    torch.save(models, folder / f"weights-of-{place.rank}.pt")


if __name__ == "__main__":
    what, place = sys.argv[1], Path(sys.argv[2])
    if what == "together":
        train_together(place)
    else:
        for name in STAGES:
            kill_in_the_middle(name, place / name)
