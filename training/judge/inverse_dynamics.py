"""A small network that reads the action off the pictures, trained on real ones: does a dream obey its input?

It sees six consecutive frames and says which action led from the second to the third. Its last layer but one is also
what drift is measured on. It is trained once per world and kept in the data folder.

Pictures are halved, and noisy while it learns, so that it reads the scene's motion. At full size it read the steering
of car-racing off two pixels of the front wheels: R² 0.75 on real frames, 0.03 on the same ones a little blurred.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..data.episodes import Episodes, load_episodes
from ..data.held_out import random_recording
from ..data.record import record_all, to_train_on
from ..stages import checkpoint
from ..stages.device import find_place
from ..stages.fit import fit
from ..worlds.world import World

BEFORE, AFTER = 1, 4  # frames it sees before and after the one that the action starts from
FRAMES = BEFORE + 1 + AFTER
FEATURES = 32
NOISE = 4.0  # of 255, on half-size pictures: hides details of a pixel or two, leaves what moves as a whole
STAGE = "inverse-dynamics"
SCRIPT_SEED, SCRIPT = 3_500_000, 64  # of random scripts to learn from, frames of each


@dataclass
class ReaderTraining:
    """How the reader of actions is trained."""

    recordings: int = 8  # how many of the training recordings it sees; each is read once more for the hash
    frames_a_script: int = 250  # for so many frames a random script is recorded too: it will be asked about such
    passes: float = 6.0  # over their frames
    batch: int = 64
    rate: float = 2e-3  # peak of AdamW's learning rate
    seed: int = 0
    version: int = field(default=3, kw_only=True)  # raise it when the network changes: caches of older ones are dropped


class ActionReader(nn.Module):
    """Six frames to an action, in units of its standard deviation over the training data."""

    mean: Tensor  # of the actions trained on, [A]
    std: Tensor

    def __init__(self, height: int, width: int, actions: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3 * FRAMES, 32, 4, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 96, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(96),
            nn.ReLU(),
            nn.Conv2d(96, 96, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(96),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(FEATURES),
            nn.ReLU(),
        )
        self.head = nn.Linear(FEATURES, actions)
        self.register_buffer("mean", torch.zeros(actions))
        self.register_buffer("std", torch.ones(actions))
        with torch.no_grad():
            self.eval()(torch.zeros(1, FRAMES, 3, height // 2, width // 2))  # gives the lazy layer its size

    def forward(self, halves: Tensor) -> tuple[Tensor, Tensor]:
        """[B, 6, 3, H/2, W/2] as `halved` gives them to the action [B, A], normalised, and the features [B, 32]."""
        x = halves.float() / 256
        picture, changes = x[:, BEFORE : BEFORE + 1] - 2, x[:, 1:] - x[:, :-1]
        x = torch.cat([picture, changes], 1).flatten(1, 2)
        features = self.body(x.contiguous(memory_format=torch.channels_last))
        return self.head(features), features

    @torch.no_grad()
    def read(self, frames: np.ndarray, batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """Consecutive frames uint8 [T, H, W, 3] to actions [T - 5, A] and features [T - 5, 32].

        Row i is about the action that leads from frame i + 1 to i + 2.
        """
        stacks = halved(frames).unfold(0, FRAMES, 1).movedim(-1, 1)  # [T - 5, 6, 3, H/2, W/2]
        actions, features = [], []
        for i in range(0, len(stacks), batch):
            action, feature = self(stacks[i : i + batch])
            actions.append(action * self.std + self.mean)
            features.append(feature)
        return torch.cat(actions).numpy().astype(np.float64), torch.cat(features).numpy().astype(np.float64)


def halved(frames: np.ndarray) -> Tensor:
    """uint8 [T, H, W, 3] to int16 [T, 3, H/2, W/2]: sums of four pixels, 0 to 1,020."""
    parts = []
    for i in range(0, len(frames), 512):
        part = torch.from_numpy(frames[i : i + 512]).permute(0, 3, 1, 2).to(torch.int16)
        part = part[..., : part.shape[-2] // 2 * 2, : part.shape[-1] // 2 * 2]
        part = part[..., ::2, :] + part[..., 1::2, :]
        parts.append(part[..., ::2] + part[..., 1::2])
    return torch.cat(parts)


def train_reader(episodes: Episodes, args: ReaderTraining) -> ActionReader:
    """Fits a reader to real episodes, on the device there is; the reader itself then works on the CPU."""
    torch.manual_seed(args.seed)
    device = find_place().device
    height, width = episodes.frames.shape[1:3]
    model = ActionReader(height, width, episodes.actions.shape[1])
    model.mean.copy_(torch.from_numpy(episodes.actions.mean(0)))
    model.std.copy_(torch.from_numpy(episodes.actions.std(0) + 1e-3))
    model.to(device)
    first, halves = episodes.windows(FRAMES), halved(episodes.frames)
    # Drawing noise anew took longer than the network: each step takes a stretch of this, begun somewhere.
    noise = 4 * NOISE * torch.randn(2 * args.batch * FRAMES * halves[0].numel())

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.choice(first, args.batch)
        stack = halves[torch.from_numpy(rows[:, None] + np.arange(FRAMES))].float()
        begin = rng.integers(0, len(noise) - stack.numel())
        stack += noise[begin : begin + stack.numel()].view_as(stack)
        wanted = (torch.from_numpy(episodes.actions[rows + BEFORE]).to(device) - model.mean) / model.std
        return (model(stack.to(device))[0] - wanted).square().mean()

    steps = max(4, int(args.passes * len(first) / args.batch))
    fit(model.train(), loss_of, steps=steps, rate=args.rate, seed=args.seed, name="action reader")
    return model.eval().cpu()


def action_reader(world: World, data: Path, args: ReaderTraining | None = None) -> ActionReader:
    """The reader of a world: from the data folder if it was trained on what lies there, else trained now and kept.

    Where nothing to train on lies there, it is recorded. Raises TrainingError for a world without recordings and
    without an environment.
    """
    reader = _action_reader(world, data, args or ReaderTraining(), train=True)
    assert reader is not None
    return reader


def kept_action_reader(world: World, data: Path, args: ReaderTraining | None = None) -> ActionReader | None:
    """The reader that `action_reader` left in the data folder; None where there is none for what lies there now."""
    return _action_reader(world, data, args or ReaderTraining(), train=False)


def _action_reader(world: World, data: Path, args: ReaderTraining, *, train: bool) -> ActionReader | None:
    files = sorted(data.glob("train-*.npz"), key=lambda file: (len(file.name), file.name))[: args.recordings]
    if train and not files and world.source is not None:
        jobs = to_train_on(world.name, data, args.recordings)
        record_all(jobs)
        files = [file for file, _ in jobs]
    if "sticky-random" in world.policies:
        scripts = max(2, sum(len(np.load(file)["starts"]) for file in files) // args.frames_a_script)
        files.append(random_recording(world, data, seed=SCRIPT_SEED, starts=scripts, ahead=SCRIPT, make=train))
    if not train and not all(file.is_file() for file in files):
        return None
    digest = hashlib.sha256(repr((args, BEFORE, AFTER, FEATURES, NOISE, [f.name for f in files])).encode())
    for file in files:
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    path = data / f"{STAGE}.pt"
    if path.is_file():
        state = checkpoint.load(path, world=world.name, stage=STAGE)
        if state["meta"]["trained_on"] == digest.hexdigest():
            model = ActionReader(*state["meta"]["shape"])
            model.load_state_dict(state["model"])
            return model.eval()
    if not train:
        return None
    episodes = load_episodes(files)
    model = train_reader(episodes, args)
    shape = [*episodes.frames.shape[1:3], episodes.actions.shape[1]]
    meta = {"world": world.name, "stage": STAGE, "trained_on": digest.hexdigest(), "shape": shape}
    checkpoint.save(path, {"model": model.state_dict()}, meta)
    return model
