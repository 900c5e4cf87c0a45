"""Judges a package as each engine plays it: onnxruntime, our own in float32 and in int8, from the same starts.

    python -m training.judge.engines --world push-t

Each is a `worldloop serve` of this project, so what is judged is what agents get. Prints one line a figure and leaves
nothing behind; the package's card is of onnxruntime (`evaluate.py`). Needs node and the project's packages.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from worldloop.client import RemoteWorlds
from worldloop.world import Beginning

from ..errors import TrainingError, exit_status
from ..worlds.registry import find_world
from .drift import drift
from .evaluate import QUICK, Evaluation, Real, bar_of, by_sight, check_amount, gather
from .onnx_world import OnnxWorld
from .prediction import HORIZONS, predict

ROOT = Path(__file__).parents[2]
ENGINES = (("ort", "float32"), ("own", "float32"), ("own", "int8"))


class ServedWorld:
    """One world of a server, played as `OnnxWorld` is."""

    def __init__(self, server: str, name: str, token: str) -> None:
        self._worlds = RemoteWorlds(server, name, count=1, token=token)

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """History of n pictures uint8 [n, H, W, 3] and the n - 1 actions between them; gives the last picture."""
        return self._worlds.reset({0: Beginning(seed=seed, frames=frames, actions=actions)})[0]

    def step(self, action: np.ndarray, told: str = "", guide: np.ndarray | None = None) -> np.ndarray:
        if told:
            self._worlds.prompt({0: told})
        if guide is not None:
            self._worlds.guide({0: guide})
        return self._worlds.step({0: action})[0].picture


@contextlib.contextmanager
def served(package: Path, engine: str, precision: str) -> Iterator[Callable[[], ServedWorld]]:
    """A server of one package while the block runs; gives what makes a world of it. Raises TrainingError."""
    command = ["node", "--import", "tsx", "src/cli/main.ts", "serve", "--port", "0", "--world", str(package.resolve())]
    command += ["--engine", engine, "--precision", precision]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None and process.stderr is not None
            address, token = process.stdout.readline().split(), process.stdout.readline().split()
            if not address or not token:
                raise TrainingError(f"'{package}': expected a server on {engine}, got: {process.stderr.read().strip()}")
            yield lambda: ServedWorld(address[-1], package.resolve().name, token[-1])
        finally:
            process.terminate()


def judge(make: Callable[[], ServedWorld], real: Real, e: Evaluation, name: str) -> dict[str, float]:
    """PSNR in dB by horizon, how much of the real sharpness is left, and the share of windows that break the rule."""
    with bar_of(e.starts, name, "start") as bar:
        table = predict(make, real.held, e.starts, horizons=HORIZONS, bar=bar)["prediction"]
    figures = {f"PSNR at {h}": table[h]["psnr"][0] for h in HORIZONS}
    figures[f"sharpness at {HORIZONS[-1]}"] = table[HORIZONS[-1]]["sharpness"][0]
    lengths = [e.frames] * e.runs
    with bar_of(sum(lengths), f"{name}, drift", "frame") as bar:
        drifted, _ = drift(make, by_sight(e), real.reader, real.long, real.reference, lengths=lengths, bar=bar)
    return {**figures, "broken windows": drifted["broken"]}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--data", type=Path, help="folder of the recordings; default .data/WORLD")
    parser.add_argument("--starts", type=int, default=QUICK["starts"], help="held-out starts (%(default)s)")
    parser.add_argument("--runs", type=int, default=QUICK["runs"], help="long runs (%(default)s)")
    parser.add_argument("--frames", type=int, default=QUICK["frames"], help="of a long run (%(default)s)")
    args = parser.parse_args(argv)
    package, data = args.package or Path("assets/worlds") / args.world, args.data or Path(".data") / args.world

    def work() -> None:
        OnnxWorld(package)  # refuses before anything is recorded
        check_amount(args.starts, args.runs, args.frames)
        world = find_world(args.world, data)
        e = Evaluation(world, package, data, starts=args.starts, runs=args.runs, frames=args.frames, short=True)
        real, figures = gather(e), {}
        for engine, precision in ENGINES:
            with served(package, engine, precision) as make:
                figures[f"{engine}, {precision}"] = judge(make, real, e, f"{engine}, {precision}")
        print(json.dumps(figures, indent=1))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
