"""What a machine gives: a training step of the world model in frames/s and TFLOP/s, beside a plain product's.

    python -m training.judge.throughput --batch 128

Needs no recordings: every world has the same networks. The last line is JSON; `share` is of what a large product
reaches in the same run, which is less than what a data sheet says.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..errors import exit_status
from ..model.world_model import WorldModel, WorldModelConfig
from ..stages.device import Place, compiled, find_place
from ..stages.world_model import WorldModelTraining

PRODUCT = {"cuda": 8192, "cpu": 1024}  # side of the matrices that are multiplied
SECONDS = 3.0  # each is measured for


def throughput(*, batch: int = WorldModelTraining.batch, compile: bool = True) -> dict:
    """Frames/s, TFLOP/s of a step by the score (forward and backward), TFLOP/s of the product, and the share."""
    place = find_place()
    config = WorldModelConfig()
    model = WorldModel(config).to(place.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shape = (batch, WorldModelTraining.length)
    frames = torch.randn(batch, shape[1] + 1, config.channels, config.grid, config.grid, device=place.device)
    level = torch.zeros(frames.shape[:2], device=place.device)
    actions = torch.zeros(*shape, config.actions, device=place.device)
    noise = model.draw(shape[0] * shape[1], 2)

    def step(loss_of: Callable) -> None:
        with place.autocast():
            loss = loss_of(frames, level, frames[:, 1:], actions, noise)[0]
        loss.backward()
        model.zero_grad(set_to_none=True)

    with FlopCounterMode(display=False) as counter:
        step(model.loss)
    loss_of = compiled(model.loss, compile)
    seconds = timed(lambda: step(loss_of), place)
    side = PRODUCT[place.device.type]
    with place.autocast():
        matrix = torch.randn(side, side, device=place.device)
        product = 2 * side**3 / timed(lambda: matrix @ matrix, place)
    reached = counter.get_total_flops() / seconds
    return {
        "device": torch.cuda.get_device_name() if place.device.type == "cuda" else f"{torch.get_num_threads()} threads",
        "batch": batch,
        "frames_per_s": round(batch * WorldModelTraining.length / seconds, 1),
        "tflops": round(reached / 1e12, 4),
        "product_tflops": round(product / 1e12, 4),
        "share": round(reached / product, 3),
    }


def timed(work: Callable[[], object], place: Place) -> float:
    """Seconds that a call takes, after one that doesn't count."""

    def wait() -> float:
        if place.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    work()
    begin, calls = wait(), 0
    while (end := wait()) - begin < SECONDS:
        work()
        calls += 1
    return (end - begin) / calls


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=WorldModelTraining.batch, help="rows a step")
    parser.add_argument("--no-compile", action="store_true", help="skip torch.compile")
    args = parser.parse_args(argv)
    return exit_status(lambda: print(json.dumps(throughput(batch=args.batch, compile=not args.no_compile))))


if __name__ == "__main__":
    sys.exit(main())
