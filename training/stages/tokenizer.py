"""Trains the tokenizer on recordings, then writes the latents of every frame beside them.

    python -m training.stage tokenizer --world car-racing

Resumes from its checkpoint; a kill costs at most a minute of work.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..data.episodes import load_episodes
from ..data.held_out import spread
from ..errors import TrainingError
from ..model.tokenizer import Tokenizer, TokenizerConfig, psnr, to_uint8
from . import checkpoint
from .device import find_place
from .loop import Loop, Training
from .muon import optimisers

STAGE = "tokenizer"
STORED = np.float16  # what latents are kept as on disk
RECONSTRUCTED = 512  # held-out pictures
FIRST_AND_LAST = {"encoder.1.", "encoder.6.", "decoder.6."}  # layers that AdamW trains, not Muon


@dataclass
class TokenizerTraining(Training):
    """How long and how fast."""

    steps: int = 3600
    batch: int = 32
    muon_lr: float = 0.02
    adam_lr: float = 1e-3


def train(args: TokenizerTraining, config: TokenizerConfig | None = None) -> Tokenizer:
    """Trains, or trains on from the checkpoint, and sets what normalises the latents.

    Without a config: the usual shapes, for pictures of the world's size.
    """
    config = config or TokenizerConfig(size=args.world.size)
    torch.manual_seed(args.seed)
    place = find_place()
    episodes = load_episodes(sorted(args.data.glob("train-*.npz")))
    held = load_episodes(sorted(args.data.glob("held-*.npz")))
    if episodes.frames.shape[1:3] != (config.size, config.size):
        raise TrainingError(f"expected pictures of {config.size} x {config.size}, got {episodes.frames.shape[1:3]}.")
    model = Tokenizer(config)
    optims = optimisers(model, muon_lr=args.muon_lr, adam_lr=args.adam_lr, first_and_last=FIRST_AND_LAST)
    model = model.to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "optims": optims},
        frames=args.batch,
        finish=lambda: model.finish(episodes.frames),
    )
    for step, rng in loop:
        rows = rng.integers(0, len(episodes.frames), args.batch)
        before = np.where(episodes.starts[rows], rows, rows - 1)
        pictures, earlier = (torch.from_numpy(episodes.frames[r]).to(place.device) for r in (rows, before))
        with place.autocast():
            loss, logs = model.loss(pictures, earlier)
        loss.backward()
        loop.update(optims, rate=min(1.0, (step + 1) / 50, 1.02 - step / args.steps))
        loop.log(logs)
    if place.first:
        some = spread(held, 1, min(RECONSTRUCTED, len(held.frames)))
        print(f"held-out reconstruction: {reconstruction(model, held.frames[some]):.2f} dB (median)")
    return model


@torch.no_grad()
def reconstruction(model: Tokenizer, frames: np.ndarray, batch: int = 128) -> float:
    """Median PSNR of encode and decode, dB."""
    scores = []
    for i in range(0, len(frames), batch):
        picture = torch.from_numpy(frames[i : i + batch]).to(model.mean.device)
        scores.append(psnr(to_uint8(model.decode(model.encode(picture))), picture))
    return torch.cat(scores).median().item()


def write_latents(model: Tokenizer, folder: Path, *, mirror: bool) -> None:
    """Latents of every recording, `latents-NAME.npy` [T, C, h, w]; of its mirror image too, `mirror-NAME.npy`.

    Files newer than the tokenizer are kept.
    """
    trained = (folder / "tokenizer.pt").stat().st_mtime
    for file in sorted([*folder.glob("train-*.npz"), *folder.glob("held-*.npz")]):
        frames = load_episodes([file]).frames
        for prefix in ("latents", "mirror") if mirror else ("latents",):
            out = folder / f"{prefix}-{file.stem}.npy"
            if out.exists() and out.stat().st_mtime > trained:
                continue
            partial = out.with_name("partial-" + out.name)
            seen = np.ascontiguousarray(frames[:, :, ::-1]) if prefix == "mirror" else frames
            np.save(partial, model.encode_all(seen).numpy().astype(STORED))
            os.replace(partial, out)


def load_tokenizer(path: Path, world: str) -> Tokenizer:
    state = checkpoint.load(path, world=world, stage=STAGE)
    model = Tokenizer(TokenizerConfig(**state["meta"]["config"]))
    model.load_state_dict(state["model"])
    return model.eval()
