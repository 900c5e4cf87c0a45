"""Trains the causal world model on the tokenizer's latents.

    python -m training.train_world_model --world car-racing --steps 3200

Diffusion forcing with history augmentation: noise on the history, its level an input. Resampled history (the last
frames of the history are the model's own dreams, the real frames still the target) is there for comparison and off: it
teaches that what was dreamed doesn't last (`LOG.md`, 2026-11-21). Resumes from its checkpoint.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from . import checkpoint
from .any_tokenizer import AnyTokenizer
from .command import stage_parser, told
from .data import Episodes, load_episodes
from .device import compiled, find_place
from .environments import recipe, world_module
from .errors import exit_status
from .loop import Loop, Training, follow
from .muon import optimisers
from .tokenizer import bounds, psnr, to_uint8
from .train_tokenizer import load_tokenizer
from .world_model import Grow, WorldModel, WorldModelConfig, growth, patchify, unpatchify

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
    stillness: float = 0.0  # see `WorldModel.loss`
    resample_from: float = 1.0  # share of the steps after which histories are dreamed; 1: never
    dreamed: int = 8  # dreamed frames at the end of such a history
    lay_otherwise: bool = True  # rows turned and mirrored, where the world's module says SQUARE
    compile: bool = True


class LatentRows:
    """Stretches of latents and actions, from the recordings and from their mirror images, each varied by `vary`."""

    def __init__(
        self,
        folder: Path,
        pattern: str,
        length: int,
        mirror: tuple[float, ...] | None = None,
        vary: Callable[[Tensor, Tensor, np.random.Generator], tuple[Tensor, Tensor]] | None = None,
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
        self.length, self.vary = length, vary

    def draw(self, rng: np.random.Generator, batch: int) -> tuple[Tensor, Tensor]:
        """Latents float32 [B, length, c, h, w] and actions [B, length, A]."""
        rows = rng.choice(self.first, batch)[:, None] + np.arange(self.length)
        image = rng.integers(0, len(self.latents), batch)
        latents = np.stack([self.latents[i][row] for i, row in zip(image, rows, strict=True)])
        actions = np.stack([self.actions[i][row] for i, row in zip(image, rows, strict=True)])
        drawn = torch.from_numpy(latents.astype(np.float32)), torch.from_numpy(actions)
        return self.vary(*drawn, rng) if self.vary else drawn


def training_rows(args: Training, length: int, *, lay_otherwise: bool = True) -> LatentRows:
    """What the world is trained on, in all the ways that its module says."""
    module = world_module(args.world, args.data)
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world)
    square = lay_otherwise and getattr(module, "SQUARE", False)

    def vary(latents: Tensor, actions: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        if square:
            latents, actions = tokenizer.laid_otherwise(latents, actions, rng)
        return tokenizer.undisturbed(latents), actions

    return LatentRows(args.data, "train-*", length, module.MIRROR, vary)


def held_rows(args: Training) -> LatentRows:
    """What `held_out` scores on."""
    return LatentRows(args.data, "held-*", 4 + HORIZONS[-1], pictures=True)


def set_bounds(model: WorldModel, tokenizer: AnyTokenizer) -> None:
    """The limits of the tokenizer's latents, per token channel."""
    cells = model.config.patch**2
    for limit, bound in zip((model.low, model.high), bounds(tokenizer), strict=True):
        limit.copy_(bound.repeat_interleave(cells))


@torch.no_grad()
def set_direct(model: WorldModel, rows: LatentRows, *, batches: int = 64) -> None:
    """The head's direct path by least squares, from recorded latents and actions to the change that followed."""
    rng, config, ridge = np.random.default_rng(0), model.config, 1e-4
    square = both = 0.0
    for _ in range(batches):
        grid, actions = rows.draw(rng, 64)
        latents = patchify(grid, config).double()
        action = actions[:, :-1, None].expand(-1, -1, config.tokens, -1)
        known = torch.cat([latents[:, :-1], action], -1).flatten(0, 2)
        square, both = square + known.T @ known, both + known.T @ latents.diff(dim=1).flatten(0, 2)
    square = square + ridge * square.diagonal().mean() * torch.eye(len(square))
    model.head.direct.weight.copy_(torch.linalg.solve(square, both).T)


@torch.no_grad()
def resample(
    model: WorldModel, latents: Tensor, actions: Tensor, dreamed: int, grow: Grow | None = None, context: int = 8
) -> Tensor:
    """Histories [B, T, N, C] whose last `dreamed` frames the model made itself, by one or two evaluations."""
    begin = latents.shape[1] - dreamed
    evaluations = 1 + int(torch.rand(()) < 0.5)
    own = model.rollout(
        latents[:, begin - context : begin], actions[:, begin - context : -1], dreamed, evaluations, grow=grow
    )
    return torch.cat([latents[:, :begin], own], 1)


def train(args: WorldModelTraining, config: WorldModelConfig) -> WorldModel:
    """Trains, or trains on from the checkpoint; the world's table says how many actions there are."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world).to(place.device)
    module = world_module(args.world, args.data)
    config = fitted(config, tokenizer, module)
    rows, held = training_rows(args, args.length + 1, lay_otherwise=args.lay_otherwise), held_rows(args)
    model = WorldModel(config).to(place.device)
    set_bounds(model, tokenizer)
    if config.direct and not (args.data / f"{STAGE}.pt").exists():
        set_direct(model, rows)
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
            "head.direct",
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
        history, target = (patchify(part, config) for part in (tokenizer.as_seen(grid[:, :-1]), grid[:, 1:]))
        share = step / args.steps
        with place.autocast():
            if share > args.resample_from and rng.random() < 0.5:
                history = resample(model, history, actions[:, :-1], args.dreamed, growth(tokenizer, config))
            loss, logs = loss_of(history, target, actions[:, :-1], args.noise_scale, stillness=args.stillness)
        loss.backward()
        loop.update(optims, rate=min(1.0, (step + 1) / 100, max(0.02, (1 - share) / (1 - args.decay_from))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


@torch.no_grad()
def held_out(model: WorldModel, tokenizer: AnyTokenizer, rows: LatentRows, *, count: int, evaluations: int = 1) -> dict:
    """Median PSNR against the real frames after 4 real ones, dB, with copy-last-frame beside it."""
    first = np.random.default_rng(5).choice(rows.first, count, replace=len(rows.first) < count)
    first = first[:, None] + np.arange(rows.length)
    device = model.low.device
    latents = patchify(torch.from_numpy(rows.latents[0][first].astype(np.float32)).to(device), model.config)
    actions = torch.from_numpy(rows.episodes.actions[first]).to(device)
    frames = torch.from_numpy(rows.episodes.frames[first]).to(device)
    generator = torch.Generator().manual_seed(0)
    grow = growth(tokenizer, model.config)
    dreamed = model.rollout(latents[:, :4], actions[:, :-1], HORIZONS[-1], evaluations, generator=generator, grow=grow)
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


def fitted(config: WorldModelConfig, tokenizer: AnyTokenizer, module: ModuleType) -> WorldModelConfig:
    """The config with the shapes that the tokenizer and the world's action table leave no choice about."""
    c = tokenizer.config
    patch = min(config.patch, max(1, c.grid // 2))  # poses are a single cell
    return replace(config, actions=len(module.ACTIONS), channels=c.channels, grid=c.grid, patch=patch)


def model_for(module: ModuleType) -> WorldModelConfig:
    """The shapes that the world's module asks for (`MODEL`), where they differ from the usual ones."""
    return WorldModelConfig(**getattr(module, "MODEL", {}))


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser(__doc__, steps=WorldModelTraining.steps)
    parser.add_argument("--batch", type=int, help="rows a step; default: what the world's module asks for, or 12")
    parser.add_argument("--no-compile", action="store_true", help="skip torch.compile: slower steps, at once")
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world

    def work() -> None:
        module = world_module(args.world, data)
        wanted = recipe(module, STAGE, batch=args.batch, **told(args))
        train(WorldModelTraining(args.world, data, **wanted), model_for(module))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
