"""Consistency distillation: the causal model learns to reach in one or two evaluations where its ODE ends in many.

    python -m training.stage consistency --world car-racing

Teacher-forced: histories are real. A frame is noised to a level of a fixed ladder; the frozen model takes one Euler
step up the ladder, and the student's prediction before that step is pulled to its averaged self's prediction after it.
On the last rung the frozen model's own prediction is the target.

Sources: Song et al. 2023, "Consistency models"; the teacher-forced, discrete form without Jacobian products follows
Causal-rCM.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.world_model import WorldModel, augment
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .world_model import contact_sheet, frames_of, held_out, held_rows, load_denoiser, training_rows

STAGE = "consistency"


@dataclass
class ConsistencyTraining(Training):
    """How long, how fast, how many rungs."""

    steps: int = 600
    batch: int = 8
    length: int = 20  # frames of a row; more than the window
    rungs: int = 8  # levels 0, 1/rungs, ...: steps of the ODE that is distilled
    first_share: float = 0.4  # of the frames are noised to level 0, where play begins
    lr: float = 2e-4
    target_ema: float = 0.95  # of the student that gives the targets
    ema: float = 0.995  # of the weights that are kept
    noise_scale: float = 0.1  # largest noise on the history, in standard deviations of the latent
    compile: bool = True


def consistency_loss(
    student: WorldModel, target: WorldModel, frozen: WorldModel, args: ConsistencyTraining, rows: tuple[Tensor, Tensor]
) -> Tensor:
    """rows: frames [B, T + 2, C, g, g] and actions [B, T, A]. A number: mean squared distance to the target."""
    frames, action = rows
    batch, time = action.shape[:2]
    device = frames.device
    history, history_level = augment(frames[:, :-1], args.noise_scale)
    clean = frames[:, 2:].flatten(0, 1)

    rung = torch.randint(0, args.rungs, (batch * time,), device=device)
    rung = torch.where(torch.rand(batch * time, device=device) < args.first_share, 0, rung)
    level, following = rung / args.rungs, (rung + 1) / args.rungs
    now, then = level.view(-1, 1, 1, 1), following.view(-1, 1, 1, 1)
    noised = now * clean + (1 - now) * torch.randn_like(clean)

    def predicted(model: WorldModel, noised: Tensor, level: Tensor) -> Tensor:
        return model.head.sample(model.prepare(history, action, history_level, None), noised, level)

    with torch.no_grad():
        guess = predicted(frozen, noised, level)
        implied = (noised - now * guess) / (1 - now)
        stepped = then * guess + (1 - then) * implied
        goal = torch.where(then < 1, predicted(target, stepped, following), guess)
    return (predicted(student, noised, level) - goal).square().mean()


def train(args: ConsistencyTraining) -> WorldModel:
    torch.manual_seed(args.seed)
    place = find_place()
    frozen = load_denoiser(args.data, args.world.name).to(place.device).requires_grad_(False)
    student, target, average = (copy.deepcopy(frozen).requires_grad_(needed) for needed in (True, False, False))
    rows, held = training_rows(args, args.length + 2, place), held_rows(args)
    optim = torch.optim.AdamW(student.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)
    loop = Loop(
        STAGE,
        args,
        place,
        config=student.config.dict(),
        parts={"model": student, "target": target, "average": average, "optim": optim},
        frames=args.batch * args.length,
        evaluate=lambda: held_out(average, held, count=args.count),
        sheet=lambda: contact_sheet(average, held),
    )
    loss_of = compiled(consistency_loss, args.compile)
    for step, rng in loop:
        drawn = rows.draw(rng, args.batch)
        clips = frames_of(drawn, student), drawn.actions[:, 1:-1].to(place.device)
        with place.autocast():
            loss = loss_of(student, target, frozen, args, clips)
        loss.backward()
        loop.update([optim], rate=min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - loop.share))))
        follow(target, student, decay=args.target_ema, step=step)
        follow(average, student, decay=args.ema, step=step)
        loop.log({"loss": loss.detach()})
    return average
