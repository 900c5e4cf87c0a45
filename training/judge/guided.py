"""How well a guided world follows its guides, beside copying them; the last line printed is JSON.

    python -m training.judge.guided --world restyle

Held-out episodes, their guides and what was said in them: once behind the frames that were really before, once behind
those of another episode, as where a video begins. Pictures are compared with the real look of the same moments.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import CONTEXT, held_out_episodes, spread
from ..errors import TrainingError, exit_status
from ..worlds.registry import find_world
from .measures import interval, motion, psnr
from .onnx_world import OnnxWorld

RECOVERED = 10  # frames after which a dream shall be where its guide is
STEP = 12  # of 255, between neighbouring pixels of a smoothed picture: an edge


def edges(picture: np.ndarray) -> np.ndarray:
    """bool [H, W]: where the luminance of uint8 [H, W, 3], smoothed over 3 x 3 pixels, steps."""
    grey = np.pad(picture.astype(np.float32).mean(-1), 1, "edge")
    height, width = picture.shape[:2]
    smooth = np.mean([grey[y : y + height, x : x + width] for y in range(3) for x in range(3)], 0)
    down, across = np.abs(np.diff(smooth, axis=0, append=smooth[-1:])), np.abs(np.diff(smooth, append=smooth[:, -1:]))
    return np.maximum(down, across) > STEP


def agreement(picture: np.ndarray, real: np.ndarray) -> float:
    """F1 of the edges of two pictures, a pixel of tolerance; 1 where neither has any."""
    found, true = edges(picture), edges(real)
    if not found.any() and not true.any():
        return 1.0
    precise, recalled = (
        (found & _near(true)).sum() / max(1, found.sum()),
        (true & _near(found)).sum() / max(1, true.sum()),
    )
    return float(2 * precise * recalled / max(1e-9, precise + recalled))


def _near(mask: np.ndarray) -> np.ndarray:
    padded = np.pad(mask, 1)
    height, width = mask.shape
    return np.logical_or.reduce([padded[y : y + height, x : x + width] for y in range(3) for x in range(3)])


def follow(package: Path, held: Episodes, *, starts: int, frames: int) -> dict:
    """Medians with bootstrap 95 % intervals over the starts of episodes with guides.

    `psnr`, `edges` and `motion` (mean change of a pixel, ratio to the real one: more is flicker) of the dream, of the
    guide, and of the dream behind another episode's frames, from `RECOVERED` frames on.
    """
    if held.guides is None:
        raise TrainingError("expected recordings with guides, got none.")
    world, length = OnnxWorld(package), CONTEXT + frames
    chosen = spread(held, length, starts)
    rows: dict[str, list[dict[str, float]]] = {"dream": [], "guide": [], "after a cut": []}
    for number, first in enumerate(tqdm(chosen, unit="start", file=sys.stderr, disable=not sys.stderr.isatty())):
        at = np.arange(first + CONTEXT, first + length)
        real, guides = held.frames[at], held.guides[at]
        other = int(chosen[(number + max(1, starts // 2)) % starts])
        rows["guide"].append(_compared(guides, real))
        for name, begin in (("dream", int(first)), ("after a cut", other)):
            history = slice(begin, begin + CONTEXT)
            world.reset(seed=number, frames=held.frames[history], actions=held.actions[history][:-1])
            dreamed = [world.step(held.actions[now - 1], str(held.told[now - 1]), held.guides[now]) for now in at]
            rows[name].append(_compared(np.stack(dreamed), real))
    return {
        name: {measure: interval(np.array([row[measure] for row in each])) for measure in each[0]}
        for name, each in rows.items()
    }


def _compared(pictures: np.ndarray, real: np.ndarray) -> dict[str, float]:
    late = [(picture, true) for picture, true in zip(pictures[RECOVERED:], real[RECOVERED:], strict=True)]
    return {
        "psnr": float(np.mean([psnr(*both) for both in late])),
        "edges": float(np.mean([agreement(*both) for both in late])),
        "motion": float(motion(pictures[RECOVERED:]).mean() / max(1e-9, motion(real[RECOVERED:]).mean())),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--data", type=Path, help="folder of the recordings; default .data/WORLD")
    parser.add_argument("--starts", type=int, default=16)
    parser.add_argument("--frames", type=int, default=64, help=f"of each, more than {RECOVERED + 1}")
    args = parser.parse_args(argv)

    def work() -> None:
        if args.starts < 1 or args.frames < RECOVERED + 2:
            raise TrainingError(f"expected --starts from 1 and --frames from {RECOVERED + 2}.")
        data = args.data or Path(".data") / args.world
        held = held_out_episodes(find_world(args.world, data), data)
        package = args.package or Path("assets/worlds") / args.world
        print(json.dumps(follow(package, held, starts=args.starts, frames=args.frames)))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
