"""Trains the causal world model on the tokenizer's latents, of one world or of several that share the network.

    python -m training.stage world-model --world car-racing --steps 3200

First by squared error, then by the energy score or, as the config says, by diffusion forcing alone; with history
augmentation: noise on the history, its level an input, and histories that the network dreamed itself. Begins from a
base where there is one (`package/base.py` wrote it into the data folder), resumes from its checkpoint.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.corpus import Latents
from ..errors import TrainingError
from ..model.teacher import Teacher
from ..model.tokenizer import Tokenizer, TokenizerConfig, bounds, psnr, to_uint8
from ..model.world_model import WorldModel, WorldModelConfig, patchify, unpatchify
from . import checkpoint
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .muon import optimisers
from .tokenizer import load_tokenizer

STAGE = "world-model"
CONTEXT = 4  # real frames before what `held_out` scores
HORIZONS = (1, 4, 8, 16, 32, 64)
HISTORY_LEVEL = 0.05  # noise level that the history is said to have in play
FIRST_AND_LAST = {  # layers that AdamW trains, not Muon
    "trunk.stem.",
    "trunk.embed",
    "trunk.position",
    "trunk.action_",
    "trunk.level",
    "head.noise",
    "head.overall_noise",
    "head.level",
    "head.out",
}
REFRESH = 500  # steps after which recordings that are new are taken up


@dataclass
class WorldModelTraining(Training):
    """How long, how fast, and what is done against drift."""

    steps: int = 9000
    batch: int = 14
    length: int = 20  # frames of history a row; longer than the window
    muon_lr: float = 0.02
    adam_lr: float = 1e-3
    decay_from: float = 0.6  # share of the steps after which the rates fall linearly
    ema: float = 0.998
    noise_scale: float = 0.1  # largest noise on the history, in standard deviations of the latent
    dreamed: int = 3  # at most so many frames of a history are dreamed one from another before a real one leads on
    real: float = 0.25  # share of the rows whose history is real
    scored_from: float = 0.7  # share of the steps after which the score takes the place of the squared error
    compile: bool = True


def training_latents(args: Training, length: int) -> Latents:
    """What the worlds are trained on, and its mirror image where a world has one."""
    return Latents(args.sources, "train", length)


def held_latents(args: Training) -> Latents:
    """What `held_out` scores on."""
    return Latents(args.sources, "held", CONTEXT + HORIZONS[-1])


def set_bounds(model: WorldModel | Teacher, tokenizer: Tokenizer) -> None:
    """The limits of the tokenizer's latents, per token channel."""
    cells = model.config.patch**2
    for limit, bound in zip((model.low, model.high), bounds(tokenizer), strict=True):
        limit.copy_(bound.repeat_interleave(cells))


def train(args: WorldModelTraining, config: WorldModelConfig | None = None) -> WorldModel:
    """Trains, or trains on from the checkpoint. Without a config: the usual shapes."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world.name).to(place.device)
    rows, held = training_latents(args, args.length + 1), held_latents(args)
    config = fitted(config or WorldModelConfig(), tokenizer.config, actions=rows.actions, worlds=len(args.sources))
    model = WorldModel(config).to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    set_bounds(model, tokenizer)
    average = copy.deepcopy(model)
    optims = optimisers(model, muon_lr=args.muon_lr, adam_lr=args.adam_lr, first_and_last=FIRST_AND_LAST)
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "average": average, "optims": optims},
        frames=args.batch * args.length,
        evaluate=lambda: held_out(average, tokenizer, held, count=24),
        sheet=lambda: contact_sheet(average, tokenizer, held),
    )
    loss_of, resample = compiled(model.loss, args.compile), compiled(model.resampled, args.compile)
    for step, rng in loop:
        if step % REFRESH == REFRESH - 1:
            rows.refresh()
        drawn = rows.draw(rng, args.batch)
        latents, actions = patchify(drawn.latents.to(place.device), config), drawn.actions.to(place.device)
        world = drawn.world.to(place.device) if config.worlds > 1 else None
        history, led = latents[:, :-1], actions[:, :-1]
        squared = config.prediction != "x" and loop.share < args.scored_from
        with place.autocast():
            for _ in range(int(rng.integers(args.dreamed + 1))):
                history = resample(history, led, float(not squared), world)
        stays = torch.from_numpy(rng.random(args.batch) < args.real).to(place.device)
        history = torch.where(stays[:, None, None, None], latents[:, :-1], history)
        with place.autocast():
            loss, logs = loss_of(history, latents[:, 1:], led, args.noise_scale, world=world, squared=squared)
        loss.backward()
        share = loop.share
        loop.update(optims, rate=min(1.0, (step + 1) / 100, max(0.02, (1 - share) / (1 - args.decay_from))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


@torch.no_grad()
def dreams_of(
    model: WorldModel, rows: Latents, number: int, *, count: int, seed: int, evaluations: int = 1
) -> tuple[Tensor, np.ndarray]:
    """What follows a few real frames of one of the worlds, dreamed and real.

    Gives latents [count, HORIZONS[-1], N, C] and frames uint8 [count, CONTEXT + HORIZONS[-1], H, W, 3]: a dreamed frame
    `h` ahead lies beside the real one at CONTEXT - 1 + h.
    """
    device = model.low.device
    drawn = rows.draw(np.random.default_rng(seed), count, number)
    latents = patchify(drawn.latents.to(device), model.config)
    dreamed = model.rollout(
        latents[:, :CONTEXT],
        drawn.actions[:, :-1].to(device),
        HORIZONS[-1],
        evaluations,
        level=HISTORY_LEVEL,
        world=drawn.world.to(device) if model.config.worlds > 1 else None,
        generator=torch.Generator().manual_seed(0),
    )
    return dreamed, np.stack(drawn.frames)


@torch.no_grad()
def held_out(model: WorldModel, tokenizer: Tokenizer, rows: Latents, *, count: int, evaluations: int = 1) -> dict:
    """Median PSNR against the real frames after a few real ones, dB, with copy-last-frame beside it; by world."""
    scores = {}
    for number, corpus in enumerate(rows.corpora):
        dreamed, real = dreams_of(model, rows, number, count=count, seed=5, evaluations=evaluations)
        frames = torch.from_numpy(real).to(dreamed.device)
        name = "" if len(rows.corpora) == 1 else f"{corpus.world.name} "
        for h in HORIZONS:
            picture = to_uint8(tokenizer.decode(unpatchify(dreamed[:, h - 1], model.config)))
            last, ahead = frames[:, CONTEXT - 1], frames[:, CONTEXT - 1 + h]
            scores[f"{name}h{h}"] = psnr(picture, ahead).median().item()
            scores[f"{name}copy{h}"] = psnr(last, ahead).median().item()
    return scores


@torch.no_grad()
def contact_sheet(model: WorldModel, tokenizer: Tokenizer, rows: Latents, *, count: int = 2) -> np.ndarray:
    """Real frames above dreamed ones, `HORIZONS` frames ahead from left to right; uint8 [H, W, 3]."""
    strips = []
    for number in range(len(rows.corpora)):
        for dreamed, real in zip(*dreams_of(model, rows, number, count=count, seed=3), strict=True):
            shown = unpatchify(dreamed[[h - 1 for h in HORIZONS]], model.config)
            strips.append(np.concatenate([real[CONTEXT - 1 + h] for h in HORIZONS], 1))
            strips.append(np.concatenate(list(to_uint8(tokenizer.decode(shown)).cpu().numpy()), 1))
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


def fitted(config: WorldModelConfig, tokenizer: TokenizerConfig, *, actions: int, worlds: int = 1) -> WorldModelConfig:
    """The config with the shapes that the tokenizer and the action tables leave no choice about.

    A patch that doesn't divide the tokenizer's grid becomes one that cuts it into 16 tokens.
    """
    c = tokenizer
    patch = max(1, c.grid // 4) if c.grid % config.patch else config.patch
    return replace(config, actions=actions, worlds=worlds, channels=c.channels, grid=c.grid, patch=patch)
