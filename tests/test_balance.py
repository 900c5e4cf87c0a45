"""Worlds that share a network pull equally hard at it, however hard their pictures are."""

import pytest
import torch

from training.stages.balance import Balance


def test_gradients_of_all_worlds_are_of_one_size():
    balance, world = Balance(3, torch.device("cpu")), torch.tensor([0, 1, 1, 2])
    assert balance.weights(world).tolist() == [1, 1, 1, 1]  # before any of them was seen
    errors = torch.tensor([0.01, 0.03, 0.05, 1.0])
    for _ in range(50):
        balance.see(world, errors)
    roots = torch.tensor([0.01, 0.04, 1.0]).sqrt()
    pulls = balance.weights(torch.arange(3)) * roots
    assert pulls.tolist() == pytest.approx([roots.mean().item()] * 3, rel=1e-4)


def test_a_world_that_was_not_drawn_keeps_what_is_known_of_it():
    balance = Balance(2, torch.device("cpu"))
    balance.see(torch.tensor([0, 1]), torch.tensor([0.04, 0.16]))
    before = balance.errors.clone()
    balance.see(torch.tensor([1]), torch.tensor([0.16]))
    assert torch.equal(balance.errors, before)
