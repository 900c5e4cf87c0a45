"""The world model: frames at once equal frames one by one, noise is heard, the score wants the right futures."""

from dataclasses import replace

import pytest
import torch

from training.model.world_model import WorldModel, WorldModelConfig, energy_score, patchify, unpatchify

CONFIG = WorldModelConfig(
    actions=3,
    worlds=2,
    grid=4,
    channels=4,
    patch=2,
    stem=8,
    width=32,
    heads=4,
    mlp=32,
    trunk_layers=3,
    window_layers=(0, 2),
    window=5,
    features=8,
    head_width=16,
)


def network(config: WorldModelConfig = CONFIG) -> WorldModel:
    torch.manual_seed(0)
    model = WorldModel(config).eval()
    for weight in model.parameters():  # what begins at zero would hide what a part does
        weight.data.add_(0.1 * torch.randn_like(weight))
    return model


def rows(config: WorldModelConfig, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents [2, frames, N, C] and actions [2, frames, A]."""
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(2, frames, config.tokens, config.token_channels, generator=generator)
    return latents, torch.rand(2, frames, config.actions, generator=generator)


def dream(model: WorldModel, *, world: torch.Tensor | None, seed: int = 2, evaluations: int = 1) -> torch.Tensor:
    latents, actions = rows(model.config, 9)
    generator = torch.Generator().manual_seed(seed)
    return model.rollout(latents[:, :3], actions, 7, evaluations, world=world, generator=generator)


def test_all_frames_at_once_equal_one_after_the_other():
    model, c, (latents, actions) = network(), CONFIG, rows(CONFIG, 14)
    level, world = torch.rand(2, 14, generator=torch.Generator().manual_seed(3)), torch.tensor([1, 0])
    together, slots = model.trunk(latents, actions, level, world)
    kv = torch.zeros(2, c.window, 2, 2, c.tokens, c.kv_width)
    age = torch.full((c.window,), -1, dtype=torch.int32)
    for t in range(14):
        alone, slot = model.trunk.step(latents[:, t], actions[:, t], level[:, t], kv, age, world)
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
    latents, actions = rows(CONFIG, 9)
    actions[..., 2] = 0  # as a corpus pads the actions of a world that has two
    dreams = [
        model.rollout(latents[:, :3], led, 7, world=world, generator=torch.Generator().manual_seed(2))
        for model, led, world in (
            (shared, actions, torch.full((2,), number)),
            (alone, actions[..., :2], None),
        )
    ]
    torch.testing.assert_close(*dreams)
    other = shared.rollout(latents[:, :3], actions, 7, world=torch.full((2,), 1 - number))
    assert not torch.allclose(other, dreams[0], atol=1e-3)


def test_a_network_for_a_new_world_knows_all_but_the_actions():
    shared = network()
    new = shared.for_worlds([None], 5)
    assert new.trunk.action_weight.shape == (1, 5, CONFIG.condition)
    torch.testing.assert_close(new.trunk.action_bias[0], shared.trunk.action_bias.mean(0))
    for name, weight in shared.state_dict().items():
        if not name.startswith("trunk.action_"):
            assert torch.equal(weight, new.state_dict()[name]), name
    assert new.trunk.stem.weight.data_ptr() != shared.trunk.stem.weight.data_ptr()


@pytest.mark.parametrize("prediction", ["score", "x", "mean"])
def test_noise_changes_the_dream_unless_the_network_is_blind_to_it(prediction):
    model = network(replace(CONFIG, worlds=1, prediction=prediction))
    once, again, other = (dream(model, world=None, seed=seed) for seed in (2, 2, 3))
    assert torch.equal(once, again)
    assert torch.allclose(once, other) == (prediction == "mean")


def test_a_network_that_begins_hears_noise():
    torch.manual_seed(0)
    model, (latents, actions) = WorldModel(replace(CONFIG, worlds=1)), rows(CONFIG, 6)
    loss, logs = model.loss(latents[:, :-1], latents[:, 1:], actions[:, :-1], 0.2)
    loss.backward()
    assert logs["spread"] > 0
    for part in (model.head.noise, model.head.overall_noise):
        assert part.weight.grad is not None
    assert model.head.noise.weight.grad.abs().sum() > 0


def test_the_squared_error_is_blind_to_noise_and_leaves_its_weights_alone():
    torch.manual_seed(0)
    model, (latents, actions) = WorldModel(replace(CONFIG, worlds=1)), rows(CONFIG, 6)
    errors = {
        model.loss(latents[:, :-1], latents[:, 1:], actions[:, :-1], 0.0, squared=True)[0].item() for _ in range(3)
    }
    assert len(errors) == 1
    model.loss(latents[:, :-1], latents[:, 1:], actions[:, :-1], 0.0, squared=True)[0].backward()
    assert not model.head.noise.weight.grad.any()
    assert model.head.out.weight.grad.any()


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_a_dreamed_history_is_one_step_from_the_history_it_was_made_of(noise):
    model, (latents, actions) = network(), rows(CONFIG, 6)
    world = torch.tensor([1, 0])
    torch.manual_seed(4)
    dreamed = model.resampled(latents, actions, noise, world)
    assert torch.equal(dreamed[:, 0], latents[:, 0])
    torch.manual_seed(4)
    drawn = noise * torch.randn(len(latents) * 6, *latents.shape[2:])
    kv = torch.zeros(2, CONFIG.window, 2, 2, CONFIG.tokens, CONFIG.kv_width)
    age = torch.full((CONFIG.window,), -1, dtype=torch.int32)
    features, _ = model.trunk.step(latents[:, 0], actions[:, 0], torch.zeros(2), kv, age, world)
    first = model.denoise(features, latents[:, 0], drawn.view(2, 6, *latents.shape[2:])[None, :, 0])
    torch.testing.assert_close(dreamed[:, 1], first, atol=1e-4, rtol=1e-4)


def test_one_that_denoises_may_take_several_evaluations():
    model = network(replace(CONFIG, worlds=1, prediction="x"))
    dreams = [dream(model, world=None, evaluations=count) for count in (1, 2, 4)]
    assert all(torch.isfinite(dreamed).all() for dreamed in dreams)
    assert not torch.allclose(dreams[0], dreams[1])
    model = network(replace(CONFIG, worlds=1))
    assert model.denoise(*_prepared(model), torch.randn(3, 2, 4, 16)).shape == (2, 4, 16)


def _prepared(model: WorldModel) -> tuple[torch.Tensor, torch.Tensor]:
    latents, _ = rows(model.config, 1)
    return torch.randn(2, model.config.tokens, model.config.width), latents[:, 0]


def test_another_prediction_is_refused():
    with pytest.raises(ValueError, match='expected "score", "x" or "mean", got "v"'):
        WorldModel(replace(CONFIG, prediction="v"))


def test_tokens_are_cells_of_the_grid():
    grid = torch.randn(2, 3, CONFIG.channels, 4, 4)
    tokens = patchify(grid, CONFIG)
    assert tokens.shape == (2, 3, CONFIG.tokens, CONFIG.token_channels)
    assert torch.equal(unpatchify(tokens, CONFIG), grid)


def gauss(scale: float, shift: float, generator: torch.Generator) -> torch.Tensor:
    return shift + scale * torch.randn(600, 4, 6, 6, generator=generator)


def bend(sides: tuple[float, ...], generator: torch.Generator) -> torch.Tensor:
    """A whole picture goes one way or another, [600, 4, 6, 6]."""
    side = torch.tensor(sides)[torch.randint(len(sides), (600,), generator=generator)]
    return side[:, None, None, None].expand(600, 4, 6, 6) + 0.1 * torch.randn(600, 4, 6, 6, generator=generator)


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
