"""How many environment steps a second a world gives in this process, beside the real environment with rendering.

    python -m worldloop.bench --world push-t

Rows take turns, so that a machine that is busy for a while is unfair to none; figures are medians over the rounds. The
process is held to as many cores as a row says where the system allows it. The last line is JSON.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import gymnasium

from .errors import WorldloopError
from .package import find_package, open_package

WARM_UP = 5  # steps before the clock runs

# World: the id of the environment it was recorded from, what that takes, and the package that registers it.
REAL = {"push-t": ("gym_pusht/PushT-v0", {"obs_type": "pixels"}, "gym_pusht")}


@dataclass(frozen=True)
class Row:
    """What is measured."""

    what: str  # "dream", "dream, batched" (several worlds in one run of the graph) or the id of the real environment
    worlds: int  # stepped by one call
    cores: int  # that they may use


def rows_of(world: str, *, batch: int, cores: int, batched: bool) -> list[Row]:
    """One world and several, on one core and on more; the real environment where it is installed.

    `batched`: whether the package has a graph for several worlds at once.
    """
    rows = [Row("dream", 1, 1), Row("dream", batch, 1)]
    rows += [Row("dream, batched", batch, 1)] if batched else []
    rows += [Row("dream", cores, cores), Row("dream", batch, cores)] if cores > 1 else []
    rows += [Row("dream, batched", batch * cores, cores)] if cores > 1 and batched else []
    if world in REAL and importlib.util.find_spec(REAL[world][2]) is not None:
        real = REAL[world][0]
        rows += [Row(real, 1, 1)] + ([Row(real, cores, cores)] if cores > 1 else [])
    return rows


def measure(row: Row, package: str, world: str, *, seconds: float) -> float:
    """Environment steps a second, all worlds together. A tick is never split between cores: only worlds are."""
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if allowed is not None:
        os.sched_setaffinity(0, sorted(allowed)[: row.cores])
    try:
        return _steps_per_second(*_open(row, package, world), worlds=row.worlds, seconds=seconds)
    finally:
        if allowed is not None:
            os.sched_setaffinity(0, allowed)


def _open(row: Row, package: str, world: str) -> tuple[gymnasium.Env | gymnasium.vector.VectorEnv, bool]:
    """An environment, and whether it is a batch."""
    if row.what.startswith("dream"):
        settings = {"package": package, "max_frames": 1_000_000_000}
        if row.worlds == 1:
            return gymnasium.make("worldloop/World-v0", disable_env_checker=True, **settings), False
        settings |= {"threads": row.cores, "batched": row.what != "dream"}
        return gymnasium.make_vec("worldloop/World-v0", num_envs=row.worlds, **settings), True
    name, settings, module = REAL[world]
    identity = f"{module}:{name}"  # Gymnasium imports the module first
    if row.worlds == 1:
        return gymnasium.make(identity, disable_env_checker=True, **settings), False
    return gymnasium.make_vec(identity, num_envs=row.worlds, vectorization_mode="async", **settings), True


def _steps_per_second(env, batched: bool, *, worlds: int, seconds: float) -> float:
    env.reset(seed=0)
    env.action_space.seed(0)

    def step() -> None:
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if not batched and (terminated or truncated):
            env.reset()  # a batch does so by itself

    for _ in range(WARM_UP):
        step()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step()
        steps += 1
    taken = time.perf_counter() - began
    env.close()
    return steps * worlds / taken


def bench(
    rows: list[Row], package: str, world: str, *, rounds: int, seconds: float, tell: Callable[[str], None]
) -> dict[Row, float]:
    """Median steps a second of each row."""
    results: dict[Row, list[float]] = {row: [] for row in rows}
    for number in range(rounds):
        for done, row in enumerate(rows, start=1):
            results[row].append(measure(row, package, world, seconds=seconds))
            tell(f"{number * len(rows) + done} of {rounds * len(rows)} measurements")
    return {row: statistics.median(values) for row, values in results.items()}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="push-t", help="name of a world, or the folder of its package")
    parser.add_argument("--batch", type=int, default=8, help="worlds of a batch")
    parser.add_argument("--cores", type=int, default=2, help="measured beside one core")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement")
    args = parser.parse_args(argv)
    if min(args.batch, args.cores, args.rounds) < 1 or args.batch < 2 or args.seconds <= 0:
        parser.error("expected --batch of at least 2, --cores and --rounds of at least 1, and --seconds over 0")
    try:
        package = open_package(find_package(args.world))
    except WorldloopError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    world = package.manifest["name"]
    cores = min(args.cores, os.cpu_count() or 1)
    rows = rows_of(world, batch=args.batch, cores=cores, batched="batch" in package.manifest)
    if world in REAL and not any(row.what == REAL[world][0] for row in rows):
        print(f"{REAL[world][2]} isn't installed: the real environment is left out", file=sys.stderr)
    terminal = sys.stderr.isatty()

    def tell(text: str) -> None:
        print(f"\r{text}" if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)

    results = bench(rows, args.world, world, rounds=args.rounds, seconds=args.seconds, tell=tell)
    print("\r" if terminal else "", end="", file=sys.stderr)
    real = next((value for row, value in results.items() if not row.what.startswith("dream") and row.cores == 1), None)
    print(f"{'environment':<20}{'worlds':>8}{'cores':>8}{'steps/s':>10}{'per core, to real':>20}")
    for row, value in results.items():
        ratio = "" if real is None else f"{value / row.cores / real:.2f}"
        print(f"{row.what:<20}{row.worlds:>8}{row.cores:>8}{value:>10.1f}{ratio:>20}")
    figures = [{**asdict(row), "stepsPerSecond": value} for row, value in results.items()]
    print(json.dumps({"world": world, "model": package.sha256, "rows": figures}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
