"""Trains the tokenizer on the pictures of one world or of several.

    python -m training.stage tokenizer --world car-racing

First by reconstruction alone, then a patch critic (`model/patch_critic.py`) joins in, so that the decoder paints
texture instead of its mean. The critic's gradient on a picture is brought to a share of the reconstruction's, whatever
its size, and ends where the picture is as sharp as the real one. What was decoded shall have the codes that it was
decoded from: a dream reads its own pictures, and what rests must rest. Of several worlds the one with the larger error
is seen more often. Begins from a base's tokenizer where there is one, resumes from its checkpoint.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.corpus import Stretches
from ..model.patch_critic import PatchCritic
from ..model.picture import psnr
from ..model.tokenizer import Tokenizer, TokenizerConfig, reconstruction_loss, sharpness
from . import checkpoint
from .device import compiled, find_place
from .loop import Loop, Training, follow
from .muon import optimisers

STAGE = "tokenizer"
CODER = "coder"  # what a base brought: its tokenizer is begun with
REFRESH = 500  # steps after which recordings that are new are taken up


@dataclass
class TokenizerTraining(Training):
    """How long and how fast."""

    steps: int = 12_000
    batch: int = 16
    count: int = 64  # held-out pictures of a world that are scored
    muon_lr: float = 0.012
    adam_lr: float = 6e-4
    critic_lr: float = 4e-4
    decay_from: float = 0.6  # share of the steps after which the rates fall linearly
    critic_from: float = 0.3  # share of the steps after which the critic's pull grows
    pull: float = 0.6  # size of the critic's gradient on a picture, as a share of the reconstruction's
    same: float = 0.2  # weight of the squared distance of codes from those of what they were decoded to
    ema: float = 0.998
    compile: bool = True


def train(args: TokenizerTraining, config: TokenizerConfig | None = None) -> Tokenizer:
    """Trains, or trains on from the checkpoint. Shapes: a base's where one was brought, else `config` or the usual."""
    torch.manual_seed(args.seed)
    place = find_place()
    memory = None if place.device.type == "cpu" else place.device
    rows, held = Stretches(args.sources, "train", 2, memory), Stretches(args.sources, "held", 2)
    begun = brought(args.data, args.world.name)
    config = replace((config or TokenizerConfig()) if begun is None else begun.config, size=rows.size)
    model, critic = Tokenizer(config), PatchCritic()
    if begun is not None:
        model.load_state_dict(begun.state_dict())
    ends = {"encoder.1.", f"encoder.{5 + config.encoder_blocks}.", f"decoder.{4 + 2 * config.decoder_blocks}."}
    optims = optimisers(model, muon_lr=args.muon_lr, adam_lr=args.adam_lr, first_and_last=ends, half=place.half)
    critic_optim = torch.optim.AdamW(critic.parameters(), lr=args.critic_lr, betas=(0.0, 0.99), weight_decay=0.0)
    model = model.to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    critic = critic.to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(model)
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "average": average, "critic": critic, "optims": optims, "critic_optim": critic_optim},
        frames=args.batch,
        notes={"errors": [1.0] * len(args.sources)},
        evaluate=lambda: reconstructions(average, held, count=args.count),
        sheet=lambda: contact_sheet(average, held),
    )
    decode, unlike = compiled(model.__call__, args.compile), compiled(model.unlike, args.compile)
    judge, pull = compiled(critic.loss, args.compile), compiled(critic.pull, args.compile)
    measure = compiled(reconstruction_loss, args.compile)
    for step, rng in loop:
        if step % REFRESH == REFRESH - 1:
            rows.refresh()
        share, errors = loop.share, np.array(loop.notes["errors"])
        worlds = rng.choice(len(errors), args.batch, p=errors / errors.sum())
        drawn = rows.rows([rows.place(rng, int(world)) for world in worlds])
        before, target = (as_input(drawn.frames[:, which].to(place.device)) for which in (0, 1))
        with place.autocast():
            out, codes = decode(target)
            out = out.float()
        shown = out.detach().requires_grad_()
        losses = measure(shown, target, before)
        with place.autocast():
            apart = unlike(shown, codes)
        (losses.mean() + args.same * apart).backward()
        gradient = shown.grad
        sharp = sharpness(shown.detach(), target)
        mse = (shown.detach().clamp(-0.5, 0.5) - target).square().mean()
        logs = {
            "loss": losses.mean().detach(),
            "psnr": -10 * mse.log10(),
            "sharpness": sharp.mean(),
            "apart": apart.detach(),
        }
        follow_errors(loop.notes["errors"], losses.detach(), worlds)

        rate = min(1.0, (step + 1) / 50, max(0.05, (1 - share) / (1 - args.decay_from)))
        assert gradient is not None
        if share >= args.critic_from:
            with place.autocast():
                judged, told = judge(target, shown.detach())
            judged.backward()
            loop.update([critic_optim], rate=rate, clip=math.inf)
            with place.autocast():
                wish = pull(target, shown)
            (pulled,) = torch.autograd.grad(wish, shown)
            grown = min(1.0, 20 * (share - args.critic_from))  # over a twentieth of the steps
            size = gradient.square().mean().sqrt() / (pulled.square().mean().sqrt() + 1e-12)
            wanting = (4 * (1 - sharp)).clamp(0, 1)[:, None, None, None]
            gradient = gradient + args.pull * grown * size * wanting * pulled
            logs |= {"critic": judged.detach(), "told_apart": told}
        out.backward(gradient)
        loop.update(optims, rate=rate)
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


def as_input(picture: Tensor) -> Tensor:
    """uint8 [B, H, W, 3] to [B, 3, H, W] in [-0.5, 0.5]."""
    return (picture.movedim(-1, 1).float() / 255 - 0.5).contiguous(memory_format=torch.channels_last)


def as_picture(out: Tensor) -> Tensor:
    """The inverse of `as_input`, clipped and rounded."""
    return ((out + 0.5).clamp(0, 1) * 255 + 0.5).to(torch.uint8).movedim(1, -1)


def follow_errors(errors: list[float], losses: Tensor, worlds: np.ndarray) -> None:
    """Moves the running error of each world towards those of its pictures in the batch, in place."""
    found = losses.cpu().numpy()
    for number in np.unique(worlds):
        errors[number] += 0.02 * (float(found[worlds == number].mean()) - errors[number])


@torch.no_grad()
def reconstructions(model: Tokenizer, held: Stretches, *, count: int) -> dict[str, float]:
    """Of encoding and decoding held-out pictures, by world.

    Median PSNR, dB, the share of codes that a second time gives again, and the share of sharpness that is left.
    """
    scores, device = {}, next(model.parameters()).device
    for number, corpus in enumerate(held.corpora):
        shown = held.draw(np.random.default_rng(0), count, number).frames[:, 1].to(device)
        real = as_input(shown)
        out, codes = model(real)
        again = model.encode(out.clamp(-0.5, 0.5)).round()
        name = "" if len(held.corpora) == 1 else f"{corpus.world.name} "
        scores[f"{name}psnr"] = psnr(as_picture(out), shown).median().item()
        scores[f"{name}same"] = (again == codes).float().mean().item()
        scores[f"{name}sharpness"] = sharpness(out.clamp(-0.5, 0.5), real).median().item()
    return scores


@torch.no_grad()
def contact_sheet(model: Tokenizer, held: Stretches, *, count: int = 6) -> np.ndarray:
    """Held-out pictures above what their codes say of them; uint8 [H, W, 3]."""
    strips, device = [], next(model.parameters()).device
    for number in range(len(held.corpora)):
        shown = held.draw(np.random.default_rng(3), count, number).frames[:, 1]
        decoded = as_picture(model(as_input(shown.to(device)))[0]).cpu()
        strips += [np.concatenate(list(pictures.numpy()), 1) for pictures in (shown, decoded)]
    return np.concatenate(strips)


def brought(folder: Path, world: str) -> Tokenizer | None:
    """The tokenizer within the coder that a base brought into `folder`; None where it brought none."""
    path, within = folder / f"{CODER}.pt", "tokenizer."
    if not path.is_file():
        return None
    state = checkpoint.load(path, world=world, stage=CODER)
    model = Tokenizer(TokenizerConfig(**state["meta"]["config"]))
    weights = {name: value for name, value in state["coder"].items() if name.startswith(within)}
    model.load_state_dict({name.removeprefix(within): value for name, value in weights.items()})
    return model


def load_tokenizer(folder: Path, world: str) -> Tokenizer:
    """The averaged weights of the stage's checkpoint in `folder`, or those that a base brought."""
    path = folder / f"{STAGE}.pt"
    begun = None if path.is_file() else brought(folder, world)
    if begun is not None:
        return begun.eval()
    state = checkpoint.load(path, world=world, stage=STAGE)
    model = Tokenizer(TokenizerConfig(**state["meta"]["config"]))
    model.load_state_dict(state["average"])
    return model.eval()
