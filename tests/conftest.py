"""What several test files share: a tiny, untrained package of push-t, with a reward head."""

from pathlib import Path

import pytest
import torch

from training.worlds import push_t
from training.package import reward
from training.package.manifest import write_package
from training.sprite_tokenizer import SpriteConfig, SpriteTokenizer
from training.model.world_model import WorldModel, WorldModelConfig

SHAPES = {"width": 32, "heads": 4, "mlp": 32, "trunk_layers": 2, "window_layers": (1,), "head_layers": 1}
LATENT = {"grid": SpriteConfig().grid, "channels": SpriteConfig().channels, "patch": 1}


@pytest.fixture(scope="session")
def push_t_package(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("worlds") / "push-t"
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(push_t.FACTS, "starts", [("Early", 3)])  # the true ones take hundreds of frames to record
        write_package(
            folder,
            world="push-t",
            data=folder.parent,
            model=WorldModel(WorldModelConfig(actions=2, **LATENT, **SHAPES)).eval(),
            tokenizer=SpriteTokenizer(SpriteConfig(wide=16)).eval(),
            evaluations=1,
            context_level=0.1,
            trained_frames=0,
        )
    assert reward.main(["--world", "push-t", "--package", str(folder), "--steps", "48", "--passes", "3"]) == 0
    return folder
