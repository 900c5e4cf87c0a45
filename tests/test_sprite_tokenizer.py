"""Sprites: things are found by what they look like, and what is painted is where the poses say."""

import math

import numpy as np
import torch
from PIL import Image, ImageDraw

from training.sprite_tokenizer import SpriteConfig, SpriteTokenizer, coordinates
from training.tokenizer import Tokenizer, TokenizerConfig, bounds, psnr, to_float, to_uint8
from training.tokenizers import build

SIZE = 48
CONFIG = SpriteConfig(size=SIZE, turns=(False, True), sprite=28, look=16, wide=32)
GREY, BLUE = (120, 135, 150), (65, 105, 225)
CORNERS = np.array([(-7, -5), (7, -5), (7, -1.5), (2, -1.5), (2, 9), (-2, 9), (-2, -1.5), (-7, -1.5)])  # a T


def scattered(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pictures of a blue dot and a grey T on a table with a green corner; the dot's places and the T's angles."""
    rng = np.random.default_rng(0)
    dots, places = rng.uniform(3, SIZE - 3, (count, 2)), rng.uniform(12, SIZE - 12, (count, 2))
    angles = rng.uniform(-math.pi, math.pi, count)
    frames = []
    for dot, place, angle in zip(dots, places, angles, strict=True):
        image = Image.new("RGB", (4 * SIZE, 4 * SIZE), (250, 250, 250))
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, 0, 40, 40), fill=(140, 240, 140))
        turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
        draw.polygon([tuple(4 * p) for p in place + CORNERS @ turn], fill=GREY)
        draw.ellipse((*(4 * dot - 8), *(4 * dot + 8)), fill=BLUE)
        frames.append(np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BOX)))
    return np.stack(frames), dots / (SIZE / 2) - 1, angles


def prepared(frames: np.ndarray) -> SpriteTokenizer:
    torch.manual_seed(0)
    model = SpriteTokenizer(CONFIG)
    model.prepare(frames)
    return model


def test_finds_things_before_anything_is_learned():
    frames, dots, angles = scattered(200)
    model = prepared(frames)
    with torch.no_grad():
        poses = model.find(to_float(torch.from_numpy(frames))).numpy()
    assert np.median(np.linalg.norm(poses[:, :2] - dots, axis=1)) < 0.06
    off = np.arctan2(poses[:, 5], poses[:, 4]) - angles  # but for a turn that is the same for all
    off = np.angle(np.exp(1j * off) / np.exp(1j * off).mean())
    assert np.degrees(np.median(np.abs(off))) < 6


def test_learns_what_things_look_like():
    frames, _, _ = scattered(256)
    model, pictures = prepared(frames), torch.from_numpy(frames)
    optim = model.optimiser(1e-3)
    for _ in range(60):
        some = pictures[torch.randint(0, len(pictures), (32,))]
        loss, _ = model.loss(some, some)
        optim.zero_grad()
        loss.backward()
        optim.step()
    with torch.no_grad():
        painted = to_uint8(model.decode(model.encode(pictures)))
        empty = to_uint8((model.usual + 0.5).expand(len(pictures), -1, -1, -1))
    assert psnr(painted, pictures).median() > psnr(empty, pictures).median() + 4


def test_a_pose_moves_and_turns_what_is_painted():
    frames, _, _ = scattered(32)
    model = prepared(frames)
    with torch.no_grad():
        model.cover[1, 0, :, : CONFIG.sprite // 2] = -9  # half a sprite: otherwise it looks the same however it turns
        poses = torch.tensor([[-0.9, -0.9, 0.0, 0.0, 1.0, 0.0], [-0.9, -0.9, 0.0, 0.0, 0.0, 1.0]])
        upright, turned = model.paint(poses)
        assert torch.allclose(upright[:, 15:33, 15:33].rot90(-1, (1, 2)), turned[:, 15:33, 15:33], atol=0.02)
        assert (upright - turned).abs().max() > 0.1


def test_a_scene_laid_otherwise_is_painted_turned_and_mirrored():
    frames, _, _ = scattered(32)
    model = prepared(frames)
    x, y = coordinates(CONFIG.sprite).unbind(-1)
    with torch.no_grad():
        model.usual.zero_()
        model.mean.fill_(0.1)
        model.std.fill_(0.5)
        model.cover[0, 0] = 6 - 80 * ((x - 0.1).square() + (y + 0.05).square())  # round, though not in the middle
        model.cover[1, 0] = 6 - 40 * (y - 0.08).square() - 20 * (x - 0.1).square() * (1 + 2 * (x > 0.1))
        pictures = torch.from_numpy(frames[:1])
        latents = model.encode(pictures).expand(64, -1, -1, -1)[:, None]
        actions = torch.tensor([0.3, 0.7, 0.5]).expand(64, 1, 3)  # the third is no direction
        before = model.decode(latents[0])[0]
        laid, laid_actions = model.laid_otherwise(latents, actions, np.random.default_rng(0))
        after = model.decode(laid[:, 0])
    seen = set()
    for picture, (right, down, third) in zip(after, laid_actions[:, 0].tolist(), strict=True):
        ways = {
            (quarter, mirrored): (before.flip(1) if mirrored else before).rot90(-quarter, (1, 2))
            for quarter in range(4)
            for mirrored in (False, True)
        }
        (quarter, mirrored), expected = min(ways.items(), key=lambda way: (way[1] - picture).abs().sum())
        assert (expected - picture).abs().mean() < 0.1 * (before - 0.5).abs().mean()
        turned = complex(0.3, -0.7 if mirrored else 0.7) * 1j**quarter
        assert abs(complex(right, down) - turned) < 1e-6
        assert third == 0.5
        seen.add((quarter, mirrored))
    assert len(seen) == 8


def test_latents_lie_within_their_bounds():
    frames, _, _ = scattered(32)
    model = prepared(frames)
    model.mean.fill_(0.1)
    model.std.fill_(0.5)
    with torch.no_grad():
        latent = model.encode(torch.from_numpy(frames))
        assert latent.shape == (32, CONFIG.channels, CONFIG.grid, CONFIG.grid)
        low, high = bounds(model)
        assert ((latent >= low[:, None, None]) & (latent <= high[:, None, None])).all()
        assert model.decode(latent).shape == (32, 3, SIZE, SIZE)


def test_an_empty_table_has_poses_all_the_same():
    frames, _, _ = scattered(32)
    model = prepared(frames)
    with torch.no_grad():
        poses = model.find(model.usual[None])
    assert torch.isfinite(poses).all()
    assert poses.abs().max() <= 1


def test_a_config_says_which_tokenizer_it_is_of():
    assert build({**CONFIG.dict(), "turns": [False, True]}).config == CONFIG
    grid = TokenizerConfig(wide=16, narrow=8, decoder_narrow=8)
    assert isinstance(build(grid.dict()), Tokenizer)
    assert build(grid.dict()).config == grid
