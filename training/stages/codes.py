"""Codes: what the world model moves and paints becomes a proposal, and a coder learns which codes the next frame has.

    python -m training.stage codes --world car-racing

By cross-entropy on the codes of what really followed, behind real histories and behind what was dreamed of a row the
last time it came (`self_forcing.Pool`), drawn as in play. First the coder alone, then, from a share of the steps on,
all of the network but its tokenizer. Begins from the self-forced world model, or the world model, and the tokenizer.
Resumes from its checkpoint; the pool then begins anew.
"""

from __future__ import annotations

import copy
import functools
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from ..errors import TrainingError
from ..model.guide import STRANGE, cut_into
from ..model.picture import to_latent, to_uint8
from ..model.world_model import WorldModel, augment
from . import checkpoint, self_forcing, world_model
from .balance import Balance
from .device import ROWS, compiled, find_place
from .loop import Loop, Training, follow
from .muon import optimisers
from .self_forcing import Pool, strayed_of
from .tokenizer import CODER, load_tokenizer
from .world_model import (
    FIRST_AND_LAST,
    REFRESH,
    contact_sheet,
    guides_of,
    held_out,
    held_rows,
    load_world_model,
    training_rows,
)

STAGE = "codes"
ENDS = {"enter", "out"}  # layers of the coder that AdamW trains


@dataclass
class CodesTraining(Training):
    """How long, how fast, how much of what."""

    steps: int = 6000
    batch: int = ROWS
    length: int = 20  # frames of a row; longer than the window
    pool: int = 40  # batches of rows that are trained on in turn
    real: float = 0.3  # share of the rows whose history is real
    muon_lr: float = 0.01
    adam_lr: float = 6e-4
    whole_from: float = 0.5  # share of the steps after which all of the network learns
    whole_rate: float = 0.1  # of the coder's rates, for what has learned before
    decay_from: float = 0.6  # share of the steps after which the rates fall linearly
    noise_scale: float = 0.1  # largest noise on the history
    ema: float = 0.995
    count: int = 12  # held-out starts of a world that are scored
    compile: bool = True


def begin(args: Training) -> WorldModel:
    """The network of the stages before, with a base's coder or one that says what its tokenizer says of a proposal."""
    moving = load_world_model(args.data, args.world.name, self_forcing.STAGE, world_model.STAGE)
    if moving.config.prediction == "x":
        raise TrainingError(
            f"'{args.data}': expected a world model that samples for the stage '{STAGE}', got one that denoises. "
            "Leave --prediction x out."
        )
    tokenizer = load_tokenizer(args.data, args.world.name)
    shapes = {"codes": tokenizer.config.channels, "code_wide": tokenizer.config.wide}
    model = WorldModel(replace(moving.config, **shapes, code_narrow=tokenizer.config.narrow))
    assert model.coder is not None
    model.load_state_dict(moving.state_dict(), strict=False)
    if (args.data / f"{CODER}.pt").is_file():
        model.coder.load_state_dict(
            checkpoint.load(args.data / f"{CODER}.pt", world=args.world.name, stage=CODER)["coder"]
        )
    model.coder.tokenizer.load_state_dict(tokenizer.state_dict())
    return model


def save_coder(folder: Path, world: str, model: WorldModel) -> None:
    """A base's coder, for `begin` and for the tokenizer's stage, in the folder where a world is trained."""
    assert model.coder is not None
    about = {"world": world, "stage": CODER, "config": model.coder.tokenizer.config.dict()}
    checkpoint.save(folder / f"{CODER}.pt", {"coder": model.coder.state_dict()}, about)


def train(args: CodesTraining) -> WorldModel:
    """Trains on from the stages before, or from this stage's checkpoint."""
    torch.manual_seed(args.seed)
    place = find_place()
    model = begin(args).to(place.device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    c = model.config
    average = copy.deepcopy(model).eval()
    before = nn.ModuleDict({"stem": model.stem, "trunk": model.trunk, "head": model.head})
    assert model.coder is not None
    optims = [
        optim
        for part, ends, share in ((model.coder, ENDS, 1.0), (before, FIRST_AND_LAST, args.whole_rate))
        for optim in optimisers(
            part, muon_lr=share * args.muon_lr, adam_lr=share * args.adam_lr, first_and_last=ends, half=place.half
        )
    ]
    rows, held = training_rows(args, args.length + 2, place), held_rows(args)
    loop = Loop(
        STAGE,
        args,
        place,
        config=c.dict(),
        parts={"model": model, "average": average, "optims": optims},
        frames=args.batch * args.length,
        evaluate=lambda: held_out(average, held, count=args.count),
        sheet=lambda: contact_sheet(average, held),
    )
    balance = Balance(c.worlds, place.device)
    pool = Pool(rows, place.seed(args.seed, loop.step), batch=args.batch, batches=args.pool, real=args.real)
    loss_of = {
        whole: compiled(functools.partial(model.code_loss, whole=whole), args.compile) for whole in (False, True)
    }
    for step, rng in loop:
        if step % REFRESH == REFRESH - 1:
            rows.refresh()
        share = loop.share
        which, drawn, past = pool.draw(rng)
        history, frames = (to_latent(pictures.to(place.device)) for pictures in (past, drawn.frames))
        led, world = drawn.actions[:, 1:-1].to(place.device), drawn.world.to(place.device)
        guide, guided = guides_of(drawn, model, strange=STRANGE), drawn.guided.to(place.device)
        noised, level = augment(history if guide is None else cut_into(history, guided), args.noise_scale)
        guide = None if guide is None else guide[:, 1:]
        strayed, target = strayed_of(history, frames, guided), frames[:, 2:]
        several = world if c.worlds > 1 else None
        noise, weights = model.draw(args.batch * args.length), balance.weights(world)
        whole = place.any(share >= args.whole_from)
        with place.autocast():
            loss, dreamed, errors, logs = loss_of[whole](
                noised, level, target, led, noise, several, strayed, weights, guide
            )
        balance.see(world, errors.float())
        pool.keep(rng, which, past, to_uint8(dreamed))
        loss.backward()
        loop.update(optims, rate=min(1.0, (step + 1) / 50, max(0.02, (1 - share) / (1 - args.decay_from))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average
