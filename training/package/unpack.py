"""Makes a checkpoint of a package's weights, so that training can go on from what ships.

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
from ..stages.world_model import STAGE
from ..worlds.registry import find_world
from .weights import load_package


def unpack(package: Path, data: Path, world: str) -> None:
    """Writes `world-model.pt` into `data`. Raises TrainingError where one is there already."""
    find_world(world, data)
    path = data / f"{STAGE}.pt"
    if path.exists():
        raise TrainingError(f"'{path}': expected no checkpoint there, found one; move it away to begin anew.")
    model = load_package(package)
    about = {"world": world, "stage": STAGE, "step": 0, "steps": 1, "ended": False, "config": model.config.dict()}
    checkpoint.save(path, {"model": model.state_dict(), "average": model.state_dict()}, about)


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
