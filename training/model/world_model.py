"""The causal world model: pictures and actions in, the next picture out.

    stem:  the frame before and the one before that               ->  features of their cells
    trunk: features, action, cache of earlier frames              ->  what is to come, keys and values to cache
    head:  what is to come, features, noise, the frame before     ->  the next frame

The trunk is a transformer on few large tokens; in some layers it reaches back over the window, with a learned bias per
head and age (ticks since a slot was written), clamped to the trained span. Keys are cached without position. It only
ever sees finished frames, so its cache is clean at any number of evaluations.

The head is convolutional, on cells of 8 x 8 and then of 4 x 4 pixels. It moves the frame before along a few flows and
paints; every pixel is chosen, softly, from these. So what was seen stays sharp while it moves, and small things live.
Noise enters per cell (texture) and by its mean over the picture (a bend is one decision).

A network may be guided: each pass then also sees a picture of the moment that it makes (`guide.py`), in the stem, so
that trunk and head know it, and once more in the head, as fine as it is. Both begin at zero.

Where there is a coder (`coder.py`), what was moved and painted is only a proposal: codes are drawn by it, and the frame
is what they decode to.

It learns by the squared error of the mean of futures, which teaches quickly what moves, then by the energy score over
two samples a frame, a proper score whose optimum is the distribution of futures. With `prediction="x"` it denoises
instead (diffusion forcing): noise level tau, 0 is pure noise, 1 is clean, x_tau = (1 - tau) noise + tau x.

Sources: energy score (Gneiting & Raftery 2007), its almost fair form (Lang et al. 2024, AIFS-CRPS), one shared noise
vector a frame (Alet et al. 2025, FGN), pixels that move along flows (Finn et al. 2016), diffusion forcing (Chen et al.
2024), adaLN-zero (Peebles & Xie 2022), QK-norm (Henry et al. 2020), the light head on a causal trunk after MAR (Li et
al. 2024).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .coder import Coder
from .conv import Blocks, ConvBlock
from .picture import CELL, LIMIT
from .tokenizer import TOP

FLOW = 8.0  # pixels that an output of 1 moves
STRAYED = 0.01  # squared error of a history at which what really followed counts half: 6 of 255 levels
STILL = 0.1  # pixels: what would move by less stays, nearly, where it is
EMPTY = -1e4  # added to the logits of empty slots and of frames outside the window


@dataclass(frozen=True)
class WorldModelConfig:
    """Shapes of the network. A frame is a picture folded to cells of 4 x 4 pixels (`picture.py`), [C, g, g].

    A latent, which play hands from tick to tick, is the newest frame with the one before it behind: [2 C, g, g]. How
    fast things move can be seen at once, to the pixel.
    """

    actions: int = 3  # A
    worlds: int = 1  # that share the network, each with a reading of actions of its own; a package has one
    prompts: int = 0  # P, numbers of what the world is told in words; they lie behind the action's; 0: it takes none
    guided: bool = False  # whether a pass sees a guide of the frame that it makes; the first action is its strength
    grid: int = 24  # cells on a picture's side
    patch: int = 6  # cells on a token's side, even: N = (grid / patch)^2
    fine: int = 48  # channels of the convolutions on the grid
    wide: int = 96  # channels of the convolutions on half of the grid
    width: int = 256  # of a token in the trunk
    heads: int = 8
    kv_heads: int = 2
    mlp: int = 640
    condition: int = 96  # width of the embedding of action and levels
    trunk_layers: int = 5
    window_layers: tuple[int, ...] = (1, 3)  # trunk layers that attend to the window
    window: int = 12  # earlier frames that a frame attends to
    features: int = 64  # channels a place on half of the grid that the trunk hands to the head
    coarse_blocks: int = 2  # residual blocks of the head on half of the grid
    fine_blocks: int = 2  # residual blocks of the head on the grid
    flows: int = 2  # ways in which parts of the frame before move
    prediction: str = "score"  # sample in one evaluation; "x": denoise; "mean": blind to noise, by squared error
    codes: int = 0  # codes of 8 x 8 pixels that a coder draws; 0: there is none
    code_wide: int = 128  # widths of its tokenizer
    code_narrow: int = 64
    stays: float = 0.6  # a proposed level at least so likely, as a share of the likeliest, is kept; above 1: none is

    def __post_init__(self) -> None:
        object.__setattr__(self, "window_layers", tuple(self.window_layers))  # JSON has lists

    @property
    def channels(self) -> int:
        """Channels of a cell: red, green and blue of its pixels."""
        return 3 * CELL**2

    @property
    def noise_channels(self) -> int:
        """How many numbers are drawn for a cell; where a network denoises, as many as it has."""
        return self.channels if self.prediction == "x" else 4

    @property
    def tokens(self) -> int:
        return (self.grid // self.patch) ** 2

    @property
    def attention_head(self) -> int:
        """Channels of an attention head."""
        return self.width // self.heads

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.attention_head

    @property
    def led(self) -> int:
        """Numbers that lead a frame: those of its action and, behind them, of its prompt."""
        return self.actions + self.prompts

    def dict(self) -> dict:
        """Without what there is none of (prompts, guides, codes): what is saved of such a network stays."""
        none = ["prompts"] * (not self.prompts) + ["guided"] * (not self.guided)
        none += ["codes", "code_wide", "code_narrow", "stays"] * (not self.codes)
        return {name: value for name, value in asdict(self).items() if name not in none}


def cut(cells: Tensor, patch: int) -> Tensor:
    """[..., C, g, g] to tokens [..., N, C patch^2], row by row."""
    *lead, c, g, _ = cells.shape
    side = g // patch
    x = cells.reshape(-1, c, side, patch, side, patch).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(*lead, side * side, c * patch * patch)


def put(tokens: Tensor, patch: int) -> Tensor:
    """The inverse of `cut`."""
    *lead, count, width = tokens.shape
    side, c = math.isqrt(count), width // patch**2
    x = tokens.reshape(-1, side, side, c, patch, patch).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(*lead, c, side * patch, side * patch)


class RMSNorm(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        # Written so that onnxruntime recognises it and runs it as one operator.
        return x / torch.sqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight


def level_embedding(level: Tensor, width: int) -> Tensor:
    """Sines and cosines of a level in [0, 1]: [...] to [..., width]."""
    frequencies = torch.exp(torch.linspace(0, math.log(100.0), width // 2, device=level.device))
    angle = level[..., None] * frequencies
    return torch.cat([angle.sin(), angle.cos()], -1)


class Layer(nn.Module):
    """Attention and SwiGLU, both modulated by the condition (adaLN-zero)."""

    def __init__(self, c: WorldModelConfig, *, windowed: bool) -> None:
        super().__init__()
        self.c, self.windowed = c, windowed
        self.norm1, self.norm2 = RMSNorm(c.width), RMSNorm(c.width)
        self.qkv = nn.Linear(c.width, c.width + 2 * c.kv_width, bias=False)
        self.q_norm, self.k_norm = RMSNorm(c.attention_head), RMSNorm(c.attention_head)
        self.out = nn.Linear(c.width, c.width, bias=False)
        self.up = nn.Linear(c.width, 2 * c.mlp, bias=False)
        self.down = nn.Linear(c.mlp, c.width, bias=False)
        self.modulation = nn.Linear(c.condition, 6 * c.width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        if windowed:
            slopes = 2.0 ** -torch.arange(c.heads).float()
            self.age_bias = nn.Parameter(-slopes[:, None] * torch.arange(c.window + 1))  # [heads, window + 1]

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[..., N, width] to queries [..., N, width], keys, values [..., N, kv_width]; first two normed."""
        c = self.c
        q, k, v = self.qkv(x).split([c.width, c.kv_width, c.kv_width], -1)
        q = self.q_norm(q.unflatten(-1, (c.heads, c.attention_head))).flatten(-2)
        k = self.k_norm(k.unflatten(-1, (c.kv_heads, c.attention_head))).flatten(-2)
        return q, k, v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        """q [B, Q, width], k and v [B, M, kv_width], bias [heads, Q, M] or none; gives the shape of q.

        Query heads of one group share a key head: they are laid along the rows, so that it is one product a group.
        """
        c, queries = self.c, q.shape[1]
        q, k, v = self.by_group(q, k, v)
        logits = q @ k / math.sqrt(c.attention_head)
        if bias is not None:
            logits = logits + bias.reshape(c.kv_heads, c.heads // c.kv_heads * queries, -1).to(logits.dtype)
        return self.together(logits.softmax(-1).to(v.dtype) @ v, queries)

    def by_group(self, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Arguments as of `attend`; gives [B, kv, group Q, head], [B, kv, head, M] and [B, kv, M, head]."""
        c, batch, queries = self.c, q.shape[0], q.shape[1]
        group = c.heads // c.kv_heads
        q = q.reshape(batch, queries, c.kv_heads, group, c.attention_head).permute(0, 2, 3, 1, 4)
        q = q.reshape(batch, c.kv_heads, group * queries, c.attention_head)
        k = k.reshape(batch, -1, c.kv_heads, c.attention_head).permute(0, 2, 3, 1)
        v = v.reshape(batch, -1, c.kv_heads, c.attention_head).transpose(1, 2)
        return q, k, v

    def together(self, mixed: Tensor, queries: int) -> Tensor:
        """What `by_group` laid apart: [B, kv, group Q, head] to [B, Q, width]."""
        c, batch = self.c, mixed.shape[0]
        mixed = mixed.reshape(batch, c.kv_heads, c.heads // c.kv_heads, queries, c.attention_head)
        return mixed.permute(0, 3, 1, 2, 4).reshape(batch, queries, c.width)

    def modulate(self, condition: Tensor) -> tuple[Tensor, ...]:
        """[..., condition] to six of [..., 1, width]: shift, scale, gate of attention and of the MLP."""
        return self.modulation(condition).unsqueeze(-2).chunk(6, -1)

    def feed_forward(self, x: Tensor, shift: Tensor, scale: Tensor, gate: Tensor) -> Tensor:
        a, b = self.up(self.norm2(x) * (1 + scale) + shift).chunk(2, -1)
        return x + gate * self.down(F.silu(a) * b)


class Layers(nn.ModuleList):
    """A list of layers that says what it holds."""

    def __iter__(self) -> Iterator[Layer]:
        return (layer for layer in super().__iter__() if isinstance(layer, Layer))


class Stem(nn.Module):
    """What trunk and head see of the two frames before: features of cells of 4 x 4 and of 8 x 8 pixels."""

    def __init__(self, c: WorldModelConfig) -> None:
        super().__init__()
        self.fine = nn.Conv2d(2 * c.channels, c.fine, 3, padding=1)
        self.wide = nn.Conv2d(4 * c.fine, c.wide, 1)
        self.block = ConvBlock(c.wide, 0)
        self.guide = guide_reader(c)

    def forward(self, latent: Tensor, guide: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """latent [M, 2 C, g, g], guide [M, C, g, g] (none: grey), to [M, fine, g, g] and [M, wide, g/2, g/2]."""
        fine = self.fine(latent)
        if self.guide is not None and guide is not None:
            fine = fine + self.guide(guide)
        fine = F.silu(fine)
        return fine, self.block(self.wide(F.pixel_unshuffle(fine, 2)))


def guide_reader(c: WorldModelConfig) -> nn.Conv2d | None:
    """Of a guided network; as if there were no guide until it has learnt. Grey, which is 0, adds nothing."""
    if not c.guided:
        return None
    reader = nn.Conv2d(c.channels, c.fine, 3, padding=1, bias=False)
    nn.init.zeros_(reader.weight)
    return reader


class Trunk(nn.Module):
    def __init__(self, c: WorldModelConfig) -> None:
        super().__init__()
        self.c = c
        self.embed = nn.Linear(c.wide * (c.patch // 2) ** 2, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.tokens, c.width))
        self.action_weight = nn.Parameter(0.5 * torch.randn(c.worlds, c.actions, c.condition))
        self.action_bias = nn.Parameter(0.5 * torch.randn(c.worlds, c.condition))
        self.action = nn.Linear(c.condition, c.condition)
        self.level = nn.Linear(16, c.condition)
        self.layers = Layers(Layer(c, windowed=i in c.window_layers) for i in range(c.trunk_layers))
        if c.prompts:  # a prompt of zeros is none
            self.prompt = nn.Linear(c.prompts, c.condition, bias=False)
            self.prompt_out = nn.Linear(c.condition, c.condition, bias=False)
            nn.init.zeros_(self.prompt_out.weight)

    def condition(self, action: Tensor, level: Tensor, world: Tensor | None) -> Tensor:
        """action [B, T, A + P], noise level of the history [B, T], world [B] (none: the only one); to [B, T, ...]."""
        told = None
        if self.c.prompts:
            action, prompt = action.split([self.c.actions, self.c.prompts], -1)
            told = self.prompt_out(F.silu(self.prompt(prompt)))
        if world is None:
            hidden = action @ self.action_weight[0] + self.action_bias[0]
        else:
            hidden = action @ self.action_weight[world] + self.action_bias[world][:, None]
        condition = self.action(F.silu(hidden)) + self.level(level_embedding(level, 16))
        return F.silu(condition if told is None else condition + told)

    def enter(self, seen: Tensor) -> Tensor:
        """The stem's [M, wide, g/2, g/2] to tokens [M, N, width]."""
        return self.embed(cut(seen, self.c.patch // 2)) + self.position

    def forward(
        self, seen: Tensor, action: Tensor, level: Tensor, world: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """All frames at once. seen [B, T, wide, g/2, g/2] of the stem, action [B, T, A + P], level [B, T].

        Gives features [B, T, N, width] and the slots to cache [B, T, L, 2, N, D], as `step` would frame by frame.
        """
        batch, time, tokens = *seen.shape[:2], self.c.tokens
        x = self.enter(seen.flatten(0, 1)).unflatten(0, (batch, time))
        condition = self.condition(action, level, world)
        frame = torch.arange(time, device=seen.device)
        age = frame[:, None] - frame[None, :]  # [query frame, key frame]
        outside = (age < 0) | (age > self.c.window)
        written = []
        for layer in self.layers:
            shift1, scale1, gate1, *rest = layer.modulate(condition)
            q, k, v = layer.project(layer.norm1(x) * (1 + scale1) + shift1)
            if layer.windowed:
                written.append(torch.stack([k, v], 2))
                bias = layer.age_bias[:, age.clamp(0, self.c.window)].masked_fill(outside, EMPTY)
                mixed = attend_window(layer, q, k, v, bias)
            else:
                mixed = layer.attend(q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), None)
            mixed = mixed.reshape(batch, time, tokens, -1)
            x = layer.feed_forward(x + gate1 * layer.out(mixed), *rest)
        return x, torch.stack(written, 2)

    def step(
        self,
        seen: Tensor,
        action: Tensor,
        level: Tensor,
        kv: Tensor,
        age: Tensor,
        world: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One frame after the cache: seen [B, wide, g/2, g/2], action [B, A], level [B].

        kv [B, S, L, 2, N, D], age [S]: -1 is an empty slot. Gives features [B, N, width] and the slot to cache
        [B, L, 2, N, D].
        """
        c = self.c
        x = self.enter(seen)
        condition = self.condition(action[:, None], level[:, None], world)[:, 0]
        slots = age.shape[0]
        written = []
        for layer in self.layers:
            shift1, scale1, gate1, *rest = layer.modulate(condition)
            q, k, v = layer.project(layer.norm1(x) * (1 + scale1) + shift1)
            if layer.windowed:
                cached = kv[:, :, len(written)]  # [B, S, 2, N, D]
                written.append(torch.stack([k, v], 1))
                k = torch.cat([cached[:, :, 0].reshape(-1, slots * c.tokens, c.kv_width), k], 1)
                v = torch.cat([cached[:, :, 1].reshape(-1, slots * c.tokens, c.kv_width), v], 1)
                ages = torch.cat([age, torch.zeros_like(age[:1])])
                bias = layer.age_bias[:, ages.clamp(0, c.window).long()]  # [heads, S + 1]
                bias = bias + torch.where(ages < 0, EMPTY, 0.0)
                bias = bias[:, None, :, None].expand(-1, c.tokens, -1, c.tokens).reshape(c.heads, c.tokens, -1)
                mixed = layer.attend(q, k, v, bias)
            else:
                mixed = layer.attend(q, k, v, None)
            x = layer.feed_forward(x + gate1 * layer.out(mixed), *rest)
        return x, torch.stack(written, 1)


class Prepared(NamedTuple):
    """What all samples of a frame share."""

    before: Tensor  # [M, C, g, g], the frame before
    fine: Tensor  # [M, fine, g, g]
    cells: Tensor  # [M, wide, g/2, g/2]
    condition: Tensor  # [M, condition]
    guide: Tensor | None = None  # [M, fine, g, g], what the head reads off it


class Proposal(NamedTuple):
    """What the head makes of a frame to come."""

    frame: Tensor  # [M, C, g, g]
    hidden: Tensor  # [M, fine, g, g], what was moved and painted by
    cells: Tensor  # [M, wide, g/2, g/2]
    condition: Tensor  # [M, condition]


class Head(nn.Module):
    def __init__(self, c: WorldModelConfig) -> None:
        super().__init__()
        if c.prediction not in ("score", "x", "mean"):
            raise ValueError(f'prediction: expected "score", "x" or "mean", got "{c.prediction}".')
        self.c = c
        self.norm = RMSNorm(c.width)
        self.features = nn.Linear(c.width, c.features * (c.patch // 2) ** 2)
        self.overall = nn.Linear(c.width, c.condition)
        self.level = nn.Linear(16, c.condition)
        self.enter = nn.Conv2d(c.features + c.wide, c.wide, 3, padding=1)
        self.noise = nn.Conv2d(4 * c.noise_channels, c.wide, 1)
        self.overall_noise = nn.Linear(4 * c.noise_channels, c.condition)
        self.coarse_blocks = Blocks(ConvBlock(c.wide, c.condition) for _ in range(c.coarse_blocks))
        self.up = nn.Conv2d(c.wide, 4 * c.fine, 1)
        self.join = nn.Conv2d(2 * c.fine, c.fine, 3, padding=1)
        self.fine_noise = nn.Conv2d(c.noise_channels, c.fine, 1)
        self.fine_blocks = Blocks(ConvBlock(c.fine, c.condition) for _ in range(c.fine_blocks))
        painted, chosen = c.channels, CELL**2 * (c.flows + 1)
        self.out = nn.Conv2d(c.fine, painted + chosen + 2 * c.flows, 3, padding=1)
        bias = torch.zeros(self.out.out_channels)
        bias[painted + chosen - CELL**2 : painted + chosen] = -2  # at first it moves, and hardly paints
        self.out.bias = nn.Parameter(bias)
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            if c.prediction == "score":  # until the score has taught what noise is for, it shall hardly be heard
                for layer in (self.noise, self.fine_noise, self.overall_noise):
                    layer.weight.mul_(0.1)
        self.guide = guide_reader(c)

    def prepare(
        self, features: Tensor, latent: Tensor, fine: Tensor, seen: Tensor, guide: Tensor | None = None
    ) -> Prepared:
        """features [M, N, width] of the trunk; the latent before, [M, 2 C, g, g], and what the stem made of it; guide
        [M, C, g, g].
        """
        features = self.norm(features)
        condition = F.silu(self.overall(features.mean(1)))
        cells = self.enter(torch.cat([put(self.features(features), self.c.patch // 2), seen], 1))
        read = None if self.guide is None or guide is None else self.guide(guide)
        return Prepared(latent[:, : self.c.channels], fine, cells, condition, read)

    def sample(self, prepared: Prepared, noised: Tensor, level: Tensor) -> Tensor:
        """The next frame [M, C, g, g]. noised [M, noise channels, g, g], level [M]."""
        return self.propose(prepared, noised, level).frame

    def propose(self, prepared: Prepared, noised: Tensor, level: Tensor) -> Proposal:
        """As `sample`, with what led to it."""
        c = self.c
        before, fine, cells, condition, guide = prepared
        if c.prediction != "mean":
            coarse = F.pixel_unshuffle(noised, 2)
            overall = self.overall_noise(coarse.mean((2, 3)) * (c.grid // 2))  # of pure noise: standard normal numbers
            condition = condition + F.silu(overall + self.level(level_embedding(level, 16)))
            cells = cells + self.noise(coarse)
        for block in self.coarse_blocks:
            cells = block(cells, condition)
        hidden = self.join(torch.cat([F.pixel_shuffle(self.up(F.silu(cells)), 2), fine], 1))
        if c.prediction != "mean":
            hidden = hidden + self.fine_noise(noised)
        if guide is not None:
            hidden = hidden + guide
        for block in self.fine_blocks:
            hidden = block(hidden, condition)
        return Proposal(self.compose(before, self.out(F.silu(hidden))), hidden, cells, condition)

    def compose(self, before: Tensor, out: Tensor) -> Tensor:
        """Every pixel comes, by shares, from one place of the frame before and from what is painted.

        Where it comes from is the mean of the flows by their shares: pixels that were mixed instead would be blurred
        anew in every frame, and two flows that point apart mean rest.
        """
        c = self.c
        planes = F.pixel_shuffle(out[:, : -2 * c.flows].float(), CELL)
        painted, logits = planes[:, :3], planes[:, 3:].split(1, 1)  # one plane a flow, and one of what is painted
        most = functools.reduce(torch.maximum, logits).detach()
        *along, paint = [(logit - most).exp() for logit in logits]  # written out: so few aren't made vectors of
        moved = functools.reduce(torch.add, along)
        flows = enlarge(out[:, -2 * c.flows :].float()).split(2, 1)
        flow = functools.reduce(torch.add, [each * share for each, share in zip(flows, along, strict=True)])
        picture = warp(F.pixel_shuffle(before.float(), CELL), flow / (moved + 1e-6))
        return F.pixel_unshuffle((picture * moved + painted * paint) / (moved + paint), CELL)


def enlarge(cells: Tensor) -> Tensor:
    """[M, c, g, g] to pixels, smoothly from cell to cell."""
    if not torch.compiler.is_exporting():  # a graph has no layout, and `vmap` can't ask for one
        cells = cells.contiguous(memory_format=torch.channels_last)
    return F.interpolate(cells, scale_factor=CELL, mode="bilinear", align_corners=False)


@torch.compiler.disable()  # PyTorch's own kernels are twice as fast as what is generated
def warp(picture: Tensor, flow: Tensor) -> Tensor:
    """picture [M, 3, H, W] with every pixel taken from elsewhere.

    flow [M, 2, H, W]: to the right and below, in steps of `FLOW` pixels; small moves shrink to none, for a hundredth of
    a pixel a frame carries a dream away. It is moved hundreds of times: linear sampling melts it, and ONNX's cubic
    kernel, which makes some waves higher (3 % half way between pixels), lets it run away. Two thirds of that and one
    third of linear are nearly the kernel of Keys (1981) that is exact to the second order, and make none higher.
    """
    size, edge = picture.shape[-1], 1 - 1 / picture.shape[-1]  # of the last pixel's centre
    if torch.is_grad_enabled():
        flow = flow.nan_to_num()  # PyTorch's gradient reads outside the picture where a place is no number
    flow = flow * FLOW
    square = 2 * flow.square().mean(1, keepdim=True)  # of its length
    flow = flow * (square / (square + STILL**2)) * (2 / size)
    at = (torch.arange(size, device=picture.device) + 0.5) * (2 / size) - 1
    here = torch.stack([at.expand(size, size), at[:, None].expand(size, size)], -1)  # [H, W, 2]
    place = (flow.permute(0, 2, 3, 1) + here).clamp(-edge, edge)
    cubic, linear = (
        F.grid_sample(picture, place, mode, "border", align_corners=False) for mode in ("bicubic", "bilinear")
    )
    return (2 * cubic + linear) / 3


def attend_window(layer: Layer, q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """`Layer.attend` of all frames to all: q [B, T, N, width], k and v [B, T, N, kv_width], bias [heads, T, T]."""
    c, (batch, time, tokens, _) = layer.c, q.shape
    group = c.heads // c.kv_heads
    # The fused kernel is slow backwards on the CPU where there is a mask. One bias for all tokens of a frame, and sums
    # written out over both, are what the compiler makes vectors of.
    q, k, v = layer.by_group(q.flatten(1, 2), k.flatten(1, 2), v.flatten(1, 2))
    logits = (q @ k / math.sqrt(c.attention_head)).reshape(batch, c.kv_heads, group, time, tokens, time, tokens)
    # Normed queries and keys keep products small: no need to look for the largest one first.
    shares = (logits.float().clamp(-60, 60) + bias.reshape(c.kv_heads, group, time, 1, time, 1)).exp()
    shares = shares / shares.sum((-1, -2), keepdim=True)
    mixed = shares.to(v.dtype).reshape(batch, c.kv_heads, group * time * tokens, time * tokens) @ v
    return layer.together(mixed, time * tokens)


def latents_of(history: Tensor) -> Tensor:
    """Frames [B, T + 1, C, g, g] to latents [B, T, 2 C, g, g]: each frame but the first, and the one before it."""
    return torch.cat([history[:, 1:], history[:, :-1]], 2)


def augment(history: Tensor, noise_scale: float) -> tuple[Tensor, Tensor]:
    """Noise on a history [B, T + 1, ...], up to `noise_scale` and none in a quarter of the rows; its levels [B, T + 1].

    One row in ten begins with two frames that are the same, as play from a single picture does.
    """
    batch, time = history.shape[:2]
    device = history.device
    level = torch.rand(batch, time, device=device) * noise_scale * (torch.rand(batch, 1, device=device) < 0.75)
    still = (torch.rand(batch, device=device) < 0.1).view(batch, 1, 1, 1, 1)
    first = torch.where(still, history[:, 1:2], history[:, :1])
    history = torch.cat([first, history[:, 1:]], 1)
    return history + level.view(batch, time, 1, 1, 1) * torch.randn_like(history), level


def trust(strayed: Tensor) -> Tensor:
    """How much of what really followed still should, by how far a history strayed nearby: [M, 3, H, W] to [M, 1, H, W].

    Where a texture lies otherwise than in reality, or a thing is elsewhere, the squared error would take it away.
    """
    nearby = F.avg_pool2d(strayed.square().mean(1, keepdim=True), 5, 1, 2, count_include_pad=False)
    return STRAYED / (STRAYED + nearby)


def trust_of_cells(strayed: Tensor) -> Tensor:
    """As `trust`, for cells of 8 x 8 pixels: [M, 3, H, W] to [M, 1, H / 8, W / 8].

    A tokenizer keeps no grain: means of 4 x 4 pixels are compared, not pixels.
    """
    square = F.avg_pool2d(strayed, 4).square().mean(1, keepdim=True)
    return STRAYED / (STRAYED + F.avg_pool2d(F.avg_pool2d(square, 2), 3, 1, 1, count_include_pad=False))


def squares(difference: Tensor, strayed: Tensor | None = None) -> Tensor:
    """The mean square of a difference [M, C, g, g], and those of the picture pooled by 2, 4 and 8, all added up.

    Where a texture has moved by more than its grain, only the pooled pictures say which way. `strayed` [M, C, g, g]:
    the frame before minus the real one. Each scale trusts reality as far as the history agrees with it at that scale.
    """
    picture, off = F.pixel_shuffle(difference, CELL), None if strayed is None else F.pixel_shuffle(strayed, CELL)
    total = torch.zeros((), device=difference.device)
    for scale in range(4):
        if scale:
            picture, off = F.avg_pool2d(picture, 2), None if off is None else F.avg_pool2d(off, 2)
        square = picture.square()
        total = total + (square if off is None else square * trust(off)).mean()
    return total


def distances(difference: Tensor) -> Tensor:
    """Root mean squares of a difference [M, C, g, g], summed over scales; gives [M].

    Cells, blocks of three by three cells, the whole; steps from pixel to pixel, by cells; and the picture pooled.
    """
    picture = F.pixel_shuffle(difference, CELL)
    square = difference.square().mean(1, keepdim=True)
    pooled = F.avg_pool2d(picture, 2 * CELL).square().mean((1, 2, 3), keepdim=True)
    right, below = picture[..., :-1, 1:] - picture[..., :-1, :-1], picture[..., 1:, :-1] - picture[..., :-1, :-1]
    edges = F.avg_pool2d((right.square() + below.square()).mean(1, keepdim=True), CELL)
    squares = (square, F.avg_pool2d(square, 3), square.mean((2, 3), keepdim=True), edges, pooled)
    return torch.stack([(each + 1e-4).sqrt().mean((1, 2, 3)) for each in squares]).sum(0)


def energy_score(a: Tensor, b: Tensor, target: Tensor, fair: float = 0.95) -> Tensor:
    """Two samples of what happened, all [M, C, g, g], by `distances`; gives [M].

    Least, on average, where samples are drawn as futures are. `fair` of 1 is the fair score, whose gradient is unstable
    where both samples agree on what is wrong (Lang et al. 2024).
    """
    apart = distances(a - b)
    return 0.5 * (distances(a - target) + distances(b - target) - fair * apart)


class Loss(NamedTuple):
    loss: Tensor  # a number
    dreamed: Tensor  # [B, T, C, g, g], a sample of each frame, within bounds
    errors: Tensor  # [B], the squared error of each row, as far as reality is trusted
    logs: dict[str, Tensor]


def schedule(evaluations: int) -> list[float]:
    """Noise levels at which the head is evaluated: 0, then up to 0.3 in equal ratios.

    Evenly spaced steps kept the road for less time in a handful of short drives; unproven (`LOG.md`, 2026-11-21).
    """
    if evaluations <= 2:
        return [0.0, 0.1][:evaluations]
    return [0.0, *(0.03 * 10 ** (k / (evaluations - 2)) for k in range(evaluations - 1))]


class WorldModel(nn.Module):
    def __init__(self, config: WorldModelConfig) -> None:
        super().__init__()
        self.config = config
        self.stem, self.trunk, self.head = Stem(config), Trunk(config), Head(config)
        self.coder = Coder(config) if config.codes else None

    @property
    def device(self) -> torch.device:
        return self.trunk.position.device

    @torch.no_grad()
    def for_worlds(
        self, worlds: Sequence[int | None], actions: int, prompts: int | None = None, guided: bool | None = None
    ) -> WorldModel:
        """A network for some of the worlds that share this one, and (none) for new ones; weights are copied.

        actions: as many as the new network reads. A new world's reading of actions begins at random, with the mean of
        the others' biases. prompts: numbers of its prompts; guided: whether it is; none: as here. What reads more or
        fewer begins anew.
        """
        prompts = self.config.prompts if prompts is None else prompts
        guided = self.config.guided if guided is None else guided
        model = WorldModel(replace(self.config, worlds=len(worlds), actions=actions, prompts=prompts, guided=guided))
        anew = ("trunk.prompt",) * (prompts != self.config.prompts)
        anew += ("stem.guide", "head.guide") * (guided != self.config.guided)
        theirs = {name: value for name, value in model.state_dict().items() if name.startswith(anew)}
        state = {**{name: value for name, value in self.state_dict().items() if not name.startswith(anew)}, **theirs}
        weight, bias = state["trunk.action_weight"], state["trunk.action_bias"]  # [W, A, condition], [W, condition]
        known = min(actions, weight.shape[1])
        reading = 0.5 * torch.randn(len(worlds), actions, weight.shape[-1])
        for number, world in enumerate(worlds):
            if world is not None:
                reading[number, :known] = weight[world, :known]
        state["trunk.action_weight"] = reading
        state["trunk.action_bias"] = torch.stack([bias.mean(0) if world is None else bias[world] for world in worlds])
        model.load_state_dict(state)
        return model

    def without_coder(self) -> WorldModel:
        """What moves and paints alone; weights are copied."""
        model = WorldModel(replace(self.config, codes=0))
        model.load_state_dict({name: self.state_dict()[name] for name in model.state_dict()})
        return model

    def slots(
        self,
        history: Tensor,
        action: Tensor,
        level: Tensor,
        world: Tensor | None = None,
        guide: Tensor | None = None,
    ) -> Tensor:
        """What the window holds after a history.

        history [B, T + 1, C, g, g], action [B, T, A + P], noise levels [B, T + 1], guide [B, T, C, g, g] of what
        follows each frame but the first; gives [B, T, L, 2, N, D].
        """
        latent = latents_of(history)
        _, seen = self.stem(latent.flatten(0, 1), None if guide is None else guide.flatten(0, 1))
        return self.trunk(seen.unflatten(0, latent.shape[:2]), action, level[:, 1:], world)[1]

    def prepare(
        self, history: Tensor, action: Tensor, level: Tensor, world: Tensor | None, guide: Tensor | None = None
    ) -> Prepared:
        """Of all frames of a history at once but the first, what the head needs to sample the frames after them.

        history [B, T + 1, C, g, g], action [B, T, A + P], level [B, T + 1], guide [B, T, C, g, g] of those frames.
        """
        latent, guide = latents_of(history).flatten(0, 1), None if guide is None else guide.flatten(0, 1)
        fine, seen = self.stem(latent, guide)
        features, _ = self.trunk(seen.unflatten(0, action.shape[:2]), action, level[:, 1:], world)
        return self.head.prepare(features.flatten(0, 1), latent, fine, seen, guide)

    def denoise(self, prepared: Prepared, noise: Tensor) -> Tensor:
        """noise [K, B, noise channels, g, g], K evaluations; gives the next frame [B, C, g, g], within bounds.

        Euler steps along the probability-flow ODE: the noise that the last prediction implies is kept, so only the
        first draw is used; the others are there for stochastic samplers of the same contract.
        """
        c = self.config
        levels = schedule(len(noise) if c.prediction == "x" else 1)
        noised, clean = noise[0], prepared.before
        for level, following in zip(levels, [*levels[1:], 1.0], strict=True):
            clean = self.head.sample(prepared, noised, torch.full((len(noised),), level, device=noised.device))
            clean = clean.clamp(-LIMIT, LIMIT)
            if following < 1:
                implied = (noised - level * clean) / (1 - level)
                noised = (1 - following) * implied + following * clean
        return clean

    def next(self, prepared: Prepared, noise: Tensor) -> Tensor:
        """The next frame in play, arguments as of `denoise`: what is drawn by the coder where there is one."""
        if self.coder is None:
            return self.denoise(prepared, noise)
        pure = torch.zeros(len(prepared.before), device=noise.device)
        proposal = self.head.propose(prepared, noise[0], pure)
        return self.coder.decode(self.coder.draw(self.coder(proposal), noise[0]))

    def step(
        self,
        latent: Tensor,
        action: Tensor,
        level: Tensor,
        noise: Tensor,
        kv: Tensor,
        age: Tensor,
        world: Tensor | None = None,
        guide: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One tick: next latent [B, 2 C, g, g] and the slot [B, L, 2, N, D] to cache.

        latent [B, 2 C, g, g], noise [K, B, noise channels, g, g], guide [B, C, g, g] of the frame to come; the others
        as in `Trunk.step`.
        """
        fine, seen = self.stem(latent, guide)
        features, slot = self.trunk.step(seen, action, level, kv, age, world)
        following = self.next(self.head.prepare(features, latent, fine, seen, guide), noise)
        return torch.cat([following, latent[:, : self.config.channels].to(following.dtype)], 1), slot

    def draw(self, frames: int, evaluations: int = 1, generator: torch.Generator | None = None) -> Tensor:
        """Noise [K, frames, noise channels, g, g]. A CPU's generator gives the same dream on every device."""
        c, device = self.config, self.device if generator is None else generator.device
        shape = (evaluations, frames, c.noise_channels, c.grid, c.grid)
        return torch.randn(shape, generator=generator, device=device).to(self.device)

    def loss(
        self,
        history: Tensor,
        level: Tensor,
        target: Tensor,
        action: Tensor,
        noise: Tensor,
        world: Tensor | None = None,
        strayed: Tensor | None = None,
        weight: Tensor | None = None,
        guide: Tensor | None = None,
    ) -> Loss:
        """The energy score of two samples a frame or, of one, the squared error.

        history [B, T + 1, C, g, g]: the frames before (real or dreamed, `augment`ed) and their noise levels [B, T + 1];
        target [B, T, C, g, g]: what followed each of them but the first; action [B, T, A + P]; world [B] where several
        share the network; strayed [B, T, C, g, g]: the frames before minus the real ones, where they were dreamed;
        weight [B] of each row; guide [B, T, C, g, g] of the targets. noise [S, B T, noise channels, g, g] of S samples,
        1 or 2. The squared error, whose optimum is the mean of futures, learns what moves several times as fast.
        """
        prepared = self.prepare(history, action, level, world, guide)
        clean, copy = target.flatten(0, 1), (history[:, 1:] - target).square().mean()
        pure = torch.zeros(len(clean), device=clean.device)
        samples = [self.head.sample(prepared, drawn, pure) for drawn in noise]
        error = torch.stack([(sample - clean).square().mean() for sample in samples]).mean()
        off = None if strayed is None else strayed.flatten(0, 1)
        sure = clean.new_ones(len(clean), 1, 1, 1) if off is None else trust(F.pixel_shuffle(off, CELL))
        logs, apart = {"error_to_copy": (error / copy).detach()}, samples[0] - clean
        pixels = F.pixel_shuffle(apart, CELL)
        errors = (pixels.square() * sure).detach().view(len(history), -1).mean(1)
        by_frame = clean.new_ones(len(clean)) if weight is None else weight.repeat_interleave(action.shape[1])
        if len(samples) == 1:
            far = (pixels.abs() * sure).mean((1, 2, 3))
            loss = 4 * squares(apart * by_frame.sqrt()[:, None, None, None], off) + 0.3 * (far * by_frame).mean()
        else:
            a, b = samples
            loss = (energy_score(a, b, clean) * sure.mean((1, 2, 3)) * by_frame).mean()
            spread = (a - b).square().mean() / (2 * error)  # 1: they differ as much as they are wrong
            logs["spread"] = spread.detach()
        dreamed = samples[0].clamp(-LIMIT, LIMIT).view_as(target)
        return Loss(loss, dreamed, errors, {"loss": loss.detach(), **logs})

    def code_loss(
        self,
        history: Tensor,
        level: Tensor,
        target: Tensor,
        action: Tensor,
        noise: Tensor,
        world: Tensor | None = None,
        strayed: Tensor | None = None,
        weight: Tensor | None = None,
        guide: Tensor | None = None,
        *,
        whole: bool = False,
    ) -> Loss:
        """Cross-entropy of the codes of what followed; arguments as of `loss`, noise [1, B T, ...].

        whole: whether all of the network learns by it, not the coder alone; the squared error of what is proposed then
        counts as well, or the proposal would become a message to the coder that is no picture any more. What was
        dreamed is drawn, as in play.
        """
        assert self.coder is not None
        with torch.set_grad_enabled(whole and torch.is_grad_enabled()):
            prepared = self.prepare(history, action, level, world, guide)
            pure = torch.zeros(len(prepared.before), device=target.device)
            proposal = self.head.propose(prepared, noise[0], pure)
        clean, off = target.flatten(0, 1), None if strayed is None else strayed.flatten(0, 1)
        said = self.coder(proposal)
        nats, right = self.coder.loss(said.logits, clean)
        if off is not None:
            nats = nats * trust_of_cells(F.pixel_shuffle(off, CELL))
        errors = nats.view(len(history), -1).mean(1)
        entropy = (errors if weight is None else errors * weight).mean()
        loss = entropy + 4 * squares(proposal.frame - clean, off) if whole else entropy
        with torch.no_grad():
            dreamed = self.coder.decode(self.coder.draw(said, noise[0]))
            found = torch.stack(said.logits).argmax(0) == right
            known = said.proposed.round() + TOP == right
        logs = {"loss": entropy.detach(), "right": found.float().mean(), "proposed": known.float().mean()}
        return Loss(loss, dreamed.view_as(target), errors.detach(), logs)

    def denoising_loss(
        self,
        history: Tensor,
        level: Tensor,
        target: Tensor,
        action: Tensor,
        noise: Tensor,
        world: Tensor | None = None,
        strayed: Tensor | None = None,
        weight: Tensor | None = None,
        guide: Tensor | None = None,
        *,
        first_weight: float = 1.0,
    ) -> Loss:
        """Squared error of the clean latent, of a network that denoises; arguments as of `loss`, noise [1, B T, ...].

        Half of the frames are denoised from pure noise, as the first evaluation in play does, the rest mostly from low
        levels, where what is new is decided. `first_weight` weighs the former.
        """
        prepared = self.prepare(history, action, level, world, guide)
        clean, copy = target.flatten(0, 1), (history[:, 1:] - target).square().mean()
        rows, device = len(clean), clean.device
        told = torch.rand(rows, device=device).square() * (torch.rand(rows, device=device) < 0.5)
        share = told[:, None, None, None]
        noised = (1 - share) * noise[0] + share * clean
        sample = self.head.sample(prepared, noised, told)
        error = (sample - clean).square().mean((1, 2, 3))
        weighed = error
        if strayed is not None:
            weighed = error * trust(F.pixel_shuffle(strayed.flatten(0, 1), CELL)).mean((1, 2, 3))
        errors = weighed.detach().view(len(history), -1).mean(1)
        if weight is not None:
            weighed = weighed * weight.repeat_interleave(action.shape[1])
        loss = torch.where(told == 0, first_weight * weighed, weighed).mean()
        first = (error * (told == 0)).sum() / (told == 0).sum().clamp(min=1)
        logs = {"loss": loss.detach(), "error_to_copy": (first / copy).detach()}
        return Loss(loss, sample.clamp(-LIMIT, LIMIT).view_as(target), errors, logs)

    @torch.no_grad()
    def rollout(
        self,
        history: Tensor,
        action: Tensor,
        frames: int,
        evaluations: int = 1,
        *,
        level: float = 0.0,
        world: Tensor | None = None,
        guide: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Dreams on. history [B, n, C, g, g] real frames, action [B, n - 1 + frames, A]; gives [B, frames, C, g, g].

        `guide` [B, n - 1 + frames, C, g, g]: of the frame that each action leads to.

        `level`: the noise level that the history is said to have.
        """
        c, batch, context, device = self.config, len(history), history.shape[1], history.device
        kv = torch.zeros(batch, c.window, len(c.window_layers), 2, c.tokens, c.kv_width, device=device)
        age = torch.full((c.window,), -1, dtype=torch.int32, device=device)
        latent, out, told = torch.cat([history[:, 0]] * 2, 1), [], torch.full((batch,), level, device=device)
        for t in range(context - 1 + frames):
            noise = self.draw(batch, evaluations, generator)
            shown = None if guide is None else guide[:, t]
            following, slot = self.step(latent, action[:, t], told, noise, kv, age, world, shown)
            if t < context - 1:
                latent = latents_of(history[:, t : t + 2])[:, 0]
            else:
                latent = following.float()
                out.append(latent[:, : c.channels])
            kv[:, t % c.window] = slot
            age = torch.where(age >= 0, age + 1, age)
            age[t % c.window] = 1
        return torch.stack(out, 1)
