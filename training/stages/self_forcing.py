"""Self-forcing: the world model learns from its own dreams, which a critic compares with reality.

    python -m training.stage self-forcing --world car-racing

As the world model's own stage, but behind histories that were dreamed the last time a row came (`Pool`). A critic
(`model/critic.py`) judges how each dreamed frame follows the dreamed one before it, beside the real ones of that
moment, and its judgement flows back through the frame. The squared error says what happens, the critic what a world
looks like.

Sources: training on dreamed histories, all frames side by side (Guo et al. 2025, "Resampling forcing"), adversarial
one-step dreams (Lin et al. 2025, "Autoregressive adversarial post-training"). Resumes from its checkpoint; the pool
then begins anew, with histories that are real: the loss curve goes on within noise, not bit by bit.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.corpus import Rows, Stretches
from ..model.critic import Critic, Pairs, critic_loss, dream_loss
from ..model.guide import STRANGE, cut_into
from ..model.picture import to_latent, to_uint8
from ..model.world_model import WorldModel, WorldModelConfig, augment
from . import checkpoint
from .balance import Balance
from .device import ROWS, compiled, find_place
from .loop import Loop, Training, follow
from .world_model import REFRESH, contact_sheet, guides_of, held_out, held_rows, load_world_model, training_rows

STAGE = "self-forcing"
CRITIC = "critic"  # what it begins with, where a base brought one


@dataclass
class SelfForcing(Training):
    """How long, how fast, how much of what."""

    steps: int = 6000
    batch: int = ROWS
    length: int = 20  # frames of a row; longer than the window
    judged: int = 8  # of these, side by side, that the critic sees
    pool: int = 40  # batches of rows that are trained on in turn
    real: float = 0.12  # share of the rows whose history is real
    lr: float = 6e-4
    critic_lr: float = 4e-4
    alone: int = 80  # steps in which a critic that begins learns alone; its pull grows over as many more
    push: float = 1.2  # the critic's pull on a frame is as large as that of a squared error of this root
    noise_scale: float = 0.1  # largest noise on the history
    ema: float = 0.99
    compile: bool = True


class Pool:
    """Rows that are trained on now and then, each behind what was dreamed of it the last time.

    A row's history is real at first; when it comes again every frame was dreamed from the one before it, then from that
    dream, and so on, until a fresh row takes its place. Every other time the row goes on by a frame as well, and what
    was dreamed first falls out behind. So the network learns to go on from its own dreams, as deep as a row is old, at
    no cost: what is dreamed is what the loss was taken of.
    """

    def __init__(self, rows: Stretches, rng: np.random.Generator, *, batch: int, batches: int, real: float) -> None:
        """batch: rows drawn together; batches: how many are kept; real: share of the rows drawn that are fresh."""
        self.rows, self.batch, self.real = rows, batch, real
        self._places = [rows.place(rng) for _ in range(batches * batch)]
        self._history: list[Tensor | None] = [None] * len(self._places)  # uint8 [length + 1, H, W, 3]; none: real

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, Rows, Tensor]:
        """Numbers of rows, the real rows, and the frames before each of theirs, uint8 [B, length + 1, H, W, 3]."""
        which = rng.choice(len(self._places), self.batch, replace=False)
        for number in which:
            if rng.random() < self.real:
                self._places[number], self._history[number] = self.rows.place(rng), None
        drawn = self.rows.rows([self._places[number] for number in which])
        history = [
            real[:-1] if dreamed is None else dreamed
            for real, dreamed in zip(drawn.frames, (self._history[number] for number in which), strict=True)
        ]
        return which, drawn, torch.stack(history)

    def keep(self, rng: np.random.Generator, which: np.ndarray, history: Tensor, dreamed: Tensor) -> None:
        """After what follows each frame of the histories but the first was dreamed, uint8 [B, length, H, W, 3]."""
        for number, row, following in zip(which, history, dreamed, strict=True):
            after = self.rows.after(self._places[number]) if rng.random() < 0.5 else None
            if after is None:  # where its episode ends a row stays
                self._history[number] = torch.cat([row[:2], following[:-1]])
            else:
                self._places[number], self._history[number] = after, torch.cat([row[1:2], following])


def train(args: SelfForcing) -> WorldModel:
    """Trains on from the world model, or from this stage's checkpoint."""
    torch.manual_seed(args.seed)
    place = find_place()
    model = load_world_model(args.data, args.world.name).train().to(place.device)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    c = model.config
    average = copy.deepcopy(model)
    critic, begins = load_critic(args.data, args.world.name, c)
    alone = args.alone if begins else 0  # without its pull the squared error would take texture away
    critic = critic.to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optim = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.8, 0.99), weight_decay=0.0)
    critic_optim = torch.optim.AdamW(critic.parameters(), lr=args.critic_lr, betas=(0.0, 0.99), weight_decay=0.0)
    rows, held = training_rows(args, args.length + 2, place), held_rows(args)
    parts = {"model": model, "average": average, "critic": critic, "optim": optim, "critic_optim": critic_optim}
    loop = Loop(
        STAGE,
        args,
        place,
        config=c.dict(),
        parts=parts,
        frames=args.batch * args.length,
        notes={"pull": 0.0},  # running size of the critic's gradient
        evaluate=lambda: held_out(average, held, count=args.count),
        sheet=lambda: contact_sheet(average, held),
    )
    balance = Balance(c.worlds, place.device)
    pool = Pool(rows, place.seed(args.seed, loop.step), batch=args.batch, batches=args.pool, real=args.real)
    loss_of = compiled(model.denoising_loss if c.prediction == "x" else model.loss, args.compile)
    judge, wish = compiled(critic_loss, args.compile), compiled(dream_loss, args.compile)

    for step, rng in loop:
        if step % REFRESH == REFRESH - 1:
            rows.refresh()
        rate = min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - loop.share)))
        which, drawn, past = pool.draw(rng)
        history, frames = (to_latent(pictures.to(place.device)) for pictures in (past, drawn.frames))
        led, world = drawn.actions[:, 1:-1].to(place.device), drawn.world.to(place.device)
        guide, guided = guides_of(drawn, model, strange=STRANGE), drawn.guided.to(place.device)
        noised, level = augment(history if guide is None else cut_into(history, guided), args.noise_scale)
        guide = None if guide is None else guide[:, 1:]
        strayed, target, history = strayed_of(history, frames, guided), frames[:, 2:], history[:, 1:]
        noise = model.draw(args.batch * args.length)
        several = world if c.worlds > 1 else None
        with place.autocast():
            loss, dreamed, errors, logs = loss_of(
                noised, level, target, led, noise, several, strayed, balance.weights(world), guide
            )
        balance.see(world, errors.float())
        pool.keep(rng, which, past, to_uint8(dreamed.detach()))

        begin = int(rng.integers(1, args.length - args.judged + 1))
        seen = slice(begin, begin + args.judged)
        real = pairs_of(target[:, begin - 1 : begin - 1 + args.judged], target[:, seen])
        dream = pairs_of(history[:, seen], dreamed[:, seen].detach())
        told = led[:, seen].flatten(0, 1), world.repeat_interleave(args.judged)
        with place.autocast():
            judged, critic_logs = judge(critic, real, dream, *told)
        judged.backward()
        loop.update([critic_optim], rate=rate, clip=math.inf)

        # The critic's pull on the dreamed frames, brought to a fixed size, then through the model.
        push = args.push * min(1.0, max(0.0, (step - alone) / max(1, alone)))
        dream.after.requires_grad_()
        with place.autocast():
            wished = wish(critic, real, dream, *told)
        (gradient,) = torch.autograd.grad(wished, dream.after)
        size, pull = gradient.square().mean().sqrt().item(), loop.notes["pull"]
        loop.notes["pull"] = pull = size if pull == 0 else 0.98 * pull + 0.02 * size
        through = torch.zeros_like(dreamed)
        through[:, seen] = (8 * push / dreamed.numel() / (pull + 1e-12) * gradient).view_as(through[:, seen])
        torch.autograd.backward([loss, dreamed], [None, through])
        loop.update([optim], rate=rate)
        follow(average, model, decay=args.ema, step=step)
        loop.log({**logs, **critic_logs, "pull": pull})
    return average


def strayed_of(history: Tensor, frames: Tensor, guided: Tensor) -> Tensor:
    """How far histories [B, T + 1, C, g, g] strayed from real frames [B, T + 2, ...]: [B, T, C, g, g].

    Of guided rows, bool [B], not at all: however a history strayed, a guide says what follows.
    """
    return ((history - frames[:, :-1]) * ~guided.view(-1, 1, 1, 1, 1))[:, 1:]


def save_critic(folder: Path, world: str, critic: Critic) -> None:
    """For `load_critic`, in the folder where a world is trained."""
    about = {"world": world, "stage": CRITIC, "config": critic.config.dict()}
    checkpoint.save(folder / f"{CRITIC}.pt", {"critic": critic.state_dict()}, about)


def load_critic(folder: Path, world: str, config: WorldModelConfig, *, stage: str = CRITIC) -> tuple[Critic, bool]:
    """The critic that a base brought, or that a checkpoint of this stage has; else one that begins, and whether."""
    critic, known = Critic(config), (folder / f"{stage}.pt").is_file()
    if known:
        critic.load_state_dict(checkpoint.load(folder / f"{stage}.pt", world=world, stage=stage)["critic"])
    return critic, not known


def pairs_of(before: Tensor, after: Tensor) -> Pairs:
    """Frames [B, F, C, g, g] and those that follow them."""
    return Pairs(before.flatten(0, 1), after.flatten(0, 1))
