"""Self-forcing: the world model learns from its own long dreams, sampled as in play.

    python -m training.stage self-forcing --world car-racing

A pool of dreams goes on from step to step, each under recorded actions or a driver that sees the dreamed picture; rows
start anew from real frames now and then, so that young and old dreams are judged. Each step dreams a few frames of all
rows; a critic (`critic.py`) compares these clips with real ones, and its judgement flows back through them. The world
model's own loss on real histories goes on beside it: the critic says what a world looks like, the real frames what
happens.

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

from ..data.corpus import Latents, Part
from ..model.critic import Critic, critic_loss, dream_loss
from ..model.tokenizer import Tokenizer, to_uint8
from ..model.world_model import WorldModel, patchify, unpatchify
from ..worlds.world import Player
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .tokenizer import load_tokenizer
from .world_model import HISTORY_LEVEL, contact_sheet, held_latents, held_out, load_world_model, training_latents

STAGE = "self-forcing"


@dataclass
class SelfForcing(Training):
    """How long, how fast, how much of what."""

    steps: int = 1500
    rows: int = 32  # dreams in the pool
    frames: int = 3  # frames dreamed a step, all of them judged together with the one before
    life: int = 160  # frames a dream lives on average
    batch: int = 6  # rows of the world model's own loss
    length: int = 24  # frames of such a row
    lr: float = 2e-4
    critic_lr: float = 4e-4
    alone: int = 100  # steps in which the critic learns alone; its pull grows over twice as many
    push: float = 0.15  # size of the critic's pull on a latent, in its standard deviations
    noise_scale: float = 0.3  # largest noise on real histories
    first_weight: float = 0.3  # of a squared error at pure noise, whose optimum is a blur; the energy score has none
    ema: float = 0.998
    compile: bool = True


class Dreams:
    """The pool: where each dream stands, and who steers it."""

    def __init__(
        self,
        model: WorldModel,
        rows: Latents,
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
        self.places: list[tuple[Part, int]] = [rows.place(rng)] * args.rows  # whose actions a row follows, and where
        self.drivers: list[Player | None] = [None] * args.rows
        self.restart(np.arange(args.rows))

    @property
    def world(self) -> Tensor | None:
        """Which world each row is of, where several share the network. int64 [rows]."""
        if self.model.config.worlds == 1:
            return None
        return torch.tensor([part.world for part, _ in self.places], device=self.device)

    @torch.no_grad()
    def restart(self, which: np.ndarray) -> None:
        """Rows `which` go back to real frames, with a full window of real history."""
        c = self.model.config
        latents, actions = [], []
        for row in which:
            part, at = self.rows.place(self.rng)
            latents.append(part.latents[at : at + c.window + 1])
            actions.append(part.actions[at : at + c.window])
            self.places[row] = part, at + c.window
            self.drivers[row] = None
            if self.player is not None and self.rng.random() < 0.6:
                self.drivers[row] = self.player(self.rng)
        real = patchify(torch.from_numpy(np.stack(latents).astype(np.float32)).to(self.device), c)
        level = torch.full((len(which), c.window), HISTORY_LEVEL, device=self.device)
        led = torch.from_numpy(np.stack(actions)).to(self.device)
        world = None if self.world is None else self.world[which]
        _, slots = self.model.trunk(real[:, :-1], led, level, world)
        self.kv[which] = slots
        self.latent[which], self.before[which] = real[:, -1], real[:, -2]

    @torch.no_grad()
    def actions(self, tokenizer: Tokenizer) -> Tensor:
        """Actions of the next frames, float32 [rows, frames, A]. A driver holds its action for all of them."""
        count, led = self.args.frames, []
        for row, (part, at) in enumerate(self.places):
            led.append(part.actions[(at + np.arange(count)) % len(part.actions)])
            self.places[row] = part, at + count
        actions = np.stack(led)
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


def dream(
    model: WorldModel, latent: Tensor, kv: Tensor, actions: Tensor, noise: Tensor, world: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Dreams on with a full window. noise [frames, K, B, N, C]; gives [B, frames, N, C] and the window after."""
    age = torch.arange(model.config.window, 0, -1, dtype=torch.int32, device=latent.device)
    level, out = torch.full((len(latent),), HISTORY_LEVEL, device=latent.device), []
    for t in range(len(noise)):
        features, slot = model.trunk.step(latent, actions[:, t], level, kv, age, world)
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
    rows, held = training_latents(args, max(args.length + 1, c.window + 1)), held_latents(args)
    parts = {"model": model, "average": average, "critic": critic, "optim": optim, "critic_optim": critic_optim}
    loop = Loop(
        STAGE,
        args,
        place,
        config=c.dict(),
        parts=parts,
        frames=args.rows * args.frames + args.batch * args.length,
        notes={"pull": 0.0},  # running size of the critic's gradient
        evaluate=lambda: held_out(average, tokenizer, held, count=24),
        sheet=lambda: contact_sheet(average, tokenizer, held),
    )
    pool_rng = np.random.default_rng([args.seed, 7, loop.step, place.rank])
    player = args.world.player if len(args.sources) == 1 else None
    pool = Dreams(model, rows, args, player=player, rng=pool_rng)
    forcing, dreaming = compiled(model.loss, args.compile), compiled(dream, args.compile)

    for step, rng in loop:
        rate = min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - loop.share)))
        evaluations = 1 if c.prediction == "score" else 1 + int(rng.random() < 0.3)
        actions = pool.actions(tokenizer)
        noise = torch.randn(args.frames, evaluations, args.rows, c.tokens, c.token_channels, device=place.device)
        before = pool.latent
        drawn = rows.draw(rng, args.rows)
        begin = int(rng.integers(0, rows.length - args.frames))
        real = (
            patchify(drawn.latents[:, begin : begin + args.frames + 1].to(place.device), c),
            drawn.actions[:, begin : begin + args.frames].to(place.device),
        )
        with place.autocast():
            dreamed, kv = dreaming(model, before, pool.kv, actions, noise, pool.world)
        dreamed, kv = dreamed.float(), kv.float()
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
        drawn = rows.draw(rng, args.batch)
        latents = patchify(drawn.latents[:, : args.length + 1].to(place.device), c)
        led = drawn.actions[:, : args.length].to(place.device)
        world = drawn.world.to(place.device) if c.worlds > 1 else None
        with place.autocast():
            loss, forcing_logs = forcing(
                latents[:, :-1], latents[:, 1:], led, args.noise_scale, args.first_weight, world=world
            )
        push = args.push * min(1.0, max(0.0, (step - args.alone) / max(1, 2 * args.alone)))
        loss.backward()
        if push > 0:
            dreamed.backward(push * 2 / dreamed.numel() * gradient / (pull + 1e-12))
        loop.update([optim], rate=rate)
        follow(average, model, decay=args.ema, step=step)
        pool.advance(dreamed, kv)
        loop.log({**logs, **forcing_logs, "pull": pull})
    return average
