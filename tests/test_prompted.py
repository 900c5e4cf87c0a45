"""Networks that are told something in words, from recordings to a package that plays; others stay as they were."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_world import stirred
from worldloop.package import open_package
from worldloop.world import PASS, Dream

from training.data.corpus import Corpus, Stretches
from training.data.episodes import Episodes, load_recording
from training.data.record import write_npz
from training.errors import TrainingError
from training.model.critic import Critic
from training.model.world_model import WorldModel, WorldModelConfig, latents_of
from training.package.export import in_rows
from training.package.fixture import PROMPT
from training.package.manifest import write_package
from training.stages import world_model as stage
from training.worlds import push_t

SIZE = 32
WORDS = Path(__file__).parent / "goldens/tiny-prompt/words.json"
WORLD = replace(push_t.WORLD, name="told", size=SIZE, words=WORDS, mirror=None)
SHAPES = {"grid": SIZE // 4, "patch": 2, "fine": 8, "wide": 16, "features": 8}
LAYERS = {"width": 32, "heads": 4, "mlp": 32, "window": 4, "trunk_layers": 2, "window_layers": (1,)}
CONFIG = WorldModelConfig(actions=2, prompts=PROMPT, **SHAPES, **LAYERS)


def recording(frames: int) -> dict[str, np.ndarray]:
    """A picture as bright as the last words say, a frame later."""
    rng = np.random.default_rng(frames)
    caption = np.repeat(np.int32([0, 1, -1, 0, 1]), frames // 5)
    shade = np.where(np.roll(caption, 1) == 1, 200, 40).astype(np.uint8)
    return {
        "frames": np.broadcast_to(shade[:, None, None, None], (frames, SIZE, SIZE, 3)).copy(),
        "actions": rng.uniform(-1, 1, (frames, 2)).astype(np.float32),
        "starts": np.arange(frames) == 0,
        "captions": np.array(["night, snow", "a day"]),
        "caption": caption,
    }


@pytest.fixture
def data(tmp_path) -> Path:
    write_npz(tmp_path / "train-1.npz", recording(100))
    write_npz(tmp_path / "held-1000000.npz", recording(90))
    return tmp_path


def test_what_is_told_changes_more_often_in_training_than_in_recordings(data):
    def changes(kind: str) -> float:
        rows = Stretches((Corpus(WORLD, data),), kind, 12)
        told = rows.draw(np.random.default_rng(0), 200).actions[..., rows.actions :]
        return float((told[:, 1:] != told[:, :-1]).any(-1).any(-1).float().mean())

    assert changes("train") > changes("held") + 0.1
    silent = Stretches((Corpus(replace(WORLD, words=None), data),), "train", 12)
    assert silent.place(np.random.default_rng(3)) == silent.place(np.random.default_rng(3))


def network(config: WorldModelConfig = CONFIG) -> WorldModel:
    return stirred(config)


def test_networks_without_prompts_are_what_they_were():
    plain = replace(CONFIG, prompts=0)
    assert "prompts" not in plain.dict() and CONFIG.dict()["prompts"] == PROMPT
    assert not any("prompt" in name for name in WorldModel(plain).state_dict())
    torch.manual_seed(0)
    once = WorldModel(plain).state_dict()
    torch.manual_seed(0)
    told = WorldModel(CONFIG).state_dict()
    names = [name for name in once if name.startswith(("stem.", "trunk."))]
    assert all(torch.equal(once[name], told[name]) for name in names)


def test_rows_carry_what_each_step_was_told_and_zeros_where_nothing_was(data):
    silent = replace(WORLD, name="silent", words=None)
    other = data / "silent"
    write_npz(other / "train-1.npz", {k: v for k, v in recording(50).items() if not k.startswith("caption")})
    rows = Stretches((Corpus(WORLD, data), Corpus(silent, other)), "train", 10)
    assert rows.prompts == PROMPT
    (told,), (quiet,) = rows.parts
    night, day, none = told.actions[0, 2:], told.actions[25, 2:], told.actions[45, 2:]
    assert np.abs(night).max() > 0 and np.abs(night - day).max() > 0.1
    assert not none.any() and not quiet.actions[:, 2:].any()
    assert rows.draw(np.random.default_rng(0), 4).actions.shape == (4, 10, 2 + PROMPT)


def test_captions_that_do_not_fit_are_one_error(data):
    write_npz(data / "train-2.npz", {**recording(50), "caption": np.int32([0, 1])})
    with pytest.raises(TrainingError, match="train-2.npz': expected captions, and which of them for every frame"):
        load_recording(data / "train-2.npz")
    with pytest.raises(TrainingError, match="expected the words of told"):
        Stretches((Corpus(replace(WORLD, words=data / "none.json"), data),), "train", 10)


def test_it_hears_the_prompt_and_all_frames_at_once_equal_one_after_the_other():
    model = network()
    frames = torch.randn(1, 8, CONFIG.channels, CONFIG.grid, CONFIG.grid).clamp(-2, 2)
    led = torch.rand(1, 7, CONFIG.led)
    level = torch.zeros(1, 8)
    other = led.clone()
    other[:, 4:, CONFIG.actions :] += 1
    with torch.no_grad():
        slots, changed = model.slots(frames, led, level), model.slots(frames, other, level)
        kv, age = torch.zeros(1, 4, *slots.shape[2:]), torch.full((4,), -1, dtype=torch.int32)
        for t in range(7):
            latent = latents_of(frames[:, t : t + 2])[:, 0]
            _, slot = model.step(latent, led[:, t], level[:, 0], model.draw(1), kv, age)
            torch.testing.assert_close(slot, slots[:, t], atol=1e-4, rtol=1e-4)
            kv[:, t % 4], age = slot, torch.where(age >= 0, age + 1, age)
            age[t % 4] = 1
    assert torch.equal(slots[:, :4], changed[:, :4]) and (slots[:, 4:] - changed[:, 4:]).abs().max() > 1e-3


def test_a_network_and_its_critic_may_learn_words_later():
    plain = network(replace(CONFIG, prompts=0))
    told = plain.for_worlds([0], 2, PROMPT)
    assert told.config.prompts == PROMPT and torch.equal(told.trunk.embed.weight, plain.trunk.embed.weight)
    led = torch.rand(1, 1, CONFIG.led)
    level = torch.zeros(1, 1)
    torch.testing.assert_close(
        told.trunk.condition(led, level, None), plain.trunk.condition(led[..., :2], level, None)
    )  # until it has learnt some
    critic = Critic(plain.config).for_worlds([0], told.config)
    assert critic.action.weight.shape[1] == CONFIG.led


def test_a_package_with_words_plays_and_obeys(data):
    args = stage.WorldModelTraining(
        world=WORLD, data=data, steps=4, batch=2, length=6, compile=False, log_every=1, evaluate_every=4
    )
    trained = stage.train(args, replace(CONFIG, prompts=0))
    assert trained.config.prompts == PROMPT
    model = network()
    recorded = recording(100)
    episodes = Episodes(*(recorded[name] for name in ("frames", "actions", "starts")))
    folder = write_package(
        data / "told",
        world=WORLD,
        data=data,
        model=model,
        evaluations=1,
        context_level=0.05,
        trained_frames=1,
        starts=(episodes, [("Here", 5)]),
    )
    dream = Dream(open_package(folder))
    assert dream.manifest["prompt"] == {"file": "words.json", "width": PROMPT}
    feeds = {
        name: np.zeros(tensor["shape"], tensor["dtype"]) for name, tensor in dream.manifest["tick"]["inputs"].items()
    }
    feeds["age"] -= 1
    told = {**feeds, "prompt": np.full((1, PROMPT), 0.7, np.float32)}
    silent, heard = (dream.run("tick", each, PASS) for each in (feeds, told))
    assert np.abs(silent[1] - heard[1]).max() > 1e-4
    with torch.no_grad():
        latent, level = torch.zeros(1, 2 * CONFIG.channels, CONFIG.grid, CONFIG.grid), torch.full((1,), 0.05)
        led = torch.cat([torch.zeros(1, 2), torch.full((1, PROMPT), 0.7)], -1)
        noise = torch.zeros(1, 1, CONFIG.noise_channels, CONFIG.grid, CONFIG.grid)
        kv, age = torch.from_numpy(feeds["kv"])[None], torch.from_numpy(feeds["age"])
        following, _ = model.step(latent, led, level, noise, kv, age)
    np.testing.assert_allclose(in_rows(following).numpy(), heard[1], atol=1e-4)
