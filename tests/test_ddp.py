"""Two processes over gloo train as one: the same weights in both, one of them writes, the curve falls."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_stages import CHAIN, STAGES, STEPS, line_loss, logged, make_data

from training.stages.device import Place

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def together(tmp_path_factory) -> tuple[Path, list[dict]]:
    """The folder that two processes trained in, and the weights that each ended with."""
    folder = tmp_path_factory.mktemp("together")
    make_data(folder)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    subprocess.run([*torchrun, "tests.tiny_stages", "together", folder], cwd=ROOT, check=True)
    return folder, [torch.load(folder / f"weights-of-{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("stage", [*STAGES, "line"])
def test_both_end_with_the_same_weights_and_one_wrote(together, stage):
    folder, (first, second) = together
    folder = folder / "chain" if stage in CHAIN else folder
    for name, weight in first[stage].items():
        assert torch.equal(weight, second[stage][name]), name
    assert len(list((folder / "logs" / stage).iterdir())) == 1
    assert (folder / f"{stage}.pt").is_file()


def test_the_loss_falls(together):
    curve = list(logged(together[0], "world-model", "error_to_copy").values())
    assert len(curve) == STEPS
    last = int(0.7 * STEPS)  # from then on it learns by the score
    assert np.mean(curve[last - 3 : last]) < np.mean(curve[:3])


def test_two_processes_equal_one_with_the_batches_of_both(together):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)
    optim = torch.optim.SGD(model.parameters(), lr=0.1)
    places = [Place(torch.device("cpu"), rank, 2) for rank in range(2)]
    for step in range(STEPS):
        batch = np.concatenate([place.seed(0, step).normal(size=(8, 3)) for place in places])
        assert not np.array_equal(batch[:8], batch[8:])
        optim.zero_grad()
        line_loss(model, batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optim.param_groups[0]["lr"] = 0.1 * (1 - step / STEPS)
        optim.step()
    for name, weight in together[1][0]["line"].items():
        torch.testing.assert_close(model.state_dict()[name], weight)
