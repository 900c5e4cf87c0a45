"""The whole pipeline, in order: this file is its table of contents.

    python -m training.run --world car-racing
    python -m training.run --world acrobot --gym Acrobot-v1
    python -m training.run --world mine --episodes FOLDER --actions actions.json
    python -m training.run --world doom-hall --minutes 9  # stops by itself; the same command goes on

    record -> tokenizer -> latents -> world model -> self-forcing -> package -> reward -> evaluate

What comes after the world model is the world's choice, by default self-forcing; `--refine` puts other stages there:
the chain `teacher,consistency,matching`, or `none`. The last one is what goes into the package.

Every stage leaves a file; a stage whose file is complete is skipped, a stage that was interrupted resumes.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

from . import consistency, matching, self_forcing, teacher
from .bring import add_arguments, bring
from .environments import recipe, world_module
from .errors import OutOfTime, TrainingError
from .evaluate import main as evaluate
from .package import main as package
from .record import FRAMES, HELD_OUT_FROM, Recording, record_all, to_train_on
from .reward import TASKS, RewardTraining
from .reward import main as reward
from .tokenizer import TokenizerConfig
from .train_tokenizer import STAGE as TOKENIZER
from .train_tokenizer import TokenizerTraining, load_tokenizer, write_latents
from .train_tokenizer import train as train_tokenizer
from .train_world_model import STAGE as WORLD_MODEL
from .train_world_model import WorldModelTraining
from .train_world_model import train as train_world_model
from .world_model import WorldModelConfig

RECORDINGS = 8  # to train on, unless the world wants more

# What may come after the world model, by the name of its checkpoint: the stage, and how it is told what to do.
REFINEMENTS = {
    self_forcing.STAGE: (self_forcing.train, self_forcing.SelfForcing),
    teacher.STAGE: (teacher.train, teacher.TeacherTraining),
    consistency.STAGE: (consistency.train, consistency.ConsistencyTraining),
    matching.STAGE: (matching.train, matching.MatchingTraining),
}


@dataclass
class Run:
    """How much of everything; None: what the world's module proposes, or the usual. Hours on two cores."""

    world: str
    data: Path  # recordings, latents, checkpoints, logs
    out: Path  # the package
    recordings: int | None = None  # training recordings, seeds 1, 2, ...
    frames: int = FRAMES  # of each
    held_out: int = 8_000
    tokenizer_steps: int | None = None
    steps: int | None = None  # of the world model
    refine: tuple[str, ...] | None = None  # in this order, the last one into the package
    refine_steps: int | None = None  # of each of them
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
        tokenizer_steps=4,
        steps=6,
        refine_steps=3,
        reward_steps=48,
        starts=2,
        drive=12,
        small=True,
        compile=False,
    )


def networks(size: int, *, small: bool) -> tuple[TokenizerConfig, WorldModelConfig]:
    """The shapes, the same for every world; only the side of its picture is the world's own."""
    tokenizer, model = TokenizerConfig(size=size), WorldModelConfig()
    if small:
        tokenizer = replace(tokenizer, wide=16, narrow=8, decoder_narrow=8)
        model = replace(model, width=32, heads=4, head_width=0, mlp=32)
        model = replace(model, trunk_layers=2, window_layers=(1,), head_layers=1)
    return tokenizer, model


def run(r: Run) -> None:
    module = world_module(r.world, r.data)
    tokenizer_config, model_config = networks(module.FACTS.get("size", 96), small=r.small)
    r.data.mkdir(parents=True, exist_ok=True)
    recordings = recipe(module, "record", recordings=r.recordings).get("recordings", RECORDINGS)
    held = r.data / f"held-{HELD_OUT_FROM}.npz", Recording(r.world, "mixed", HELD_OUT_FROM, r.held_out)
    jobs = [*to_train_on(r.world, r.data, recordings, r.frames), held]
    if hasattr(module, "Source"):
        record_all([(file, spec) for file, spec in jobs if not file.exists()])

    if not _complete(r.data / "tokenizer.pt.json"):
        wanted = recipe(module, TOKENIZER, steps=r.tokenizer_steps, until=r.until)
        train_tokenizer(TokenizerTraining(r.world, r.data, **wanted), tokenizer_config)
    tokenizer = load_tokenizer(r.data / "tokenizer.pt", r.world)
    write_latents(tokenizer, r.data, mirror=module.MIRROR is not None)

    if not _complete(r.data / "world-model.pt.json"):
        wanted = recipe(module, WORLD_MODEL, steps=r.steps, compile=r.compile, until=r.until)
        train_world_model(WorldModelTraining(r.world, r.data, **wanted), model_config)

    refine = getattr(module, "REFINE", (self_forcing.STAGE,)) if r.refine is None else r.refine
    for name in refine:
        train, spec = REFINEMENTS[name]
        if not _complete(r.data / f"{name}.pt.json"):
            train(spec(r.world, r.data, **recipe(module, name, steps=r.refine_steps, compile=r.compile, until=r.until)))

    places = ["--world", r.world, "--data", str(r.data)]
    rewarding = ["--world", r.world, "--package", str(r.out), "--steps", str(r.reward_steps)]
    stages = (
        (package, [*places, "--out", str(r.out), "--stage", [WORLD_MODEL, *refine][-1]]),
        *([(reward, rewarding)] if r.world in TASKS else []),
        (evaluate, [*places, "--package", str(r.out), "--starts", str(r.starts), "--frames", str(r.drive)]),
    )
    for stage, arguments in stages:
        if time.monotonic() > r.until:
            raise OutOfTime("time is up; what is left is to package and to evaluate.")
        if stage(arguments) != 0:
            raise TrainingError("stopped at the stage above.")


def stages_told(refine: str | None) -> tuple[str, ...] | None:
    """What `--refine` says, as `Run.refine`."""
    if refine is None:
        return None
    return () if refine == "none" else tuple(refine.split(","))


def _complete(meta: Path) -> bool:
    if not meta.exists():
        return False
    state = json.loads(meta.read_text())
    return state["step"] >= state["steps"]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="default .data/WORLD")
    parser.add_argument("--out", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument(
        "--refine",
        metavar="STAGES",
        help=f"stages after the world model, by commas: {', '.join(REFINEMENTS)}, or none; default: the world's choice",
    )
    parser.add_argument(
        "--minutes", type=float, help="training stops after so many, exit status 3; the same command goes on"
    )
    parser.add_argument("--tiny", action="store_true", help="a rehearsal in a minute or two")
    add_arguments(parser)
    args = parser.parse_args(argv)
    plan = Run(
        world=args.world,
        data=args.data or Path(".data") / args.world,
        out=args.out or Path("assets/worlds") / args.world,
        refine=stages_told(args.refine),
        until=math.inf if args.minutes is None else time.monotonic() + 60 * args.minutes,
    )
    if plan.refine and (not set(plan.refine) <= set(REFINEMENTS) or plan.refine[-1] == teacher.STAGE):
        parser.error(f"--refine: expected stages of {', '.join(REFINEMENTS)}, a student last, got '{args.refine}'.")
    if args.minutes is not None and not args.minutes > 0:
        parser.error(f"--minutes: expected more than 0, got {args.minutes:g}.")
    if args.tiny and (args.data is None or args.out is None):
        parser.error("--tiny wants --data and --out of its own, so that it overwrites nothing of worth.")
    try:
        bring(args, plan.data)
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
