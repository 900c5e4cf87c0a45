"""What a machine gives: a training step of the world model in frames/s and TFLOP/s, beside a plain product's.

    python -m training.throughput --world doom-hall --batch 128

Needs no recordings. The last line is JSON; `share` is of what a large product reaches in the same run, which is less
than what a data sheet says.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from .device import Place, compiled, find_place
from .environments import recipe, world_module
from .errors import exit_status
from .tokenizer import Tokenizer, TokenizerConfig
from .train_world_model import STAGE, WorldModelTraining, fitted
from .world_model import WorldModel, WorldModelConfig

PRODUCT = {"cuda": 8192, "cpu": 1024}  # side of the matrices that are multiplied
SECONDS = 3.0  # each is measured for


def throughput(world: str, data: Path, *, batch: int | None = None, compile: bool = True) -> dict:
    """Frames/s, TFLOP/s of a step (forward and backward), TFLOP/s of the product, and the share."""
    module, place = world_module(world, data), find_place()
    training = WorldModelTraining(world, data, **recipe(module, STAGE, batch=batch))
    config = fitted(WorldModelConfig(), Tokenizer(TokenizerConfig()), module)
    model = WorldModel(config).to(place.device)
    shape = (training.batch, training.length)
    latents = torch.randn(*shape, config.tokens, config.token_channels, device=place.device)
    actions = torch.zeros(*shape, config.actions, device=place.device)

    def step(loss_of: Callable) -> None:
        with place.autocast():
            loss = loss_of(latents, latents, actions, training.noise_scale)[0]
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
        "world": world,
        "device": torch.cuda.get_device_name() if place.device.type == "cuda" else f"{torch.get_num_threads()} threads",
        "batch": training.batch,
        "frames_per_s": round(training.batch * training.length / seconds, 1),
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
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="only for a world of one's own; default .data/WORLD")
    parser.add_argument("--batch", type=int, help="rows a step; default: the world's")
    parser.add_argument("--no-compile", action="store_true", help="skip torch.compile")
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world
    return exit_status(
        lambda: print(json.dumps(throughput(args.world, data, batch=args.batch, compile=not args.no_compile)))
    )


if __name__ == "__main__":
    sys.exit(main())
