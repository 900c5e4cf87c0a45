"""Guides: a picture of the moment to come, which a frame is painted after, and how it is made strange in training.

A guide may come from anywhere: a simulator's plain view, a camera, a drawing. So nothing in training may tell the
network what its colours mean: rows see flat colours permuted, edges alone, blur, noise, other light, parts missing, and
now and then something else altogether. `strength` says how much of a guide is there to follow; at 0 there is none, as
where a world has none: a grey picture, which is 0 as the network reads it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .picture import CELL, to_latent

GREY = 128  # of a guide that isn't there, in each channel
STRANGE = 0.8  # share of the rows whose guides are made strange, in the end
LOST = 0.15  # share of the rows in which some guides in a row are another row's, or missing
CUT = 0.3  # share of the rows whose history begins as another row's


def guide_latents(guides: Tensor, strength: Tensor, *, noisy: bool = False) -> Tensor:
    """uint8 [..., H, W, 3] and strengths [...] in [0, 1], to [..., C, g, g], grey by as much as strength lacks.

    noisy: what is lacking is noise, grain and patches alike. A network that learns so how much to believe a weak guide
    follows it less, rather than making up for its contrast.
    """
    latent, share = to_latent(guides), strength[..., None, None, None]
    if not noisy:
        return share * latent
    *lead, _, side, _ = latent.shape
    coarse = torch.randn(*lead, 3, side // 2, side // 2, device=latent.device)
    patches = coarse.repeat_interleave(2, -1).repeat_interleave(2, -2).repeat_interleave(CELL**2, -3)
    return share * latent + (1 - share) * (torch.randn_like(latent) + patches)


def randomised(guides: Tensor, strange: float = STRANGE) -> Tensor:
    """Guides uint8 [B, T, H, W, 3] as training shows them: each row strange in a way of its own, the same over time.

    strange: share of the rows that are. What reads guides begins at zero and is linear, and of colours that may mean
    anything it learns nothing: the mean of its gradient is none. So it begins with guides as they are.
    """
    rows = torch.stack([_strange(row) if _chance(strange) else row for row in guides])
    for number in range(len(rows)):
        if _chance(LOST):
            first, last = sorted(torch.randint(guides.shape[1] + 1, (2,)).tolist())
            other = guides[int(torch.randint(len(guides), ()))].flip(0)
            rows[number, first:last] = other[first:last] if _chance(0.5) else GREY
    return rows


def _strange(row: Tensor) -> Tensor:
    """uint8 [T, H, W, 3], by several ways at once."""
    x = row.movedim(-1, 1).float() / 255  # [T, 3, H, W]
    if _chance(0.35):
        x = _flat(x)
    elif _chance(0.2):
        x = _edges(x)
    if _chance(0.3):
        x = x[:, torch.randperm(3)]
    if _chance(0.3):
        reach = int(torch.randint(1, 4, ()))
        x = F.avg_pool2d(x, 2 * reach + 1, 1, reach, count_include_pad=False)
    if _chance(0.5):
        contrast, brightness = _between(0.3, 1.5), _between(-0.25, 0.25)
        x = 0.5 + brightness + (contrast if _chance(0.8) else -contrast) * (x - 0.5)
    if _chance(0.3):
        x = x.clone()
        for _ in range(int(torch.randint(1, 4, ()))):
            (top, bottom), (left, right) = (sorted(torch.randint(side + 1, (2,)).tolist()) for side in x.shape[2:])
            x[:, :, top:bottom, left:right] = GREY / 255
    if _chance(0.4):
        x = x + _between(0.0, 0.2) * torch.randn_like(x)
    return (x.clamp(0, 1) * 255 + 0.5).to(torch.uint8).movedim(1, -1)


def _flat(x: Tensor) -> Tensor:
    """What has about one colour gets one colour, any: [T, 3, H, W]."""
    levels = int(torch.randint(3, 6, ()))
    digits = (x * levels + _between(0.0, 1.0)).long().clamp(0, levels)  # [T, 3, H, W]
    place = (digits * torch.tensor([1, 7, 49], device=x.device).view(3, 1, 1)).sum(1)  # [T, H, W]
    return torch.rand(7**3, 3).to(x.device)[place].movedim(-1, 1)


def _edges(x: Tensor) -> Tensor:
    """Steps from pixel to pixel, bright on black: [T, 3, H, W]."""
    padded = F.pad(x, (0, 1, 0, 1), "replicate")
    right, below = padded[..., :-1, 1:] - x, padded[..., 1:, :-1] - x
    steps = (right.abs() + below.abs()).amax(1, keepdim=True)
    return (_between(2.0, 6.0) * steps).clamp(0, 1).expand_as(x)


def cut_into(history: Tensor, guided: Tensor) -> Tensor:
    """Some rows of a history [B, T, ...] that begin as another row and are cut: what is guided shall take up any scene.

    guided bool [B]: rows that may be.
    """
    batch, time = history.shape[:2]
    device = history.device
    moment = torch.randint(1, time + 1, (batch, 1), device=device)
    cut = (torch.rand(batch, 1, device=device) < CUT) & guided[:, None]
    foreign = (torch.arange(time, device=device) < moment) & cut
    return torch.where(foreign.view(batch, time, *[1] * (history.ndim - 2)), history.roll(1, 0), history)


def _chance(share: float) -> bool:
    return bool(torch.rand(()) < share)


def _between(low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(()))
