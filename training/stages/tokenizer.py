"""Trains the tokenizer on the pictures of one world or of several, then writes the latents of every frame beside them.

    python -m training.stage tokenizer --world car-racing

First by reconstruction alone, then a patch critic (`model/patch_critic.py`) joins in, so that the decoder paints
texture instead of its mean. The critic's gradient on a picture is brought to a share of the reconstruction's, whatever
its size, so neither can drown the other. Of several worlds the one with the larger error is seen more often. With
`frozen` only the decoder learns: latents that were made stay valid. Resumes from its checkpoint.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..data.corpus import Corpus, mapped, recordings
from ..errors import TrainingError
from ..model.patch_critic import PatchCritic
from ..model.tokenizer import Tokenizer, TokenizerConfig, psnr, reconstruction_loss, to_float, to_uint8
from . import checkpoint
from .device import compiled, find_place
from .latents import write_latents
from .loop import Loop, Training, follow
from .muon import optimisers

STAGE = "tokenizer"
RECONSTRUCTED = 96  # held-out pictures of a world
NORMALISED = 1024  # pictures of a world that set what normalises latents


@dataclass
class TokenizerTraining(Training):
    """How long and how fast."""

    steps: int = 6000
    batch: int = 32
    muon_lr: float = 0.02
    adam_lr: float = 1e-3
    critic_lr: float = 4e-4
    decay_from: float = 0.6  # share of the steps after which the rates fall linearly
    critic_from: float = 0.5  # share of the steps after which the critic's pull grows
    pull: float = 0.3  # size of the critic's gradient on a picture, as a share of the reconstruction's
    frozen: bool = False  # only the decoder learns
    ema: float = 0.998
    compile: bool = True


class Pictures:
    """Frames of some corpora with the frames before them."""

    def __init__(self, corpora: tuple[Corpus, ...], kind: str) -> None:
        self.files = [[mapped(file) for file in recordings(corpus.data, kind)] for corpus in corpora]
        for corpus, files in zip(corpora, self.files, strict=True):
            if not files:
                raise TrainingError(f"'{corpus.data}': expected {kind}-*.npz, found none; record the world first.")

    @property
    def shape(self) -> tuple[int, ...]:
        """Height and width."""
        return self.files[0][0]["frames"].shape[1:3]

    def draw(self, rng: np.random.Generator, counts: np.ndarray) -> tuple[Tensor, Tensor]:
        """`counts` pictures of each corpus and those before them, uint8 [B, H, W, 3] each, corpus after corpus."""
        now, before = [], []
        for files, count in zip(self.files, counts, strict=True):
            for number in rng.integers(0, len(files), count):
                frames, starts = files[number]["frames"], files[number]["starts"]
                row = int(rng.integers(len(frames)))
                now.append(frames[row])
                before.append(frames[row if starts[row] else row - 1])
        return torch.from_numpy(np.stack(now)), torch.from_numpy(np.stack(before))


def train(args: TokenizerTraining, config: TokenizerConfig | None = None) -> Tokenizer:
    """Trains, or trains on from the checkpoint, and sets what normalises the latents.

    Without a config: the usual shapes, for pictures of the world's size.
    """
    config = config or TokenizerConfig(size=args.world.size)
    torch.manual_seed(args.seed)
    place = find_place()
    pictures = Pictures(args.sources, "train")
    if pictures.shape != (config.size, config.size):
        raise TrainingError(f"expected pictures of {config.size} x {config.size}, got {pictures.shape}.")
    model, critic = Tokenizer(config), PatchCritic()
    ends = {"encoder.1.", f"encoder.{5 + config.encoder_blocks}.", f"decoder.{5 + config.decoder_blocks}."}
    optims = optimisers(model, muon_lr=args.muon_lr, adam_lr=args.adam_lr, first_and_last=ends)
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
        evaluate=lambda: reconstructions(average, args.sources),
        finish=lambda: normalise(model, average, pictures, keep=args.frozen),
    )
    decode = compiled(model.__call__, args.compile)
    judge, pull = compiled(critic.loss, args.compile), compiled(critic.pull, args.compile)
    measure = compiled(reconstruction_loss, args.compile)
    for step, rng in loop:
        share = loop.share
        errors = np.array(loop.notes["errors"])
        counts = rng.multinomial(args.batch, errors / errors.sum())
        target, before = (as_input(shown, place.device) for shown in pictures.draw(rng, counts))
        with place.autocast():
            out = decode(target).float()
        shown = out.detach().requires_grad_()
        losses = measure(shown, target, before)
        (gradient,) = torch.autograd.grad(losses.mean(), shown)
        logs = {"loss": losses.mean().detach(), "psnr": psnr_of(shown.detach(), target)}
        follow_errors(loop.notes["errors"], losses.detach(), counts)

        rate = min(1.0, (step + 1) / 50, max(0.05, (1 - share) / (1 - args.decay_from)))
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
            gradient = gradient + args.pull * grown * size * pulled
            logs |= {"critic": judged.detach(), "told_apart": told}
        out.backward(gradient)
        if args.frozen:
            for weight in model.encoder.parameters():
                weight.grad = None
        loop.update(optims, rate=rate)
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


def as_input(picture: Tensor, device: torch.device) -> Tensor:
    """uint8 [B, H, W, 3] to [B, 3, H, W] in [-0.5, 0.5]."""
    return to_float(picture.to(device)).contiguous(memory_format=torch.channels_last)


def psnr_of(out: Tensor, target: Tensor) -> Tensor:
    """dB, of pictures in [-0.5, 0.5]."""
    return -10 * (out.clamp(-0.5, 0.5) - target).square().mean().log10()


def follow_errors(errors: list[float], losses: Tensor, counts: np.ndarray) -> None:
    """Moves the running error of each corpus towards that of its pictures in the batch, in place."""
    for number, mine in enumerate(losses.split(counts.tolist())):
        if len(mine):
            errors[number] += 0.02 * (mine.mean().item() - errors[number])


@torch.no_grad()
def normalise(model: Tokenizer, average: Tokenizer, pictures: Pictures, *, keep: bool) -> None:
    """Sets what normalises latents, by the averaged encoder; `keep`: it is set already."""
    if keep:
        return
    counts = np.full(len(pictures.files), NORMALISED)
    shown, _ = pictures.draw(np.random.default_rng(0), counts)
    average.normalise(shown.numpy())
    model.mean.copy_(average.mean)
    model.std.copy_(average.std)


@torch.no_grad()
def reconstructions(model: Tokenizer, corpora: tuple[Corpus, ...]) -> dict[str, float]:
    """Median PSNR of encoding and decoding held-out pictures, dB, by world."""
    scores = {}
    for corpus in corpora:
        held = Pictures((corpus,), "held")
        shown, _ = held.draw(np.random.default_rng(0), np.array([RECONSTRUCTED]))
        shown = shown.to(model.mean.device)
        scores[corpus.world.name] = psnr(to_uint8(model.decode(model.encode(shown))), shown).median().item()
    return scores


def write_all_latents(model: Tokenizer, args: TokenizerTraining) -> None:
    """Latents of all recordings that the stage was given; those that are newer than the tokenizer are kept."""
    trained = (args.data / f"{STAGE}.pt").stat().st_mtime
    for corpus in args.sources:
        write_latents(model, corpus, trained=trained)


def load_tokenizer(path: Path, world: str) -> Tokenizer:
    """The averaged weights."""
    state = checkpoint.load(path, world=world, stage=STAGE)
    model = Tokenizer(TokenizerConfig(**state["meta"]["config"]))
    model.load_state_dict(state["average"])
    return model.eval()
