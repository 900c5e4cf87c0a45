"""Copies of the tiny world for tests of the Python package: with a manifest changed, a reward head or a batch graph."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from onnx import TensorProto, helper

from training.model.world_model import WorldModel, WorldModelConfig
from training.package.export import Batch, export_graph, tensors_of
from training.package.fixture import make_network

TINY_WORLD = Path(__file__).parent / "goldens" / "tiny-world"


def stirred(config: WorldModelConfig) -> WorldModel:
    """A world model as if it had learnt something; the same on every call."""
    torch.manual_seed(1)
    model = WorldModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape))
    return model


def copy_world(folder: Path, change: Callable[[dict], None] = lambda manifest: None) -> Path:
    """A copy in `folder` whose manifest `change` has edited."""
    shutil.copytree(TINY_WORLD, folder)
    manifest = json.loads((folder / "world.json").read_text())
    change(manifest)
    (folder / "world.json").write_text(json.dumps(manifest))
    return folder


def add_file(folder: Path, manifest: dict, path: str, contents: bytes) -> None:
    """Writes a file of the package and its entry in the manifest."""
    (folder / path).write_bytes(contents)
    manifest["files"][path] = {"bytes": len(contents), "sha256": hashlib.sha256(contents).hexdigest()}


def copy_world_with_reward(folder: Path) -> Path:
    """Its reward is the sum of the action's values; an episode is over when that reaches 1.5."""
    latent, action = ["latent", [1, 4, 6]], ["action", [1, 2]]
    inputs = [latent, action, ["latent_next", [1, 4, 6]]]
    nodes = [
        helper.make_node("ReduceSum", ["action", "axis"], ["reward"], keepdims=0),
        helper.make_node("GreaterOrEqual", ["reward", "limit"], ["over"]),
        helper.make_node("Cast", ["over"], ["done"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "reward",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("reward", "done")],
        [
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("limit", TensorProto.FLOAT, [1], [1.5]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)

    def change(manifest: dict) -> None:
        add_file(folder, manifest, "reward.onnx", model.SerializeToString())
        manifest["reward"] = {
            "file": "reward.onnx",
            "inputs": {name: {"dtype": "float32", "shape": shape} for name, shape in inputs},
            "outputs": {name: {"dtype": "float32", "shape": [1]} for name in ("reward", "done")},
        }

    return copy_world(folder, change)


def copy_world_with_batch(folder: Path, worlds: int) -> Path:
    """The same network, `worlds` at once."""
    copy_world(folder)
    manifest = json.loads((folder / "world.json").read_text())
    types = {"float32": torch.float32, "int32": torch.int32}
    inputs = {
        name: torch.zeros(worlds, *tensor["shape"], dtype=types[tensor["dtype"]])
        for name, tensor in manifest["tick"]["inputs"].items()
    }
    path = folder / "batch.onnx"
    export_graph(Batch(make_network()).eval(), inputs, list(manifest["tick"]["outputs"]), path)
    add_file(folder, manifest, path.name, path.read_bytes())
    manifest["batch"] = {"file": path.name, **tensors_of(path)}
    (folder / "world.json").write_text(json.dumps(manifest))
    return folder
