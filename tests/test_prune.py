"""Pruning takes whole parts away, keeps what matters most, and refuses what can't be kept."""

import copy
import json

import pytest
import torch
from tiny_stages import WORLD, prepare

from training.errors import TrainingError
from training.judge.cuts import prune
from training.judge.prune import STAGE, Pruning, curve, parse_keep, points, train
from training.model.world_model import WorldModel, WorldModelConfig
from training.stages.world_model import load_world_model, loss_on_real

CONFIG = WorldModelConfig(
    actions=2,
    grid=4,
    patch=2,
    fine=8,
    wide=12,
    width=32,
    heads=4,
    kv_heads=2,
    mlp=24,
    trunk_layers=4,
    window_layers=(1, 3),
    window=4,
    features=8,
    fine_blocks=2,
)
SETTINGS = {"batch": 2, "length": 8, "count": 2, "compile": False}


@pytest.fixture
def model() -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(CONFIG)
    for weight in model.parameters():  # what begins at zero would hide what a part does
        torch.nn.init.normal_(weight, std=0.1)
    return model.eval()


@pytest.fixture
def rows() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(3, 8, CONFIG.channels, CONFIG.grid, CONFIG.grid, generator=generator)
    return latents, torch.randn(3, 6, CONFIG.actions, generator=generator)


def dream(model: WorldModel, rows) -> torch.Tensor:
    return model.rollout(rows[0][:, :3], rows[1], 4, 1, generator=torch.Generator().manual_seed(2))


def test_keeping_everything_changes_nothing(model, rows):
    whole = prune(model, parse_keep("mlp=24,trunk_layers=4,fine=8,fine_blocks=2", CONFIG), *rows)
    torch.testing.assert_close(dream(whole, rows), dream(model, rows))


def test_parts_that_do_nothing_go_first(model, rows):
    with torch.no_grad():
        for layer in model.trunk.layers:
            layer.down.weight[:, [3, 4, 11]] = 0  # three channels of 24 lead nowhere
        head = model.head
        into_fine = [head.join, head.fine_noise, *(block.conv2 for block in head.fine_blocks)]
        into_wide = [head.enter, head.noise, *(block.conv2 for block in head.coarse_blocks)]
        for layers, channels in ((into_fine, [2, 5]), (into_wide, [0, 7]), ([model.stem.fine], [1, 6])):
            for layer in layers:
                layer.weight[channels] = layer.bias[channels] = 0
        for layer in (model.stem.wide, model.stem.block.conv2):
            layer.weight[[3, 11]] = layer.bias[[3, 11]] = 0
        head.up.weight[[4 * i + k for i in (0, 3) for k in range(4)]] = 0
        head.up.bias[[4 * i + k for i in (0, 3) for k in range(4)]] = 0
        for block in (model.stem.block, *head.coarse_blocks, *head.fine_blocks):
            block.conv2.weight[:, [0, 4]] = 0
    before = copy.deepcopy(model.state_dict())
    smaller = prune(model, parse_keep("mlp=21,fine=6,wide=10", CONFIG), *rows)
    torch.testing.assert_close(dream(smaller, rows), dream(model, rows))
    assert sum(p.numel() for p in smaller.parameters()) < sum(p.numel() for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())


def test_the_layer_goes_whose_loss_is_smallest_without_it(model, rows):
    smaller = prune(model, parse_keep("trunk_layers=3", CONFIG), *rows)
    losses = {}
    for i in (0, 2):  # the others look at the window
        shorter = copy.deepcopy(model)
        del shorter.trunk.layers[i]
        torch.manual_seed(0)
        losses[i] = loss_on_real(shorter, *rows, 0.1)[0].item()
    gone = min(losses, key=losses.get)
    left = [i for i in range(4) if i != gone]
    assert smaller.config.window_layers == tuple(left.index(i) for i in CONFIG.window_layers)
    for layer, i in zip(smaller.trunk.layers, left, strict=True):
        assert torch.equal(layer.up.weight, model.trunk.layers[i].up.weight)


def test_the_stage_leaves_a_smaller_model_and_says_what_it_costs(tmp_path):
    prepare(tmp_path)
    told = train(Pruning(WORLD, tmp_path, steps=2, **SETTINGS), "mlp=16,wide=12,coarse_blocks=0")
    assert told["ratio"] > 0 and told["ms"] > 0
    assert told["whole"] != told["after"]
    assert load_world_model(tmp_path, WORLD.name, STAGE).config.mlp == 16
    assert json.loads((tmp_path / f"{STAGE}.pt.json").read_text())["ended"]


def test_the_block_of_the_head_goes_whose_loss_is_smallest_without_it(model, rows):
    smaller = prune(model, parse_keep("fine_blocks=1,coarse_blocks=0", CONFIG), *rows)
    whole = copy.deepcopy(model)
    del whole.head.coarse_blocks[0]
    losses = []
    for i in (0, 1):
        shorter = copy.deepcopy(whole)
        del shorter.head.fine_blocks[i]
        torch.manual_seed(0)
        losses.append(loss_on_real(shorter, *rows, 0.1)[0].item())
    stays = 1 - losses.index(min(losses))
    assert torch.equal(smaller.head.fine_blocks[0].conv1.weight, model.head.fine_blocks[stays].conv1.weight)
    assert (smaller.config.coarse_blocks, smaller.config.fine_blocks) == (0, 1)
    assert torch.isfinite(dream(smaller, rows)).all()


@pytest.mark.parametrize("config", [WorldModelConfig(), WorldModelConfig(heads=4, kv_heads=1, mlp=384), CONFIG])
def test_every_point_of_the_curve_is_smaller(config):
    sizes = [sum(p.numel() for p in WorldModel(parse_keep(keep, config)).parameters()) for keep in points(config)]
    whole = sum(p.numel() for p in WorldModel(config).parameters())
    assert len(sizes) >= 5 and max(sizes) < whole and min(sizes) == sizes[-1]


def test_the_curve_is_a_table(tmp_path, monkeypatch):
    prepare(tmp_path)
    monkeypatch.setattr("training.judge.prune.points", lambda config: ["mlp=16"])  # each takes seconds
    monkeypatch.setattr("training.judge.prune.tick_ratio", lambda *_: (1.5, 0.75))  # as well: measured above
    text = curve(Pruning(WORLD, tmp_path, steps=1, **SETTINGS))
    assert text == (tmp_path / "pruning.md").read_text()
    assert [line.split("|")[1].strip() for line in text.splitlines()] == ["kept", "---", "everything", "mlp=16"]
    assert "| mlp=16 | 0.75 | 1.50 | " in text


@pytest.mark.parametrize(
    ("keep", "words"),
    [
        (
            "mlp",
            "expected NAME=NUMBER with a name of mlp, trunk_layers, wide, fine, coarse_blocks, fine_blocks, got 'mlp'",
        ),
        ("width=3", "got 'width=3'"),
        ("mlp=25", "expected mlp from 1 to 24, got 25"),
        ("heads=2", "got 'heads=2'"),
        ("fine_blocks=3", "expected fine_blocks from 0 to 2, got 3"),
        ("fine=0", "expected fine from 1 to 8, got 0"),
        ("trunk_layers=1", "expected trunk_layers from 2 to 4, got 1"),
    ],
)
def test_what_cannot_be_kept_is_refused(keep, words):
    with pytest.raises(TrainingError, match=words):
        parse_keep(keep, CONFIG)
