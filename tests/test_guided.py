"""Networks that paint after a guide, from recordings to training; networks without one stay as they were."""

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
from training.data.record import Recording, record, write_npz
from training.errors import TrainingError
from training.model.guide import GREY, cut_into, guide_latents, randomised
from training.model.picture import to_latent
from training.model.tokenizer import TokenizerConfig
from training.model.world_model import WorldModel, WorldModelConfig, latents_of
from training.package.export import in_rows
from training.package.fixture import PROMPT
from training.package.manifest import write_package
from training.stages import codes, self_forcing, tokenizer
from training.stages import world_model as stage
from training.worlds import push_t, restyle

SIZE = 32
WORLD = replace(push_t.WORLD, name="guided", size=SIZE, actions=restyle.ACTIONS, mirror=(1.0,), guided=True, words=None)
SHAPES = {"grid": SIZE // 4, "patch": 2, "fine": 8, "wide": 16, "features": 8}
LAYERS = {"width": 32, "heads": 4, "mlp": 32, "window": 4, "trunk_layers": 2, "window_layers": (1,)}
CONFIG = WorldModelConfig(actions=1, guided=True, **SHAPES, **LAYERS)


def recording(frames: int) -> dict[str, np.ndarray]:
    """A bright half, left or right as the guide says by its colours; strength is 1, then less."""
    rng = np.random.default_rng(frames)
    left = rng.random(frames) < 0.5
    pictures = np.full((frames, SIZE, SIZE, 3), 40, np.uint8)
    pictures[left, :, : SIZE // 2] = pictures[~left, :, SIZE // 2 :] = 220
    strength = np.where(np.arange(frames) < frames // 2, 1, rng.random(frames))
    return {
        "frames": pictures,
        "guides": (255 - pictures) // 2,
        "actions": strength[:, None].astype(np.float32),
        "starts": np.arange(frames) == 0,
    }


@pytest.fixture
def data(tmp_path) -> Path:
    write_npz(tmp_path / "train-1.npz", recording(100))
    write_npz(tmp_path / "held-1000000.npz", recording(90))
    return tmp_path


def network(config: WorldModelConfig = CONFIG) -> WorldModel:
    return stirred(config)


def test_networks_without_guides_are_what_they_were_and_may_learn_to_see_them_later():
    plain = network(replace(CONFIG, guided=False))
    assert "guided" not in plain.config.dict() and CONFIG.dict()["guided"]
    assert not any("guide" in name for name in plain.state_dict())
    guided = plain.for_worlds([0], 1, guided=True).eval()
    history, led = torch.randn(1, 4, CONFIG.channels, 8, 8).clamp(-2, 2), torch.rand(1, 3, 1)
    noise, guide, level = plain.draw(3), torch.randn(1, 3, CONFIG.channels, 8, 8), torch.zeros(1, 4)
    with torch.no_grad():
        before = plain.denoise(plain.prepare(history, led, level, None), noise)
        assert torch.equal(before, guided.denoise(guided.prepare(history, led, level, None, guide), noise))
        seeing = network().denoise(network().prepare(history, led, level, None, guide), noise)
        blind = network().denoise(network().prepare(history, led, level, None), noise)
        grey = network().denoise(network().prepare(history, led, level, None, 0 * guide), noise)
    assert torch.equal(blind, grey) and (seeing - blind).abs().max() > 1e-2
    assert set(guided.for_worlds([0], 1, guided=False).state_dict()) == set(plain.state_dict())


def test_all_frames_at_once_equal_one_after_the_other_and_see_guides_from_their_moment_on():
    model = network()
    frames = torch.randn(1, 8, CONFIG.channels, CONFIG.grid, CONFIG.grid).clamp(-2, 2)
    led, level, guide = torch.rand(1, 7, 1), torch.zeros(1, 8), torch.randn(1, 7, CONFIG.channels, 8, 8)
    other = guide.clone()
    other[:, 4:] += 1
    noise = model.draw(7)
    with torch.no_grad():
        slots, changed = (model.slots(frames, led, level, guide=each) for each in (guide, other))
        together = model.denoise(model.prepare(frames, led, level, None, guide), noise)
        kv, age = torch.zeros(1, 4, *slots.shape[2:]), torch.full((4,), -1, dtype=torch.int32)
        for t in range(7):
            latent, drawn = latents_of(frames[:, t : t + 2])[:, 0], noise[:, t : t + 1]
            following, slot = model.step(latent, led[:, t], level[:, 0], drawn, kv, age, guide=guide[:, t])
            torch.testing.assert_close(slot, slots[:, t], atol=1e-4, rtol=1e-4)
            torch.testing.assert_close(following[0, : CONFIG.channels], together[t], atol=1e-3, rtol=1e-3)
            kv[:, t % 4], age = slot, torch.where(age >= 0, age + 1, age)
            age[t % 4] = 1
    assert torch.equal(slots[:, :4], changed[:, :4]) and (slots[:, 4:] - changed[:, 4:]).abs().max() > 1e-3


def test_rows_bring_guides_as_strong_as_they_are_mirrored_with_the_picture_and_grey_for_other_worlds(data):
    plain = replace(WORLD, name="plain", guided=False, mirror=None)
    write_npz(data / "plain/train-1.npz", {k: v for k, v in recording(50).items() if k != "guides"})
    rows = Stretches((Corpus(WORLD, data), Corpus(plain, data / "plain")), "train", 10)
    drawn = rows.draw(np.random.default_rng(0), 12)
    guided = drawn.guided.nonzero().flatten()
    assert 0 < len(guided) < 12
    assert torch.equal(drawn.guides[guided], (255 - drawn.frames[guided]) // 2)
    assert any(part.mirrored for part in rows.parts[0])
    guide = stage.guides_of(drawn, network())
    assert guide.shape == (12, 9, CONFIG.channels, 8, 8) and not guide[~drawn.guided].any()
    expected = to_latent(drawn.guides[guided, 1:]) * drawn.actions[guided, :-1, :1, None, None]
    torch.testing.assert_close(guide[guided], expected)
    alone = Stretches((Corpus(plain, data / "plain"),), "train", 10).draw(np.random.default_rng(0), 2)
    assert alone.guides is None and stage.guides_of(alone, network()) is None


def test_guides_that_do_not_fit_are_one_error(data):
    write_npz(data / "train-2.npz", {**recording(50), "guides": recording(50)["guides"][:-1]})
    with pytest.raises(TrainingError, match="train-2.npz': expected a guide for every frame, as large as it"):
        load_recording(data / "train-2.npz")
    write_npz(data / "train-2.npz", {k: v for k, v in recording(50).items() if k != "guides"})
    with pytest.raises(TrainingError, match="train-2.npz': expected a guide for every frame, got none"):
        Stretches((Corpus(WORLD, data),), "train", 10)
    with pytest.raises(TrainingError, match="expected 'strength' as the first action of a guided world"):
        replace(push_t.WORLD, guided=True)
    with pytest.raises(TrainingError, match="expected a world without guides"):
        stage.fitted(WorldModelConfig(prediction="x"), SIZE, actions=1, guided=True)


def test_guides_are_made_strange_row_by_row_and_weak_ones_are_noisy():
    torch.manual_seed(0)
    guides = torch.from_numpy(recording(12)["guides"])[None].repeat(60, 1, 1, 1, 1)
    strange = randomised(guides)
    assert strange.dtype == torch.uint8 and strange.shape == guides.shape
    same = (strange == guides).flatten(1).all(1).float().mean()
    assert 0.03 < same < 0.4  # most rows aren't left alone
    assert (randomised(guides, 0.0) == guides).flatten(1).all(1).float().mean() > 0.7  # at first most are
    assert len({tuple(row.float().mean((0, 1, 2)).int().tolist()) for row in strange}) > 25
    weak = guide_latents(guides[0], torch.linspace(0, 1, 12))
    assert not weak[0].any() and torch.equal(weak[-1], to_latent(guides[0, -1]))
    noisy = guide_latents(guides[0], torch.linspace(0, 1, 12), noisy=True)
    assert noisy[0].std() > 1 and torch.equal(noisy[-1], weak[-1])
    assert to_latent(torch.full((1, SIZE, SIZE, 3), GREY, dtype=torch.uint8)).abs().max() < 0.01


def test_some_guided_rows_begin_elsewhere():
    torch.manual_seed(0)
    history, guided = torch.arange(400.0)[:, None].repeat(1, 6), torch.arange(400) % 2 == 0
    cut = cut_into(history, guided)
    foreign = cut != history
    assert not foreign[~guided].any() and 0.2 < foreign[guided].any(1).float().mean() < 0.4
    assert torch.equal(foreign, foreign.cummin(1).values)  # once it is at home it stays
    assert foreign.all(1).any() and (foreign.any(1) & ~foreign.all(1)).any()


def test_a_package_takes_guides_and_prompts(data):
    words = Path(__file__).parent / "goldens/tiny-prompt/words.json"
    model, recorded = network(replace(CONFIG, prompts=PROMPT)), recording(100)
    episodes = Episodes(*(recorded[name] for name in ("frames", "actions", "starts")))
    folder = write_package(
        data / "package",
        world=replace(WORLD, words=words),
        data=data,
        model=model,
        evaluations=1,
        context_level=0.05,
        trained_frames=1,
        starts=(episodes, [("Here", 5)]),
    )
    dream = Dream(open_package(folder))
    inputs = dream.manifest["tick"]["inputs"]
    assert inputs["guide"] == {"dtype": "uint8", "shape": [SIZE, SIZE, 3]} and "prompt" in inputs
    feeds = {name: np.zeros(tensor["shape"], tensor["dtype"]) for name, tensor in inputs.items()}
    feeds["age"] -= 1
    shown = {**feeds, "action": np.full((1, 1), 0.5, np.float32), "guide": recorded["guides"][0]}
    off = {**shown, "action": np.zeros((1, 1), np.float32)}
    latent, grey = (dream.run("tick", {**each, "prompt": feeds["prompt"] + 0.7}, PASS)[1] for each in (shown, off))
    assert np.abs(latent - grey).max() > 1e-2
    with torch.no_grad():
        led = torch.cat([torch.full((1, 1), 0.5), torch.full((1, PROMPT), 0.7)], -1)
        noise = torch.zeros(1, 1, CONFIG.noise_channels, 8, 8)
        kv, age = torch.from_numpy(feeds["kv"])[None], torch.from_numpy(feeds["age"])
        before, level = torch.zeros(1, 2 * CONFIG.channels, 8, 8), torch.full((1,), 0.05)
        guide = 0.5 * to_latent(torch.from_numpy(recorded["guides"][:1]))
        following, _ = model.step(before, led, level, noise, kv, age, guide=guide)
    np.testing.assert_allclose(in_rows(following).numpy(), latent, atol=1e-4)


def test_the_stages_learn_to_follow(data):
    base = {"steps": 3, "batch": 4, "length": 6, "compile": False, "log_every": 1, "evaluate_every": 3}
    args = stage.WorldModelTraining(WORLD, data, **{**base, "steps": 60}, muon_lr=0.1, adam_lr=1e-2)
    model = stage.train(args, replace(CONFIG, guided=False))
    assert model.config.guided and model.stem.guide.weight.any() and model.head.guide.weight.any()
    again = self_forcing.train(self_forcing.SelfForcing(WORLD, data, **base, judged=3, pool=2, alone=1))
    tokenizer.train(
        tokenizer.TokenizerTraining(WORLD, data, steps=2, batch=4, compile=False), TokenizerConfig(wide=16, narrow=8)
    )
    coded = codes.train(codes.CodesTraining(WORLD, data, **base, pool=2, count=2))
    assert again.config.guided and coded.config.guided and coded.config.codes
    rows = Stretches((Corpus(WORLD, data),), "held", 12).draw(np.random.default_rng(0), 8)
    frames, led, guide = stage.frames_of(rows, model), rows.actions[:, :-1], stage.guides_of(rows, model)
    with torch.no_grad():
        shown, blind = (
            (model.rollout(frames[:, :2], led, 10, guide=each) - frames[:, 2:]).square().mean()
            for each in (guide, None)
        )
    assert shown < 0.8 * blind


def test_restyle_records_plain_pictures_beside_what_they_look_like():
    recorded = record(Recording("restyle", "mixed", seed=5, frames=160, episode=40), progress=False)
    assert recorded["guides"].shape == recorded["frames"].shape == (160, 96, 96, 3)
    assert set(recorded) == {"frames", "guides", "actions", "starts", "captions", "caption"}
    green = (np.abs(recorded["guides"].astype(int) - (102, 204, 102)).max(-1) < 3).mean((1, 2))
    plain = green.reshape(4, 40).mean(1) > 0.15  # episodes in the environment's own paint
    assert plain.any() and not plain.all()
    assert np.abs(recorded["guides"].astype(int) - recorded["frames"]).mean() > 10
    assert np.abs(np.diff(recorded["guides"][:30].astype(int), axis=0)).mean() > 0.5  # somebody drives
    source = restyle.Source()
    first, guide = source.reset(3), source.guide
    moved = source.step(np.ones(1, np.float32)), source.guide
    assert guide is not moved[1]
    source.reset(4)
    np.testing.assert_array_equal(source.reset(3), first)
    np.testing.assert_array_equal(source.guide, guide)
    np.testing.assert_array_equal(source.step(np.zeros(1, np.float32)), moved[0])  # strength moves nothing
    source.close()
