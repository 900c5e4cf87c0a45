"""Torch to ONNX: the tick graph (stem, trunk, K evaluations of the head, picture) and the encoder, weights as float16.

What the graphs call a latent is the newest frame and the one before it, in the cells of `model/picture.py`, one after
the other: [1, cells, 2 C]. Noise is laid out so as well.

The graphs compute in float32; a Cast after each stored weight is folded when a session is created. So that torch and
ONNX agree, weights are rounded to float16 in torch first (`round_weights`).
"""

from __future__ import annotations

import functools
import logging
import math
import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from ..model.guide import guide_latents
from ..model.picture import CELL, LIMIT, to_latent
from ..model.world_model import WorldModel, latents_of
from .weights import name_weights

OPSET = 20
SMALL = 256  # weights with fewer values stay float32


def round_weights(module: nn.Module) -> nn.Module:
    """Rounds every large weight to the nearest float16, in place."""
    with torch.no_grad():
        for weight in module.parameters():
            if weight.numel() >= SMALL:
                weight.copy_(weight.half().float())
    return module


def in_rows(grid: Tensor) -> Tensor:
    """[B, C, g, g] as cells one after the other, [B, g g, C]."""
    return grid.flatten(2).transpose(1, 2)


def in_grid(cells: Tensor) -> Tensor:
    """The inverse of `in_rows`."""
    side = math.isqrt(cells.shape[1])
    return cells.transpose(1, 2).unflatten(2, (side, side))


class Tick(nn.Module):
    """One run per tick. `context_level` is the noise level that the history is said to have."""

    def __init__(self, model: WorldModel, context_level: float) -> None:
        super().__init__()
        self.model, self.context_level = model, context_level

    def forward(
        self, noise: Tensor, action: Tensor, latent: Tensor, kv: Tensor, age: Tensor, *further: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """noise [K, cells, noise channels], action [1, A], latent [1, cells, 2 C], kv [S, L, 2, N, D], age int32 [S].

        Further: prompt [1, P], then guide uint8 [H, W, 3], of a network that takes any.
        Gives rgba uint8 [H, W, 4], latent_next [1, cells, 2 C], slot [L, 2, N, D].
        """
        c, level, given = self.model.config, torch.full((1,), self.context_level), list(further)
        led = torch.cat([action, given.pop(0)], -1) if c.prompts else action
        guide = guide_latents(given.pop(0)[None], action[:, 0]) if c.guided else None
        drawn = in_grid(noise)[:, None]
        following, slot = self.model.step(in_grid(latent), led, level, drawn, kv[None], age, guide=guide)
        return painted(following[:, : c.channels]), in_rows(following), slot[0]


def painted(frame: Tensor) -> Tensor:
    """A frame [1, C, g, g] to rgba uint8 [H, W, 4]."""
    picture = F.pixel_shuffle(frame, CELL)[0] / (2 * LIMIT) + 0.5  # [3, H, W]
    opaque = torch.ones_like(picture[:1])
    rgba = torch.cat([picture.clamp(0, 1), opaque]).permute(1, 2, 0)
    return (rgba * 255 + 0.5).to(torch.uint8)


class Batch(nn.Module):
    """The tick of several worlds at once: every tensor has a leading dimension of worlds."""

    def __init__(self, tick: Tick) -> None:
        super().__init__()
        self.tick = tick

    def forward(
        self, noise: Tensor, action: Tensor, latent: Tensor, kv: Tensor, age: Tensor, *further: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        return torch.func.vmap(self.tick)(noise, action, latent, kv, age, *further)


class Encode(nn.Module):
    def forward(self, picture: Tensor, before: Tensor) -> Tensor:
        """uint8 [H, W, 3], and the picture before it, to latent [1, cells, 2 C]."""
        return in_rows(latents_of(to_latent(torch.stack([before, picture]))[None])[0])


def tick_inputs(model: WorldModel, evaluations: int) -> dict[str, Tensor]:
    """Example inputs, in the order of `Tick.forward`; their shapes are the contract."""
    c = model.config
    return {
        "noise": torch.randn(evaluations, c.grid**2, c.noise_channels),
        "action": torch.zeros(1, c.actions),
        "latent": torch.zeros(1, c.grid**2, 2 * c.channels),
        "kv": torch.zeros(c.window, len(c.window_layers), 2, c.tokens, c.kv_width),
        "age": torch.full((c.window,), -1, dtype=torch.int32),
        **({"prompt": torch.zeros(1, c.prompts)} if c.prompts else {}),
        **({"guide": torch.zeros(CELL * c.grid, CELL * c.grid, 3, dtype=torch.uint8)} if c.guided else {}),
    }


def export_tick(model: WorldModel, *, evaluations: int, context_level: float, path: Path, worlds: int = 0) -> None:
    """`worlds` of 1 or more: the tick of so many at once."""
    inputs = tick_inputs(model, evaluations)
    module: nn.Module = Tick(model, context_level)
    if worlds:
        inputs = {name: torch.stack([value] * worlds) for name, value in inputs.items()}
        module = Batch(module)
    export_graph(module.eval(), inputs, ["rgba", "latent_next", "slot"], path)


def export_encoder(size: int, *, path: Path) -> None:
    path.write_bytes(_encoder(size))


@functools.cache
def _encoder(size: int) -> bytes:
    """It has no weights: one serves all packages of a process."""
    inputs = {name: torch.zeros(size, size, 3, dtype=torch.uint8) for name in ("picture", "before")}
    return graph_of(Encode().eval(), inputs, ["latent"])


def tensors_of(path: Path) -> dict[str, dict]:
    """The graph's inputs and outputs as the manifest lists them."""
    graph = onnx.load(str(path)).graph
    names = {TensorProto.FLOAT: "float32", TensorProto.INT32: "int32", TensorProto.UINT8: "uint8"}

    def table(values) -> dict:
        return {
            v.name: {
                "dtype": names[v.type.tensor_type.elem_type],
                "shape": [d.dim_value for d in v.type.tensor_type.shape.dim],
            }
            for v in values
        }

    return {"inputs": table(graph.input), "outputs": table(graph.output)}


def export_graph(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str], path: Path) -> None:
    """Writes `graph_of` the arguments."""
    path.write_bytes(graph_of(module, inputs, outputs))


def graph_of(module: nn.Module, inputs: dict[str, Tensor], outputs: list[str]) -> bytes:
    """An ONNX file of static shapes; `inputs` are examples, in the order of `forward`."""
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=outputs,
            opset_version=OPSET,
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None  # it is, with dynamo
    model = program.model_proto
    name_weights(model, module.state_dict())
    _store_half(model.graph)
    for node in model.graph.node:  # the exporter's notes: sources, stack traces
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for value in (*model.graph.value_info, *model.graph.input, *model.graph.output):
        value.ClearField("metadata_props")
    del model.metadata_props[:], model.graph.metadata_props[:]
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _store_half(graph: onnx.GraphProto) -> None:
    casts = []
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < SMALL or not _exact(values):
            continue
        name = tensor.name
        half = numpy_helper.from_array(values.astype(np.float16), name + ".half")
        tensor.CopyFrom(half)
        casts.append(helper.make_node("Cast", [name + ".half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _exact(values: np.ndarray) -> bool:
    return bool(np.array_equal(values.astype(np.float16).astype(np.float32), values))
