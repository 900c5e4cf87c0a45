"""Judges an exported package against the real environment on held-out seeds, and writes what it found into the package.

    python -m training.evaluate --world car-racing

What runs is the package's own ONNX, as users get it. Writes `metrics.json`, `strip.png` (real above dreamed) and the
card `README.md` into the package, and the headline figures into its manifest.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from .data import Episodes, load_episodes
from .environments import world_module
from .errors import TrainingError
from .onnx_world import OnnxWorld
from .package import write_manifest
from .record import HELD_OUT_FROM, Recording, record, write_npz

CONTEXT = 8  # real frames before the dream
HORIZONS = (1, 4, 8, 16, 32, 64)
STRIP = (1, 4, 8, 16, 32, 64)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """dB between uint8 pictures, mean squared error in [0, 1]."""
    mse = np.square((a.astype(np.float64) - b) / 255).mean()
    return float(-10 * np.log10(max(mse, 1e-10)))


def median_interval(values: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
    """Median and its bootstrap 95 % interval."""
    draws = np.median(rng.choice(values, (2000, len(values))), 1)
    return float(np.median(values)), float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def held_out_episodes(world: str, data: Path, frames: int = 8000) -> Episodes:
    """The held-out recording, made now if it isn't there."""
    path = data / f"held-{HELD_OUT_FROM}.npz"
    if not path.is_file():
        data.mkdir(parents=True, exist_ok=True)
        write_npz(path, record(Recording(world=world, policy="mixed", seed=HELD_OUT_FROM, frames=frames)))
    return load_episodes([path])


def predict(world: OnnxWorld, held: Episodes, starts: int) -> tuple[dict, np.ndarray]:
    """PSNR at each horizon, of the dream and of the last real frame kept, and the strip's pictures."""
    length = CONTEXT + HORIZONS[-1]
    windows = held.windows(length)
    chosen = windows[np.linspace(0, len(windows) - 1, starts).astype(int)]
    dreamed = {h: [] for h in HORIZONS}
    copied = {h: [] for h in HORIZONS}
    shuffled = []
    strip = []
    for number, first in enumerate(tqdm(chosen, unit="start", file=sys.stderr, disable=not sys.stderr.isatty())):
        frames = held.frames[first : first + length]
        actions = held.actions[first : first + length]
        row = []
        last = world.reset(seed=number, frames=frames[:CONTEXT], actions=actions[: CONTEXT - 1])
        for h in range(1, HORIZONS[-1] + 1):
            picture = world.step(actions[CONTEXT - 2 + h])
            if h in HORIZONS:
                dreamed[h].append(psnr(picture, frames[CONTEXT - 1 + h]))
                copied[h].append(psnr(last, frames[CONTEXT - 1 + h]))
            if h in STRIP:
                row.append(np.concatenate([frames[CONTEXT - 1 + h], picture]))
        if number % max(1, starts // 8) == 0 and len(strip) < 8:
            strip.append(np.concatenate(row, 1))
        # The same start under another start's actions: how much the picture depends on them.
        other = held.actions[chosen[(number + starts // 2) % starts] :][:length]
        world.reset(seed=number, frames=frames[:CONTEXT], actions=actions[: CONTEXT - 1])
        for h in range(1, 9):
            picture = world.step(other[CONTEXT - 2 + h])
        shuffled.append(psnr(picture, frames[CONTEXT + 7]))
    rng = np.random.default_rng(0)
    table = {
        h: {
            "psnr": median_interval(np.array(dreamed[h]), rng),
            "copy": median_interval(np.array(copied[h]), rng),
            "mse_to_copy": float(np.median(10 ** ((np.array(copied[h]) - np.array(dreamed[h])) / 10))),
        }
        for h in HORIZONS
    }
    sensitivity = float(np.median(10 ** ((np.array(dreamed[8]) - np.array(shuffled)) / 10)))
    return {"prediction": table, "action_sensitivity_h8": sensitivity}, np.concatenate(strip)


def drive(world: OnnxWorld, module, held: Episodes, *, runs: int, frames: int) -> dict:
    """A driver that sees only the picture, in the dream and on real tracks: does the dream stay a road?

    Sharpness is the mean absolute horizontal and vertical difference, motion the mean absolute change between frames,
    both as ratios to the real drives.
    """
    from .picture_driver import PictureDriver, on_road

    def measure(step, picture) -> dict:
        driver, road, sharp, motion, turns, heading = PictureDriver(), [], [], [], [], []
        for _ in range(frames):
            before = picture
            action = driver(picture)
            picture = step(action)
            road.append(on_road(picture))
            p = picture.astype(np.float32)
            sharp.append(np.abs(np.diff(p, axis=0)).mean() + np.abs(np.diff(p, axis=1)).mean())
            motion.append(np.abs(p - before).mean())
            heading.append(float(action[0]))
        smooth = np.convolve(heading, np.ones(12) / 12, "valid")
        turning = np.abs(smooth) > 0.2  # a bend: half a second of steering one way
        turns = float((turning[1:] & ~turning[:-1]).sum() * 100 / frames)
        return {"road": np.array(road), "sharp": np.array(sharp), "motion": np.array(motion), "turns": turns}

    windows = held.windows(CONTEXT)
    windows = [w for w in windows if all(on_road(f) for f in held.frames[w : w + CONTEXT])]
    chosen = np.array(windows)[np.linspace(0, len(windows) - 1, runs).astype(int)]
    source = module.Source()
    dreams, reals = [], []
    for number, first in enumerate(tqdm(chosen, unit="drive", file=sys.stderr, disable=not sys.stderr.isatty())):
        rows = slice(first, first + CONTEXT)
        picture = world.reset(seed=number, frames=held.frames[rows], actions=held.actions[rows][:-1])
        dreams.append(measure(world.step, picture))
        reals.append(measure(source.step, source.reset(HELD_OUT_FROM + number)))
    source.close()
    sharp, motion = (np.mean([r[k].mean() for r in reals]) for k in ("sharp", "motion"))
    ends = slice(frames - min(100, frames), frames)
    return {
        "frames": frames,
        "runs": runs,
        "on_road": float(np.mean([d["road"].mean() for d in dreams])),
        "on_road_real": float(np.mean([r["road"].mean() for r in reals])),
        "on_road_last_100": float(np.mean([d["road"][ends].mean() for d in dreams])),
        "sharpness_ratio_last_100": float(np.mean([d["sharp"][ends].mean() for d in dreams]) / sharp),
        "motion_ratio_last_100": float(np.mean([d["motion"][ends].mean() for d in dreams]) / motion),
        "turns_per_100": float(np.mean([d["turns"] for d in dreams])),
        "turns_per_100_real": float(np.mean([r["turns"] for r in reals])),
    }


def write_card(folder: Path, metrics: dict, strip: np.ndarray) -> None:
    """metrics.json, strip.png, README.md and the manifest's figures."""
    manifest = json.loads((folder / "world.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    Image.fromarray(strip).save(folder / "strip.png", optimize=True)
    rows = "\n".join(
        f"| {h} | {m['psnr'][0]:.2f} ({m['psnr'][1]:.2f} to {m['psnr'][2]:.2f}) | {m['copy'][0]:.2f} | "
        f"{m['mse_to_copy']:.2f} |"
        for h, m in metrics["prediction"].items()
    )
    d, facts = metrics["drive"], manifest["recordedFrom"]
    seconds = d["frames"] / manifest["frameRate"]
    lost = d["on_road_last_100"] < 0.5
    limits = (
        "The road ahead dissolves after a few seconds of driving: what comes next is grass and scraps of road.\n" * lost
    )
    (folder / "README.md").write_text(
        f"""# {manifest["title"]}

{manifest["description"]}

Every picture is dreamed by a neural network; no game engine runs. Trained on {facts["frames"]:,} frames recorded from
{facts["environment"]} ({facts["licence"]}). {manifest["evaluations"]} function evaluation(s) per frame.

## Prediction

{metrics["starts"]} held-out starts, {CONTEXT} real frames of history, then the same actions in the dream and in the
real environment. Median PSNR in dB with bootstrap 95 % interval; beside it the last real frame kept, and the median
ratio of squared errors (below 1: the dream is nearer to the truth than a still picture).

| frames ahead | dream | copy-last-frame | MSE ratio |
|---|---|---|---|
{rows}

Squared error 8 frames ahead with another drive's actions, divided by that with the true ones:
{metrics["action_sensitivity_h8"]:.2f}.

## A driver that sees only the dreamed picture

{d["runs"]} drives of {d["frames"]} frames ({seconds:.0f} s), and the same driver on real tracks.

| | dream | real |
|---|---|---|
| share of frames on the road | {d["on_road"]:.3f} | {d["on_road_real"]:.3f} |
| turns per 100 frames | {d["turns_per_100"]:.2f} | {d["turns_per_100_real"]:.2f} |
| in the last 100 frames: on the road | {d["on_road_last_100"]:.3f} | |
| sharpness, ratio to real | {d["sharpness_ratio_last_100"]:.2f} | 1 |
| motion, ratio to real | {d["motion_ratio_last_100"]:.2f} | 1 |

`strip.png`: real above dreamed, {", ".join(map(str, STRIP))} frames ahead.

## Limits

{limits}
What has left the picture isn't remembered: drive off and come back, and the road may lie elsewhere.

Made by `python -m training.evaluate --world {manifest["name"]}`.
"""
    )
    manifest["metrics"] = {
        **{f"PSNR {h} frames ahead, dB": round(m["psnr"][0], 2) for h, m in metrics["prediction"].items()},
        **{f"copy-last-frame, {h} ahead, dB": round(m["copy"][0], 2) for h, m in metrics["prediction"].items()},
        f"on the road over {d['frames']} frames, picture driver": round(d["on_road"], 3),
    }
    write_manifest(folder, manifest)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--data", type=Path, help="folder of the held-out recording; default .data/WORLD")
    parser.add_argument("--starts", type=int, default=64)
    parser.add_argument("--runs", type=int, default=8, help="drives")
    parser.add_argument("--frames", type=int, default=1500, help="frames of a drive")
    parser.add_argument("--dry", action="store_true", help="print the figures, write nothing")
    args = parser.parse_args(argv)
    folder = args.package or Path("assets/worlds") / args.world
    try:
        module = world_module(args.world)
        world = OnnxWorld(folder)
        held = held_out_episodes(args.world, args.data or Path(".data") / args.world)
        metrics, strip = predict(world, held, args.starts)
        metrics = {"starts": args.starts, **metrics}
        metrics["drive"] = drive(world, module, held, runs=args.runs, frames=args.frames)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not args.dry:
        write_card(folder, metrics, strip)
    print(json.dumps(metrics, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
