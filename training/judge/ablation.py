"""What each part of the recipe is worth: variants trained alike, and the chain from teacher to student, on one table.

    python -m training.judge.ablation --world car-racing --steps 800

Every variant is the world model with one thing changed, trained from scratch for the same few steps on the same rows.
Beside them stand the stages that lie in the data folder: the bidirectional teacher in fifty steps, the causal model and
its students. A network that denoises dreams in several numbers of evaluations, others in one. All dream the same
held-out clips; the table goes to `ablation.md` there.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..data.episodes import load_episodes
from ..errors import TrainingError, exit_status
from ..model.picture import to_latent, to_uint8
from ..model.teacher import FRAMES, Teacher
from ..model.world_model import WorldModel, WorldModelConfig
from ..stages.teacher import STAGE as TEACHER
from ..stages.teacher import load_teacher
from ..stages.world_model import WorldModelTraining, load_world_model
from ..stages.world_model import train as train_world_model
from ..worlds.registry import find_world
from ..worlds.world import World
from .inverse_dynamics import action_reader
from .measures import frechet, interval, psnr, sharpness

CONTEXT = 4  # real frames that a clip begins with
HORIZONS = (1, 4, 8, 12)  # the teacher's clips end after 12

# What is changed against the recipe: of the training, of the network.
VARIANTS: dict[str, tuple[dict, dict]] = {
    "the recipe": ({}, {}),
    "without history augmentation": ({"noise_scale": 0.0}, {}),
    "diffusion forcing": ({}, {"prediction": "x"}),
    "deterministic twin": ({}, {"prediction": "mean"}),
    "window of 4 frames": ({}, {"window": 4}),
}

# Students and their function evaluations where they denoise; each is shown if its checkpoint is there.
CHAIN = {"world-model": (4, 2, 1), "consistency": (2, 1), "matching": (2, 1), "self-forcing": (2, 1)}

# context [B, 4, C, g, g] and actions [B, 15, A] to the frames after, [B, 12, C, g, g]
Dreamer = Callable[[Tensor, Tensor], Tensor]


@dataclass
class Ablation:
    world: World
    data: Path
    steps: int = 800  # of each variant
    clips: int = 96
    model: WorldModelConfig = field(default_factory=WorldModelConfig)
    compile: bool = True


def train_variants(a: Ablation) -> dict[str, WorldModel]:
    """Trains what isn't trained yet; each variant has a folder of its own with links to the recordings."""
    models = {}
    for name, (training, network) in VARIANTS.items():
        folder = a.data / "ablation" / name.replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        for file in a.data.glob("*.npz"):
            link = folder / file.name
            if not link.exists():
                link.symlink_to(file.resolve())
        print(f"variant: {name}", file=sys.stderr)
        shared = {"steps": a.steps, "compile": a.compile, "count": min(a.clips, WorldModelTraining.count)}
        spec = WorldModelTraining(a.world, folder, **{**shared, **training})
        models[name] = train_world_model(spec, replace(a.model, **network)).cpu().eval()
    return models


def dreamers(name: str, model: WorldModel, counts: tuple[int, ...]) -> dict[str, Dreamer]:
    """By name: one for each number of evaluations; one alone, in one evaluation, of a network that doesn't denoise."""
    if model.config.prediction != "x":
        return {name: dreamer(model, 1)}
    return {f"{name}, {count} evaluation{'s' * (count > 1)}": dreamer(model, count) for count in counts}


def dreamer(model: WorldModel, evaluations: int) -> Dreamer:
    def dream(context: Tensor, actions: Tensor) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        return model.rollout(context, actions, FRAMES - CONTEXT, evaluations, generator=generator)

    return dream


def teacher_dreamer(teacher: Teacher, steps: int) -> Dreamer:
    def dream(context: Tensor, actions: Tensor) -> Tensor:
        return teacher.sample(context, actions, steps, generator=torch.Generator().manual_seed(0))[:, CONTEXT:]

    return dream


def contestants(a: Ablation) -> dict[str, Dreamer]:
    found: dict[str, Dreamer] = {}
    if (a.data / f"{TEACHER}.pt").is_file():
        found["teacher, 50 steps"] = teacher_dreamer(load_teacher(a.data, a.world.name), 50)
    for stage, counts in CHAIN.items():
        if (a.data / f"{stage}.pt").is_file():
            found |= dreamers(stage, load_world_model(a.data, a.world.name, stage), counts)
    for name, model in train_variants(a).items():
        found |= dreamers(f"{a.steps} steps, {name}", model, CHAIN["world-model"])
    return found


def compare(a: Ablation) -> list[dict]:
    """A row per contestant: PSNR by horizon, Fréchet distance of 12-frame dreams, sharpness ratio, ms a frame."""
    held = load_episodes(sorted(a.data.glob("held-*.npz")))
    windows = held.windows(FRAMES)
    if len(windows) == 0:
        raise TrainingError(
            f"expected held-out episodes of at least {FRAMES} frames in '{a.data}'; record longer ones."
        )
    rows = windows[np.linspace(0, len(windows) - 1, a.clips).astype(int)][:, None] + np.arange(FRAMES)
    reader = action_reader(a.world, a.data)
    actions = torch.from_numpy(held.actions[rows[:, :-1]])
    real = held.frames[rows]

    def features(clips: np.ndarray) -> np.ndarray:
        return np.concatenate([reader.read(clip)[1] for clip in clips])

    def row(name: str, pictures: np.ndarray, ms: float) -> dict:
        clips = np.concatenate([real[:, :CONTEXT], pictures], 1)
        scores = {
            h: interval([psnr(p[h - 1], r[CONTEXT + h - 1]) for p, r in zip(pictures, real, strict=True)])
            for h in HORIZONS
        }
        blur = sharpness(pictures.reshape(-1, *pictures.shape[2:])).mean() / true_sharpness
        return {
            "name": name,
            "psnr": scores,
            "frechet": frechet(features(clips), true_features),
            "sharpness": blur,
            "ms": ms,
        }

    true_features = features(real)
    true_sharpness = sharpness(real[:, CONTEXT:].reshape(-1, *real.shape[2:])).mean()
    context = to_latent(torch.from_numpy(real[:, :CONTEXT]))
    copied = np.repeat(real[:, CONTEXT - 1 : CONTEXT], FRAMES - CONTEXT, 1)
    table = [row("copy-last-frame", copied, 0.0)]
    for name, dream in tqdm(contestants(a).items(), unit="contestant", file=sys.stderr):
        began = time.perf_counter()
        with torch.no_grad():
            dreamed = dream(context, actions)
        ms = 1000 * (time.perf_counter() - began) / dreamed.shape[:2].numel()
        table.append(row(name, to_uint8(dreamed).numpy(), ms))
    return table


def markdown(table: list[dict]) -> str:
    head = ["", *(f"PSNR, {h} ahead" for h in HORIZONS), "Fréchet", "sharpness", "ms a frame (torch, batched)"]
    lines = [head, ["---"] * len(head)]
    for r in table:
        scores = [f"{r['psnr'][h][0]:.2f}" for h in HORIZONS]
        lines.append([r["name"], *scores, f"{r['frechet']:.3f}", f"{r['sharpness']:.2f}", f"{r['ms']:.2f}"])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def ablate(a: Ablation) -> str:
    text = markdown(compare(a))
    (a.data / "ablation.md").write_text(text)
    return text


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="folder of recordings and checkpoints; default .data/WORLD")
    parser.add_argument("--steps", type=int, default=Ablation.steps, help="of each variant")
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world
    return exit_status(lambda: print(ablate(Ablation(find_world(args.world, data), data, args.steps))))


if __name__ == "__main__":
    sys.exit(main())
