"""The world model: frames at once equal frames one by one, noise is heard, the score wants the right futures."""

import math
from dataclasses import replace

import pytest
import torch

from training.model.picture import LIMIT, to_latent, to_uint8
from training.model.world_model import (
    FLOW,
    Loss,
    WorldModel,
    WorldModelConfig,
    augment,
    cut,
    energy_score,
    latents_of,
    put,
    squares,
    warp,
)
from training.package.export import Batch, Tick, tick_inputs

CONFIG = WorldModelConfig(
    actions=3,
    worlds=2,
    grid=4,
    patch=2,
    fine=8,
    wide=16,
    width=32,
    heads=4,
    mlp=32,
    trunk_layers=3,
    window_layers=(0, 2),
    window=5,
    features=8,
)


def network(config: WorldModelConfig = CONFIG) -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(config).eval()
    for weight in model.parameters():  # what begins at zero would hide what a part does
        weight.data.add_(0.1 * torch.randn_like(weight))
    return model


def rows(config: WorldModelConfig, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Frames [2, frames, C, g, g] and actions [2, frames, A]."""
    generator = torch.Generator().manual_seed(1)
    pictures = torch.randn(2, frames, config.channels, config.grid, config.grid, generator=generator).clamp(-2, 2)
    return pictures, torch.rand(2, frames, config.actions, generator=generator)


def dream(model: WorldModel, *, world: torch.Tensor | None, seed: int = 2, evaluations: int = 1) -> torch.Tensor:
    frames, actions = rows(model.config, 9)
    generator = torch.Generator().manual_seed(seed)
    return model.rollout(frames[:, :3], actions, 7, evaluations, world=world, generator=generator)


def test_all_frames_at_once_equal_one_after_the_other():
    model, c, (frames, actions) = network(), CONFIG, rows(CONFIG, 15)
    level, world = torch.rand(2, 15, generator=torch.Generator().manual_seed(3)), torch.tensor([1, 0])
    _, seen = model.stem(latents_of(frames).flatten(0, 1))
    seen, actions, told = seen.unflatten(0, (2, 14)), actions[:, 1:], level[:, 1:]
    together, slots = model.trunk(seen, actions, told, world)
    torch.testing.assert_close(slots, model.slots(frames, actions, level, world))
    kv = torch.zeros(2, c.window, 2, 2, c.tokens, c.kv_width)
    age = torch.full((c.window,), -1, dtype=torch.int32)
    for t in range(14):
        alone, slot = model.trunk.step(seen[:, t], actions[:, t], told[:, t], kv, age, world)
        torch.testing.assert_close(alone, together[:, t], atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(slot, slots[:, t], atol=1e-4, rtol=1e-4)
        kv[:, t % c.window] = slot
        age = torch.where(age >= 0, age + 1, age)
        age[t % c.window] = 1


@pytest.mark.parametrize("number", [0, 1])
def test_a_network_of_one_world_dreams_as_the_shared_one_does(number):
    shared = network()
    alone = shared.for_worlds([number], 2).eval()
    assert (alone.config.worlds, alone.config.actions) == (1, 2)
    frames, actions = rows(CONFIG, 9)
    actions[..., 2] = 0  # as a corpus pads the actions of a world that has two
    dreams = [
        model.rollout(frames[:, :3], led, 7, world=world, generator=torch.Generator().manual_seed(2))
        for model, led, world in (
            (shared, actions, torch.full((2,), number)),
            (alone, actions[..., :2], None),
        )
    ]
    torch.testing.assert_close(*dreams)
    other = shared.rollout(frames[:, :3], actions, 7, world=torch.full((2,), 1 - number))
    assert not torch.allclose(other, dreams[0], atol=1e-3)


def test_a_network_for_a_new_world_knows_all_but_the_actions():
    shared = network()
    new = shared.for_worlds([None], 5)
    assert new.trunk.action_weight.shape == (1, 5, CONFIG.condition)
    torch.testing.assert_close(new.trunk.action_bias[0], shared.trunk.action_bias.mean(0))
    for name, weight in shared.state_dict().items():
        if not name.startswith("trunk.action_"):
            assert torch.equal(weight, new.state_dict()[name]), name
    assert new.trunk.embed.weight.data_ptr() != shared.trunk.embed.weight.data_ptr()


@pytest.mark.parametrize("prediction", ["score", "x", "mean"])
def test_noise_changes_the_dream_unless_the_network_is_blind_to_it(prediction):
    model = network(replace(CONFIG, worlds=1, prediction=prediction))
    once, again, other = (dream(model, world=None, seed=seed) for seed in (2, 2, 3))
    assert torch.equal(once, again)
    assert torch.allclose(once, other) == (prediction == "mean")


def loss_of(model: WorldModel, samples: int, *, scale: float = 1.0, noise_scale: float = 0.1) -> Loss:
    frames, actions = rows(model.config, 7)
    history, level = augment(frames[:, :-1], noise_scale)
    return model.loss(history, level, frames[:, 2:], actions[:, 1:-1], scale * model.draw(10, samples))


def test_a_network_that_begins_hears_noise():
    torch.manual_seed(0)
    model = WorldModel(replace(CONFIG, worlds=1))
    loss, _, _, logs = loss_of(model, 2)
    loss.backward()
    assert logs["spread"] > 0
    for part in (model.head.noise, model.head.fine_noise, model.head.overall_noise):
        assert part.weight.grad is not None
    assert model.head.noise.weight.grad.abs().sum() > 0


def test_the_squared_error_of_no_noise_leaves_its_weights_alone():
    torch.manual_seed(0)
    model = WorldModel(replace(CONFIG, worlds=1))
    errors = set()
    for _ in range(3):
        torch.manual_seed(1)  # which rows begin still
        errors.add(loss_of(model, 1, scale=0.0, noise_scale=0.0)[0].item())
    assert len(errors) == 1
    loss_of(model, 1, scale=0.0, noise_scale=0.0)[0].backward()
    assert not model.head.noise.weight.grad.any() and not model.head.fine_noise.weight.grad.any()
    assert model.head.out.weight.grad.any()


@pytest.mark.parametrize("evaluations", [1, 2])
def test_all_samples_of_a_history_equal_those_of_its_last_frame(evaluations):
    """`prepare` and `denoise`, which training uses, against `step`, which plays."""
    model, (frames, actions) = network(replace(CONFIG, worlds=1, prediction="x")), rows(CONFIG, 6)
    level, noise = torch.full((2, 6), 0.05), model.draw(10, evaluations, torch.Generator().manual_seed(5))
    together = model.denoise(model.prepare(frames, actions[:, 1:], level, None), noise).unflatten(0, (2, 5))
    slots = model.slots(frames, actions[:, 1:], level)
    age = torch.tensor([-1, 4, 3, 2, 1], dtype=torch.int32)
    kv = torch.cat([torch.zeros_like(slots[:, :1]), slots[:, :4]], 1)
    last = noise.unflatten(1, (2, 5))[:, :, -1]
    alone, _ = model.step(latents_of(frames)[:, -1], actions[:, -1], level[:, -1], last, kv, age)
    torch.testing.assert_close(alone[:, CONFIG.channels :], frames[:, -1])
    torch.testing.assert_close(alone[:, : CONFIG.channels], together[:, -1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("samples", [1, 2])
def test_what_the_loss_has_dreamed_is_one_step_from_its_history(samples):
    model, (frames, actions) = network(), rows(CONFIG, 7)
    world, noise = torch.tensor([1, 0]), model.draw(10, samples, torch.Generator().manual_seed(4))
    dreamed = model.loss(frames[:, :-1], torch.zeros(2, 6), frames[:, 2:], actions[:, 1:-1], noise, world).dreamed
    kv = torch.zeros(2, CONFIG.window, 2, 2, CONFIG.tokens, CONFIG.kv_width)
    age = torch.full((CONFIG.window,), -1, dtype=torch.int32)
    first = noise[:1].unflatten(1, (2, 5))[:, :, 0]
    following, _ = model.step(latents_of(frames)[:, 0], actions[:, 1], torch.zeros(2), first, kv, age, world)
    torch.testing.assert_close(dreamed[:, 0], following[:, : CONFIG.channels], atol=1e-4, rtol=1e-4)


def test_one_that_denoises_may_take_several_evaluations():
    model = network(replace(CONFIG, worlds=1, prediction="x"))
    dreams = [dream(model, world=None, evaluations=count) for count in (1, 2, 4)]
    assert all(torch.isfinite(dreamed).all() for dreamed in dreams)
    assert not torch.allclose(dreams[0], dreams[1])
    model = network(replace(CONFIG, worlds=1))
    several = [dream(model, world=None, evaluations=count) for count in (1, 1)]
    assert torch.equal(*several)
    frames, actions = rows(model.config, 2)
    prepared = model.prepare(frames, actions[:, 1:], torch.zeros(2, 2), None)
    noise = model.draw(2, 3)
    assert torch.equal(model.denoise(prepared, noise), model.denoise(prepared, noise[:1]))  # it samples in one


def test_another_prediction_is_refused():
    with pytest.raises(ValueError, match='expected "score", "x" or "mean", got "v"'):
        WorldModel(replace(CONFIG, prediction="v"))


def test_a_picture_is_folded_and_nothing_is_lost():
    picture = torch.randint(256, (2, 3, 16, 24, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    latent = to_latent(picture)
    assert latent.shape == (2, 3, CONFIG.channels, 4, 6) and latent.abs().max() <= LIMIT
    assert torch.equal(to_uint8(latent), picture)
    assert to_latent(torch.tensor([0, 255], dtype=torch.uint8).expand(4, 4, 2)[..., [0, 1, 1]]).unique().tolist() == [
        -2,
        2,
    ]


def test_tokens_are_squares_of_the_grid():
    grid = torch.randn(2, 3, 5, 4, 4)
    tokens = cut(grid, 2)
    assert tokens.shape == (2, 3, 4, 20)
    assert torch.equal(tokens[:, :, 1], grid[..., :2, 2:].flatten(2))
    assert torch.equal(put(tokens, 2), grid)


def steady(right: float, below: float) -> torch.Tensor:
    """A flow of so many pixels everywhere, [1, 2, 8, 8]."""
    return torch.tensor([right, below]).view(1, 2, 1, 1).expand(1, 2, 8, 8) / FLOW


def test_pixels_move_along_the_flow():
    picture = torch.rand(1, 3, 8, 8)
    moved = warp(picture, steady(2.0, -1.0))  # taken from two pixels to the right and one above
    torch.testing.assert_close(moved[..., 1:, :6], picture[..., :7, 2:], atol=0.02, rtol=0)


def test_small_moves_shrink_to_none():
    picture = kept = torch.rand(1, 3, 8, 8)
    for _ in range(100):
        kept = warp(kept, steady(0.01, 0.0))
    torch.testing.assert_close(kept, picture, atol=0.03, rtol=0)


@pytest.mark.parametrize("right", [0.2, 0.5, 0.8])
def test_no_wave_grows_by_being_moved(right):
    size = 32
    for waves in range(1, size // 2):
        at = 2 * math.pi * waves * torch.arange(size) / size
        picture = at.sin().expand(1, 3, size, size)
        flow = torch.tensor([right, 0.0]).view(1, 2, 1, 1).expand(1, 2, size, size) / FLOW
        inside = warp(picture, flow)[..., 8:24]
        assert inside.square().mean() <= 1.02 * max(picture[..., 8:24].square().mean(), 0.5 * torch.ones(()))


def test_flows_that_point_apart_mean_rest():
    head = WorldModel(CONFIG).head
    before, channels = torch.rand(1, 48, 4, 4), 48
    out = torch.zeros(1, head.out.out_channels, 4, 4)
    out[:, -4], out[:, -2] = 2 / FLOW, -2 / FLOW  # two pixels to the right and to the left, as likely
    out[:, channels + 32 : channels + 48] = -20  # nothing is painted
    torch.testing.assert_close(head.compose(before, out), before, atol=1e-4, rtol=0)


def test_reality_is_trusted_where_the_history_agrees_with_it():
    wrong, agreed = torch.zeros(1, 48, 8, 8), torch.zeros(1, 48, 8, 8)
    wrong[..., 4:] = 0.5
    assert squares(wrong, agreed) == squares(wrong)
    elsewhere, here = torch.zeros(1, 48, 8, 8), torch.zeros(1, 48, 8, 8)
    elsewhere[..., :2], here[..., 4:] = 1.0, 1.0
    assert squares(wrong, elsewhere) > 0.85 * squares(wrong)
    assert squares(wrong, here) < 0.1 * squares(wrong)
    texture = torch.ones(1, 3, 32, 32)
    texture[..., ::2] = -1  # lies otherwise, but means the same at every larger scale
    texture = torch.nn.functional.pixel_unshuffle(texture, 4)
    assert 0.7 * squares(wrong) < squares(wrong, texture) < 0.8 * squares(wrong)


def test_a_network_that_begins_keeps_the_frame_before():
    torch.manual_seed(0)
    model, (frames, _) = WorldModel(replace(CONFIG, worlds=1)), rows(CONFIG, 7)
    kept = loss_of(model, 2, noise_scale=0.0).dreamed
    assert (kept - frames[:, 1:-1]).square().mean() < 0.5 * (kept - frames[:, 2:]).square().mean()


def test_a_graph_of_several_worlds_steps_each_as_alone():
    model = network(replace(CONFIG, worlds=1, codes=16, code_wide=16, code_narrow=8))
    tick = Tick(model, 0.05).eval()
    alone = []
    for ages in ([-1, 1, 2, 3, -1], [4, 5, 1, 2, 3]):
        inputs = {name: torch.randn_like(value) for name, value in tick_inputs(model, 1).items() if name != "age"}
        alone.append((*inputs.values(), torch.tensor(ages, dtype=torch.int32)))
    with torch.no_grad():
        together = tuple(torch.stack(values) for values in zip(*alone, strict=True))
        found = torch.export.export(Batch(tick), together).module()(*together)
        for number, inputs in enumerate(alone):
            for got, wanted in zip(found, tick(*inputs), strict=True):
                torch.testing.assert_close(got[number].float(), wanted.float(), atol=1e-4, rtol=1e-4)


def gauss(scale: float, shift: float, generator: torch.Generator) -> torch.Tensor:
    return shift + scale * torch.randn(600, 48, 6, 6, generator=generator)


def bend(sides: tuple[float, ...], generator: torch.Generator) -> torch.Tensor:
    """A whole picture goes one way or another, [600, 48, 6, 6]."""
    side = torch.tensor(sides)[torch.randint(len(sides), (600,), generator=generator)]
    return side[:, None, None, None].expand(600, 48, 6, 6) + 0.1 * torch.randn(600, 48, 6, 6, generator=generator)


def mean_score(sample, truth, **options) -> float:
    generator = torch.Generator().manual_seed(0)
    a, b, target = sample(generator), sample(generator), truth(generator)
    return energy_score(a, b, target, **options).mean().item()


@pytest.mark.parametrize("options", [{}, {"fair": 1.0}])
def test_the_score_is_least_for_samples_of_the_right_distribution(options):
    right = mean_score(lambda g: gauss(1, 0, g), lambda g: gauss(1, 0, g), **options)
    for scale, shift in ((0, 0), (0.6, 0), (1.4, 0), (1, 0.4)):  # the mean, too narrow, too wide, beside it
        assert mean_score(lambda g, s=scale, m=shift: gauss(s, m, g), lambda g: gauss(1, 0, g), **options) > right
    fork = mean_score(lambda g: bend((-1, 1), g), lambda g: bend((-1, 1), g), **options)
    for sides in ((0,), (1,), (-1, 0, 1)):  # between both ways, one of them only, sometimes between
        assert mean_score(lambda g, s=sides: bend(s, g), lambda g: bend((-1, 1), g), **options) > fork
