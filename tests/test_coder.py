"""Codes: drawn by their likelihood, learned without a change to what was learned before, and steady."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_stages import LAYERS, SHAPES, STAGES, WORLD, logged, prepare

from training.errors import TrainingError
from training.model.coder import LEAST, Coder, Said
from training.model.picture import LIMIT
from training.model.tokenizer import LEVELS, TOP, Tokenizer, TokenizerConfig, sharpness
from training.model.world_model import WorldModel, WorldModelConfig, trust_of_cells
from training.stages.codes import begin, save_coder
from training.stages.loop import Training
from training.stages.tokenizer import load_tokenizer

CONFIG = WorldModelConfig(actions=2, codes=16, code_wide=16, code_narrow=8, **SHAPES, **LAYERS)


def coded(**changes) -> WorldModel:
    torch.manual_seed(0)
    return WorldModel(replace(CONFIG, **changes))


def coder_of(model: WorldModel) -> Coder:
    assert model.coder is not None
    return model.coder


def batch(model: WorldModel, rows: int = 2, time: int = 3) -> tuple[torch.Tensor, ...]:
    """history, level, target, action, noise: arguments of `code_loss`."""
    c = model.config
    frames = torch.rand(rows, time + 2, c.channels, c.grid, c.grid) * 2 - 1
    level = torch.zeros(rows, time + 1)
    return frames[:, :-1], level, frames[:, 2:], torch.zeros(rows, time, c.actions), model.draw(rows * time)


def said_of(shares: torch.Tensor, proposed: float) -> Said:
    return Said([share.log().expand(64, 16, 16, 16) for share in shares], torch.full((64, 16, 16, 16), proposed))


def test_codes_are_drawn_as_often_as_they_are_likely_and_unlikely_ones_never():
    shares = torch.tensor([0.5, 1.0, LEAST + 0.1, LEAST - 0.1, 0.0])
    coder, noise = coder_of(coded()), torch.randn(64, 4, 32, 32)
    codes = coder.draw(said_of(shares, 2.0), noise)
    found = torch.stack([(codes == level).float().mean() for level in range(-TOP, TOP + 1)])
    kept = torch.where(shares < LEAST, 0.0, shares)
    torch.testing.assert_close(found, kept / kept.sum(), atol=0.01, rtol=0)
    assert torch.equal(codes, coder.draw(said_of(shares, 2.0), noise))


def test_what_is_proposed_stays_where_it_is_plausible():
    coder, noise = coder_of(coded()), torch.randn(64, 4, 32, 32)
    shares = torch.tensor([0.1, 1.0, CONFIG.stays + 0.05, CONFIG.stays - 0.05, 0.0])
    for proposed, level in ((-0.6, -1), (-1.4, -1), (0.4, 0), (-0.4, 0)):
        assert (coder.draw(said_of(shares, proposed), noise) == level).all()
    for unlikely in (0.6, -2.0, 2.0):
        assert len(coder.draw(said_of(shares, unlikely), noise).unique()) == 3
    assert len(coder_of(coded(stays=2.0)).draw(said_of(shares, -0.6), noise).unique()) == 3  # there nothing does


def test_a_coder_that_has_learned_nothing_gives_what_was_proposed():
    model = coded()
    coder = coder_of(model)
    with torch.no_grad():
        history, level, _, action, noise = batch(model)
        said = coder(model.head.propose(model.prepare(history, action, level, None), noise[0], torch.zeros(6)))
        assert torch.equal(coder.draw(said, noise[0]), said.proposed.round())


@pytest.mark.parametrize("whole", [False, True])
def test_who_learns(whole):
    model = coded()
    loss = model.code_loss(*batch(model), whole=whole)
    loss.loss.backward()
    learned = {name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None}
    assert learned == ({"coder", "head", "trunk", "stem"} if whole else {"coder"})
    assert all(weight.grad is None for weight in coder_of(model).tokenizer.parameters())
    assert loss.errors.shape == (2,) and not loss.dreamed.requires_grad
    assert loss.dreamed.abs().max() <= LIMIT


def test_what_is_proposed_stays_a_picture_while_all_of_the_network_learns():
    model = coded()
    given = batch(model)
    nearer = model.code_loss(*given, whole=True).loss - model.code_loss(*given).loss
    assert nearer > 0.1  # the squared error of what is proposed


def test_rows_and_strayed_histories_weigh_less():
    model, (history, level, target, action, noise) = coded(), batch(coded())
    plain, weighed = (
        model.code_loss(history, level, target, action, noise, None, None, weight)
        for weight in (None, torch.tensor([0.0, 2.0]))
    )
    torch.testing.assert_close(weighed.loss, plain.errors[1])
    strayed = torch.zeros_like(target)
    strayed[0] = 1
    less = model.code_loss(history, level, target, action, noise, None, strayed)
    assert less.errors[0] < 0.05 * plain.errors[0] and torch.allclose(less.errors[1], plain.errors[1])


def test_grain_isnt_straying_and_a_thing_elsewhere_is():
    grain = torch.zeros(1, 3, 32, 32)
    grain[..., ::2, ::2], grain[..., 1::2, ::2] = 1, -1
    assert trust_of_cells(grain).min() > 0.99
    thing = torch.zeros(1, 3, 32, 32)
    thing[..., :8, :8] = 1
    assert trust_of_cells(thing)[0, 0, 0, 0] < 0.05 and trust_of_cells(thing)[0, 0, -1, -1] == 1


def test_what_is_rounded_lies_on_levels_and_gradients_pass():
    tokenizer = Tokenizer(TokenizerConfig(size=32, wide=16, narrow=8))
    picture = torch.rand(2, 3, 32, 32) - 0.5
    out, codes = tokenizer(picture)
    assert out.shape == picture.shape and codes.shape == (2, 16, 4, 4)
    assert set(codes.unique().tolist()) <= set(range(-TOP, TOP + 1)) and len(range(-TOP, TOP + 1)) == LEVELS
    out.square().mean().backward()
    first = tokenizer.encoder[1].weight.grad
    assert first is not None and first.abs().sum() > 0
    torch.testing.assert_close(sharpness(0.5 * picture, picture), torch.full((2,), 0.5), atol=1e-3, rtol=0)


def test_stages_one_after_the_other(tmp_path):
    prepare(tmp_path)
    STAGES["codes"](tmp_path, steps=12)
    curve = list(logged(tmp_path, "codes").values())
    assert np.mean(curve[-3:]) < np.mean(curve[:3])
    model = begin(Training(WORLD, tmp_path, steps=1))
    kept = load_tokenizer(tmp_path, WORLD.name).state_dict()
    assert all(torch.equal(v, kept[k]) for k, v in coder_of(model).tokenizer.state_dict().items())


def test_a_base_brings_its_coder(tmp_path):
    prepare(tmp_path)
    for file in tmp_path.glob("tokenizer.pt*"):
        file.unlink()
    with pytest.raises(TrainingError, match="run the stage 'tokenizer' first"):
        begin(Training(WORLD, tmp_path, steps=1))
    model = coded()
    save_coder(tmp_path, WORLD.name, model)
    found = coder_of(begin(Training(WORLD, tmp_path, steps=1))).state_dict()
    assert all(torch.equal(v, found[k]) for k, v in coder_of(model).state_dict().items())
    trained = STAGES["tokenizer"](tmp_path, steps=1, muon_lr=0.0, adam_lr=0.0).state_dict()
    assert all(torch.equal(v, trained[k]) for k, v in coder_of(model).tokenizer.state_dict().items())


def test_one_that_denoises_has_no_codes(tmp_path: Path):
    prepare(tmp_path, prediction="x")
    with pytest.raises(TrainingError, match="expected a world model that samples"):
        begin(Training(WORLD, tmp_path, steps=1))
    with pytest.raises(ValueError, match="codes: expected 192"):
        coded(prediction="x")


def test_moving_alone_is_what_it_was():
    model = coded()
    alone = model.without_coder()
    assert alone.coder is None and alone.config.codes == 0
    assert all(torch.equal(weight, model.state_dict()[name]) for name, weight in alone.state_dict().items())
