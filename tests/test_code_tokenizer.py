"""The code of a whole picture: keypoints find small things, and what is decoded is where the code says."""

import numpy as np
import torch

from training.code_tokenizer import CodeConfig, CodeTokenizer, build
from training.tokenizer import Tokenizer, TokenizerConfig, bounds

SIZE = 48
CONFIG = CodeConfig(size=SIZE, code=24, keypoints=6, wide=16, cells=4, narrow=8)


def scattered(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with a blue dot and a grey bar anywhere on a table with a green corner; the dot's places in (-1, 1)."""
    rng = np.random.default_rng(0)
    frames = np.full((count, SIZE, SIZE, 3), 250, np.uint8)
    frames[:, :10, :10] = (140, 240, 140)
    at = rng.integers(4, SIZE - 4, (count, 2))  # x, y
    for frame, (x, y), (left, top) in zip(frames, at, rng.integers(0, SIZE - 16, (count, 2)), strict=True):
        frame[top : top + 5, left : left + 16] = (120, 135, 150)
        frame[y - 2 : y + 2, x - 2 : x + 2] = (65, 105, 225)
    return frames, at / (SIZE / 2) - 1


def test_a_keypoint_follows_a_small_thing_before_anything_is_learned():
    frames, at = scattered(200)
    model = CodeTokenizer(CONFIG)
    model.prepare(frames)
    with torch.no_grad():
        code = model.squeeze(torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255 - 0.5).numpy()
    follows = [
        min(np.corrcoef(code[:, k], at[:, 0])[0, 1], np.corrcoef(code[:, CONFIG.keypoints + k], at[:, 1])[0, 1])
        for k in range(CONFIG.keypoints)
    ]
    assert max(follows) > 0.95
    assert np.abs(code).max() <= 1


def test_learns_to_paint_what_it_saw():
    frames, _ = scattered(64)
    torch.manual_seed(0)
    model = CodeTokenizer(CONFIG)
    model.prepare(frames)
    pictures = torch.from_numpy(frames)
    optim = torch.optim.AdamW(model.parameters(), 3e-3)
    losses = []
    for _ in range(120):
        loss, _ = model.loss(pictures, pictures.roll(1, 0))
        optim.zero_grad()
        loss.backward()
        optim.step()
        losses.append(loss.item())
    assert np.mean(losses[-10:]) < 0.6 * np.mean(losses[:10])


def test_latents_lie_within_their_bounds():
    frames, _ = scattered(32)
    model = CodeTokenizer(CONFIG)
    model.prepare(frames)
    model.mean.fill_(0.1)
    model.std.fill_(0.5)
    with torch.no_grad():
        latent = model.encode(torch.from_numpy(frames))
        assert latent.shape == (32, CONFIG.channels, CONFIG.grid, CONFIG.grid)
        low, high = bounds(model)
        assert ((latent >= low[:, None, None]) & (latent <= high[:, None, None])).all()
        assert model.decode(latent).shape == (32, 3, SIZE, SIZE)


def test_a_config_says_which_tokenizer_it_is_of():
    assert build(CONFIG.dict()).config == CONFIG
    grid = TokenizerConfig(wide=16, narrow=8, decoder_narrow=8)
    assert isinstance(build(grid.dict()), Tokenizer)
    assert build(grid.dict()).config == grid
