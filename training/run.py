"""The whole pipeline, in order: this file is its table of contents.

    python -m training.run --world car-racing
    python -m training.run --world acrobot --gym Acrobot-v1
    python -m training.run --world mine --episodes FOLDER --actions actions.json
    python -m training.run --world doom-hall --minutes 9  # stops by itself; the same command goes on

    record -> tokenizer -> latents -> world model -> self-forcing -> package -> reward -> evaluate

After the world model comes self-forcing; `--refine` puts other stages there: the chain `teacher,consistency,matching`,
or `none`. The last one is what goes into the package.

Every stage leaves a file; a stage whose file is complete is skipped, a stage that was interrupted resumes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .data.bring import add_arguments, bring
from .data.record import FRAMES, HELD_OUT_FROM, Recording, record_all, to_train_on
from .errors import OutOfTime, TrainingError
from .judge.evaluate import main as evaluate
from .model.tokenizer import TokenizerConfig
from .model.world_model import WorldModelConfig
from .package.manifest import main as package
from .package.reward import RewardTraining
from .package.reward import main as reward
from .stage import STAGES
from .stages import self_forcing, tokenizer, world_model
from .worlds.registry import find_world
from .worlds.world import World

REFINEMENTS = [name for name in STAGES if name not in (tokenizer.STAGE, world_model.STAGE)]


@dataclass
class Run:
    """How much of everything. Hours on two cores."""

    world: World
    data: Path  # recordings, latents, checkpoints, logs
    out: Path  # the package
    recordings: int = 8  # to train on, seeds 1, 2, ...
    frames: int = FRAMES  # of each
    held_out: int = 8_000
    steps: dict[str, int] | None = None  # by stage; None: the stages' own
    refine: tuple[str, ...] = (self_forcing.STAGE,)  # after the world model, in this order, the last into the package
    reward_steps: int = RewardTraining.steps  # real ones; only where the environment has a task
    starts: int = 64  # of the evaluation
    drive: int = 1500  # frames of the evaluation's drives
    small: bool = False  # networks for a rehearsal
    compile: bool = True
    until: float = math.inf  # on the clock `time.monotonic`: then it stops, and can go on


def tiny(run: Run) -> Run:
    """Everything in a minute or two: checks the pipeline, makes no world worth playing."""
    return replace(
        run,
        recordings=1,
        frames=150,
        held_out=240,
        steps={tokenizer.STAGE: 4, world_model.STAGE: 6, **dict.fromkeys(REFINEMENTS, 3)},
        reward_steps=48,
        starts=2,
        drive=12,
        small=True,
        compile=False,
    )


def networks(size: int, *, small: bool) -> tuple[TokenizerConfig, WorldModelConfig]:
    """The shapes, the same for every world; only the side of its picture is the world's own."""
    pictures, dreams = TokenizerConfig(size=size), WorldModelConfig()
    if small:
        pictures = replace(pictures, wide=16, narrow=8, decoder_narrow=8)
        dreams = replace(dreams, width=32, heads=4, head_width=0, mlp=32)
        dreams = replace(dreams, trunk_layers=2, window_layers=(1,), head_layers=1)
    return pictures, dreams


def run(r: Run) -> None:
    pictures, dreams = networks(r.world.size, small=r.small)
    r.data.mkdir(parents=True, exist_ok=True)
    record(r)

    train(r, tokenizer.STAGE, pictures)
    learned = tokenizer.load_tokenizer(r.data / "tokenizer.pt", r.world.name)
    tokenizer.write_latents(learned, r.data, mirror=r.world.mirror is not None)

    train(r, world_model.STAGE, dreams)
    for name in r.refine:
        train(r, name)

    places = ["--world", r.world.name, "--data", str(r.data)]
    last = [world_model.STAGE, *r.refine][-1]
    finish(r, package, [*places, "--out", str(r.out), "--stage", last])
    if r.world.task is not None:
        finish(r, reward, ["--world", r.world.name, "--package", str(r.out), "--steps", str(r.reward_steps)])
    finish(r, evaluate, [*places, "--package", str(r.out), "--starts", str(r.starts), "--frames", str(r.drive)])


def record(r: Run) -> None:
    """What is trained on and what is held out, as far as it isn't there."""
    if r.world.source is None:
        return
    held = r.data / f"held-{HELD_OUT_FROM}.npz", Recording(r.world.name, "mixed", HELD_OUT_FROM, r.held_out)
    jobs = [*to_train_on(r.world.name, r.data, r.recordings, r.frames), held]
    record_all([(file, spec) for file, spec in jobs if not file.exists()])


def train(r: Run, name: str, *shapes: TokenizerConfig | WorldModelConfig) -> None:
    """One stage, unless it is complete."""
    meta = r.data / f"{name}.pt.json"
    if meta.exists():
        state = json.loads(meta.read_text())
        if state["step"] >= state["steps"]:
            return
    settings: dict[str, Any] = {"until": r.until}
    if r.steps is not None:
        settings["steps"] = r.steps[name]
    if name != tokenizer.STAGE:  # which never compiles
        settings["compile"] = r.compile
    stage = STAGES[name]
    stage.train(stage.settings(r.world, r.data, **settings), *shapes)


def finish(r: Run, command: Callable[[list[str]], int], arguments: list[str]) -> None:
    """One of the commands that come after training."""
    if time.monotonic() > r.until:
        raise OutOfTime("time is up; what is left is to package and to evaluate.")
    if command(arguments) != 0:
        raise TrainingError("stopped at the stage above.")


def refinements_of(text: str) -> tuple[str, ...]:
    """What `--refine` says, as `Run.refine`. Raises TrainingError."""
    names = () if text == "none" else tuple(text.split(","))
    if not set(names) <= set(REFINEMENTS) or (names and not STAGES[names[-1]].student):
        raise TrainingError(f"--refine: expected stages of {', '.join(REFINEMENTS)}, a student last, got '{text}'.")
    return names


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="default .data/WORLD")
    parser.add_argument("--out", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument(
        "--refine",
        metavar="STAGES",
        default=self_forcing.STAGE,
        help=f"after the world model, by commas: {', '.join(REFINEMENTS)}, or none; default {self_forcing.STAGE}",
    )
    parser.add_argument(
        "--minutes", type=float, help="training stops after so many, exit status 3; the same command goes on"
    )
    parser.add_argument("--tiny", action="store_true", help="a rehearsal in a minute or two")
    add_arguments(parser)
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world
    if args.minutes is not None and not args.minutes > 0:
        parser.error(f"--minutes: expected more than 0, got {args.minutes:g}.")
    if args.tiny and (args.data is None or args.out is None):
        parser.error("--tiny wants --data and --out of its own, so that it overwrites nothing of worth.")
    until = math.inf if args.minutes is None else time.monotonic() + 60 * args.minutes
    try:
        refine = refinements_of(args.refine)
        bring(args, data)
        plan = Run(
            world=find_world(args.world, data),
            data=data,
            out=args.out or Path("assets/worlds") / args.world,
            refine=refine,
            until=until,
        )
        run(tiny(plan) if args.tiny else plan)
    except OutOfTime as over:
        print(f"{over} The same command goes on from here.", file=sys.stderr)
        return 3
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
