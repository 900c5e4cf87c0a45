"""What the command lines of stages share."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from .environments import recipe, world_module
from .errors import exit_status
from .loop import Training


def stage_parser(description: str | None, *, steps: int) -> argparse.ArgumentParser:
    """A parser with --world, --data and --steps, to which a stage adds its own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="folder of recordings and checkpoints; default .data/WORLD")
    parser.add_argument("--steps", type=int, help=f"default: what the world's module proposes, or {steps}")
    return parser


def told(args: argparse.Namespace) -> dict:
    """What a stage's command line insists on, None where it leaves the choice to the world (`environments.recipe`)."""
    return {"steps": args.steps, "compile": False if args.no_compile else None}


def stage_main(
    description: str | None,
    stage: str,
    spec: type[Training],
    train: Callable[[Training], object],
    argv: list[str] | None,
) -> int:
    """The command of a stage that needs nothing but its world, folder, steps and whether to compile."""
    parser = stage_parser(description, steps=spec.steps)
    parser.add_argument("--no-compile", action="store_true", help="skip torch.compile: slower steps, at once")
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world
    return exit_status(
        lambda: train(spec(args.world, data, **recipe(world_module(args.world, data), stage, **told(args))))
    )
