"""Makes checkpoints of a package's weights, so that training can go on from what ships.

    python -m training.package.unpack --world doom-hall
    python -m training.stage world-model --world doom-hall --steps 1000

Packages hold nothing of the optimisers: rates begin anew, and steps are counted from zero. Recordings aren't in them
either.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..errors import TrainingError, exit_status
from ..stages import checkpoint
from ..stages.tokenizer import STAGE as TOKENIZER
from ..stages.world_model import STAGE as WORLD_MODEL
from ..worlds.registry import find_world
from .weights import load_package


def unpack(package: Path, data: Path, world: str) -> None:
    """Writes `tokenizer.pt` and `world-model.pt` into `data`. Raises TrainingError where one is there already."""
    find_world(world, data)
    for stage in (TOKENIZER, WORLD_MODEL):
        path = data / f"{stage}.pt"
        if path.exists():
            raise TrainingError(f"'{path}': expected no checkpoint there, found one; move it away to begin anew.")
    model, tokenizer = load_package(package)
    states = {
        TOKENIZER: (
            {"model": tokenizer.state_dict(), "average": tokenizer.state_dict()},
            {"step": 1, "steps": 1, "ended": True, "config": tokenizer.config.dict()},
        ),
        WORLD_MODEL: (
            {"model": model.state_dict(), "average": model.state_dict()},
            {"step": 0, "steps": 1, "ended": False, "config": model.config.dict()},
        ),
    }
    for stage, (state, meta) in states.items():
        checkpoint.save(data / f"{stage}.pt", state, {"world": world, "stage": stage, **meta})


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--data", type=Path, help="folder of the checkpoints; default .data/WORLD")
    args = parser.parse_args(argv)
    package, data = args.package or Path("assets/worlds") / args.world, args.data or Path(".data") / args.world
    return exit_status(lambda: unpack(package, data, args.world))


if __name__ == "__main__":
    sys.exit(main())
