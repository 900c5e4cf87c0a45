"""What several test files share: exact arithmetic, and a tiny, untrained package of push-t with a reward head."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.model.world_model import WorldModel, WorldModelConfig
from training.package import reward
from training.package.manifest import write_package
from training.worlds import push_t

os.environ |= {"WORLDLOOP_PRECISION": "float32", "OMP_NUM_THREADS": "1"}  # of the processes that tests start, too
torch.set_num_threads(1)  # what is trained here is so small that two would wait for each other

SHAPES = {"width": 32, "heads": 4, "mlp": 32, "trunk_layers": 2, "window_layers": (1,)}
SHAPES |= {"fine": 8, "wide": 16, "features": 8}


@pytest.fixture(scope="session")
def push_t_package(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "push-t"
    torch.manual_seed(0)
    write_package(
        folder,
        world=replace(push_t.WORLD, starts=(("Early", 3),)),  # the true ones take hundreds of frames to record
        data=folder.parent,
        model=WorldModel(WorldModelConfig(actions=2, **SHAPES)).eval(),
        evaluations=1,
        context_level=0.1,
        trained_frames=0,
    )
    assert reward.main(["--world", "push-t", "--package", str(folder), "--steps", "48", "--passes", "3"]) == 0
    return folder
