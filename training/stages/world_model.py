"""Trains the causal world model on the tokenizer's latents.

    python -m training.stage world-model --world car-racing --steps 3200

Diffusion forcing with history augmentation: noise on the history, its level an input. Resampled history (the last
frames of the history are the model's own dreams, the real frames still the target) is there for comparison and off: it
teaches that what was dreamed doesn't last (`LOG.md`, 2026-11-21). Resumes from its checkpoint.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.episodes import Episodes, load_episodes
from ..model.teacher import Teacher
from ..model.tokenizer import Tokenizer, TokenizerConfig, bounds, psnr, to_uint8
from ..model.world_model import WorldModel, WorldModelConfig, patchify, unpatchify
from . import checkpoint
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .muon import optimisers
from .tokenizer import load_tokenizer

STAGE = "world-model"
HORIZONS = (1, 4, 8, 16, 32)


@dataclass
class WorldModelTraining(Training):
    """How long, how fast, and what is done against drift."""

    steps: int = 3400
    batch: int = 12
    length: int = 24  # frames of history a row; longer than the window
    muon_lr: float = 0.02
    adam_lr: float = 1e-3
    decay_from: float = 0.5  # share of the steps after which the rates fall linearly
    ema: float = 0.998
    noise_scale: float = 0.4  # largest noise on the history, in standard deviations of the latent
    resample_from: float = 1.0  # share of the steps after which histories are dreamed; 1: never
    dreamed: int = 8  # dreamed frames at the end of such a history
    compile: bool = True


class LatentRows:
    """Stretches of latents and actions, from the recordings and from their mirror images."""

    def __init__(
        self,
        folder: Path,
        pattern: str,
        length: int,
        mirror: tuple[float, ...] | None = None,
        *,
        pictures: bool = False,
    ) -> None:
        files = sorted(folder.glob(f"{pattern}.npz"))
        self.episodes: Episodes = load_episodes(files, pictures=pictures)
        self.actions = [self.episodes.actions]
        self.latents = [np.concatenate([np.load(folder / f"latents-{f.stem}.npy") for f in files])]
        if mirror is not None:
            self.actions.append(self.episodes.actions * np.array(mirror, np.float32))
            self.latents.append(np.concatenate([np.load(folder / f"mirror-{f.stem}.npy") for f in files]))
        self.first = self.episodes.windows(length)
        self.length = length

    def draw(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, Tensor]:
        """Latents float32 [B, length, c, h, w] and actions [B, length, A]."""
        rows = rng.choice(self.first, batch)[:, None] + np.arange(self.length)
        image = rng.integers(0, len(self.latents), batch)
        latents = np.stack([self.latents[i][row] for i, row in zip(image, rows, strict=True)])
        actions = np.stack([self.actions[i][row] for i, row in zip(image, rows, strict=True)])
        return torch.from_numpy(latents.astype(np.float32)), torch.from_numpy(actions)


def training_rows(args: Training, length: int) -> LatentRows:
    """What the world is trained on, and its mirror image where the world has one."""
    return LatentRows(args.data, "train-*", length, args.world.mirror)


def held_rows(args: Training) -> LatentRows:
    """What `held_out` scores on."""
    return LatentRows(args.data, "held-*", 4 + HORIZONS[-1], pictures=True)


def set_bounds(model: WorldModel | Teacher, tokenizer: Tokenizer) -> None:
    """The limits of the tokenizer's latents, per token channel."""
    cells = model.config.patch**2
    for limit, bound in zip((model.low, model.high), bounds(tokenizer), strict=True):
        limit.copy_(bound.repeat_interleave(cells))


@torch.no_grad()
def resample(model: WorldModel, latents: Tensor, actions: Tensor, dreamed: int, context: int = 8) -> Tensor:
    """Histories [B, T, N, C] whose last `dreamed` frames the model made itself, by one or two evaluations."""
    begin = latents.shape[1] - dreamed
    evaluations = 1 + int(torch.rand(()) < 0.5)
    own = model.rollout(latents[:, begin - context : begin], actions[:, begin - context : -1], dreamed, evaluations)
    return torch.cat([latents[:, :begin], own], 1)


def train(args: WorldModelTraining, config: WorldModelConfig | None = None) -> WorldModel:
    """Trains, or trains on from the checkpoint. Without a config: the usual shapes."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world.name).to(place.device)
    config = fitted(config or WorldModelConfig(), tokenizer.config, actions=len(args.world.actions))
    rows, held = training_rows(args, args.length + 1), held_rows(args)
    model = WorldModel(config).to(place.device)
    set_bounds(model, tokenizer)
    average = copy.deepcopy(model)
    optims = optimisers(
        model,
        muon_lr=args.muon_lr,
        adam_lr=args.adam_lr,
        first_and_last={
            "trunk.embed",
            "trunk.action",
            "trunk.level",
            "trunk.position",
            "head.level",
            "head.out",
        },
    )
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "average": average, "optims": optims},
        frames=args.batch * args.length,
        evaluate=lambda: held_out(average, tokenizer, held, count=48),
    )
    loss_of = compiled(model.loss, args.compile)
    for step, rng in loop:
        grid, actions = (drawn.to(place.device) for drawn in rows.draw(rng, args.batch))
        latents = patchify(grid, config)
        history, target = latents[:, :-1], latents[:, 1:]
        share = step / args.steps
        with place.autocast():
            if share > args.resample_from and rng.random() < 0.5:
                history = resample(model, history, actions[:, :-1], args.dreamed)
            loss, logs = loss_of(history, target, actions[:, :-1], args.noise_scale)
        loss.backward()
        loop.update(optims, rate=min(1.0, (step + 1) / 100, max(0.02, (1 - share) / (1 - args.decay_from))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


@torch.no_grad()
def held_out(model: WorldModel, tokenizer: Tokenizer, rows: LatentRows, *, count: int, evaluations: int = 1) -> dict:
    """Median PSNR against the real frames after 4 real ones, dB, with copy-last-frame beside it."""
    first = np.random.default_rng(5).choice(rows.first, count, replace=len(rows.first) < count)
    first = first[:, None] + np.arange(rows.length)
    device = model.low.device
    latents = patchify(torch.from_numpy(rows.latents[0][first].astype(np.float32)).to(device), model.config)
    actions = torch.from_numpy(rows.episodes.actions[first]).to(device)
    frames = torch.from_numpy(rows.episodes.frames[first]).to(device)
    generator = torch.Generator().manual_seed(0)
    dreamed = model.rollout(latents[:, :4], actions[:, :-1], HORIZONS[-1], evaluations, generator=generator)
    scores = {}
    for h in HORIZONS:
        picture = to_uint8(tokenizer.decode(unpatchify(dreamed[:, h - 1], model.config)))
        scores[f"h{h}"] = psnr(picture, frames[:, 3 + h]).median().item()
        scores[f"copy{h}"] = psnr(frames[:, 3], frames[:, 3 + h]).median().item()
    return scores


def load_world_model(folder: Path, world: str, *stages: str) -> WorldModel:
    """The averaged weights of the first of `stages` that has a checkpoint in `folder`."""
    stages = stages or (STAGE,)
    stage = next((s for s in stages if (folder / f"{s}.pt").is_file()), stages[-1])
    state = checkpoint.load(folder / f"{stage}.pt", world=world, stage=stage)
    model = WorldModel(WorldModelConfig(**state["meta"]["config"]))
    model.load_state_dict(state["average"])
    return model.eval()


def fitted(config: WorldModelConfig, tokenizer: TokenizerConfig, *, actions: int) -> WorldModelConfig:
    """The config with the shapes that the tokenizer and the action table leave no choice about.

    A patch that doesn't divide the tokenizer's grid becomes one that cuts it into 16 tokens.
    """
    c = tokenizer
    patch = max(1, c.grid // 4) if c.grid % config.patch else config.patch
    return replace(config, actions=actions, channels=c.channels, grid=c.grid, patch=patch)
