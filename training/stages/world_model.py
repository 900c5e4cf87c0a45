"""Trains the causal world model on pictures and actions, of one world or of several that share the network.

    python -m training.stage world-model --world car-racing --steps 3200

First by squared error, then by the energy score or, as the config says, by diffusion forcing alone; behind real
histories with noise on them, whose level is an input. What a network dreamed it meets in `self_forcing.py`. Begins from
a base where there is one (`package/base.py` wrote it into the data folder), resumes from its checkpoint.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.corpus import Rows, Stretches
from ..errors import TrainingError
from ..model.guide import STRANGE, cut_into, guide_latents, randomised
from ..model.picture import CELL, psnr, to_latent, to_uint8
from ..model.world_model import Loss, WorldModel, WorldModelConfig, augment
from . import checkpoint
from .balance import Balance
from .device import ROWS, Place, compiled, find_place
from .loop import Loop, Training, follow
from .muon import optimisers

STAGE = "world-model"
CONTEXT = 4  # real frames before what `held_out` scores
HORIZONS = (1, 4, 8, 16, 32, 64)
HISTORY_LEVEL = 0.05  # noise level that the history is said to have in play
FIRST_AND_LAST = {  # layers that AdamW trains, not Muon
    "stem.fine",
    "stem.guide",
    "head.guide",
    "trunk.embed",
    "trunk.position",
    "trunk.action_",
    "trunk.level",
    "trunk.prompt",
    "head.noise",
    "head.fine_noise",
    "head.overall_noise",
    "head.level",
    "head.out",
}
REFRESH = 500  # steps after which recordings that are new are taken up


@dataclass
class WorldModelTraining(Training):
    """How long, how fast, and what is done against drift."""

    steps: int = 20_000
    batch: int = ROWS
    length: int = 20  # frames of history a row; longer than the window
    muon_lr: float = 0.013
    adam_lr: float = 6e-4
    decay_from: float = 0.6  # share of the steps after which the rates fall linearly
    ema: float = 0.998
    noise_scale: float = 0.1  # largest noise on the history, in standard deviations of the latent
    scored_from: float = 0.7  # share of the steps after which the score takes the place of the squared error
    strange_from: float = 0.5  # share of the steps from which guides are as strange as they get
    compile: bool = True


def loss_on_real(
    model: WorldModel,
    frames: Tensor,
    action: Tensor,
    noise_scale: float,
    *,
    first_weight: float = 1.0,
    world: Tensor | None = None,
) -> Loss:
    """The loss that the world model was made for, on real frames [B, T + 2, C, g, g] with noise, action [B, T, A].

    `first_weight`: as in `WorldModel.denoising_loss`.
    """
    history, level = augment(frames[:, :-1], noise_scale)
    rows, count = (history, level, frames[:, 2:], action), action.shape[0] * action.shape[1]
    if model.config.prediction == "x":
        return model.denoising_loss(*rows, model.draw(count), world, first_weight=first_weight)
    return model.loss(*rows, model.draw(count, 2 if model.config.prediction == "score" else 1), world)


def training_rows(args: Training, length: int, place: Place) -> Stretches:
    """What the worlds are trained on, and its mirror image where a world has one; it lies where it is used."""
    return Stretches(args.sources, "train", length, None if place.device.type == "cpu" else place.device)


def held_rows(args: Training) -> Stretches:
    """What `held_out` scores on."""
    return Stretches(args.sources, "held", CONTEXT + HORIZONS[-1])


def frames_of(rows: Rows, model: WorldModel) -> Tensor:
    """The pictures of a batch as the network reads them, [B, length, C, g, g], where the network is."""
    return to_latent(rows.frames.to(model.device))


def guides_of(rows: Rows, model: WorldModel, *, strange: float | None = None) -> Tensor | None:
    """Guides of a batch's frames but the first, as strong as the action before each says: [B, length - 1, C, g, g].

    Grey for worlds that have none; none where none has any. strange: to train on, with noise where they are weak and
    this share of the rows made strange.
    """
    if rows.guides is None or not model.config.guided:
        return None
    guides, strength, device = rows.guides[:, 1:], rows.actions[:, :-1, 0], model.device
    if strange is not None:
        guides = randomised(guides, strange)
    latents = guide_latents(guides.to(device), strength.to(device), noisy=strange is not None)
    return latents * rows.guided.to(device).view(-1, 1, 1, 1, 1)


def train(args: WorldModelTraining, config: WorldModelConfig | None = None) -> WorldModel:
    """Trains, or trains on from the checkpoint. Without a config: the usual shapes."""
    torch.manual_seed(args.seed)
    place = find_place()
    rows, held = training_rows(args, args.length + 2, place), held_rows(args)
    about = {"actions": rows.actions, "worlds": len(args.sources), "prompts": rows.prompts}
    config = fitted(config or WorldModelConfig(), rows.size, **about, guided=bool(rows.guided.any()))
    model = WorldModel(config).to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(model)
    optims = optimisers(
        model, muon_lr=args.muon_lr, adam_lr=args.adam_lr, first_and_last=FIRST_AND_LAST, half=place.half
    )
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "average": average, "optims": optims},
        frames=args.batch * args.length,
        evaluate=lambda: held_out(average, held, count=args.count),
        sheet=lambda: contact_sheet(average, held),
    )
    denoises = config.prediction == "x"
    loss_of = compiled(model.denoising_loss if denoises else model.loss, args.compile)
    balance = Balance(config.worlds, place.device)
    for step, rng in loop:
        if step % REFRESH == REFRESH - 1:
            rows.refresh()
        drawn = rows.draw(rng, args.batch)
        frames, led = frames_of(drawn, model), drawn.actions[:, 1:-1].to(place.device)
        world = drawn.world.to(place.device)
        several = world if config.worlds > 1 else None
        samples = 1 if denoises or config.prediction == "mean" or loop.share < args.scored_from else 2
        guide = guides_of(drawn, model, strange=STRANGE * min(1.0, loop.share / args.strange_from))
        history = frames[:, :-1] if guide is None else cut_into(frames[:, :-1], drawn.guided.to(place.device))
        history, level = augment(history, args.noise_scale)
        noise = model.draw(args.batch * args.length, samples)
        with place.autocast():
            loss, _, errors, logs = loss_of(
                history,
                level,
                frames[:, 2:],
                led,
                noise,
                several,
                None,
                balance.weights(world),
                None if guide is None else guide[:, 1:],
            )
        balance.see(world, errors.float())
        loss.backward()
        share = loop.share
        loop.update(optims, rate=min(1.0, (step + 1) / 100, max(0.02, (1 - share) / (1 - args.decay_from))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


@torch.no_grad()
def dreams_of(
    model: WorldModel, rows: Stretches, number: int, *, count: int, seed: int, evaluations: int = 1
) -> tuple[Tensor, Tensor]:
    """What follows a few real frames of one of the worlds, dreamed and real.

    Gives pictures uint8 [count, HORIZONS[-1], H, W, 3] and [count, CONTEXT + HORIZONS[-1], H, W, 3]: a dreamed frame
    `h` ahead lies beside the real one at CONTEXT - 1 + h.
    """
    drawn = rows.draw(np.random.default_rng(seed), count, number)
    dreamed = model.rollout(
        frames_of(drawn, model)[:, :CONTEXT],
        drawn.actions[:, :-1].to(model.device),
        HORIZONS[-1],
        evaluations,
        level=HISTORY_LEVEL,
        world=drawn.world.to(model.device) if model.config.worlds > 1 else None,
        guide=guides_of(drawn, model),
        generator=torch.Generator().manual_seed(0),
    )
    return to_uint8(dreamed).cpu(), drawn.frames


@torch.no_grad()
def held_out(model: WorldModel, rows: Stretches, *, count: int, evaluations: int = 1) -> dict:
    """Median PSNR against the real frames after a few real ones, dB, with copy-last-frame beside it; by world."""
    scores = {}
    for number, corpus in enumerate(rows.corpora):
        dreamed, real = dreams_of(model, rows, number, count=count, seed=5, evaluations=evaluations)
        name = "" if len(rows.corpora) == 1 else f"{corpus.world.name} "
        for h in HORIZONS:
            last, ahead = real[:, CONTEXT - 1], real[:, CONTEXT - 1 + h]
            scores[f"{name}h{h}"] = psnr(dreamed[:, h - 1], ahead).median().item()
            scores[f"{name}copy{h}"] = psnr(last, ahead).median().item()
    return scores


@torch.no_grad()
def contact_sheet(model: WorldModel, rows: Stretches, *, count: int = 2) -> np.ndarray:
    """Real frames above dreamed ones, `HORIZONS` frames ahead from left to right; uint8 [H, W, 3]."""
    strips = []
    for number in range(len(rows.corpora)):
        for dreamed, real in zip(*dreams_of(model, rows, number, count=count, seed=3), strict=True):
            strips.append(np.concatenate([real[CONTEXT - 1 + h] for h in HORIZONS], 1))
            strips.append(np.concatenate([dreamed[h - 1] for h in HORIZONS], 1))
    return np.concatenate(strips)


def load_world_model(folder: Path, world: str, *stages: str) -> WorldModel:
    """The averaged weights of the first of `stages` that has a checkpoint in `folder`."""
    stages = stages or (STAGE,)
    stage = next((s for s in stages if (folder / f"{s}.pt").is_file()), stages[-1])
    state = checkpoint.load(folder / f"{stage}.pt", world=world, stage=stage)
    model = WorldModel(WorldModelConfig(**state["meta"]["config"]))
    model.load_state_dict(state["average"])
    return model.eval()


def load_denoiser(folder: Path, world: str, *stages: str) -> WorldModel:
    """As `load_world_model`, of a network that denoises; raises TrainingError for one that samples by the score."""
    model = load_world_model(folder, world, *stages)
    if model.config.prediction != "x":
        raise TrainingError(
            f"'{folder}': expected a world model with prediction 'x' for the chain from a teacher, "
            f"got '{model.config.prediction}'. Train one with --prediction x in a folder of its own."
        )
    return model


def fitted(
    config: WorldModelConfig, size: int, *, actions: int, worlds: int = 1, prompts: int = 0, guided: bool = False
) -> WorldModelConfig:
    """The config with the shapes that pictures of `size` px, action tables, words and guides leave no choice about.

    A patch that doesn't divide the grid becomes one that cuts it into 16 tokens. Raises TrainingError for a size that
    can't be cut so, and for a guided network that denoises: the chain from a teacher knows no guides.
    """
    if guided and config.prediction == "x":
        raise TrainingError('expected a world without guides for prediction "x", got a guided one.')
    grid, patch = size // CELL, config.patch
    if grid % patch or patch % 2:
        patch = grid // 4
    if size % CELL or grid % patch or patch % 2:
        raise TrainingError(f"expected pictures whose side is a multiple of 32 px, got {size}.")
    shapes = {"actions": actions, "worlds": worlds, "prompts": prompts, "guided": guided}
    return replace(config, **shapes, grid=grid, patch=patch)
