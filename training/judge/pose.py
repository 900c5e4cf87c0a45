"""Where things are in a dream: a small network, trained on real pictures, reads poses off it, held to the true ones.

The truth is asked of a live environment (`Source.pose`); `World.pose` says what its numbers are.
"""

from __future__ import annotations

import hashlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..data.held_out import CONTEXT
from ..data.record import HELD_OUT_FROM
from ..errors import TrainingError
from ..stages import checkpoint
from ..stages.fit import fit
from ..worlds.world import PosedSource, World
from .measures import interval
from .onnx_world import Playable
from .side_by_side import play_each

STAGE = "pose-reader"
TRAIN_SEED, TEST_SEED = 3_000_000, HELD_OUT_FROM + 4
EPISODE = 80  # frames; poses are compared up to 72 frames in
Layout = Mapping[str, float | str]  # see `World.pose`
SHORT = 8  # frames of an episode that is recorded for what its reset gives


@dataclass
class PoseTraining:
    """How the reader of poses is trained."""

    frames: int = 9_600  # real ones
    passes: float = 5.0
    batch: int = 64
    rate: float = 2e-3
    version: int = field(default=1, kw_only=True)  # raise it when the network changes: caches of older ones are dropped


@dataclass
class Posed:
    """Real episodes of one length with their poses."""

    frames: np.ndarray  # uint8 [E, T, H, W, 3]
    actions: np.ndarray  # float32 [E, T, A]
    poses: np.ndarray  # float64 [E, T, P], as `normalise` gives them


def layout_of(world: World) -> Layout:
    """Raises TrainingError for a world that doesn't say where things are."""
    if world.pose is None:
        raise TrainingError(f"expected a world that says where things are (`pose`), got '{world.name}'.")
    return world.pose


def normalise(pose: np.ndarray, layout: Layout) -> np.ndarray:
    """`Source.pose()` to numbers that a network can learn: places as shares of the width, angles as cosine and sine."""
    values, result = iter(pose), []
    for unit in layout.values():
        if isinstance(unit, str):
            angle = float(next(values)) * (math.pi / 180 if unit == "degrees" else 1)
            result += [math.cos(angle), math.sin(angle)]
        else:
            result += [float(next(values)) / unit, float(next(values)) / unit]
    return np.array(result)


def errors(read: np.ndarray, true: np.ndarray, layout: Layout) -> dict[str, np.ndarray]:
    """Error [N] by name: per cent of the width for places, degrees for angles. Poses [N, P] as `normalise` gives."""
    result = {}
    for i, (name, unit) in enumerate(layout.items()):
        a, b = read[:, 2 * i : 2 * i + 2], true[:, 2 * i : 2 * i + 2]
        if isinstance(unit, str):
            cross, dot = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0], (a * b).sum(1)
            result[name] = np.degrees(np.abs(np.arctan2(cross, dot)))
        else:
            result[name] = 100 * np.linalg.norm(a - b, axis=1)
    return result


def record_poses(world: World, *, episodes: int, seed: int, length: int = EPISODE) -> Posed:
    """Plays the real environment under the mixed policy, notes where things are, drops episodes that end early."""
    layout = layout_of(world)
    source, parts = cast(PosedSource, world.live()), []
    bar = tqdm(total=episodes, unit="episode", desc="poses", file=sys.stderr, disable=not sys.stderr.isatty())
    for number in range(4 * episodes):
        if len(parts) == episodes:
            break
        policy = world.policies["mixed"](np.random.default_rng([seed, number]))
        picture, rows = source.reset(seed + number), []
        for _ in range(length):
            action = policy(source)
            rows.append((picture.copy(), action, normalise(source.pose(), layout)))
            picture = source.step(action)
            if source.done:
                break
        if len(rows) == length:
            parts.append([np.stack(column) for column in zip(*rows, strict=True)])
            bar.update()
    bar.close()
    source.close()
    if not parts:
        raise TrainingError(f"expected real episodes of {length} frames to read poses from, every one ended before.")
    return Posed(*(np.stack(column) for column in zip(*parts, strict=True)))


class PoseReader(nn.Module):
    """A picture to a normalised pose, by the places of learned keypoints (Finn et al. 2016)."""

    def __init__(self, numbers: int, width: int = 32) -> None:
        super().__init__()
        channels, layers = 3, []
        for kernel, stride, dilation in ((5, 2, 1), (3, 1, 1), (3, 1, 2), (3, 1, 4)):
            padding = kernel // 2 * dilation
            layers += [
                nn.Conv2d(channels, width, kernel, stride, padding, dilation, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            channels = width
        self.body = nn.Sequential(*layers, nn.Conv2d(width, width, 1))
        self.head = nn.Sequential(
            nn.Linear(2 * width, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, numbers)
        )

    def forward(self, frames: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] to [B, P]."""
        heat = self.body(frames.permute(0, 3, 1, 2).float() / 128 - 1)
        down, across = (torch.linspace(-1, 1, side) for side in heat.shape[2:])
        weight = heat.flatten(2).softmax(-1).unflatten(2, heat.shape[2:])
        return self.head(torch.cat([weight.sum(2) @ across, weight.sum(3) @ down], 1))

    @torch.no_grad()
    def read(self, frames: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, 3] to poses [N, P]."""
        parts = (torch.from_numpy(np.ascontiguousarray(frames[i : i + 64])) for i in range(0, len(frames), 64))
        return torch.cat([self(part) for part in parts]).numpy().astype(np.float64)


def train_pose_reader(world: World, args: PoseTraining) -> PoseReader:
    """Learns from few long episodes and many short ones: within an episode poses are much alike."""
    torch.manual_seed(0)
    third = max(1, args.frames // 3)
    parts = (
        record_poses(world, episodes=max(1, third // EPISODE), seed=TRAIN_SEED),
        record_poses(world, episodes=max(1, 2 * third // SHORT), seed=TRAIN_SEED + 100_000, length=SHORT),
    )
    frames = np.concatenate([p.frames.reshape(-1, *p.frames.shape[2:]) for p in parts])
    poses = np.concatenate([p.poses.reshape(-1, p.poses.shape[-1]) for p in parts])
    model = PoseReader(poses.shape[-1])

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(frames), args.batch)
        read, true = model(torch.from_numpy(frames[rows])), torch.from_numpy(poses[rows]).float()
        return nn.functional.smooth_l1_loss(read, true, beta=0.05)

    steps = max(4, int(args.passes * len(frames) / args.batch))
    fit(model, loss_of, steps=steps, rate=args.rate, name="pose reader")
    return model.eval()


def pose_reader(world: World, data: Path, args: PoseTraining | None = None) -> PoseReader:
    """The reader of a world: from the data folder if it was trained so, on this environment; else trained and kept."""
    args, layout = args or PoseTraining(), layout_of(world)
    source = world.live()
    environment = Path(inspect.getfile(type(source))).read_bytes()
    source.close()
    recipe = repr((args, TRAIN_SEED, EPISODE, SHORT, layout)).encode() + environment
    trained_on = hashlib.sha256(recipe).hexdigest()
    path, model = data / f"{STAGE}.pt", PoseReader(2 * len(layout))
    if path.is_file():
        state = checkpoint.load(path, world=world.name, stage=STAGE)
        if state["meta"]["trained_on"] == trained_on:
            model.load_state_dict(state["model"])
            return model.eval()
    model = train_pose_reader(world, args)
    checkpoint.save(
        path, {"model": model.state_dict()}, {"world": world.name, "stage": STAGE, "trained_on": trained_on}
    )
    return model


def poses(
    make_world: Callable[[], Playable],
    layout: Layout,
    reader: PoseReader,
    posed: Posed,
    *,
    ahead: int = 64,
    bar: tqdm | None = None,
) -> dict:
    """Median errors `ahead` frames on, (median, low, high), of the dream and of the reader on the real frames there."""
    at = CONTEXT - 1 + ahead

    def play(world: Playable, number: int) -> np.ndarray:
        frames, actions = posed.frames[number], posed.actions[number]
        world.reset(seed=number, frames=frames[:CONTEXT], actions=actions[: CONTEXT - 1])
        return [world.step(action) for action in actions[CONTEXT - 1 : at]][-1]

    dreamed = play_each(make_world, play, range(len(posed.frames)), bar=bar)
    true = posed.poses[:, at]
    dream_errors = errors(reader.read(np.stack(dreamed)), true, layout)
    real_errors = errors(reader.read(posed.frames[:, at]), true, layout)
    table = {
        name: {
            "unit": "degrees" if isinstance(unit, str) else "% of the width",
            "dream": interval(dream_errors[name]),
            "real": interval(real_errors[name]),
        }
        for name, unit in layout.items()
    }
    return {"frames_ahead": ahead, "starts": len(dreamed), "poses": table}
