"""Pruning: the same world in less time a tick, and what it costs.

    python -m training.judge.prune --world car-racing --keep mlp=448,trunk=4  # one smaller model, `pruned.pt`
    python -m training.judge.prune --world car-racing --curve  # several, as a table of time and quality

MLP channels and layers of the trunk go, and blocks of the convolutional head, so that the graph gets smaller for any
runtime. What matters least is found on real frames: a channel by how much its output times its gradient moves the loss
(first-order Taylor), a layer or block by how much the loss rises without it. Attention heads and the head's channels
stay: the first have the trunk's width between them, the second are what all blocks read and write. Time is what
onnxruntime takes for the exported tick, as a ratio to the whole model's in the same run. A short training on real
histories then mends what is left.

Sources: Molchanov et al. 2019, "Importance estimation for neural network pruning"; Minitron (Muralidharan et al. 2024)
for layers and channels together.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn

from ..errors import TrainingError, exit_status
from ..model.tokenizer import Tokenizer
from ..model.world_model import WorldModel, WorldModelConfig, patchify
from ..package.export import export_tick, tick_inputs
from ..stages.device import compiled, find_place
from ..stages.loop import Loop, Training, follow
from ..stages.tokenizer import load_tokenizer
from ..stages.world_model import held_latents, held_out, load_world_model, training_latents
from ..worlds.registry import find_world

STAGE = "pruned"
TICKS = 60  # timed ticks, whole and pruned by turns
LIMITS = {  # what may be pruned: the field of the config, and the least that must stay
    "mlp": ("mlp", 1),
    "trunk": ("trunk_layers", 1),
    "shared": ("head_shared", 0),
    "sampled": ("head_sampled", 1),
}


@dataclass
class Pruning(Training):
    """How long and how fast what is left is trained on."""

    steps: int = 300
    batch: int = 12
    length: int = 20  # frames of a row; longer than the window
    lr: float = 3e-4
    ema: float = 0.99
    noise_scale: float = 0.4  # largest noise on the history, in standard deviations of the latent
    compile: bool = True


def points(c: WorldModelConfig) -> list[str]:
    """What the curve keeps: three quarters or half of the channels, a layer or a block less, some of it at once."""
    some, half = (f"mlp={max(1, int(c.mlp * share))}" for share in (0.75, 0.5))
    fewer = [f"trunk={c.trunk_layers - 1}"] * (c.trunk_layers > len(c.window_layers))
    fewer += [f"shared={c.head_shared - 1}"] * (c.head_shared > 0)
    fewer += [f"sampled={c.head_sampled - 1}"] * (c.head_sampled > 1)
    return [some, half, *fewer, ",".join([half, *fewer])]


def parse_keep(text: str, config: WorldModelConfig) -> WorldModelConfig:
    """`mlp=448,trunk=4,shared=0,sampled=1`: what stays of `LIMITS`. Raises TrainingError."""
    changes = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        if name not in LIMITS or not value.isdigit():
            raise TrainingError(f"--keep: expected NAME=NUMBER with a name of {', '.join(LIMITS)}, got '{part}'.")
        field, least = LIMITS[name]
        most, least = getattr(config, field), len(config.window_layers) if name == "trunk" else least
        if not least <= int(value) <= most:
            raise TrainingError(f"--keep: expected {name} from {least} to {most}, got {value}.")
        changes[field] = int(value)
    return replace(config, **changes)


def prune(
    model: WorldModel, smaller: WorldModelConfig, latents: Tensor, action: Tensor, *, noise_scale: float = 0.2
) -> WorldModel:
    """The model without what matters least on latents [B, T + 1, N, C] under action [B, T, A], noise on the history."""
    c = model.config
    model = copy.deepcopy(model).requires_grad_(True)

    def loss() -> Tensor:
        torch.manual_seed(0)  # the same noise for all that are compared
        return model.loss(latents[:, :-1], latents[:, 1:], action, noise_scale)[0]

    left = _drop(model.trunk, "layers", smaller.trunk_layers, set(c.window_layers), loss)
    _drop(model.head, "shared", smaller.head_shared, set(), loss)
    _drop(model.head, "sampled", smaller.head_sampled, set(), loss)
    scores = _taylor(model, loss)
    smaller = replace(smaller, window_layers=tuple(left.index(i) for i in c.window_layers))
    state = model.state_dict()
    for number, layer in enumerate(model.trunk.layers):
        channels = scores[layer.down].topk(smaller.mlp).indices.sort().values
        state[f"trunk.layers.{number}.up.weight"] = layer.up.weight[torch.cat([channels, channels + c.mlp])]
        state[f"trunk.layers.{number}.down.weight"] = layer.down.weight[:, channels]
    result = WorldModel(smaller)
    result.load_state_dict({name: value.detach() for name, value in state.items()})
    return result


def _taylor(model: WorldModel, loss: Callable[[], Tensor]) -> dict[nn.Module, Tensor]:
    """For the inputs of each layer's `down`: mean |value x gradient| per channel."""
    inputs: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, arguments: tuple[Tensor]) -> None:
        arguments[0].retain_grad()
        inputs[module] = arguments[0]

    hooks = [layer.down.register_forward_pre_hook(keep) for layer in model.trunk.layers]
    loss().backward()
    for hook in hooks:
        hook.remove()
    scores = {}
    for module, x in inputs.items():
        assert x.grad is not None  # it was retained
        scores[module] = (x * x.grad).abs().flatten(0, -2).mean(0).detach()
    return scores


@torch.no_grad()
def _drop(part: nn.Module, name: str, count: int, needed: set[int], loss: Callable[[], Tensor]) -> list[int]:
    """Leaves `count` modules in a list of a part, dropping one after another; gives the old numbers of those that stay.

    `needed` are never dropped.
    """
    whole = getattr(part, name)
    modules, left = list(whole), list(range(len(whole)))

    def keep(numbers: list[int]) -> None:
        setattr(part, name, type(whole)(modules[i] for i in numbers))

    def without(number: int) -> float:
        keep([i for i in left if i != number])
        return loss().item()

    while len(left) > count:
        left.remove(min((i for i in left if i not in needed), key=without))
    keep(left)
    return left


def tick_ratio(whole: WorldModel, pruned: WorldModel, tokenizer: Tokenizer) -> tuple[float, float]:
    """Median time of a pruned tick, ms, and its ratio to the whole one: onnxruntime, one thread, by turns."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for model in (whole, pruned):
            path = Path(folder) / "tick.onnx"
            export_tick(model, tokenizer, evaluations=1, context_level=0.1, path=path)
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
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world.name)
    whole = load_world_model(args.data, args.world.name, "self-forcing", "world-model")
    rows, held = training_latents(args, args.length + 1), held_latents(args)
    drawn = rows.draw(np.random.default_rng(args.seed), args.batch)
    clips = patchify(drawn.latents, whole.config), drawn.actions[:, :-1]
    model = prune(whole, parse_keep(keep, whole.config), *clips, noise_scale=args.noise_scale)
    ms, ratio = tick_ratio(whole, model, tokenizer)
    before = held_out(model, tokenizer, held, count=48)
    tokenizer, model = tokenizer.to(place.device), model.to(place.device).train()
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
    loss_of = compiled(model.loss, args.compile)
    for step, rng in loop:
        drawn = rows.draw(rng, args.batch)
        latents, actions = patchify(drawn.latents.to(place.device), model.config), drawn.actions.to(place.device)
        with place.autocast():
            clip = latents[:, :-1], latents[:, 1:], actions[:, :-1]
            loss, logs = loss_of(*clip, args.noise_scale)
        loss.backward()
        loop.update([optim], rate=min(1.0, (step + 1) / 20, max(0.05, 2 * (1 - loop.share))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    whole_scores, after = (held_out(m, tokenizer, held, count=48) for m in (whole.to(place.device), average))
    return {"keep": keep, "ms": ms, "ratio": ratio, "before": before, "after": after, "whole": whole_scores}


def curve(args: Pruning) -> str:
    """Each of `points` in a folder of its own beside the data; a table, also in `pruning.md` and `pruning.json`."""
    rows = []
    for keep in points(load_world_model(args.data, args.world.name, "self-forcing", "world-model").config):
        folder = args.data / "pruning" / keep
        folder.mkdir(parents=True, exist_ok=True)
        for file in [*args.data.glob("*.np[yz]"), *args.data.glob("*.pt")]:
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
    what.add_argument("--keep", metavar="PARTS", help="such as mlp=448,trunk=4,sampled=1")
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
