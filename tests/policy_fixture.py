"""Writes a policy for `worldloop collect --policy onnx:FILE`, for the tiny world: steer is mean red, gas mean green.

python -m tests.policy_fixture    # writes tests/goldens/tiny-policy.onnx
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 16
FILE = Path(__file__).parent / "goldens/tiny-policy.onnx"


def make_policy() -> onnx.ModelProto:
    """`picture` uint8 [1, H, W, 3] to `action` float32 [1, A], each in [0, 1]."""
    constants = [
        numpy_helper.from_array(np.array([1, 2], np.int64), "axes"),
        numpy_helper.from_array(np.array([[1 / 255, 0], [0, 1 / 255], [0, 0]], np.float32), "weights"),
    ]
    nodes = [
        helper.make_node("Cast", ["picture"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["values", "axes"], ["means"], keepdims=0),  # [1, 3]
        helper.make_node("MatMul", ["means", "weights"], ["action"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny-policy",
        [helper.make_tensor_value_info("picture", TensorProto.UINT8, [1, SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, 2])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def main() -> None:
    model = make_policy()
    onnx.checker.check_model(model)
    onnx.save(model, FILE)


if __name__ == "__main__":
    main()
