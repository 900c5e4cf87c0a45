"""A package as a checkpoint: its tick holds the weights by name, `training.npz` what the exporter folded away.

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


def _named(graph: Path) -> dict[str, np.ndarray]:
    found = {}
    for tensor in onnx.load(str(graph)).graph.initializer:
        name, values = tensor.name.removesuffix(".half"), numpy_helper.to_array(tensor)
        if name.endswith(TRANSPOSED):
            name, values = name.removesuffix(TRANSPOSED), values.T
        found[name] = values.astype(np.float32)
    return found


def write_rest(folder: Path, model: WorldModel) -> None:
    """Writes `training.npz`: the shapes of the network and every weight that the graph doesn't hold by name."""
    found = _named(folder / "tick.onnx")
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    rest = {k: v.numpy() for k, v in state.items() if k not in found or found[k].shape != tuple(v.shape)}
    np.savez(folder / FILE, config=np.array(json.dumps(model.config.dict())), **rest)


def load_package(folder: Path) -> WorldModel:
    """The network of a package, weights rounded as they were exported. Raises TrainingError without `training.npz`."""
    if not (folder / FILE).is_file():
        raise TrainingError(f"expected a package with {FILE}, got '{folder}'. Package the world again.")
    with np.load(folder / FILE, allow_pickle=False) as archive:
        rest = {name: archive[name] for name in archive.files}
    try:
        model = WorldModel(WorldModelConfig(**json.loads(str(rest.pop("config")))))
    except (KeyError, TypeError) as error:
        raise TrainingError(
            f"'{folder}': expected weights of this version's network, got those of an older one. Begin from the base."
        ) from error
    values = {**_named(folder / "tick.onnx"), **rest}
    model.load_state_dict({k: torch.from_numpy(values[f"model.{k}"].copy()) for k in model.state_dict()})
    return model.eval()
