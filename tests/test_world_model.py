"""Small parts of the world model that other tests would not miss."""

import numpy as np
import torch

from training.stages.world_model import LatentRows, set_direct
from training.model.world_model import Layer, WorldModel, WorldModelConfig, attend_all, growth, settle, unpatchify


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


def test_what_is_linear_in_latent_and_action_is_exact_from_the_first_step():
    """A sliding body: it keeps nine tenths of its speed, and the action pushes it."""
    config = WorldModelConfig(
        actions=2, grid=2, channels=4, patch=1, width=16, heads=2, kv_heads=1, mlp=16, condition=8, direct=True
    )
    torch.manual_seed(0)
    law = torch.cat([-0.1 * torch.eye(4), torch.tensor([[1.0, 0, 0, 0], [0, 0, 0.5, 0]])]).T  # of the change

    class Sliding(LatentRows):
        def __init__(self) -> None:
            pass

        def draw(self, rng, batch):
            actions = torch.from_numpy(rng.uniform(-1, 1, (batch, 6, 2)).astype("float32"))
            frames = [torch.from_numpy(rng.normal(size=(batch, 4, 4)).astype("float32"))]  # [B, N, C]
            for t in range(5):
                pushed = torch.cat([frames[-1], actions[:, t, None].expand(-1, 4, -1)], -1)
                frames.append(frames[-1] + pushed @ law.T)
            return unpatchify(torch.stack(frames, 1), config), actions

    model = WorldModel(config, latent_limit=100.0).eval()
    set_direct(model, Sliding(), batches=4)
    assert torch.allclose(model.head.direct.weight, law, atol=1e-3)
    grid, actions = Sliding().draw(np.random.default_rng(7), 3)
    frames = grid.flatten(3).transpose(2, 3)
    dreamed = model.rollout(frames[:, :2], actions[:, :-1], 4, 1)
    assert torch.allclose(dreamed, frames[:, 2:], atol=5e-3)


def test_a_deterministic_twin_draws_what_is_new_without_noise():
    class Growing(torch.nn.Module):
        def grown(self, before, after, noise):
            return after + noise

    for prediction, wanted in (("x", 1.0), ("mean", 0.0)):
        config = WorldModelConfig(grid=2, channels=1, patch=1, prediction=prediction)
        tokens = torch.zeros(1, 4, 1)
        assert (growth(Growing(), config)(tokens, tokens, tokens + 1) == wanted).all()
