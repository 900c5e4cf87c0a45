"""Self-forcing: the world model learns from its own long dreams, by one or two evaluations as in play.

    python -m training.self_forcing --world car-racing --steps 2500

A pool of dreams goes on from step to step, each under recorded actions or a driver that sees the dreamed picture; rows
start anew from real frames now and then, so that young and old dreams are judged. Each step dreams a few frames of all
rows; a critic (`critic.py`) compares these clips with real ones, and its judgement flows back through them. Diffusion
forcing on real histories goes on beside it: the critic says what a world looks like, the real frames what happens.

Sources: rollouts in training (Huang et al. 2025, "Self forcing"), adversarial one-step dreams (Lin et al. 2025,
"Autoregressive adversarial post-training"). Resumes from its checkpoint; the pool then begins anew.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from . import checkpoint
from .critic import Critic, critic_loss, dream_loss
from .environments import world_module
from .errors import TrainingError
from .tokenizer import Tokenizer, to_uint8
from .train_tokenizer import load_tokenizer
from .train_world_model import HORIZONS, LatentRows, held_out, load_world_model
from .world_model import WorldModel, patchify, unpatchify

STAGE = "self-forcing"
CONTEXT_LEVEL = 0.1  # what play says the history's noise level is


@dataclass
class SelfForcing:
    """How long, how fast, how much of what."""

    world: str
    data: Path  # folder with latents, tokenizer.pt and world-model.pt
    steps: int = 2500
    rows: int = 32  # dreams in the pool
    frames: int = 3  # frames dreamed a step, all of them judged together with the one before
    life: int = 160  # frames a dream lives on average
    batch: int = 6  # rows of diffusion forcing
    length: int = 24  # frames of such a row
    lr: float = 2e-4
    critic_lr: float = 4e-4
    push: float = 0.15  # size of the critic's pull on a latent, in its standard deviations
    first_weight: float = 0.3  # of the squared error at pure noise, whose optimum is a blur
    ema: float = 0.998
    seed: int = 0
    compile: bool = True
    evaluate_every: int = 250  # steps
    checkpoint_every: float = 120.0  # seconds


class Dreams:
    """The pool: where each dream stands, and who steers it."""

    def __init__(self, model: WorldModel, rows: LatentRows, args: SelfForcing, player: Callable | None) -> None:
        """`player(rng)` makes a driver of pictures; without one, all dreams follow recorded actions."""
        c = model.config
        self.model, self.rows, self.args, self.player = model, rows, args, player
        self.rng = np.random.default_rng([args.seed, 7])
        self.latent = torch.zeros(args.rows, c.tokens, c.token_channels)
        self.before = self.latent.clone()  # the frame before it
        self.kv = torch.zeros(args.rows, c.window, len(c.window_layers), 2, c.tokens, c.kv_width)  # oldest first
        self.image = np.zeros(args.rows, int)  # whose actions a row follows: 0 recorded, 1 mirrored
        self.place = np.zeros(args.rows, int)  # where in them it is
        self.drivers: list[Callable | None] = [None] * args.rows
        self.restart(np.arange(args.rows))

    @torch.no_grad()
    def restart(self, which: np.ndarray) -> None:
        """Rows `which` go back to real frames, with a full window of real history."""
        c = self.model.config
        firsts = self.rng.choice(self.rows.first, len(which))
        self.image[which] = self.rng.integers(0, len(self.rows.latents), len(which))
        span = firsts[:, None] + np.arange(c.window + 1)
        images = self.image[which]
        real = np.stack([self.rows.latents[i][s] for i, s in zip(images, span, strict=True)])
        actions = np.stack([self.rows.actions[i][s[:-1]] for i, s in zip(images, span, strict=True)])
        latents = patchify(torch.from_numpy(real.astype(np.float32)), c)
        level = torch.full((len(which), c.window), CONTEXT_LEVEL)
        _, slots = self.model.trunk(latents[:, :-1], torch.from_numpy(actions), level)
        self.kv[which] = slots
        self.latent[which], self.before[which] = latents[:, -1], latents[:, -2]
        self.place[which] = firsts + c.window
        for row in which:
            self.drivers[row] = None
            if self.player is not None and self.rng.random() < 0.6:
                self.drivers[row] = self.player(self.rng)

    @torch.no_grad()
    def actions(self, tokenizer: Tokenizer) -> Tensor:
        """Actions of the next frames, float32 [rows, frames, A]. A driver holds its action for all of them."""
        count = self.args.frames
        at = (self.place[:, None] + np.arange(count)) % len(self.rows.actions[0])
        actions = np.stack([self.rows.actions[i][row] for i, row in zip(self.image, at, strict=True)])
        self.place += count
        driven = np.array([row for row, driver in enumerate(self.drivers) if driver is not None], int)
        if len(driven):
            both = torch.cat([self.before[driven], self.latent[driven]])
            pictures = to_uint8(tokenizer.decode(unpatchify(both, self.model.config))).numpy()
            earlier, now = pictures[: len(driven)], pictures[len(driven) :]
            for row, old, new in zip(driven, earlier, now, strict=True):
                actions[row] = self.drivers[row](old, new)
        return torch.from_numpy(actions)

    def advance(self, clip: Tensor, kv: Tensor) -> None:
        """After frames were dreamed: clip [rows, frames, N, C]."""
        self.before, self.latent, self.kv = clip[:, -2].detach(), clip[:, -1].detach(), kv.detach()
        dying = self.rng.random(self.args.rows) < 8 * self.args.frames / self.args.life
        if self.rng.random() < 1 / 8 and dying.any():  # several at once, that is cheaper
            self.restart(np.flatnonzero(dying))


def dream(model: WorldModel, latent: Tensor, kv: Tensor, actions: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Dreams on with a full window. noise [frames, K, B, N, C]; gives [B, frames, N, C] and the window after."""
    age = torch.arange(model.config.window, 0, -1, dtype=torch.int32)
    level, out = torch.full((len(latent),), CONTEXT_LEVEL), []
    for t in range(len(noise)):
        features, slot = model.trunk.step(latent, actions[:, t], level, kv, age)
        latent = model.denoise(features, latent, noise[t])
        kv = torch.cat([kv[:, 1:], slot[:, None]], 1)
        out.append(latent)
    return torch.stack(out, 1), kv


def train(args: SelfForcing) -> WorldModel:
    torch.manual_seed(args.seed)
    path = args.data / f"{STAGE}.pt"
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world)
    module = world_module(args.world)
    model = load_world_model(args.data, args.world).train()
    c = model.config
    average = copy.deepcopy(model)
    critic = Critic(c, args.frames + 1)
    optim = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.8, 0.99), weight_decay=0.0)
    critic_optim = torch.optim.AdamW(critic.parameters(), lr=args.critic_lr, betas=(0.0, 0.99), weight_decay=0.0)
    step, pull = 0, 0.0  # pull: running size of the critic's gradient
    if path.exists():
        state = checkpoint.load(path, world=args.world, stage=STAGE)
        for name, thing in (("model", model), ("average", average), ("critic", critic)):
            thing.load_state_dict(state[name])
        optim.load_state_dict(state["optim"])
        critic_optim.load_state_dict(state["critic_optim"])
        step, pull = state["meta"]["step"], state["meta"]["pull"]

    rows = LatentRows(args.data, "train-*", max(args.length + 1, c.window + 1), module.MIRROR)
    held = LatentRows(args.data, "held-*", 4 + HORIZONS[-1], None)
    pool = Dreams(model, rows, args, getattr(module, "player", None))

    def save() -> None:
        meta = {"world": args.world, "stage": STAGE, "step": step, "steps": args.steps, "config": c.dict()}
        state = {name: thing.state_dict() for name, thing in (("model", model), ("average", average))}
        state |= {"critic": critic.state_dict(), "optim": optim.state_dict(), "critic_optim": critic_optim.state_dict()}
        checkpoint.save(path, state, {**meta, "pull": pull})

    forcing, dreaming = model.loss, dream
    if args.compile:
        forcing, dreaming = torch.compile(model.loss, dynamic=False), torch.compile(dream, dynamic=False)
    writer = SummaryWriter(str(args.data / "logs" / STAGE), purge_step=step)
    bar = tqdm(total=args.steps, initial=step, unit="step", file=sys.stderr)
    saved_at = time.monotonic()
    while step < args.steps:
        rng = np.random.default_rng([args.seed, 1, step])
        torch.manual_seed(args.seed * 1_000_003 + step)
        rate = min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - step / args.steps)))
        for opt, lr in ((optim, args.lr), (critic_optim, args.critic_lr)):
            for group in opt.param_groups:
                group["lr"] = lr * rate

        evaluations = 1 + int(rng.random() < 0.3)
        actions = pool.actions(tokenizer)
        noise = torch.randn(args.frames, evaluations, args.rows, c.tokens, c.token_channels)
        before = pool.latent
        dreamed, kv = dreaming(model, before, pool.kv, actions, noise)
        clip = torch.cat([before[:, None], dreamed], 1), actions
        grid, real_actions = rows.draw(rng, args.rows)
        at = int(rng.integers(0, rows.length - args.frames))
        real = patchify(grid[:, at : at + args.frames + 1], c), real_actions[:, at : at + args.frames]

        judged, logs = critic_loss(critic, real, clip)
        critic_optim.zero_grad(set_to_none=True)
        judged.backward()
        critic_optim.step()

        # The critic's pull on the dreamed frames, brought to a fixed size, then through the model.
        leaf = clip[0].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(dream_loss(critic, real, (leaf, actions)), leaf)
        gradient = gradient[:, 1:]
        size = gradient.square().mean().sqrt().item()
        pull = size if pull == 0 else 0.98 * pull + 0.02 * size
        grid, real_actions = rows.draw(rng, args.batch)
        latents = patchify(grid[:, : args.length + 1], c)
        loss, forcing_logs = forcing(
            latents[:, :-1], latents[:, 1:], real_actions[:, : args.length], 0.4, args.first_weight
        )
        optim.zero_grad(set_to_none=True)
        push = args.push * min(1.0, max(0.0, (step - 100) / 200))  # the critic learns first
        loss.backward()
        if push > 0:
            dreamed.backward(push * 2 / dreamed.numel() * gradient / (pull + 1e-12))
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.step()
        with torch.no_grad():
            decay = min(args.ema, (step + 1) / (step + 10))
            for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(weight, 1 - decay)
        pool.advance(dreamed, kv)
        step += 1
        bar.update()
        if step % 10 == 0:
            logs = {**logs, **forcing_logs, "pull": pull}
            bar.set_postfix({name: f"{float(value):.3f}" for name, value in logs.items()})
            for name, value in logs.items():
                writer.add_scalar(f"{STAGE}/{name}", float(value), step)
        if step % args.evaluate_every == 0 or step == args.steps:
            scores = held_out(average, tokenizer, held, count=48)
            for name, value in scores.items():
                writer.add_scalar(f"{STAGE}/{name}", value, step)
            tqdm.write(f"step {step}: " + "  ".join(f"{k} {v:.2f}" for k, v in scores.items()), file=sys.stderr)
        if time.monotonic() - saved_at > args.checkpoint_every or step == args.steps:
            save()
            saved_at = time.monotonic()
    bar.close()
    return average


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="folder of the latents and checkpoints; default .data/WORLD")
    parser.add_argument("--steps", type=int, default=SelfForcing.steps)
    parser.add_argument("--no-compile", action="store_true", help="skip torch.compile: slower steps, at once")
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world
    try:
        train(SelfForcing(args.world, data, steps=args.steps, compile=not args.no_compile))
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
