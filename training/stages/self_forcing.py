"""Self-forcing: the world model learns from its own long dreams, by one or two evaluations as in play.

    python -m training.stage self-forcing --world car-racing

A pool of dreams goes on from step to step, each under recorded actions or a driver that sees the dreamed picture; rows
start anew from real frames now and then, so that young and old dreams are judged. Each step dreams a few frames of all
rows; a critic (`critic.py`) compares these clips with real ones, and its judgement flows back through them. Diffusion
forcing on real histories goes on beside it: the critic says what a world looks like, the real frames what happens.

Sources: rollouts in training (Huang et al. 2025, "Self forcing"), adversarial one-step dreams (Lin et al. 2025,
"Autoregressive adversarial post-training"). Resumes from its checkpoint; the pool then begins anew, with dreams that
are all young: the loss curve goes on within noise, not bit by bit.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..model.critic import Critic, critic_loss, dream_loss
from ..model.tokenizer import Tokenizer, to_uint8
from ..model.world_model import WorldModel, patchify, unpatchify
from ..worlds.world import Player
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .tokenizer import load_tokenizer
from .world_model import LatentRows, held_out, held_rows, load_world_model, training_rows

STAGE = "self-forcing"
CONTEXT_LEVEL = 0.1  # what play says the history's noise level is


@dataclass
class SelfForcing(Training):
    """How long, how fast, how much of what."""

    steps: int = 1500
    rows: int = 32  # dreams in the pool
    frames: int = 3  # frames dreamed a step, all of them judged together with the one before
    life: int = 160  # frames a dream lives on average
    batch: int = 6  # rows of diffusion forcing
    length: int = 24  # frames of such a row
    lr: float = 2e-4
    critic_lr: float = 4e-4
    alone: int = 100  # steps in which the critic learns alone; its pull grows over twice as many
    push: float = 0.15  # size of the critic's pull on a latent, in its standard deviations
    first_weight: float = 0.3  # of the squared error at pure noise, whose optimum is a blur
    ema: float = 0.998
    compile: bool = True


class Dreams:
    """The pool: where each dream stands, and who steers it."""

    def __init__(
        self,
        model: WorldModel,
        rows: LatentRows,
        args: SelfForcing,
        *,
        player: Callable[[np.random.Generator], Player] | None,
        rng: np.random.Generator,
    ) -> None:
        """`player(rng)` makes a driver of pictures; without one, all dreams follow recorded actions."""
        c, self.device = model.config, model.low.device
        self.model, self.rows, self.args, self.player, self.rng = model, rows, args, player, rng
        self.latent = torch.zeros(args.rows, c.tokens, c.token_channels, device=self.device)
        self.before = self.latent.clone()  # the frame before it
        slots = (args.rows, c.window, len(c.window_layers), 2, c.tokens, c.kv_width)
        self.kv = torch.zeros(slots, device=self.device)  # oldest first
        self.image = np.zeros(args.rows, int)  # whose actions a row follows: 0 recorded, 1 mirrored
        self.place = np.zeros(args.rows, int)  # where in them it is
        self.drivers: list[Player | None] = [None] * args.rows
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
        latents = patchify(torch.from_numpy(real.astype(np.float32)).to(self.device), c)
        level = torch.full((len(which), c.window), CONTEXT_LEVEL, device=self.device)
        _, slots = self.model.trunk(latents[:, :-1], torch.from_numpy(actions).to(self.device), level)
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
            pictures = to_uint8(tokenizer.decode(unpatchify(both, self.model.config))).cpu().numpy()
            earlier, now = pictures[: len(driven)], pictures[len(driven) :]
            for row, old, new in zip(driven, earlier, now, strict=True):
                actions[row] = self.drivers[row](old, new)
        return torch.from_numpy(actions).to(self.device)

    def advance(self, clip: Tensor, kv: Tensor) -> None:
        """After frames were dreamed: clip [rows, frames, N, C]."""
        self.before, self.latent, self.kv = clip[:, -2].detach(), clip[:, -1].detach(), kv.detach()
        dying = self.rng.random(self.args.rows) < 8 * self.args.frames / self.args.life
        if self.rng.random() < 1 / 8 and dying.any():  # several at once, that is cheaper
            self.restart(np.flatnonzero(dying))


def dream(model: WorldModel, latent: Tensor, kv: Tensor, actions: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Dreams on with a full window. noise [frames, K, B, N, C]; gives [B, frames, N, C] and the window after."""
    age = torch.arange(model.config.window, 0, -1, dtype=torch.int32, device=latent.device)
    level, out = torch.full((len(latent),), CONTEXT_LEVEL, device=latent.device), []
    for t in range(len(noise)):
        features, slot = model.trunk.step(latent, actions[:, t], level, kv, age)
        latent = model.denoise(features, latent, noise[t])
        kv = torch.cat([kv[:, 1:], slot[:, None]], 1)
        out.append(latent)
    return torch.stack(out, 1), kv


def train(args: SelfForcing) -> WorldModel:
    """Trains on from the world model, or from this stage's checkpoint; needs a tokenizer and latents as well."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world.name).to(place.device)
    model = load_world_model(args.data, args.world.name).train().to(place.device)
    c = model.config
    average = copy.deepcopy(model)
    critic = Critic(c, args.frames + 1).to(place.device)
    optim = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.8, 0.99), weight_decay=0.0)
    critic_optim = torch.optim.AdamW(critic.parameters(), lr=args.critic_lr, betas=(0.0, 0.99), weight_decay=0.0)
    rows, held = training_rows(args, max(args.length + 1, c.window + 1)), held_rows(args)
    parts = {"model": model, "average": average, "critic": critic, "optim": optim, "critic_optim": critic_optim}
    loop = Loop(
        STAGE,
        args,
        place,
        config=c.dict(),
        parts=parts,
        frames=args.rows * args.frames + args.batch * args.length,
        notes={"pull": 0.0},  # running size of the critic's gradient
        evaluate=lambda: held_out(average, tokenizer, held, count=48),
    )
    pool_rng = np.random.default_rng([args.seed, 7, loop.step, place.rank])
    pool = Dreams(model, rows, args, player=args.world.player, rng=pool_rng)
    forcing, dreaming = compiled(model.loss, args.compile), compiled(dream, args.compile)

    def draw(rng: np.random.Generator, count: int, begin: int, frames: int) -> tuple[Tensor, Tensor]:
        """Real clips [count, frames + 1, N, C] and the actions between their frames, `begin` frames into the rows."""
        grid, actions = (drawn.to(place.device) for drawn in rows.draw(rng, count))
        return patchify(grid[:, begin : begin + frames + 1], c), actions[:, begin : begin + frames]

    for step, rng in loop:
        rate = min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - step / args.steps)))
        evaluations = 1 + int(rng.random() < 0.3)
        actions = pool.actions(tokenizer)
        noise = torch.randn(args.frames, evaluations, args.rows, c.tokens, c.token_channels, device=place.device)
        before = pool.latent
        real = draw(rng, args.rows, int(rng.integers(0, rows.length - args.frames)), args.frames)
        with place.autocast():
            dreamed, kv = dreaming(model, before, pool.kv, actions, noise)
        clip = torch.cat([before[:, None], dreamed], 1), actions
        judged, logs = critic_loss(critic, real, clip)  # in float32: its penalty is a small difference
        judged.backward()
        loop.update([critic_optim], rate=rate, clip=math.inf)

        # The critic's pull on the dreamed frames, brought to a fixed size, then through the model.
        leaf = clip[0].detach().requires_grad_()
        (gradient,) = torch.autograd.grad(dream_loss(critic, real, (leaf, actions)), leaf)
        gradient = gradient[:, 1:]
        size, pull = gradient.square().mean().sqrt().item(), loop.notes["pull"]
        loop.notes["pull"] = pull = size if pull == 0 else 0.98 * pull + 0.02 * size
        latents, real_actions = draw(rng, args.batch, 0, args.length)
        with place.autocast():
            loss, forcing_logs = forcing(latents[:, :-1], latents[:, 1:], real_actions, 0.4, args.first_weight)
        push = args.push * min(1.0, max(0.0, (step - args.alone) / (2 * args.alone)))
        loss.backward()
        if push > 0:
            dreamed.backward(push * 2 / dreamed.numel() * gradient / (pull + 1e-12))
        loop.update([optim], rate=rate)
        follow(average, model, decay=args.ema, step=step)
        pool.advance(dreamed, kv)
        loop.log({**logs, **forcing_logs, "pull": pull})
    return average
