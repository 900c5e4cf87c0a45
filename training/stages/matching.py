"""Distribution matching: the student's own dreams are pulled towards the bidirectional teacher's distribution.

    python -m training.stage matching --world car-racing

The student dreams on from real frames as in play. Its clip is noised; the teacher says where a real clip of that noise
would lie, a copy of the teacher that keeps learning from the student's dreams says where a dream would. The difference
moves the dreamed frames, and through them the student. Diffusion forcing on real histories goes on beside it.

Sources: Yin et al. 2024, "Improved distribution matching distillation"; Huang et al. 2025, "Self forcing".
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from ..model.teacher import FRAMES, Teacher, noise_clip
from ..model.world_model import WorldModel, latents_of
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .teacher import load_teacher
from .world_model import (
    HISTORY_LEVEL,
    contact_sheet,
    frames_of,
    held_out,
    held_rows,
    load_denoiser,
    loss_on_real,
    training_rows,
)

STAGE = "matching"
GIVEN = 4  # frames of a clip that are real; the student dreams the rest


@dataclass
class MatchingTraining(Training):
    """How long, how fast, how much of what."""

    steps: int = 1200
    rows: int = 8  # dreamed clips a step
    batch: int = 4  # rows of diffusion forcing
    student_every: int = 3  # steps: the teacher's copy must keep up with the student
    lr: float = 1e-4
    copy_lr: float = 2e-4
    weight: float = 0.1  # of the pull beside the error of diffusion forcing
    noise_scale: float = 0.1  # largest noise on the history, in standard deviations of the latent
    first_weight: float = 0.3  # of the squared error at pure noise, whose optimum is a blur
    ema: float = 0.995
    compile: bool = True


def dream(
    model: WorldModel, latent: Tensor, kv: Tensor, actions: Tensor, noise: Tensor, world: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Dreams on with a full window. noise [frames, K, B, ...]; gives [B, frames, C, g, g] and the window after."""
    age = torch.arange(model.config.window, 0, -1, dtype=torch.int32, device=latent.device)
    level, out = torch.full((len(latent),), HISTORY_LEVEL, device=latent.device), []
    for t in range(len(noise)):
        latent, slot = model.step(latent, actions[:, t], level, noise[t], kv, age, world)
        kv = torch.cat([kv[:, 1:], slot[:, None]], 1)
        out.append(latent[:, : model.config.channels])
    return torch.stack(out, 1), kv


def pull(teacher: Teacher, fake: Teacher, clip: Tensor, action: Tensor) -> Tensor:
    """Direction that makes a dream less likely among real clips, [B, FRAMES, C, g, g]; zero for the given frames.

    Scaled per clip by how far the teacher is from it, so that all noise levels weigh alike.
    """
    given = torch.full((len(clip),), GIVEN, device=clip.device)
    noised, level = noise_clip(clip, given, 0.02 + 0.96 * torch.rand(len(clip), device=clip.device))
    real = teacher(noised, action, level)
    dreamt = fake(noised, action, level)
    distance = (clip - real)[:, GIVEN:].abs().mean((1, 2, 3, 4), keepdim=True)
    direction = (dreamt - real) / (distance + 1e-6)
    direction[:, :GIVEN] = 0
    return direction


def train(args: MatchingTraining) -> WorldModel:
    """Begins from consistency distillation where that was done, else from the world model."""
    torch.manual_seed(args.seed)
    place = find_place()
    model = load_denoiser(args.data, args.world.name, "consistency", "world-model").to(place.device).train()
    average = copy.deepcopy(model)
    teacher = load_teacher(args.data, args.world.name).to(place.device).requires_grad_(False)
    fake = copy.deepcopy(teacher).requires_grad_(True)
    c = model.config
    optim = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.8, 0.99), weight_decay=0.0)
    fake_optim = torch.optim.AdamW(fake.parameters(), lr=args.copy_lr, betas=(0.8, 0.99), weight_decay=0.0)
    window, frames = c.window, FRAMES - GIVEN
    rows, held = training_rows(args, window + frames + 2, place), held_rows(args)
    loop = Loop(
        STAGE,
        args,
        place,
        config=c.dict(),
        parts={"model": model, "average": average, "fake": fake, "optims": [optim, fake_optim]},
        frames=args.rows * frames,
        evaluate=lambda: held_out(average, held, count=args.count),
        sheet=lambda: contact_sheet(average, held),
    )
    forcing, dreaming = compiled(loss_on_real, args.compile), compiled(dream, args.compile)
    fake_loss, pulling = compiled(fake.loss, args.compile), compiled(pull, args.compile)
    logs: dict[str, Tensor | float] = {}  # of the newest step of each of the two
    for step, rng in loop:
        drawn = rows.draw(rng, args.rows)
        real, actions = frames_of(drawn, model), drawn.actions.to(place.device)
        evaluations = 1 + int(rng.random() < 0.3)
        noise = torch.stack([model.draw(args.rows, evaluations) for _ in range(frames)])
        students_turn = step % args.student_every == 0
        rate = min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - loop.share)))
        with place.autocast(), torch.set_grad_enabled(students_turn):
            with torch.no_grad():
                level = torch.full((args.rows, window + 1), HISTORY_LEVEL, device=place.device)
                kv = model.slots(real[:, : window + 1], actions[:, 1 : window + 1], level)
            latent = latents_of(real[:, window : window + 2])[:, 0]
            dreamed, _ = dreaming(model, latent, kv, actions[:, window + 1 :], noise)
        clip = torch.cat([real[:, window + 2 - GIVEN : window + 2], dreamed], 1)
        led = actions[:, window + 2 - GIVEN : window + 1 + frames]
        with place.autocast():
            loss = fake_loss(clip.detach(), led)
        loss.backward()
        loop.update([fake_optim], rate=rate)
        logs |= {"fake": loss.detach()}
        if students_turn:
            with place.autocast():
                with torch.no_grad():
                    direction = pulling(teacher, fake, clip.detach(), led)
                drawn = rows.draw(rng, args.batch)
                real, led = frames_of(drawn, model), drawn.actions[:, 1:-1].to(place.device)
                loss, _, _, forcing_logs = forcing(model, real, led, args.noise_scale, first_weight=args.first_weight)
            loss.backward()
            dreamed.backward(args.weight * direction[:, GIVEN:] / dreamed.numel())
            loop.update([optim], rate=rate)
            follow(average, model, decay=args.ema, step=step)
            logs |= {**forcing_logs, "pull": direction.square().mean().sqrt()}
        loop.log(logs)
    return average
