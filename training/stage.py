"""One training stage by itself, for an experiment or for several processes; `training.run` does all of them in order.

python -m training.stage world-model --world car-racing --steps 3200
torchrun --nproc-per-node 8 -m training.stage world-model --world car-racing
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import exit_status
from .stages import codes, consistency, matching, self_forcing, teacher, tokenizer, world_model
from .stages.loop import Training
from .worlds.registry import find_world


@dataclass(frozen=True)
class Stage:
    """How a stage is called, and what it is given."""

    train: Callable[..., Any]  # takes the settings; the network's shapes too, where the stage is the first to need them
    settings: type[Training]
    student: bool = True  # whether it leaves a world model that can play


STAGES = {
    world_model.STAGE: Stage(world_model.train, world_model.WorldModelTraining),
    self_forcing.STAGE: Stage(self_forcing.train, self_forcing.SelfForcing),
    tokenizer.STAGE: Stage(tokenizer.train, tokenizer.TokenizerTraining, student=False),
    codes.STAGE: Stage(codes.train, codes.CodesTraining),
    teacher.STAGE: Stage(teacher.train, teacher.TeacherTraining, student=False),
    consistency.STAGE: Stage(consistency.train, consistency.ConsistencyTraining),
    matching.STAGE: Stage(matching.train, matching.MatchingTraining),
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="folder of recordings and checkpoints; default .data/WORLD")
    parser.add_argument("--steps", type=int, help="default: the stage's")
    parser.add_argument("--batch", type=int, help="rows a step of one process; default: the stage's")
    parser.add_argument("--no-compile", action="store_true", help="skip torch.compile: slower steps, at once")
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world
    stage = STAGES[args.stage]
    wishes: dict[str, Any] = {}
    if args.steps is not None:
        wishes["steps"] = args.steps
    if args.batch is not None:
        wishes["batch"] = args.batch
    if args.no_compile:
        wishes["compile"] = False

    return exit_status(lambda: stage.train(stage.settings(find_world(args.world, data), data, **wishes)))


if __name__ == "__main__":
    sys.exit(main())
