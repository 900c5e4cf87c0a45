"""Small parts of the world model that other tests would not miss."""

import torch

from training.world_model import Layer, WorldModelConfig, attend_all, settle


def test_small_changes_come_to_rest_and_large_ones_stay():
    change = torch.tensor([-1.0, -0.1, 0.0, 1e-5, 0.1, 1.0], requires_grad=True)
    settled = settle(change, 0.004)
    assert torch.allclose(settled[[0, 1, 4, 5]], change[[0, 1, 4, 5]], rtol=0.002)
    assert settled[2] == 0
    assert torch.isclose(settled[3], torch.tensor(1e-5 / 20), rtol=0.01)
    settled.sum().backward()
    assert (change.grad > 0.04).all()  # nothing is stuck at rest
    assert settle(change, 0.0) is change


def test_a_lone_token_attends_to_itself():
    config = WorldModelConfig(width=32, heads=4, kv_heads=2, mlp=32)
    layer = Layer(config, windowed=False)
    q, k, v = layer.project(torch.randn(3, 1, 32))
    assert torch.allclose(attend_all(layer, q, k, v, None), layer.attend(q, k, v, None))
