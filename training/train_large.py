"""Trains the large tier of a world: what its tokenizer paints with, finer, on recordings of more pixels.

    python -m training.train_large --world doom-hall

The latents are the tokenizer's own, so the world model dreams for both tiers. For worlds whose module says how many
times as many pixels a side (`LARGE`), whose source draws so many, and whose tokenizer paints with surfaces (`SURFACES`)
rather than with a grid. Resumes from its checkpoint.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .any_tokenizer import AnyTokenizer
from .command import stage_parser
from .data import Episodes, load_episodes
from .device import find_place
from .environments import recipe, world_module
from .errors import TrainingError, exit_status
from .held_out import held_out_episodes, large_episodes, same_episodes, spread
from .loop import Loop, Training
from .measures import sharpness
from .record import Recording, record_all
from .tokenizer import psnr, to_float, to_uint8
from .tokenizers import build
from .train_tokenizer import STAGE as TOKENIZER
from .train_tokenizer import load_tokenizer

STAGE = "large"
SCORED = 24  # held-out pictures that are painted now and then


@dataclass
class LargeTraining(Training):
    """How long, how fast, on how much."""

    steps: int = 1000
    batch: int = 4
    adam_lr: float = 1e-3
    recordings: int = 2  # of the tokenizer's, that are recorded again with more pixels


def train(args: LargeTraining) -> AnyTokenizer:
    """Trains, or trains on from the checkpoint. Records what is missing."""
    torch.manual_seed(args.seed)
    place = find_place()
    times = getattr(world_module(args.world, args.data), "LARGE", 1)
    small = load_tokenizer(args.data / f"{TOKENIZER}.pt", args.world)
    if times < 2 or not small.SURFACES:
        raise TrainingError(f"expected a world with a large tier (LARGE in its module), got '{args.world}'.")
    known = {seed: load_episodes([args.data / f"train-{seed}.npz"]) for seed in range(1, args.recordings + 1)}
    held = held_out_episodes(args.world, args.data)
    files = {seed: args.data / f"large-{seed}.npz" for seed in known}
    if place.first:
        record_all(
            [
                (files[seed], Recording(args.world, "mixed", seed, len(episodes.frames), times=times))
                for seed, episodes in known.items()
                if not files[seed].exists()
            ]
        )
        large_held = large_episodes(args.world, args.data, held, times)
    place.wait()
    parts = [
        (same_episodes(episodes, load_episodes([files[seed]]), files[seed].name), small.latents_of(episodes).numpy())
        for seed, episodes in known.items()
    ]
    frames, latent, weight = (
        np.concatenate(arrays)
        for arrays in zip(*((large.frames, told, small.told_whole(large)) for large, told in parts), strict=True)
    )
    model = enlarged(small, times).to(place.device)
    optims = [model.optimiser(args.adam_lr)]
    loop = Loop(
        STAGE,
        args,
        place,
        config=model.config.dict(),
        parts={"model": model, "optims": optims},
        frames=args.batch,
        evaluate=lambda: painted(model, small, held, large_held),
    )
    for step, rng in loop:
        rows = rng.integers(0, len(frames), args.batch)
        pictures, told, weighed = (torch.from_numpy(a[rows]).to(place.device) for a in (frames, latent, weight))
        with place.autocast():
            loss, quality = model.painting(to_float(pictures), told * model.std + model.mean, weighed)
        loss.backward()
        loop.update(optims, rate=min(1.0, (step + 1) / 20, 1.02 - step / args.steps))
        loop.log({"loss": loss.detach(), "psnr": quality})
    return model.eval()


def enlarged(small: AnyTokenizer, times: int) -> AnyTokenizer:
    """A tokenizer that paints `times` as many pixels a side from the same latents, with the surfaces of `small`."""
    large = build({**small.config.dict(), "finer": times})
    state = small.state_dict()
    for name in small.SURFACES:
        state[name] = state[name].repeat_interleave(times, -2).repeat_interleave(times, -1)
    large.load_state_dict(state)
    return large


@torch.no_grad()
def painted(model: AnyTokenizer, small: AnyTokenizer, held: Episodes, large: Episodes) -> dict[str, float]:
    """Held-out pictures painted from what is known of them: median PSNR, dB, and sharpness as a share of the real."""
    rows = spread(held, 1, min(SCORED, len(held.frames)))
    dreamed = to_uint8(model.decode(small.latents_of(held, rows).to(model.mean.device)))
    real = torch.from_numpy(large.frames[rows]).to(dreamed.device)
    ratio = sharpness(dreamed.cpu().numpy()) / sharpness(large.frames[rows])
    return {"psnr": psnr(dreamed, real).median().item(), "sharpness": float(np.median(ratio))}


def load_large(folder: Path, world: str) -> AnyTokenizer | None:
    """What paints the large tier, None where it wasn't trained."""
    if not (folder / f"{STAGE}.pt").is_file():
        return None
    return load_tokenizer(folder / f"{STAGE}.pt", world, STAGE)


def main(argv: list[str] | None = None) -> int:
    parser = stage_parser(__doc__, steps=LargeTraining.steps)
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world

    def work() -> None:
        wanted = recipe(world_module(args.world, data), STAGE, steps=args.steps)
        train(LargeTraining(args.world, data, **wanted))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
