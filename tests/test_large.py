"""The large tier: the same latents painted with more pixels, and what its training refuses."""

import numpy as np
import pytest
import torch
from test_room_tokenizer import blotches, state

from training.data import load_episodes, shrunk
from training.errors import TrainingError
from training.held_out import large_episodes, same_episodes
from training.record import Recording, record, write_npz
from training.road_tokenizer import POSE, RoadConfig, RoadTokenizer
from training.room_tokenizer import RoomConfig, RoomTokenizer
from training.sprite_tokenizer import SpriteConfig, SpriteTokenizer
from training.tokenizer import to_uint8
from training.train_large import LargeTraining, enlarged, load_large, train
from training.train_tokenizer import TokenizerTraining
from training.train_tokenizer import train as train_tokenizer


def a_room() -> tuple[RoomTokenizer, torch.Tensor]:
    model = RoomTokenizer(RoomConfig(side=640.0, cells=10, votes=2, wide=32))
    with torch.no_grad():
        for surface in (model.floor, model.wall, model.ceiling, model.thing):
            surface.copy_(blotches(*surface.shape[1:], 9))
    return model, model.latent_of(torch.cat([state(100, 320, 20, (200, 370)), state(500, 100, 130, (460, 160))]))


def a_road() -> tuple[RoadTokenizer, torch.Tensor]:
    model = RoadTokenizer(RoadConfig())
    with torch.no_grad():
        model.meadow.copy_(blotches(*model.meadow.shape[1:], 7))
        model.road.copy_(blotches(*model.road.shape[1:], 7)[:1].expand(12, -1, -1))
        model.car.copy_(blotches(*model.car.shape[2:], 5)[:1].expand_as(model.car))
    latent = torch.zeros(2, model.config.channels, 4, 4)
    pose = torch.tensor([[0.8, 0.6, 1, 0, 0, 1, 1, 0, 0.1, 1, 0], [0, 1, 0.6, 0.8, 1, 0, 0, 1, -0.2, 0.9, 0.4]])
    latent[:, :11] = pose[:, :, None, None]
    latent[:, POSE:] = 0.2 * torch.randn(2, model.config.channels - POSE, 4, 4)
    return model, latent


def some_sprites() -> tuple[SpriteTokenizer, torch.Tensor]:
    model = SpriteTokenizer(SpriteConfig())
    with torch.no_grad():
        model.usual.copy_(blotches(96, 96, 9) - 0.5)
        model.texture.copy_((blotches(44, 44, 9) - 0.5).expand_as(model.texture))
    poses = torch.tensor([[0.3, -0.2, -0.4, 0.1, 0.6, 0.8], [-0.6, 0.5, 0.2, -0.3, -1.0, 0.0]])
    return model, poses[..., None, None]


@pytest.mark.parametrize("make", [a_room, a_road, some_sprites])
def test_more_pixels_of_the_same_scene(make):
    """Averaged over four pixels the large picture is the small one: nothing moved, nothing else was painted."""
    torch.manual_seed(0)
    small, latent = make()
    with torch.no_grad():
        pictures = to_uint8(small.decode(latent)).numpy()
        large = to_uint8(enlarged(small, 2).decode(latent)).numpy()
    assert large.shape == (2, 192, 192, 3)
    near = np.abs(shrunk(large, 2).astype(int) - pictures)
    aside = np.abs(np.roll(shrunk(large, 2), 1, 2).astype(int) - pictures)  # a pixel to the right
    assert near.mean() < 2 and near.mean() < 0.5 * aside.mean()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """push-t's recordings, and a tokenizer that was trained on them for three steps."""
    folder = tmp_path_factory.mktemp("data")
    for name, seed in (("train-1", 1), ("held-1000000", 1_000_000)):
        write_npz(folder / f"{name}.npz", record(Recording("push-t", "mixed", seed, 40), progress=False))
    train_tokenizer(TokenizerTraining("push-t", folder, steps=3, batch=4), SpriteConfig(turns=(False, True), wide=16))
    return folder


def test_it_records_trains_and_goes_on(data):
    args = LargeTraining("push-t", data, steps=2, recordings=1)
    train(args)
    assert load_episodes([data / "large-1.npz"]).frames.shape == (40, 192, 192, 3)
    args.steps = 4
    model = train(args)
    kept = load_large(data, "push-t")
    assert kept.config.finer == 2 and all(torch.equal(v, kept.state_dict()[k]) for k, v in model.state_dict().items())


def test_other_episodes_are_refused(data):
    held = load_episodes([data / "held-1000000.npz"])
    assert large_episodes("push-t", data, held, 2).frames.shape[1:] == (192, 192, 3)
    held.actions[0] += 0.5
    with pytest.raises(TrainingError, match="'large-1000000.npz': expected the episodes that the tokenizer knows"):
        large_episodes("push-t", data, held, 2)
    with pytest.raises(TrainingError, match="delete it"):
        same_episodes(held, load_episodes([data / "train-1.npz"]), "large-1.npz")


def test_a_world_without_one_is_refused(data, monkeypatch):
    monkeypatch.delattr("training.push_t.LARGE")
    with pytest.raises(TrainingError, match="expected a world with a large tier"):
        train(LargeTraining("push-t", data, steps=1, recordings=1))
    assert load_large(data / "nothing", "push-t") is None
