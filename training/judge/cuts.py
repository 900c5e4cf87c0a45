"""Cuts what matters least out of a world model, so that the graph gets smaller for any runtime.

Layers and blocks go first, one after another: each time the one without which the loss rises least. Then channels of
MLPs and convolutions go, those whose value times gradient moves the loss least (first-order Taylor). Attention heads
stay: they have the trunk's width between them.

Sources: Molchanov et al. 2019, "Importance estimation for neural network pruning"; Minitron (Muralidharan et al. 2024)
for layers and channels together.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from ..model.world_model import ConvBlock, WorldModel, WorldModelConfig
from ..stages.world_model import loss_on_real

Indices = tuple[Tensor | None, Tensor | None]  # what stays of a weight's rows and columns; none: all


class Entering(NamedTuple):
    """Of each channel that enters a module."""

    importance: Tensor  # mean |value x gradient|
    power: Tensor  # mean square


def prune(
    model: WorldModel, smaller: WorldModelConfig, frames: Tensor, action: Tensor, *, noise_scale: float = 0.1
) -> WorldModel:
    """The model without what matters least on frames [B, T + 2, C, g, g] under action [B, T, A], noise on the history.

    `smaller`: its config, with lower numbers of layers, blocks or channels.
    """
    c = model.config
    model = copy.deepcopy(model).requires_grad_(True)

    def loss() -> Tensor:
        torch.manual_seed(0)  # the same noise for all that are compared
        return loss_on_real(model, frames, action, noise_scale)[0]

    left = _drop(model.trunk, "layers", smaller.trunk_layers, set(c.window_layers), loss)
    _drop(model.head, "coarse_blocks", smaller.coarse_blocks, set(), loss)
    _drop(model.head, "fine_blocks", smaller.fine_blocks, set(), loss)
    entering = _entering(model, loss)
    kept = _kept(model, smaller, entering)
    state = {}
    for name, value in model.state_dict().items():
        rows, columns = kept.get(name.rpartition(".")[0], (None, None))
        value = value if rows is None else value[rows]
        state[name] = value if columns is None or value.ndim < 2 else value[:, columns]
    for name, block in model.named_modules():
        if isinstance(block, ConvBlock):  # its norm is a mean over the channels that stay
            power, (rows, _) = entering[name].power, kept[name]
            state[f"{name}.weight"] = state[f"{name}.weight"] * (power[rows].mean() / power.mean()).sqrt()
    result = WorldModel(replace(smaller, window_layers=tuple(left.index(i) for i in c.window_layers)))
    result.load_state_dict(state)
    return result


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


def _entering(model: WorldModel, loss: Callable[[], Tensor]) -> dict[str, Entering]:
    """By the names of layers, convolutions and blocks."""
    found: dict[str, list[Tensor]] = defaultdict(list)  # [2, channels] of each call

    def listen(name: str, module: nn.Module) -> RemovableHandle:
        channel = -1 if isinstance(module, nn.Linear) else -3

        def enters(_: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            value = arguments[0]

            def measure(gradient: Tensor) -> None:
                told = torch.stack([(value * gradient).abs(), value.square()]).detach()
                found[name].append(told.movedim(channel, -1).flatten(1, -2).mean(1))

            if value.requires_grad:
                value.register_hook(measure)

        return module.register_forward_pre_hook(enters)

    kinds = (nn.Linear, nn.Conv2d, ConvBlock)
    hooks = [listen(name, module) for name, module in model.named_modules() if isinstance(module, kinds)]
    loss().backward()
    for hook in hooks:
        hook.remove()
    return {name: Entering(*torch.stack(calls).mean(0)) for name, calls in found.items()}


def _kept(model: WorldModel, smaller: WorldModelConfig, entering: dict[str, Entering]) -> dict[str, Indices]:
    """What stays of the weights of each module, by its name."""
    c, cells = model.config, (model.config.patch // 2) ** 2

    def best(importance: Tensor, count: int) -> Tensor:
        return importance.topk(count).indices.sort().values

    def each(channels: Tensor, places: int) -> Tensor:
        """Channels that are folded: `places` of each."""
        return (channels[:, None] * places + torch.arange(places, device=channels.device)).flatten()

    def both(channels: Tensor, others: Tensor, offset: int) -> Tensor:
        return torch.cat([channels, others + offset])

    moves = {name: told.importance for name, told in entering.items()}
    to_join, to_enter = moves["head.join"], moves["head.enter"]
    stem_fine = best(to_join[c.fine :] + moves["stem.wide"].view(-1, 4).sum(1), smaller.fine)
    stem_wide = best(to_enter[c.features :] + moves["trunk.embed"].view(-1, cells).sum(1), smaller.wide)
    wide, up, fine = (
        best(importance, count)
        for importance, count in (
            (moves["head.up"], smaller.wide),
            (to_join[: c.fine], smaller.fine),
            (moves["head.out"], smaller.fine),
        )
    )
    kept: dict[str, Indices] = {
        "stem.fine": (stem_fine, None),
        "stem.wide": (stem_wide, each(stem_fine, 4)),
        "trunk.embed": (None, each(stem_wide, cells)),
        "head.enter": (wide, both(torch.arange(c.features, device=wide.device), stem_wide, c.features)),
        "head.noise": (wide, None),
        "head.up": (each(up, 4), wide),
        "head.join": (fine, both(up, stem_fine, c.fine)),
        "head.fine_noise": (fine, None),
        "head.out": (None, fine),
    }
    streams = {"stem.block": stem_wide}
    streams |= {f"head.coarse_blocks.{number}": wide for number in range(len(model.head.coarse_blocks))}
    streams |= {f"head.fine_blocks.{number}": fine for number in range(len(model.head.fine_blocks))}
    for name, stream in streams.items():
        importance = moves[f"{name}.conv2"]
        inner = best(importance, len(stream))
        kept |= {
            name: (stream, None),
            f"{name}.conv1": (inner, stream),
            f"{name}.conv2": (stream, inner),
            f"{name}.modulation": (both(inner, inner, len(importance)), None),
        }
    for number in range(len(model.trunk.layers)):
        name = f"trunk.layers.{number}"
        channels = best(moves[f"{name}.down"], smaller.mlp)
        kept |= {f"{name}.up": (both(channels, channels, c.mlp), None), f"{name}.down": (None, channels)}
    return kept
