"""Pruning: the same world in less time a tick, and what it costs.

    python -m training.judge.prune --world car-racing --keep mlp=448,trunk_layers=4  # one smaller model, `pruned.pt`
    python -m training.judge.prune --world car-racing --curve  # several, as a table of time and quality

`cuts.py` says what goes. Time is what onnxruntime takes for the exported tick, as a ratio to the whole model's in the
same run. A short training on real histories then mends what is left.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from ..errors import TrainingError, exit_status
from ..model.world_model import WorldModel, WorldModelConfig
from ..package.export import export_tick, tick_inputs
from ..stages.device import compiled, find_place
from ..stages.loop import Loop, Training, follow
from ..stages.world_model import (
    HISTORY_LEVEL,
    frames_of,
    held_out,
    held_rows,
    load_world_model,
    loss_on_real,
    training_rows,
)
from ..worlds.registry import find_world
from .cuts import prune

STAGE = "pruned"
TICKS = 60  # timed ticks, whole and pruned by turns
# What may be pruned, fields of the config, and the least that must stay; the trunk keeps its windowed layers as well.
LEAST = {"mlp": 1, "trunk_layers": 1, "wide": 1, "fine": 1, "coarse_blocks": 0, "fine_blocks": 0}


@dataclass
class Pruning(Training):
    """How long and how fast what is left is trained on."""

    steps: int = 300
    batch: int = 12
    count: int = 48
    length: int = 20  # frames of a row; longer than the window
    lr: float = 3e-4
    ema: float = 0.99
    noise_scale: float = 0.1  # largest noise on the history, in standard deviations of the latent
    compile: bool = True


def points(c: WorldModelConfig) -> list[str]:
    """What the curve keeps: three quarters or half of some channels, a layer or a block less, all of it at once."""
    half = f"mlp={max(1, c.mlp // 2)}"
    fewer = [f"{name}={max(1, int(0.75 * getattr(c, name)))}" for name in ("wide", "fine")]
    fewer += [f"trunk_layers={c.trunk_layers - 1}"] * (c.trunk_layers > len(c.window_layers))
    fewer += [f"{name}={getattr(c, name) - 1}" for name in ("coarse_blocks", "fine_blocks") if getattr(c, name) > 0]
    return [half, *fewer, ",".join([half, *fewer])]


def parse_keep(text: str, config: WorldModelConfig) -> WorldModelConfig:
    """`mlp=448,trunk_layers=4,fine=36`: what stays of `LEAST`. Raises TrainingError."""
    changes = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in LEAST or not value.isdigit():
            raise TrainingError(f"--keep: expected NAME=NUMBER with a name of {', '.join(LEAST)}, got '{part}'.")
        most, least = getattr(config, name), LEAST[name]
        if name == "trunk_layers":
            least = max(least, len(config.window_layers))
        if not least <= int(value) <= most:
            raise TrainingError(f"--keep: expected {name} from {least} to {most}, got {value}.")
        changes[name] = int(value)
    return replace(config, **changes)


def tick_ratio(whole: WorldModel, pruned: WorldModel) -> tuple[float, float]:
    """Median time of a pruned tick, ms, and its ratio to the whole one: onnxruntime, one thread, by turns."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for model in (whole, pruned):
            path = Path(folder) / "tick.onnx"
            export_tick(model, evaluations=1, context_level=HISTORY_LEVEL, path=path)
            session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            runs.append((session, {name: x.numpy() for name, x in tick_inputs(model, 1).items()}))
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(TICKS):
        for (session, feeds), times in zip(runs, taken, strict=True):
            began = time.perf_counter()
            session.run(None, feeds)
            times.append(time.perf_counter() - began)
    medians = [float(np.median(times)) for times in taken]
    return 1000 * medians[1], medians[1] / medians[0]


def train(args: Pruning, keep: str) -> dict:
    """Prunes the newest model of the data folder, trains it on; gives its tick ratio and held-out PSNR."""
    torch.manual_seed(args.seed)
    place = find_place()
    whole = load_world_model(args.data, args.world.name, "self-forcing", "world-model")
    rows, held = training_rows(args, args.length + 2, place), held_rows(args)
    drawn = rows.draw(np.random.default_rng(args.seed), args.batch)
    smaller, clips = parse_keep(keep, whole.config), frames_of(drawn, whole)
    model = prune(whole, smaller, clips, drawn.actions[:, 1:-1], noise_scale=args.noise_scale)
    ms, ratio = tick_ratio(whole, model)
    before = held_out(model, held, count=args.count)
    model = model.to(place.device).train()
    average = copy.deepcopy(model)
    optim = torch.optim.AdamW(model.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)
    loop = Loop(
        STAGE,
        args,
        place,
        config=model.config.dict(),
        parts={"model": model, "average": average, "optim": optim},
        frames=args.batch * args.length,
    )
    loss_of = compiled(loss_on_real, args.compile)
    for step, rng in loop:
        drawn = rows.draw(rng, args.batch)
        clips, actions = frames_of(drawn, model), drawn.actions[:, 1:-1].to(place.device)
        with place.autocast():
            loss, _, _, logs = loss_of(model, clips, actions, args.noise_scale)
        loss.backward()
        loop.update([optim], rate=min(1.0, (step + 1) / 20, max(0.05, 2 * (1 - loop.share))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    whole_scores, after = (held_out(m, held, count=args.count) for m in (whole.to(place.device), average))
    return {"keep": keep, "ms": ms, "ratio": ratio, "before": before, "after": after, "whole": whole_scores}


def curve(args: Pruning) -> str:
    """Each of `points` in a folder of its own beside the data; a table, also in `pruning.md` and `pruning.json`."""
    rows = []
    for keep in points(load_world_model(args.data, args.world.name, "self-forcing", "world-model").config):
        folder = args.data / "pruning" / keep
        folder.mkdir(parents=True, exist_ok=True)
        for file in [*args.data.glob("*.npz"), *args.data.glob("*.pt")]:
            if file.stem != STAGE and not (folder / file.name).exists():
                (folder / file.name).symlink_to(file.resolve())
        rows.append(train(replace(args, data=folder), keep))
    head = ["kept", "tick, ratio", "tick, ms", *(f"PSNR, {h} ahead: cut, mended" for h in (1, 8, 16))]
    whole = ["everything", "1.00", "", *(f"{rows[0]['whole'][f'h{h}']:.2f}" for h in (1, 8, 16))]
    lines = [head, ["---"] * len(head), whole]
    for row in sorted(rows, key=lambda row: -row["ratio"]):
        scores = (f"{row['before'][f'h{h}']:.2f}, {row['after'][f'h{h}']:.2f}" for h in (1, 8, 16))
        lines.append([row["keep"], f"{row['ratio']:.2f}", f"{row['ms']:.2f}", *scores])
    text = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    (args.data / "pruning.md").write_text(text)
    (args.data / "pruning.json").write_text(json.dumps(rows, indent=1))
    return text


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--data", type=Path, help="folder of recordings and checkpoints; default .data/WORLD")
    parser.add_argument("--steps", type=int, default=Pruning.steps)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--keep", metavar="PARTS", help="such as mlp=448,trunk_layers=4,fine=36")
    what.add_argument("--curve", action="store_true", help="several, one after another, as a table")
    parser.add_argument("--no-compile", action="store_true", help="skip torch.compile: slower steps, at once")
    args = parser.parse_args(argv)
    data = args.data or Path(".data") / args.world

    def work() -> None:
        spec = Pruning(find_world(args.world, data), data, steps=args.steps, compile=not args.no_compile)
        print(curve(spec) if args.curve else json.dumps(train(spec, args.keep), indent=1))

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
