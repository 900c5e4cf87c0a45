"""Sharpens the decoder: a critic of pictures compares what it paints with real frames, the encoder stays as it is.

    python -m training.sharpen --world doom-hall

By pixel errors alone a decoder paints the mean of all textures a latent could mean, which is none. And in play it never
sees an encoded frame, only what the world model predicts, which is a mean again. So here it learns from both, half
each: encoded frames, and one-step predictions on real histories; a critic judges patches of some 14 pixels. Latents
keep their meaning: the world model needn't learn anything anew.

Sources: patch critics for autoencoders and their gradient's share (Esser et al. 2021, "Taming transformers"); loss and
penalties as in `critic.py`.
"""

from __future__ import annotations

import copy
import math
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import checkpoint
from .command import stage_main
from .critic import NUDGE, PENALTY
from .device import compiled, find_place
from .errors import TrainingError
from .loop import Loop, Training, follow
from .self_forcing import CONTEXT_LEVEL
from .sprite_tokenizer import SpriteTokenizer
from .tokenizer import Tokenizer, psnr, to_uint8
from .train_tokenizer import load_tokenizer
from .train_world_model import LatentRows, load_world_model
from .world_model import WorldModel, patchify, unpatchify

STAGE = "sharpen"


@dataclass
class Sharpening(Training):
    """How long, how fast, how much the critic counts."""

    steps: int = 600
    batch: int = 2  # rows
    length: int = 16  # frames of a row, the window of the world model
    lr: float = 3e-4
    critic_lr: float = 6e-4
    alone: int = 50  # steps in which the critic learns alone
    share: float = 0.7  # size of the critic's pull on a pixel, where that of the errors is 1
    ema: float = 0.99
    compile: bool = True


class PictureCritic(nn.Module):
    """Pictures [B, 3, H, W] in [0, 1] to logits of their patches [B, places]."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        slope = nn.LeakyReLU(0.2)
        self.network = nn.Sequential(
            nn.PixelUnshuffle(2),
            nn.Conv2d(12, width, 3, padding=1),
            slope,
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            slope,
            nn.Conv2d(2 * width, 2 * width, 3, padding=1),
            slope,
            nn.Conv2d(2 * width, 1, 1),
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.network(2 * pictures - 1).flatten(1)


def critic_loss(critic: PictureCritic, real: Tensor, painted: Tensor) -> Tensor:
    """Relativistic, with zero-centred penalties on both sides by finite differences."""
    judged, judged_painted = critic(real), critic(painted)
    half, penalty = len(real) // 2, 0.0
    for pictures, logits in ((real, judged), (painted, judged_painted)):
        nudged = pictures[:half] + 0.5 * NUDGE * torch.randn_like(pictures[:half])  # of [-1, 1]
        penalty = penalty + ((critic(nudged) - logits[:half]) / NUDGE).square().mean()
    return F.softplus(judged_painted - judged).mean() + 0.5 * PENALTY * penalty


@torch.no_grad()
def predictions(model: WorldModel, latents: Tensor, actions: Tensor) -> Tensor:
    """What play would dream after each frame of real histories [B, T, N, C], [B T, N, C]."""
    level = torch.full(latents.shape[:2], CONTEXT_LEVEL, device=latents.device)
    features, _ = model.trunk(latents, actions, level)
    before = latents.flatten(0, 1)
    return model.denoise(features.flatten(0, 1), before, torch.randn_like(before)[None])


def train(args: Sharpening) -> Tokenizer:
    """Needs a tokenizer of a grid, latents and a world model: the latest of its stages."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world)
    if isinstance(tokenizer, SpriteTokenizer):
        raise TrainingError(
            f"{STAGE}: expected a world whose tokenizer has a decoder, got the sprites of '{args.world}'."
        )
    tokenizer = tokenizer.to(place.device, memory_format=torch.channels_last).train()
    tokenizer.encoder.requires_grad_(False)
    average = copy.deepcopy(tokenizer)
    model = load_world_model(args.data, args.world, "self-forcing", "world-model").to(place.device)
    critic = PictureCritic().to(place.device, memory_format=torch.channels_last)
    optim = torch.optim.AdamW(tokenizer.decoder.parameters(), args.lr, betas=(0.8, 0.99), weight_decay=0.0)
    critic_optim = torch.optim.AdamW(critic.parameters(), args.critic_lr, betas=(0.0, 0.99), weight_decay=0.0)
    rows = LatentRows(args.data, "train-*", args.length + 1, None)
    parts = {"model": tokenizer, "average": average, "critic": critic, "optim": optim, "critic_optim": critic_optim}
    loop = Loop(STAGE, args, place, config=tokenizer.config.dict(), parts=parts, frames=2 * args.batch * args.length)
    errors_of, judge = compiled(tokenizer.errors, args.compile), compiled(critic_loss, args.compile)
    for step, rng in loop:
        at = rng.choice(rows.first, args.batch)[:, None] + np.arange(args.length + 1)
        frames = torch.from_numpy(rows.episodes.frames[at]).to(place.device)
        actions = torch.from_numpy(rows.episodes.actions[at[:, :-1]]).to(place.device)
        latents = torch.from_numpy(rows.latents[0][at].astype(np.float32)).to(place.device)
        told = predictions(model, patchify(latents[:, :-1], model.config), actions)
        told = torch.cat([latents[:, 1:].flatten(0, 1), unpatchify(told, model.config)])
        target, before = (part.flatten(0, 1).repeat(2, 1, 1, 1) for part in (frames[:, 1:], frames[:, :-1]))
        rate = min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - step / args.steps)))

        painted = tokenizer.decode(told)
        real = target.permute(0, 3, 1, 2).float() / 255
        judged = judge(critic, real, painted.detach())
        judged.backward()
        loop.update([critic_optim], rate=rate, clip=math.inf)

        leaf = painted.detach().requires_grad_()
        error = errors_of(leaf, target, before)
        (by_error,) = torch.autograd.grad(error, leaf)
        (by_critic,) = torch.autograd.grad(F.softplus(critic(real).detach() - critic(leaf)).mean(), leaf)
        share = args.share * by_error.norm() / (by_critic.norm() + 1e-12) * (step >= args.alone)
        painted.backward(by_error + share * by_critic)
        loop.update([optim], rate=rate)
        follow(average, tokenizer, decay=args.ema, step=step)
        score = psnr(to_uint8(painted.detach()), target).mean()
        loop.log({"loss": error.detach(), "critic": judged.detach(), "psnr": score})
    return average


def load_sharpened(folder: Path, world: str) -> Tokenizer | SpriteTokenizer:
    """The tokenizer with the sharpened decoder, or without where this stage wasn't run."""
    tokenizer = load_tokenizer(folder / "tokenizer.pt", world)
    if (folder / f"{STAGE}.pt").is_file():
        tokenizer.load_state_dict(checkpoint.load(folder / f"{STAGE}.pt", world=world, stage=STAGE)["average"])
    return tokenizer


def main(argv: list[str] | None = None) -> int:
    return stage_main(__doc__, Sharpening, train, argv)


if __name__ == "__main__":
    sys.exit(main())
