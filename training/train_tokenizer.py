"""Trains the tokenizer on recordings, then writes the latents of every frame beside them.

    python -m training.train_tokenizer --world car-racing

Resumes from its checkpoint; a kill costs at most a minute of work.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from . import checkpoint
from .data import Episodes, load_episodes
from .errors import TrainingError
from .muon import optimisers
from .tokenizer import Tokenizer, TokenizerConfig, psnr, to_uint8

STAGE = "tokenizer"


@dataclass
class TokenizerTraining:
    """How long and how fast."""

    world: str
    data: Path  # folder with train-*.npz and held-*.npz
    steps: int = 3000
    batch: int = 32
    muon_lr: float = 0.02
    adam_lr: float = 1e-3
    seed: int = 0
    checkpoint_every: float = 60.0  # seconds


def train(args: TokenizerTraining, config: TokenizerConfig) -> Tokenizer:
    torch.manual_seed(args.seed)
    path = args.data / "tokenizer.pt"
    episodes = load_episodes(sorted(args.data.glob("train-*.npz")))
    held = load_episodes(sorted(args.data.glob("held-*.npz")))
    if episodes.frames.shape[1:3] != (config.size, config.size):
        raise TrainingError(f"expected pictures of {config.size} x {config.size}, got {episodes.frames.shape[1:3]}.")
    model = Tokenizer(config).to(memory_format=torch.channels_last)
    optims = optimisers(
        model, muon_lr=args.muon_lr, adam_lr=args.adam_lr, first_and_last={"encoder.1.", "encoder.6.", "decoder.6."}
    )
    step = 0
    if path.exists():
        state = checkpoint.load(path, world=args.world, stage=STAGE)
        model.load_state_dict(state["model"])
        for optim, saved in zip(optims, state["optims"], strict=True):
            optim.load_state_dict(saved)
        step = state["meta"]["step"]

    def save() -> None:
        meta = {"world": args.world, "stage": STAGE, "step": step, "steps": args.steps, "config": config.dict()}
        checkpoint.save(path, {"model": model.state_dict(), "optims": [o.state_dict() for o in optims]}, meta)

    writer = SummaryWriter(str(args.data / "logs" / STAGE), purge_step=step)
    bar = tqdm(total=args.steps, initial=step, unit="step", file=sys.stderr)
    saved_at = time.monotonic()
    while step < args.steps:
        rng = np.random.default_rng([args.seed, step])
        rows = rng.integers(0, len(episodes.frames), args.batch)
        before = np.where(episodes.starts[rows], rows, rows - 1)
        loss, logs = model.loss(torch.from_numpy(episodes.frames[rows]), torch.from_numpy(episodes.frames[before]))
        for optim in optims:
            for group in optim.param_groups:
                group.setdefault("initial_lr", group["lr"])
                group["lr"] = group["initial_lr"] * min(1.0, (step + 1) / 50, 1.02 - step / args.steps)
            optim.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optim in optims:
            optim.step()
        step += 1
        bar.update()
        bar.set_postfix(psnr=f"{logs['psnr']:.2f}", loss=f"{logs['loss']:.4f}")
        for name, value in logs.items():
            writer.add_scalar(f"{STAGE}/{name}", value, step)
        if time.monotonic() - saved_at > args.checkpoint_every:
            save()
            saved_at = time.monotonic()
    bar.close()
    _normalise(model, episodes)
    save()
    print(f"held-out reconstruction: {reconstruction(model, held.frames[::8]):.2f} dB (median)")
    return model


@torch.no_grad()
def _normalise(model: Tokenizer, episodes: Episodes) -> None:
    model.mean.zero_()
    model.std.fill_(1)
    rows = np.linspace(0, len(episodes.frames) - 1, min(4096, len(episodes.frames))).astype(int)
    latent = encode_all(model, episodes.frames[rows])
    model.mean.copy_(latent.mean((0, 2, 3))[:, None, None])
    model.std.copy_(latent.std((0, 2, 3))[:, None, None])


@torch.no_grad()
def encode_all(model: Tokenizer, frames: np.ndarray, batch: int = 128) -> torch.Tensor:
    """uint8 [T, H, W, 3] to normalised latents float32 [T, C, H/8, W/8]."""
    return torch.cat([model.encode(torch.from_numpy(frames[i : i + batch])) for i in range(0, len(frames), batch)])


@torch.no_grad()
def reconstruction(model: Tokenizer, frames: np.ndarray, batch: int = 128) -> float:
    """Median PSNR of encode and decode, dB."""
    scores = []
    for i in range(0, len(frames), batch):
        picture = torch.from_numpy(frames[i : i + batch])
        scores.append(psnr(to_uint8(model.decode(model.encode(picture))), picture))
    return torch.cat(scores).median().item()


def write_latents(model: Tokenizer, folder: Path) -> None:
    """Latents of every recording, `latents-NAME.npy` float16 [T, C, h, w], and of its mirror image, `mirror-NAME.npy`.

    Files newer than the tokenizer are kept.
    """
    trained = (folder / "tokenizer.pt").stat().st_mtime
    for file in sorted([*folder.glob("train-*.npz"), *folder.glob("held-*.npz")]):
        frames = load_episodes([file]).frames
        for prefix, pictures in (("latents", frames), ("mirror", np.ascontiguousarray(frames[:, :, ::-1]))):
            out = folder / f"{prefix}-{file.stem}.npy"
            if out.exists() and out.stat().st_mtime > trained:
                continue
            partial = out.with_name("partial-" + out.name)
            np.save(partial, encode_all(model, pictures).numpy().astype(np.float16))
            os.replace(partial, out)


def load_tokenizer(path: Path, world: str) -> Tokenizer:
    state = checkpoint.load(path, world=world, stage=STAGE)
    model = Tokenizer(TokenizerConfig(**state["meta"]["config"]))
    model.load_state_dict(state["model"])
    return model.eval()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="folder of the recordings; default .data/WORLD")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=32)
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world
    try:
        model = train(
            TokenizerTraining(world=args.world, data=data, steps=args.steps, batch=args.batch), TokenizerConfig()
        )
        write_latents(model, data)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
