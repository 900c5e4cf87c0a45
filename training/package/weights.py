"""A package as a checkpoint: its graphs hold the weights by name, `training.npz` what the exporter folded away.

So a bare machine can train on from the package that ships, though optimisers start anew.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from ..errors import TrainingError
from ..model.tokenizer import Tokenizer, TokenizerConfig
from ..model.world_model import WorldModel, WorldModelConfig

FILE = "training.npz"
TRANSPOSED = ".transposed"  # the exporter stores the weights of layers without bias the other way round


def name_weights(model: onnx.ModelProto, state: dict[str, torch.Tensor]) -> None:
    """Gives nameless initializers that hold a weight, or its transpose, that weight's name."""
    names = {tensor.name for tensor in model.graph.initializer}
    wanted = {}
    for name, weight in state.items():
        if name not in names and weight.ndim == 2:
            wanted[(weight.T.shape, weight.T.contiguous().numpy().tobytes())] = name + TRANSPOSED
    renamed = {}
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        name = wanted.pop((values.shape, values.tobytes()), None)  # equal weights: one gets the name
        if name is not None:
            renamed[tensor.name] = name
            tensor.name = name
    for node in model.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = renamed.get(name, name)


def _named(folder: Path, *files: str) -> dict[str, np.ndarray]:
    found = {}
    for file in files:
        for tensor in onnx.load(str(folder / file)).graph.initializer:
            name, values = tensor.name.removesuffix(".half"), numpy_helper.to_array(tensor)
            if name.endswith(TRANSPOSED):
                name, values = name.removesuffix(TRANSPOSED), values.T
            found[name] = values.astype(np.float32)
    return found


def write_rest(folder: Path, model: WorldModel, tokenizer: Tokenizer) -> None:
    """Writes `training.npz`: the shapes of the networks and every weight that the graphs don't hold by name."""
    found = _named(folder, "tick.onnx", "encoder.onnx")
    state = {f"model.{k}": v for k, v in model.state_dict().items()}
    state |= {f"tokenizer.{k}": v for k, v in tokenizer.state_dict().items()}
    configs = {"model": model.config.dict(), "tokenizer": tokenizer.config.dict()}
    rest = {k: v.numpy() for k, v in state.items() if k not in found or found[k].shape != tuple(v.shape)}
    np.savez(folder / FILE, configs=np.array(json.dumps(configs)), **rest)


def load_package(folder: Path) -> tuple[WorldModel, Tokenizer]:
    """The networks of a package, weights rounded as they were exported. Raises TrainingError without `training.npz`."""
    if not (folder / FILE).is_file():
        raise TrainingError(f"expected a package with {FILE}, got '{folder}'. Package the world again.")
    with np.load(folder / FILE, allow_pickle=False) as archive:
        rest = {name: archive[name] for name in archive.files}
    configs = json.loads(str(rest.pop("configs")))
    values = {**_named(folder, "tick.onnx", "encoder.onnx"), **rest}

    def fill(module: torch.nn.Module, prefix: str) -> None:
        module.load_state_dict({k: torch.from_numpy(values[f"{prefix}.{k}"].copy()) for k in module.state_dict()})
        module.eval()

    model = WorldModel(WorldModelConfig(**configs["model"]))
    tokenizer = Tokenizer(TokenizerConfig(**configs["tokenizer"]))
    fill(model, "model")
    fill(tokenizer, "tokenizer")
    return model, tokenizer
