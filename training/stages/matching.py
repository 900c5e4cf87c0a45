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
from ..model.world_model import WorldModel, patchify
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .self_forcing import dream
from .teacher import load_teacher
from .tokenizer import load_tokenizer
from .world_model import HISTORY_LEVEL, contact_sheet, held_latents, held_out, load_denoiser, training_latents

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
    noise_scale: float = 0.4  # largest noise on the history, in standard deviations of the latent
    first_weight: float = 0.3  # of the squared error at pure noise, whose optimum is a blur
    ema: float = 0.995
    compile: bool = True


def pull(teacher: Teacher, fake: Teacher, clip: Tensor, action: Tensor) -> Tensor:
    """Direction that makes a dream less likely among real clips, [B, FRAMES, N, C]; zero for the given frames.

    Scaled per clip by how far the teacher is from it, so that all noise levels weigh alike.
    """
    given = torch.full((len(clip),), GIVEN, device=clip.device)
    noised, level = noise_clip(clip, given, 0.02 + 0.96 * torch.rand(len(clip), device=clip.device))
    real = teacher(noised, action, level)
    dreamt = fake(noised, action, level)
    distance = (clip - real)[:, GIVEN:].abs().mean((1, 2, 3), keepdim=True)
    direction = (dreamt - real) / (distance + 1e-6)
    direction[:, :GIVEN] = 0
    return direction


def train(args: MatchingTraining) -> WorldModel:
    """Begins from consistency distillation where that was done, else from the world model."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world.name).to(place.device)
    model = load_denoiser(args.data, args.world.name, "consistency", "world-model").to(place.device).train()
    average = copy.deepcopy(model)
    teacher = load_teacher(args.data, args.world.name).to(place.device).requires_grad_(False)
    fake = copy.deepcopy(teacher).requires_grad_(True)
    c = model.config
    optim = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.8, 0.99), weight_decay=0.0)
    fake_optim = torch.optim.AdamW(fake.parameters(), lr=args.copy_lr, betas=(0.8, 0.99), weight_decay=0.0)
    window, frames = c.window, FRAMES - GIVEN
    rows, held = training_latents(args, window + frames + 1), held_latents(args)
    loop = Loop(
        STAGE,
        args,
        place,
        config=c.dict(),
        parts={"model": model, "average": average, "fake": fake, "optims": [optim, fake_optim]},
        frames=args.rows * frames,
        evaluate=lambda: held_out(average, tokenizer, held, count=24),
        sheet=lambda: contact_sheet(average, tokenizer, held),
    )
    forcing, dreaming = compiled(model.loss, args.compile), compiled(dream, args.compile)
    fake_loss, pulling = compiled(fake.loss, args.compile), compiled(pull, args.compile)
    logs: dict[str, Tensor | float] = {}  # of the newest step of each of the two
    for step, rng in loop:
        drawn = rows.draw(rng, args.rows)
        grid, actions = drawn.latents.to(place.device), drawn.actions.to(place.device)
        latents = patchify(grid, c)
        noise = torch.randn(frames, 1 + int(rng.random() < 0.3), args.rows, c.tokens, c.token_channels).to(place.device)
        students_turn = step % args.student_every == 0
        rate = min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - loop.share)))
        with place.autocast(), torch.set_grad_enabled(students_turn):
            with torch.no_grad():
                level = torch.full((args.rows, window), HISTORY_LEVEL, device=place.device)
                _, kv = model.trunk(latents[:, :window], actions[:, :window], level)
            dreamed, _ = dreaming(model, latents[:, window], kv, actions[:, window:], noise)
        clip = torch.cat([latents[:, window + 1 - GIVEN : window + 1], dreamed], 1)
        led = actions[:, window + 1 - GIVEN : window + frames]
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
                grid, actions = drawn.latents.to(place.device), drawn.actions.to(place.device)
                real, noise_scale = patchify(grid, c), args.noise_scale
                loss, forcing_logs = forcing(real[:, :-1], real[:, 1:], actions[:, :-1], noise_scale, args.first_weight)
            loss.backward()
            dreamed.backward(args.weight * direction[:, GIVEN:] / dreamed.numel())
            loop.update([optim], rate=rate)
            follow(average, model, decay=args.ema, step=step)
            logs |= {**forcing_logs, "pull": direction.square().mean().sqrt()}
        loop.log(logs)
    return average
