"""The whole pipeline, in order: this file is its table of contents.

    python -m training.run --world car-racing
    python -m training.run --world acrobot --gym Acrobot-v1 --minutes 20  # then it is playable; with more, better
    python -m training.run --world mine --episodes FOLDER --actions actions.json
    python -m training.run --base car-racing,push-t,doom-hall,doom-rooms,pong --minutes 600

    python -m training.run --world doom-hall --episodes session.json --minutes 60 --watch  # what you played in the page

    record -> world model -> refinements -> package -> preview -> reward -> evaluate

A world starts from the base (`assets/base`): a network trained on all shipped worlds together, by this very pipeline.
`--from none` trains from nothing. With `--minutes` recording and training share that time; when it is spent, the world
is packaged, judged in short and playable as it stands, and the same command goes on from there.

Every stage leaves a file; a stage whose file is complete is skipped, a stage that was interrupted resumes.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from .data.bring import add_arguments, bring
from .data.corpus import Corpus, prompts_of
from .data.record import FRAMES, HELD_OUT_FROM, Recording, record_all, to_train_on
from .data.refill import recorded, refilling
from .errors import TrainingError
from .judge.before import keep_package, told
from .judge.evaluate import main as evaluate
from .model.picture import CELL
from .model.tokenizer import TokenizerConfig
from .model.world_model import WorldModel, WorldModelConfig
from .package.base import FILE as BASE_FILE
from .package.base import FOLDER as BASE_FOLDER
from .package.base import Base
from .package.base import load as load_base
from .package.base import save as save_base
from .package.manifest import main as package
from .package.preview import main as preview
from .package.publish import Publishing, publishing
from .package.reward import RewardTraining
from .package.reward import main as reward
from .package.watch import WORLDS, check_watchable, page_served
from .processes import ended_in_order
from .stage import STAGES
from .stages import checkpoint, codes, consistency, matching, self_forcing, teacher, tokenizer, world_model
from .stages.together import processes, train_together
from .worlds.registry import find_world
from .worlds.world import World

REFINEMENTS = [name for name in STAGES if name != world_model.STAGE]
CHAIN = {teacher.STAGE, consistency.STAGE, matching.STAGE}  # those that want a network that denoises
KEPT = 24  # recordings of a world; fresh ones take the place of the oldest
BASE = "base"  # what the network of all worlds together is called
ENDLESS = 1_000_000  # steps, where minutes count
SHARES = {world_model.STAGE: 6, codes.STAGE: 8}  # of the minutes, in proportion
USUAL_SHARE = 4  # of a stage that isn't among them
SMALL_TOKENIZER = TokenizerConfig(wide=16, narrow=8)  # for a rehearsal
SMALL_SETTINGS = {"batch": 2, "count": 2}  # of its stages: rows of a step, held-out starts that are scored


@dataclass
class Run:
    """How much of everything. Hours on two cores."""

    world: World
    data: Path  # recordings, checkpoints, logs
    out: Path  # the package, or the base
    corpora: tuple[Corpus, ...] = ()  # of a base: the worlds that it is trained on
    start: Path | None = None  # the base that it starts from; none: from nothing; a base goes on from another
    recordings: int = 8  # to train on, seeds 1, 2, ...
    frames: int = FRAMES  # of each
    held_out: int = 8_000
    steps: dict[str, int] | None = None  # by stage; None: the stages' own
    refine: tuple[str, ...] = (self_forcing.STAGE,)  # after the world model, in this order, the last into the package
    prediction: str = WorldModelConfig.prediction
    reward_steps: int = RewardTraining.steps  # real ones; only where the environment has a task
    starts: int = 64  # of the evaluation
    drives: int = 8  # of the evaluation
    drive: int = 1500  # frames of each
    small: bool = False  # a network for a rehearsal
    compile: bool = True
    refill: bool = True  # record fresh episodes beside the training
    minutes: float = math.inf  # for recording and training
    publish_every: float | None = None  # minutes between two packages while it trains; None: one at the end

    @property
    def sources(self) -> tuple[Corpus, ...]:
        return self.corpora or (Corpus(self.world, self.data),)


def short(run: Run) -> Run:
    """Little is recorded before training begins; the rest comes while it runs."""
    return replace(run, recordings=2, frames=4000, held_out=2000)


def tiny(run: Run) -> Run:
    """Everything in a minute or two: checks the pipeline, makes no world worth playing."""
    return replace(
        run,
        recordings=1,
        frames=150,
        held_out=240,
        steps={world_model.STAGE: 6, **dict.fromkeys(REFINEMENTS, 3)},
        reward_steps=48,
        starts=2,
        drives=2,
        drive=12,
        small=True,
        refill=False,
        compile=False,
    )


def shapes(*, small: bool, prediction: str) -> WorldModelConfig:
    """The network, the same for every world; only the side of its picture and its actions are the world's own."""
    config = WorldModelConfig(prediction=prediction)
    if not small:
        return config
    return replace(config, fine=8, wide=16, features=8, width=32, heads=4, mlp=32, trunk_layers=2, window_layers=(1,))


def run(r: Run) -> None:
    begin = time.monotonic()
    for name in r.refine:
        checkpoint.check_made_from(r.data, name)
    config = shapes(small=r.small, prediction=r.prediction)
    if r.start is not None:
        config = begin_from(r, r.start)
    if config.prediction != "x" and not CHAIN.isdisjoint(r.refine):
        raise TrainingError(
            f"--refine: expected a network with prediction 'x' for {', '.join(sorted(CHAIN & set(r.refine)))}, "
            f"got '{config.prediction}'. Say --prediction x, or --refine self-forcing."
        )
    r.data.mkdir(parents=True, exist_ok=True)
    before = None if r.corpora else keep_package(r.out, r.data)
    record(r)
    with contextlib.ExitStack() as meanwhile:
        if r.refill:
            meanwhile.enter_context(refilling(r.sources, most=KEPT, frames=r.frames))
        if r.publish_every is not None:
            stages = tuple(name for name in (world_model.STAGE, *r.refine) if STAGES[name].student)
            meanwhile.enter_context(publishing(Publishing(r.world.name, r.data, r.out, stages, 60 * r.publish_every)))
        networks: dict[str, tuple] = {world_model.STAGE: (config,)}
        if r.small:
            networks[tokenizer.STAGE] = (SMALL_TOKENIZER,)
        for name, share in shares_of(r):
            train(r, name, *networks.get(name, ()), until=begin + 60 * r.minutes * share)
    if r.corpora:
        write_base(r)
    else:
        finish(r, before)


def shares_of(r: Run) -> list[tuple[str, float]]:
    """The stages to come, each with the share of the minutes at which it ends.

    None is gone back to once the next has begun from it: more minutes are the next one's.
    """
    stages = [world_model.STAGE, *r.refine]
    shares = [SHARES.get(name, USUAL_SHARE) for name in stages]
    begun = max((number for number, name in enumerate(stages) if (r.data / f"{name}.pt").exists()), default=0)
    stages, shares = stages[begun:], shares[begun:]
    ends = accumulate(shares)
    return [(name, end / sum(shares)) for name, end in zip(stages, ends, strict=True)]


def record(r: Run) -> None:
    """What is trained on and what is held out, as far as it isn't there."""
    jobs = []
    for corpus in r.sources:
        world, data = corpus.world.name, corpus.data
        if corpus.world.source is None:
            continue
        data.mkdir(parents=True, exist_ok=True)
        jobs.append((data / f"held-{HELD_OUT_FROM}.npz", Recording(world, "mixed", HELD_OUT_FROM, r.held_out)))
        if len(recorded(data)) < r.recordings:  # else fresh ones have taken the place of the first
            jobs += to_train_on(world, data, r.recordings, r.frames)
    record_all([(file, spec) for file, spec in jobs if not file.exists()])


def train(r: Run, name: str, *shapes: WorldModelConfig | TokenizerConfig, until: float) -> None:
    """One stage, unless it is complete. A budget that is spent ends it in order."""
    state = checkpoint.about(r.data, name)
    if state and (r.data / f"{name}.pt").exists():
        more = math.isfinite(r.minutes) and name == shares_of(r)[0][0]  # minutes are the last stage's, though complete
        if state["step"] >= state["steps"] and not more:
            return
    settings: dict[str, Any] = {"until": until, "corpora": r.corpora, "compile": r.compile}
    if r.steps is not None:
        settings["steps"] = r.steps[name]
    elif math.isfinite(r.minutes):
        settings["steps"] = ENDLESS
    if name == world_model.STAGE and self_forcing.STAGE in r.refine:
        settings["scored_from"] = 1.0  # what noise is for, the critic teaches
    if r.small:
        settings |= SMALL_SETTINGS
    stage = STAGES[name]
    count = 1 if r.small else processes()
    train_together(stage.train, stage.settings(r.world, r.data, **settings), *shapes, count=count)


def finish(r: Run, before: Path | None) -> None:
    """What comes after training: the package, its preview, a reward head where there is a task, the card.

    before: the package that was there, for the card to compare with.
    """
    places = ["--world", r.world.name, "--data", str(r.data)]
    briefly = math.isfinite(r.minutes)
    last = [world_model.STAGE, *r.refine][-1]
    call(package, [*places, "--out", str(r.out), "--stage", last])
    call(preview, [str(r.out)])
    if r.world.task is not None and not briefly:
        call(reward, ["--world", r.world.name, "--package", str(r.out), "--steps", str(r.reward_steps)])
    whole = ["--starts", str(r.starts), "--runs", str(r.drives), "--frames", str(r.drive)]
    beside = [] if before is None else ["--before", str(before)]
    call(evaluate, [*places, "--package", str(r.out), *(["--quick"] if briefly else whole), *beside])
    if before is not None:
        print(told(before, r.out), file=sys.stderr)


def call(command: Callable[[list[str]], int], arguments: list[str]) -> None:
    """One of the commands that come after training."""
    if command(arguments) != 0:
        raise TrainingError("stopped at the stage above.")


def begin_from(r: Run, start: Path) -> WorldModelConfig:
    """Writes the base's network into a data folder that has none, as a checkpoint; gives its shapes.

    Where a base knows all worlds, its last stage goes on; a new one learns what its actions do first. The base's coder
    comes when a stage that begins from it is asked for.
    """
    world = r.world
    coded = not {tokenizer.STAGE, codes.STAGE}.isdisjoint(r.refine)
    base, names = load_base(start, coder=coded), [corpus.world.name for corpus in r.sources]
    prompts = max(prompts_of(corpus.world) for corpus in r.sources)
    guided = any(corpus.world.guided for corpus in r.sources)
    model = base.world_model(names, len(world.actions), prompts, guided=guided)
    moving = model.without_coder()
    size = model.config.grid * CELL
    if size != world.size:
        raise TrainingError(
            f"'{start}': expected a world with pictures of {size} px, got {world.size}. "
            "Leave --size out, or say --from none."
        )
    if model.coder is not None and not any((r.data / f"{n}.pt").exists() for n in (tokenizer.CODER, tokenizer.STAGE)):
        codes.save_coder(r.data, world.name, model)
    if not (r.data / f"{world_model.STAGE}.pt").exists():

        def begun(stage: str, model: WorldModel, seen: int = 0, **others: dict) -> None:
            about = {"world": world.name, "stage": stage, "step": 0, "steps": 1, "ended": True, "frames": seen}
            about |= {"config": model.config.dict(), "made_from": checkpoint.made_from(r.data, stage)}
            weights = {"model": model.state_dict(), "average": model.state_dict(), **others}
            checkpoint.save(r.data / f"{stage}.pt", weights, about)

        begun(world_model.STAGE, moving, base.frames if r.corpora else 0)
        known = None not in base.numbers(names)
        if base.critic is not None:
            critic = base.critic.for_worlds(base.numbers(names), moving.config)
            self_forcing.save_critic(r.data, world.name, critic)
            if self_forcing.STAGE in r.refine and known:
                begun(self_forcing.STAGE, moving, critic=critic.state_dict())
        if model.coder is not None and codes.STAGE in r.refine and known:
            begun(codes.STAGE, model)
    return moving.config


def write_base(r: Run) -> None:
    last = [world_model.STAGE, *r.refine][-1]
    model = world_model.load_world_model(r.data, r.world.name, last)
    stages = {name: checkpoint.about(r.data, name) for name in (world_model.STAGE, *r.refine) if STAGES[name].student}
    frames = sum(about.get("frames", 0) for about in stages.values())
    names, critic = tuple(corpus.world.name for corpus in r.corpora), None
    if self_forcing.STAGE in r.refine:
        critic, _ = self_forcing.load_critic(r.data, r.world.name, model.config, stage=self_forcing.STAGE)
    path = save_base(r.out, Base(model, names, frames, critic))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {frames:,} frames of {', '.join(names)}")


def base_world(corpora: tuple[Corpus, ...]) -> World:
    """What several worlds share, so that stages can be told of them as of one."""
    sizes = {corpus.world.size for corpus in corpora}
    if len(sizes) > 1:
        raise TrainingError(f"expected worlds with pictures of one size, got {sorted(sizes)} px.")
    widest = max(corpora, key=lambda corpus: len(corpus.world.actions)).world
    return World(
        name=BASE,
        title="Base",
        description="What all worlds share.",
        environment=", ".join(corpus.world.name for corpus in corpora),
        licence="those of its worlds",
        actions=widest.actions,
        frame_rate=widest.frame_rate,
        size=sizes.pop(),
    )


def refinements_of(text: str | None, prediction: str) -> tuple[str, ...]:
    """What `--refine` says, as `Run.refine`; the usual where it says nothing. Raises TrainingError."""
    if text is None:
        return Run.refine if prediction == "score" else ()
    names = () if text == "none" else tuple(text.split(","))
    if not set(names) <= set(REFINEMENTS) or (names and not STAGES[names[-1]].student):
        raise TrainingError(f"--refine: expected stages of {', '.join(REFINEMENTS)}, a student last, got '{text}'.")
    return names


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--world", help="a world of this project, or the name of one of your own")
    what.add_argument("--base", metavar="WORLDS", help="by commas: trains the base on all of them")
    parser.add_argument("--data", type=Path, help="default .data/WORLD")
    parser.add_argument("--out", type=Path, help=f"default assets/worlds/WORLD, or {BASE_FOLDER}")
    parser.add_argument("--from", dest="start", metavar="FOLDER", help="the base to start from, or none")
    parser.add_argument(
        "--refine",
        metavar="STAGES",
        help=f"after the world model, by commas: {', '.join(REFINEMENTS)}, or none; default {', '.join(Run.refine)}",
    )
    parser.add_argument(
        "--prediction",
        choices=("score", "x", "mean"),
        default=WorldModelConfig.prediction,
        help="what a network learns that starts from nothing; the chain from a teacher wants x",
    )
    parser.add_argument("--minutes", type=float, help="for recording and training; the same command goes on")
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=5.0,
        metavar="MINUTES",
        help="serves the page, and packages the world every so many minutes (5) while it trains: the page takes it up",
    )
    parser.add_argument("--tiny", action="store_true", help="a rehearsal in a minute or two")
    add_arguments(parser)
    args = parser.parse_args(argv)
    if args.minutes is not None and not args.minutes > 0:
        parser.error(f"--minutes: expected more than 0, got {args.minutes:g}.")
    if args.watch is not None and (args.base or not args.watch > 0):
        parser.error(f"--watch: expected a world, and more than 0 minutes, got {args.base or f'{args.watch:g}'}.")
    if args.tiny and (args.data is None or args.out is None):
        parser.error("--tiny wants --data and --out of its own, so that it overwrites nothing of worth.")
    name = args.world or BASE
    data = args.data or Path(".data") / name
    try:
        refine = refinements_of(args.refine, args.prediction)
        corpora: tuple[Corpus, ...] = ()
        if args.base:
            folder = data if args.data else Path(".data")
            corpora = tuple(Corpus(find_world(each), folder / each) for each in args.base.split(","))
            world, out = base_world(corpora), args.out or BASE_FOLDER
        else:
            out = args.out or WORLDS / name
            if args.watch is not None:
                check_watchable(out)
            bring(args, data)
            world = find_world(name, data)
        plan = Run(
            world=world,
            data=data,
            out=out,
            corpora=corpora,
            start=start_of(args, world),
            refine=refine,
            prediction=args.prediction,
            minutes=math.inf if args.minutes is None else args.minutes,
            publish_every=args.watch,
        )
        if args.minutes is not None:
            plan = short(plan)
        with ended_in_order(), contextlib.nullcontext() if args.watch is None else page_served(out.name):
            run(tiny(plan) if args.tiny else plan)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what is there", file=sys.stderr)
        return 130
    return 0


def start_of(args: argparse.Namespace, world: World) -> Path | None:
    """The base to start from: the one asked for, or the one that ships if its shapes fit."""
    if args.start is not None:
        return None if args.start == "none" else Path(args.start)
    fits = not args.tiny and args.prediction == WorldModelConfig.prediction and world.size == 96
    return BASE_FOLDER if fits and (BASE_FOLDER / BASE_FILE).is_file() else None


if __name__ == "__main__":
    sys.exit(main())
