"""Writes a world package: graphs, starts, and the manifest that `src/model/manifest.ts` reads.

python -m training.package.manifest --world car-racing
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from ..data.episodes import Episodes, load_episodes
from ..data.held_out import held_out_episodes, spread
from ..data.record import START_SEED, Recording, record
from ..errors import TrainingError, exit_status
from ..model.picture import to_latent
from ..model.world_model import WorldModel, latents_of
from ..stages import checkpoint
from ..stages.world_model import HISTORY_LEVEL, load_world_model
from ..worlds.registry import find_world
from ..worlds.world import World
from .export import export_encoder, export_tick, in_rows, round_weights, tensors_of
from .preview import FACTS, PICTURE
from .weights import write_rest

SCHEMA = 1
WORDS = "words.json"  # of a world that takes prompts
START_FRAMES = 2  # history of a start: enough to know how fast one goes; each delays the first frame by a tick
PROGRESS, PROGRESS_FACTS = "progress.png", "progress.json"  # of a world in training: see `publish.py`
BESIDE = ("world.json", PICTURE, FACTS, PROGRESS, PROGRESS_FACTS)  # in the folder, listed by no manifest
OWN_STARTS = 5  # starts of a world that names none: from its held-out episodes

Starts = tuple[Episodes, list[tuple[str, int]]]  # real episodes, and the starts in them: title and frame


def write_package(
    folder: Path,
    *,
    world: World,
    data: Path,
    model: WorldModel,
    evaluations: int,
    context_level: float,
    trained_frames: int,
    batch: int = 0,
    starts: Starts | None = None,
    beside: Callable[[Path], object] | None = None,
) -> Path:
    """Builds the package beside `folder` and swaps it in. Metrics of a package that is there already are dropped.

    `data` is the world's data folder; `batch` of 1 or more adds a graph that steps so many worlds in one run; `starts`:
    what `starts_of` gave, to spare recording them again; `beside` is called with the folder of the finished package
    before it is swapped in, and may add what no manifest lists, such as a preview.
    """
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    (partial / "starts").mkdir(parents=True)
    round_weights(model)
    play = {"evaluations": evaluations, "context_level": context_level}
    export_tick(model, **play, path=partial / "tick.onnx")
    if batch:
        export_tick(model, **play, path=partial / "batch.onnx", worlds=batch)
    export_encoder(world.size, path=partial / "encoder.onnx")
    write_rest(partial, model)
    if model.config.prompts:
        assert world.words is not None  # who trained on prompts read them
        shutil.copyfile(world.words, partial / WORDS)

    episodes, places = starts or starts_of(world, data)
    listed = []
    for number, (title, frame) in enumerate(places):
        rows = np.arange(frame - START_FRAMES + 1, frame + 1)
        if rows[0] < 0 or episodes.starts[rows[1:]].any():
            raise TrainingError(f"start '{title}': expected {START_FRAMES} frames of one episode before it.")
        earlier = rows[0] if episodes.starts[rows[0]] else rows[0] - 1  # the first has none before it
        frames = to_latent(torch.from_numpy(episodes.frames[[earlier, *rows]]))
        latents = in_rows(latents_of(frames[None])[0]).numpy()
        files = {
            "latents": (f"starts/{number}.latents.f32", latents.astype("<f4")),
            "actions": (f"starts/{number}.actions.f32", episodes.actions[rows[:-1]].astype("<f4")),
            "picture": (f"starts/{number}.picture.u8", episodes.frames[frame]),
        }
        for name, values in files.values():
            (partial / name).write_bytes(np.ascontiguousarray(values).tobytes())
        listed.append({"title": title, "frames": START_FRAMES, **{k: name for k, (name, _) in files.items()}})

    c, size = model.config, world.size
    (partial / "README.md").write_text(
        f"# {world.title}\n\nNot evaluated yet: `training.judge.evaluate` writes this card.\n"
    )
    manifest = {
        "schema": SCHEMA,
        "name": world.name,
        "title": world.title,
        "description": world.description,
        "picture": {"width": size, "height": size},
        "frameRate": world.frame_rate,
        "actions": world.actions,
        "latent": {"tokens": c.grid**2, "channels": 2 * c.channels},
        "noise": {"tokens": c.grid**2, "channels": c.noise_channels},
        "kv": {
            "layers": len(c.window_layers),
            "tokens": c.tokens,
            "width": c.kv_width,
            "sink": 0,
            "memory": 0,
            "window": c.window,
            "maxAge": c.window,
        },
        "evaluations": evaluations,
        "tick": {"file": "tick.onnx", **tensors_of(partial / "tick.onnx")},
        **({"batch": {"file": "batch.onnx", **tensors_of(partial / "batch.onnx")}} if batch else {}),
        "encoder": {"file": "encoder.onnx", **tensors_of(partial / "encoder.onnx")},
        **({"prompt": {"file": WORDS, "width": c.prompts}} if c.prompts else {}),
        "starts": listed,
        "files": {},
        "recordedFrom": {
            "environment": world.environment,
            "licence": world.licence,
            "frames": trained_frames,
        },
        "metrics": {},
    }
    write_manifest(partial, manifest)
    if beside is not None:
        beside(partial)
    swap_in(partial, folder)
    return folder


def swap_in(partial: Path, folder: Path) -> None:
    """Puts a finished folder in the place of another one: whoever reads finds the one or the other, whole."""
    old = folder.with_name(folder.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    try:
        partial.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def frames_of(data: Path, stage: str) -> int:
    """Recorded frames that a stage was trained on; of a checkpoint that doesn't say, all that are there."""
    noted = checkpoint.frames_trained_on(data, stage)
    return len(load_episodes(sorted(data.glob("train-*.npz")), pictures=False).actions) if noted is None else noted


def starts_of(world: World, data: Path) -> Starts:
    """Real episodes that weren't trained on, and the starts in them: title and frame."""
    if not world.starts:
        held = held_out_episodes(world, data)
        frames = spread(held, START_FRAMES, OWN_STARTS) + START_FRAMES - 1
        return held, [(f"Start {number}", int(frame)) for number, frame in enumerate(frames, 1)]
    last = max(frame for _, frame in world.starts)
    spec = Recording(world=world.name, policy=world.start_policy, seed=START_SEED, frames=last + 1)
    recorded = record(spec, progress=False)
    return Episodes(*(recorded[name] for name in ("frames", "actions", "starts"))), list(world.starts)


def write_manifest(folder: Path, manifest: dict) -> None:
    """Lists every file of the folder with size and hash, but for those of `BESIDE`, then writes world.json."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in BESIDE)
    manifest["files"] = {
        p.relative_to(folder).as_posix(): {
            "bytes": p.stat().st_size,
            "sha256": hashlib.sha256(p.read_bytes()).hexdigest(),
        }
        for p in files
    }
    partial = folder / "world.json.partial"
    partial.write_text(json.dumps(manifest, indent=1) + "\n")
    partial.replace(folder / "world.json")  # a page may be reading it


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="folder of the checkpoints; default .data/WORLD")
    parser.add_argument("--out", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument(
        "--stage", help="whose weights; default the last that was run: codes, self-forcing, world-model"
    )
    parser.add_argument("--evaluations", type=int, default=1, help="function evaluations per frame")
    parser.add_argument(
        "--context-level",
        type=float,
        default=HISTORY_LEVEL,
        help=f"noise level given for the history; default {HISTORY_LEVEL}",
    )
    parser.add_argument(
        "--batch", type=int, default=0, help="adds a graph that steps so many worlds at once, for make_vec"
    )
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world

    def work() -> None:
        torch.manual_seed(0)
        stages = [args.stage] if args.stage else ["codes", "self-forcing", "world-model"]
        stage = next((name for name in stages if (data / f"{name}.pt").is_file()), stages[-1])
        checkpoint.check_made_from(data, stage)
        folder = write_package(
            args.out or Path("assets/worlds") / args.world,
            world=find_world(args.world, data),
            data=data,
            model=load_world_model(data, args.world, stage),
            evaluations=args.evaluations,
            context_level=args.context_level,
            batch=args.batch,
            trained_frames=frames_of(data, stage),
        )
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
        print(f"{folder}: {size / 1e6:.1f} MB")

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
