"""Clones a pusher, plays it and nine other policies in the dream and in the real gym-pusht, compares the returns.

python -m examples.push_t_policy --episodes 32 --frames 200
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from gymnasium.error import Error as GymnasiumError
from tqdm import tqdm
from worldloop.errors import WorldloopError

from .correlation import scatter, spearman_interval
from .learn import Learning, clone, record
from .places import Dreamed, Real, play
from .policies import Policy, cloned, random, rest, scripted

SEED = 5_000_000  # of the episodes that policies are tried on; nobody learned from them
NOISES = (0.0, 0.2, 0.4, 0.6, 0.8)


def policies(args: Learning) -> dict[str, Policy]:
    """By name, all that are tried; the last is the clone that was trained longest."""
    clones = clone(*record(args), args)
    tried: dict[str, Policy] = {"rest": rest, "random": random}
    tried |= {f"script, noise {noise:g}": scripted(noise=noise) for noise in NOISES}
    return tried | {f"clone, {updates:,} updates": cloned(model) for updates, model in clones.items()}


def compare(tried: dict[str, Policy], dream: Dreamed, *, episodes: int, frames: int) -> dict[str, np.ndarray]:
    """Returns in the dream and in reality, [policies, episodes] each, from the same beginnings."""
    places = {"dream": dream, "real": Real()}
    returns = {name: np.zeros((len(tried), episodes)) for name in places}
    bar = tqdm(total=2 * len(tried) * episodes, unit="episode", desc="returns", file=sys.stderr)
    for row, policy in enumerate(tried.values()):
        for episode in range(episodes):
            for name, place in places.items():
                act, seed = policy(SEED + episode), SEED + episode
                returns[name][row, episode] = play(place, act, seed=seed, frames=frames)
                bar.update()
    bar.close()
    return returns


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path, help="folder of a package; default: push-t as it ships")
    parser.add_argument("--episodes", type=int, default=32, help="of each policy, in the dream and in reality")
    parser.add_argument("--frames", type=int, default=200, help="of an episode")
    parser.add_argument("--demonstrations", type=int, default=Learning.episodes, help="episodes to learn from")
    parser.add_argument("--updates", type=int, default=max(Learning.lengths), help="of the longest-trained clone")
    parser.add_argument("--out", type=Path, default=Path(".data/push-t-policy"), help="gets returns.json, returns.png")
    args = parser.parse_args(argv)
    if min(args.episodes, args.frames, args.demonstrations) < 1 or args.updates < 3:
        parser.error("expected --episodes, --frames and --demonstrations of at least 1 and --updates of at least 3")
    lengths = tuple(sorted({max(1, args.updates // 80), max(2, args.updates // 10), args.updates}))
    try:
        dream = Dreamed(args.world, frames=args.frames)
    except (WorldloopError, GymnasiumError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    tried = policies(Learning(episodes=args.demonstrations, lengths=lengths))
    returns = compare(tried, dream, episodes=args.episodes, frames=args.frames)
    report(list(tried), returns, args.out)
    return 0


def report(names: list[str], returns: dict[str, np.ndarray], out: Path) -> None:
    """Prints the table and the correlation, writes figures and picture."""
    dream, real = returns["dream"], returns["real"]
    print(f"{'policy':<24}{'dream':>8}{'real':>8}")
    for name, d, r in zip(names, dream, real, strict=True):
        print(f"{name:<24}{d.mean():>8.3f}{r.mean():>8.3f}")
    rank, low, high = spearman_interval(dream, real)
    line = f"Spearman {rank:.3f} ({low:.3f} to {high:.3f}), {len(names)} policies, {dream.shape[1]} episodes each"
    out.mkdir(parents=True, exist_ok=True)
    scatter(dream, real, names, title=line).save(out / "returns.png", optimize=True)
    figures = {
        "policies": {n: {"dream": d.tolist(), "real": r.tolist()} for n, d, r in zip(names, dream, real, strict=True)},
        "spearman": None if np.isnan(rank) else {"value": rank, "low": low, "high": high},
    }
    (out / "returns.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(f"{names[-1]}: return {dream[-1].mean():.3f} in the dream, {real[-1].mean():.3f} in the real environment")
    print(line)
    print(f"{out / 'returns.png'}")


if __name__ == "__main__":
    sys.exit(main())
