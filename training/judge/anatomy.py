"""Takes one tick of a package apart and draws its parts, for `docs/how-it-works.md`.

    python -m training.judge.anatomy --world doom-hall --action walk=0.6,turn=0.5 --out docs/pictures/doom-hall

The package plays from a start; then the last tick is computed again by the network in PyTorch, from the very tensors
that its graph was given, and what `Head.compose` and the window's attention had in hand is drawn. It is refused where
that network doesn't give the graph's picture: the parts would be those of something else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from worldloop.errors import WorldloopError
from worldloop.package import Package, open_package
from worldloop.world import Beginning, Dream, World

from ..errors import TrainingError, exit_status
from ..model.picture import CELL, LIMIT
from ..model.world_model import FLOW, Layer, WorldModel, enlarge, warp
from ..package.export import Tick
from ..package.manifest import HISTORY_LEVEL
from ..package.weights import load_package

CLOSE = 1  # levels of 255 by which PyTorch and onnxruntime may round a pixel apart, nearly everywhere
FARTHEST = 6.0  # pixels of a flow that are drawn in full colour


class Watched(Dream):
    """Keeps what the tick graph was last given and gave."""

    feeds: dict[str, np.ndarray]
    outputs: list[np.ndarray]

    def run(self, graph: str, feeds: dict[str, np.ndarray], outputs: list[str]) -> list[np.ndarray]:
        found = super().run(graph, feeds, outputs)
        if graph == "tick":
            self.feeds, self.outputs = {name: value.copy() for name, value in feeds.items()}, found
        return found


def play(package: Package, *, start: int, seed: int, action: np.ndarray, ticks: int) -> Watched:
    """The same action for some ticks, `ticks` of at least 1."""
    dream = Watched(package)
    world = World(dream)
    world.reset(Beginning(seed=seed, start=start))
    for _ in range(ticks):
        world.step(action)
    return dream


class Parts(dict[str, Tensor]):
    """By name: `before`, `moved`, `paint`, `next` [3, H, W] in [-2, 2]; `flow` [2, H, W] in pixels; `shares`
    [flows + 1, H, W], the last of what is painted; `attention` [layers, heads, queries, S + 1, N]."""


def take_apart(model: WorldModel, feeds: dict[str, np.ndarray]) -> tuple[Parts, np.ndarray]:
    """Runs one tick; gives its parts, and the picture uint8 [H, W, 3]."""
    parts, c = Parts(), model.config
    compose, attentions = model.head.compose, []

    def composed(before: Tensor, out: Tensor) -> Tensor:
        planes = F.pixel_shuffle(out[:, : -2 * c.flows].float(), CELL)
        shares = planes[:, 3:].softmax(1)
        along = shares[:, :-1]
        flows = torch.stack(enlarge(out[:, -2 * c.flows :].float()).split(2, 1), 1)
        flow = (flows * along[:, :, None]).sum(1) / (along.sum(1, keepdim=True) + 1e-6)
        picture = F.pixel_shuffle(before.float(), CELL)
        parts.update(before=picture[0], moved=warp(picture, flow)[0], paint=planes[0, :3], shares=shares[0])
        parts.update(flow=flow[0] * FLOW, next=F.pixel_shuffle(compose(before, out), CELL)[0])
        return compose(before, out)

    def watch(layer: Layer) -> None:
        attend = layer.attend

        def attending(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
            if bias is not None:
                by_head, keys, _ = layer.by_group(q, k, v)
                logits = by_head @ keys / math.sqrt(c.attention_head)
                logits = logits + bias.reshape(c.kv_heads, c.heads // c.kv_heads * q.shape[1], -1)
                shares = logits.softmax(-1).reshape(c.heads, q.shape[1], -1, c.tokens)
                attentions.append(shares)
            return attend(q, k, v, bias)

        layer.attend = attending  # type: ignore[method-assign]

    model.head.compose = composed  # type: ignore[method-assign]
    for layer in model.trunk.layers:
        watch(layer)
    inputs = [torch.from_numpy(feeds[name]) for name in ("noise", "action", "latent", "kv", "age")]
    with torch.no_grad():
        rgba, _, _ = Tick(model, HISTORY_LEVEL)(*inputs)
    parts["attention"] = torch.stack(attentions)
    return parts, rgba[..., :3].numpy()


def check_same(found: np.ndarray, wanted: np.ndarray, name: str) -> float:
    """The share of bytes further apart than rounding. Raises TrainingError where they are more than rounding's."""
    apart = np.abs(found.astype(int) - wanted.astype(int))
    share = float((apart > CLOSE).mean())
    if share > 0.001:
        raise TrainingError(
            f"'{name}': expected this version's network to give the picture of the package's graph, got another in "
            f"{100 * share:.1f} % of the bytes. The package is older than the network: package the world again."
        )
    return share


def picture(values: Tensor) -> np.ndarray:
    """[3, H, W] in [-2, 2] to uint8 [H, W, 3]."""
    return ((values / (2 * LIMIT) + 0.5).clamp(0, 1) * 255 + 0.5).to(torch.uint8).permute(1, 2, 0).numpy()


def grey(values: Tensor) -> np.ndarray:
    """[H, W] in [0, 1] to uint8 [H, W]."""
    return (values.clamp(0, 1) * 255 + 0.5).to(torch.uint8).numpy()


def colour_flow(flow: Tensor) -> np.ndarray:
    """[2, H, W] in pixels to uint8 [H, W, 3]: the hue is the direction in which things go, the strength how far."""
    x, y = -flow[0].numpy(), -flow[1].numpy()  # a flow says where a pixel comes from
    hue = (np.arctan2(y, x) / (2 * np.pi) % 1 * 255).astype(np.uint8)
    strength = (np.clip(np.hypot(x, y) / FARTHEST, 0, 1) * 255).astype(np.uint8)
    wheel = Image.merge("HSV", [Image.fromarray(plane) for plane in (hue, strength, np.full_like(hue, 255))])
    return np.asarray(wheel.convert("RGB"))


def wheel() -> np.ndarray:
    """The legend of `colour_flow`: uint8 [48, 48, 3], from its middle outwards."""
    at = torch.linspace(-FARTHEST, FARTHEST, 48)
    return colour_flow(-torch.stack([at.expand(48, 48), at[:, None].expand(48, 48)]))


def describe(parts: Parts, ages: np.ndarray) -> dict[str, Any]:
    """The figures beside the pictures."""
    length = parts["flow"].square().sum(0).sqrt()
    shares = parts["shares"]
    order = np.argsort([*ages, 0])  # the frame itself is the last, of age 0
    by_age = parts["attention"].mean(2).sum(-1)[..., order]  # [layers, heads, S + 1]
    return {
        "flowMedian": round(float(length.median()), 2),
        "flowMost": round(float(length.max()), 2),
        "painted": round(float(shares[-1].mean()), 4),
        "mostlyPainted": round(float((shares[-1] > 0.5).float().mean()), 4),
        "ages": [int(age) for age in np.sort([*ages, 0])],
        "attention": [[[round(float(v), 3) for v in head] for head in layer] for layer in by_age],
    }


def draw(world: str, package: Path, out: Path, *, start: int, seed: int, action: dict[str, float], ticks: int) -> None:
    try:
        draw_parts(open_package(package), world, package, out, start=start, seed=seed, action=action, ticks=ticks)
    except WorldloopError as error:
        raise TrainingError(str(error)) from error


def draw_parts(
    opened: Package,
    world: str,
    package: Path,
    out: Path,
    *,
    start: int,
    seed: int,
    action: dict[str, float],
    ticks: int,
) -> None:
    names = [spec["name"] for spec in opened.manifest["actions"]]
    if not set(action) <= set(names):
        raise TrainingError(f"--action: expected names of {', '.join(names)}, got {', '.join(action)}.")
    held = {spec["name"]: float(spec["rest"]) for spec in opened.manifest["actions"]} | action
    values = list(held.values())
    dream = play(opened, start=start, seed=seed, action=np.array(values, np.float32), ticks=ticks)
    parts, found = take_apart(load_package(package), dream.feeds)
    apart = check_same(found, dream.outputs[0][..., :3], world)
    pictures = {name: picture(parts[name]) for name in ("before", "moved", "paint", "next")}
    pictures["painted"] = picture(parts["paint"] * parts["shares"][-1])  # what of it is seen; grey where nothing is
    pictures["flow"], pictures["wheel"] = colour_flow(parts["flow"]), wheel()
    *along, paint = parts["shares"]
    pictures |= {f"share-{number}": grey(share) for number, share in enumerate(along, 1)} | {"share-paint": grey(paint)}
    out.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(out / f"{name}.png", optimize=True)
    about = {
        "world": world,
        "title": opened.manifest["title"],
        "start": start,
        "startTitle": opened.manifest["starts"][start]["title"],
        "seed": seed,
        "tick": ticks,
        "action": held,
        "tickSha256": hashlib.sha256(opened.files[opened.manifest["tick"]["file"]]).hexdigest(),
        "bytesApart": apart,
        **describe(parts, dream.feeds["age"]),
    }
    (out / "parts.json").write_text(json.dumps(about, indent=1) + "\n")


def named(text: str) -> dict[str, float]:
    try:
        return {name: float(value) for name, value in (part.split("=") for part in text.split(","))}
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected name=value, several with commas between, got '{text}'") from error


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--out", type=Path, required=True, help="gets the pictures and parts.json")
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--ticks", type=int, default=16, help="the last one is taken apart; after 12 the window is full"
    )
    parser.add_argument("--action", type=named, default={}, help="held, such as walk=1,turn=0.5; the others rest")
    args = parser.parse_args(argv)
    if args.ticks < 1:
        parser.error(f"--ticks: expected 1 or more, got {args.ticks}")
    package = args.package or Path("assets/worlds") / args.world
    settings = {"start": args.start, "seed": args.seed, "action": args.action, "ticks": args.ticks}
    return exit_status(lambda: draw(args.world, package, args.out, **settings))


if __name__ == "__main__":
    sys.exit(main())
