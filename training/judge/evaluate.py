"""Judges an exported package against the real environment on held-out seeds, and writes what it found into the package.

    python -m training.judge.evaluate --world car-racing --frames 10000

    prediction -> action following -> drift -> poses -> revisit -> invention -> card

What runs is the package's own ONNX, as users get it; a deterministic twin and copy-last-frame are judged by the same
functions. `docs/evaluation.md` says what each number means. `quick` is for comparisons while training.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import AHEAD, CONTEXT, WINDOW, held_out_episodes, long_episodes, random_episodes
from ..errors import TrainingError, exit_status
from ..worlds.registry import find_world
from ..worlds.world import World
from .card import write_card
from .copy_last import CopyLast
from .drift import MakePlayer, Reference, drift, long_real_runs, real_windows
from .following import follow
from .invention import Drive, invent, real_drives
from .inverse_dynamics import ActionReader, action_reader, kept_action_reader
from .onnx_world import OnnxWorld, Playable
from .pose import TEST_SEED, Posed, PoseReader, PoseTraining, poses, record_poses
from .pose import pose_reader as reader_of_poses
from .prediction import HORIZONS, predict, reconstruction
from .revisit import real_loops, revisit

LONG = 1_000  # frames of the real runs that drift is compared with, and of most dreamed ones
SHARE = 4  # of which there are so many times as many as of full length
QUICK = {"starts": 8, "horizons": (1, 8, 16), "frames": 100, "runs": 2}


@dataclass
class Evaluation:
    """How much is played."""

    world: World
    package: Path  # what is judged
    data: Path  # folder of recordings; what is missing there is recorded
    twin: Path | None = None  # package of the deterministic twin, judged the same way
    starts: int = 64  # held-out starts of prediction, following, poses and loops
    runs: int = 8  # drives, and runs of drift of full length; three times as many go on for 1,000 frames
    frames: int = 1_500  # of a drive and of a full run
    open_loop: bool = False  # drift under recorded actions even where the world can be steered by sight


@dataclass
class Real:
    """What the real environment gave: made once, shared by all that are judged."""

    held: Episodes
    random: Episodes
    long: Episodes
    reader: ActionReader
    reference: Reference
    long_runs: list[dict]  # scores of real runs of full length, where it is longer than the reference's and they can be
    drives: list[Drive] | None  # None where there is no road
    loops: dict | None  # None where a world offers no loops
    posed: Posed | None  # None where a world doesn't say where things are
    pose_reader: PoseReader | None


def gather(e: Evaluation) -> Real:
    """Records, drives and trains readers on the real environment, as far as it isn't in the data folder."""
    world, long = e.world, min(e.frames, LONG)
    held = held_out_episodes(world, e.data)
    if world.source is None:
        print(
            f"{world.name} has no live environment: following and drift are judged on held-out episodes; "
            "random scripts, loops, poses and drives are skipped.",
            file=sys.stderr,
        )
    reader = action_reader(world, e.data)
    runs = long_episodes(world, e.data, runs=SHARE * e.runs, frames=long + CONTEXT)
    posed = pose_reader = None
    if world.pose is not None:
        training = PoseTraining(frames=min(PoseTraining.frames, 150 * e.starts))
        pose_reader = reader_of_poses(world, e.data, training)
        posed = record_poses(world, episodes=e.starts, seed=TEST_SEED)
    reference = real_windows(runs, reader, min(WINDOW, e.frames))
    long_runs = []
    if e.frames > LONG and by_sight(e) is not None:
        with _bar(e.runs * e.frames, "real runs of full length", "frame") as bar:
            long_runs = long_real_runs(world, reader, reference, runs=e.runs, frames=e.frames, bar=bar)
    return Real(
        held=held,
        random=random_episodes(world, e.data, starts=e.starts, ahead=AHEAD),
        long=runs,
        reader=reader,
        reference=reference,
        long_runs=long_runs,
        drives=real_drives(world, world.road, runs=e.runs, frames=e.frames) if world.road else None,
        loops=real_loops(world, min(e.starts, 16)) if world.loops else None,
        posed=posed,
        pose_reader=pose_reader,
    )


def by_sight(e: Evaluation) -> MakePlayer | None:
    """Who steers long runs by what is seen; None: they follow recorded actions."""
    return None if e.open_loop else e.world.player


def judge(
    make: Callable[[], Playable], real: Real, e: Evaluation, *, lengths: list[int], window: int, name: str
) -> tuple[dict, np.ndarray]:
    """All that applies to a world, but for prediction; gives the figures and the strip."""
    dream, world = make(), e.world
    names = [action["name"] for action in world.actions]
    metrics: dict = {"action_following": follow(dream, real.reader, real.random, names, starts=e.starts)}
    player = by_sight(e)
    with _bar(sum(lengths), f"drift, {name}", "frame") as bar:
        metrics["drift"], strip = drift(
            make, player, real.reader, real.long, real.reference, lengths=lengths, real=real.long_runs, bar=bar
        )
    metrics["drift"]["policy"] = "recorded actions" if player is None else "steered by sight"
    if world.pose is not None and real.posed is not None and real.pose_reader is not None:
        with _bar(e.starts, f"poses, {name}", "start") as bar:
            metrics["pose"] = poses(dream, world.pose, real.pose_reader, real.posed, bar=bar)
    if real.loops is not None:
        with _bar(sum(map(len, real.loops.values())), f"loops, {name}", "loop") as bar:
            metrics["revisit"] = revisit(dream, world.loops, real.loops, window=window, bar=bar)
    return metrics, strip


def judge_package(folder: Path, real: Real, e: Evaluation) -> tuple[dict, np.ndarray]:
    """Everything about one package."""
    world = OnnxWorld(folder)
    with _bar(e.starts, "prediction", "start") as bar:
        metrics = predict(world, real.held, e.starts, horizons=HORIZONS, bar=bar)
    metrics["reconstruction"] = reconstruction(folder, real.held, e.starts)
    lengths = [e.frames] * e.runs + [min(e.frames, LONG)] * ((SHARE - 1) * e.runs)
    window = world.manifest["kv"]["window"]
    more, strip = judge(lambda: OnnxWorld(folder), real, e, lengths=lengths, window=window, name=folder.name)
    road = e.world.road
    if road is not None and real.drives is not None:
        with _bar(e.runs, "drives", "drive") as bar:
            rate = e.world.frame_rate
            more["drive"] = invent(world, road, real.held, real.drives, frames=e.frames, frame_rate=rate, bar=bar)
    return metrics | more, strip


def evaluate(e: Evaluation) -> tuple[dict, np.ndarray]:
    """The figures of a package, its twin's and copy-last-frame's beside them, and the strip.

    Raises TrainingError when a package or a recording can't be used.
    """
    window = OnnxWorld(e.package).manifest["kv"]["window"]  # refuses before hours of work, not after
    if e.twin is not None:
        OnnxWorld(e.twin)
    real = gather(e)
    metrics, strip = judge_package(e.package, real, e)
    metrics = {"starts": e.starts, "runs": e.runs, "frames": e.frames, **metrics}
    metrics["limits"] = list(e.world.limits)  # what no measure here can see
    if e.twin is not None:
        metrics["twin"] = judge_package(e.twin, real, e)[0]
    lengths = [min(e.frames, LONG)] * e.runs
    metrics["copy_last"] = judge(CopyLast, real, e, lengths=lengths, window=window, name="copy-last")[0]
    return metrics, strip


def quick(world: World, package: Path, data: Path) -> dict:
    """A few starts and frames, for comparisons while training: prediction, following, a short drive.

    Writes nothing. Following needs the action reader that a full evaluation leaves in the data folder; without it that
    part is None. Raises TrainingError as `evaluate` does.
    """
    dream, held = OnnxWorld(package), held_out_episodes(world, data)
    metrics = predict(dream, held, QUICK["starts"], horizons=QUICK["horizons"])
    reader = kept_action_reader(world, data)
    names = [action["name"] for action in world.actions]
    follows = None if reader is None else follow(dream, reader, held, names, starts=QUICK["starts"], ahead=32)
    metrics["action_following"] = follows
    if world.road is not None:
        frames, rate = QUICK["frames"], world.frame_rate
        drives = real_drives(world, world.road, runs=QUICK["runs"], frames=frames)
        metrics["drive"] = invent(dream, world.road, held, drives, frames=frames, frame_rate=rate)
    return metrics


def _bar(total: int, name: str, unit: str) -> tqdm:
    return tqdm(total=total, desc=name, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--data", type=Path, help="folder of the recordings; default .data/WORLD")
    parser.add_argument("--twin", type=Path, help="package of the deterministic twin, to put beside")
    parser.add_argument("--starts", type=int, default=Evaluation.starts)
    parser.add_argument("--runs", type=int, default=Evaluation.runs, help="drives, and runs of drift of full length")
    parser.add_argument("--frames", type=int, default=Evaluation.frames, help="frames of a drive and of a full run")
    parser.add_argument("--open-loop", action="store_true", help="drift under recorded actions, even with a driver")
    parser.add_argument("--dry", action="store_true", help="print the figures, write nothing into the package")
    parser.add_argument("--quick", action="store_true", help="a few starts and frames; prints, writes nothing")
    args = parser.parse_args(argv)
    folder, data = args.package or Path("assets/worlds") / args.world, args.data or Path(".data") / args.world

    def work() -> None:
        if min(args.starts, args.runs) < 1 or args.frames < CONTEXT:
            raise TrainingError(
                f"expected --starts and --runs of at least 1 and --frames of at least {CONTEXT}, "
                f"got {args.starts}, {args.runs} and {args.frames}."
            )
        world = find_world(args.world, data)
        if args.quick:
            print(json.dumps(quick(world, folder, data), indent=1))
            return
        plan = Evaluation(world, folder, data, args.twin, args.starts, args.runs, args.frames, open_loop=args.open_loop)
        metrics, strip = evaluate(plan)
        if not args.dry:
            write_card(folder, metrics, strip)
        print(json.dumps(metrics, indent=1))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
