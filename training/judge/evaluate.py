"""Judges an exported package against the real environment on held-out seeds, and writes what it found into the package.

    python -m training.judge.evaluate --world car-racing --frames 10000

    prediction -> spread -> action following -> drift and spectrum -> small things -> rest -> poses -> revisit
               -> prompts -> invention -> card

What runs is the package's own ONNX, as users get it; a deterministic twin and copy-last-frame are judged by the same
functions. `docs/evaluation.md` says what each number means. `--quick` is a short evaluation: the same figures from
fewer starts and shorter runs, without what takes readers or drives of their own.
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
from .before import STARTS as STARTS_BEFORE
from .before import compare
from .card import write_card
from .copy_last import CopyLast
from .direction import Directed, direct, directed, follow_told
from .drift import MakePlayer, Reference, drift, long_real_runs, real_windows, run_starts
from .following import follow
from .invention import Drive, invent, real_drives
from .inverse_dynamics import ActionReader, ReaderTraining, action_reader, kept_action_reader
from .onnx_world import OnnxWorld, Playable
from .pose import TEST_SEED, Posed, PoseReader, PoseTraining, poses, record_poses
from .pose import pose_reader as reader_of_poses
from .prediction import HORIZONS, predict
from .rest import STARTS as RESTS
from .rest import Rest, real_rests, rest, rest_action
from .revisit import real_loops, revisit
from .small_things import Scene, record_scenes, small_things
from .spectrum import Spectra, first_power, real_power
from .spread import spread_and_error

LONG = 1_000  # frames of the real runs that drift is compared with, and of most dreamed ones
SHARE = 4  # of which there are so many times as many as of full length
QUICK = {"starts": 16, "runs": 2, "frames": 300}  # of a short evaluation
QUICK_READER = ReaderTraining(recordings=1, frames_a_script=1_000, passes=3.0)  # half a minute, where none is kept


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
    before: Path | None = None  # the package that it took the place of, to put beside
    short: bool = False  # without poses, loops and drives, and with whatever reader of actions is there


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
    scenes: list[Scene] | None  # None where nobody can see where things are
    directed: Directed | None  # None where a world isn't told anything
    rests: list[Rest]  # none where there is no environment, or none of its episodes lasts long enough at rest
    power: np.ndarray  # of real frames, [N, O]


def gather(e: Evaluation) -> Real:
    """Records, drives and trains readers on the real environment, as far as it isn't in the data folder."""
    world, long = e.world, min(e.frames, LONG)
    held = held_out_episodes(world, e.data)
    if world.source is None:
        print(
            f"{world.name} has no live environment: following and drift are judged on held-out episodes; "
            "random scripts, loops, poses, objects, rests and drives are skipped.",
            file=sys.stderr,
        )
    reader = kept_action_reader(world, e.data) if e.short else None
    reader = reader or action_reader(world, e.data, QUICK_READER if e.short else None)
    runs = long_episodes(world, e.data, runs=SHARE * e.runs, frames=long + CONTEXT)
    posed = pose_reader = None
    if world.pose is not None and not e.short:
        training = PoseTraining(frames=min(PoseTraining.frames, 150 * e.starts))
        pose_reader = reader_of_poses(world, e.data, training)
        posed = record_poses(world, episodes=e.starts, seed=TEST_SEED)
    reference = real_windows(runs, reader, min(WINDOW, e.frames))
    long_runs = []
    if e.frames > LONG and by_sight(e) is not None:
        with bar_of(e.runs * e.frames, "real runs of full length", "frame") as bar:
            long_runs = long_real_runs(world, reader, reference, runs=e.runs, frames=e.frames, bar=bar)
    return Real(
        held=held,
        random=random_episodes(world, e.data, starts=e.starts, ahead=AHEAD),
        long=runs,
        reader=reader,
        reference=reference,
        long_runs=long_runs,
        drives=real_drives(world, world.road, runs=e.runs, frames=e.frames) if world.road and not e.short else None,
        loops=real_loops(world, min(e.starts, 16)) if world.loops and not e.short else None,
        posed=posed,
        pose_reader=pose_reader,
        scenes=record_scenes(world, e.starts) if world.objects is not None and world.source is not None else None,
        directed=direct(world, e.data, world.direction, e.starts) if world.direction is not None else None,
        rests=real_rests(world, min(e.starts, RESTS)) if world.source is not None else [],
        power=real_power(runs),
    )


def by_sight(e: Evaluation) -> MakePlayer | None:
    """Who steers long runs by what is seen; None: they follow recorded actions."""
    return None if e.open_loop else e.world.player


def judge(
    make: Callable[[], Playable], real: Real, e: Evaluation, *, lengths: list[int], window: int, name: str
) -> tuple[dict, np.ndarray]:
    """All that applies to a world, but for prediction; gives the figures and the strip."""
    world, metrics = e.world, {}
    names = [action["name"] for action in world.actions]
    with bar_of(e.starts, f"following, {name}", "start") as bar:
        metrics["action_following"] = follow(make, real.reader, real.random, names, starts=e.starts, bar=bar)
    player, spectra = by_sight(e), Spectra()
    with bar_of(sum(lengths), f"drift, {name}", "frame") as bar:
        metrics["drift"], strip = drift(
            make,
            player,
            real.reader,
            real.long,
            real.reference,
            lengths=lengths,
            real=real.long_runs,
            watch=spectra.watch,
            bar=bar,
        )
    metrics["drift"]["policy"] = "recorded actions" if player is None else "steered by sight"
    metrics["spectrum"] = spectra.compare(
        real.power, min(real.long.frames.shape[1:3]), first=first_power(real.long, run_starts(real.long, len(lengths)))
    )
    if world.objects is not None and real.scenes is not None:
        with bar_of(len(real.scenes), f"small things, {name}", "start") as bar:
            metrics["small_things"] = small_things(make, world.objects, real.scenes, bar=bar)
    if real.rests:
        with bar_of(len(real.rests), f"rest, {name}", "start") as bar:
            metrics["rest"] = rest(make, rest_action(world), real.rests, bar=bar)
    if world.pose is not None and real.posed is not None and real.pose_reader is not None:
        with bar_of(e.starts, f"poses, {name}", "start") as bar:
            metrics["pose"] = poses(make, world.pose, real.pose_reader, real.posed, bar=bar)
    if real.loops is not None:
        with bar_of(sum(map(len, real.loops.values())), f"loops, {name}", "loop") as bar:
            metrics["revisit"] = revisit(make, world.loops, real.loops, window=window, bar=bar)
    return metrics, strip


def judge_package(folder: Path, real: Real, e: Evaluation) -> tuple[dict, np.ndarray]:
    """Everything about one package."""
    world = OnnxWorld(folder)

    def make() -> Playable:
        return OnnxWorld(folder)

    with bar_of(e.starts, "prediction", "start") as bar:
        metrics = predict(make, real.held, e.starts, horizons=HORIZONS, bar=bar)
    with bar_of(e.starts, "spread", "start") as bar:
        metrics["spread"] = spread_and_error(make, real.held, e.starts, bar=bar)
    lengths = [e.frames] * e.runs + [min(e.frames, LONG)] * ((SHARE - 1) * e.runs)
    window = world.manifest["kv"]["window"]
    more, strip = judge(make, real, e, lengths=lengths, window=window, name=folder.name)
    if e.world.direction is not None and real.directed is not None:
        with bar_of(e.starts, "prompts", "switch") as bar:
            more["direction"] = directed(make, e.world.direction, real.directed, bar=bar)
        with bar_of(e.starts, "following across a prompt", "start") as bar:
            names = [action["name"] for action in e.world.actions]
            told = follow_told(make, e.world.direction, real.reader, real.random, names, starts=e.starts, bar=bar)
            more["direction"]["following"] = told
    road = e.world.road
    if road is not None and real.drives is not None:
        with bar_of(e.runs, "drives", "drive") as bar:
            rate = e.world.frame_rate
            more["drive"] = invent(make, road, real.held, real.drives, frames=e.frames, frame_rate=rate, bar=bar)
    return metrics | more, strip


def evaluate(e: Evaluation) -> tuple[dict, np.ndarray]:
    """The figures of a package, its twin's and copy-last-frame's beside them, and the strip.

    Raises TrainingError when a package or a recording can't be used.
    """
    window = OnnxWorld(e.package).manifest["kv"]["window"]  # refuses before hours of work, not after
    for other in (e.twin, e.before):
        if other is not None:
            OnnxWorld(other)
    real = gather(e)
    metrics, strip = judge_package(e.package, real, e)
    metrics = {"short": e.short, "starts": e.starts, "runs": e.runs, "frames": e.frames, **metrics}
    metrics["limits"] = list(e.world.limits)  # what no measure here can see
    if e.twin is not None:
        metrics["twin"] = judge_package(e.twin, real, e)[0]
    if e.before is not None:
        with bar_of(2 * STARTS_BEFORE, "beside the one before", "start") as bar:
            metrics["before"] = compare(e.before, e.package, e.world, e.data, bar)
    lengths = [min(e.frames, LONG)] * e.runs
    metrics["copy_last"] = judge(CopyLast, real, e, lengths=lengths, window=window, name="copy-last")[0]
    return metrics, strip


def check_amount(starts: int, runs: int, frames: int) -> None:
    """Raises TrainingError where there would be nothing to judge."""
    if min(starts, runs) < 1 or frames < CONTEXT:
        raise TrainingError(
            f"expected --starts and --runs of at least 1 and --frames of at least {CONTEXT}, "
            f"got {starts}, {runs} and {frames}."
        )


def bar_of(total: int, name: str, unit: str) -> tqdm:
    return tqdm(total=total, desc=name, unit=unit, file=sys.stderr, disable=not sys.stderr.isatty())


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--data", type=Path, help="folder of the recordings; default .data/WORLD")
    parser.add_argument("--twin", type=Path, help="package of the deterministic twin, to put beside")
    parser.add_argument("--before", type=Path, help="the package that it took the place of, to put beside")
    parser.add_argument("--starts", type=int, help=f"held-out starts; default {Evaluation.starts}")
    parser.add_argument("--runs", type=int, help=f"drives, and runs of full length; default {Evaluation.runs}")
    parser.add_argument("--frames", type=int, help=f"of a drive and of a full run; default {Evaluation.frames}")
    parser.add_argument("--open-loop", action="store_true", help="drift under recorded actions, even with a driver")
    parser.add_argument("--dry", action="store_true", help="print the figures, write nothing into the package")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a short evaluation, which the card says it is; by default {starts} starts and {frames} frames".format(
            **QUICK
        ),
    )
    args = parser.parse_args(argv)
    folder, data = args.package or Path("assets/worlds") / args.world, args.data or Path(".data") / args.world

    def work() -> None:
        usual = QUICK if args.quick else {name: getattr(Evaluation, name) for name in QUICK}
        starts, runs, frames = (
            usual[name] if getattr(args, name) is None else getattr(args, name) for name in ("starts", "runs", "frames")
        )
        check_amount(starts, runs, frames)
        world = find_world(args.world, data)
        plan = Evaluation(
            world,
            folder,
            data,
            twin=args.twin,
            before=args.before,
            starts=starts,
            runs=runs,
            frames=frames,
            open_loop=args.open_loop,
            short=args.quick,
        )
        metrics, strip = evaluate(plan)
        if not args.dry:
            write_card(folder, metrics, strip)
        print(json.dumps(metrics, indent=1))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
