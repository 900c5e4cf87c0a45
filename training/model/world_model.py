"""The causal world model: a trunk that runs once per frame, a head that samples the next latent.

    trunk: previous latent, action, cache of earlier frames  ->  features of the frame to come, keys and values to cache
    head:  features, previous latent, noised latent, level   ->  next latent

The trunk is a transformer on few large tokens above a convolutional stem; in some layers it reaches back over the
window, with a learned bias per head and age (ticks since a slot was written), clamped to the trained span. Keys are
cached without position. It only ever sees finished latents, so its cache is clean at any number of evaluations.

The head is convolutional, on the latent's grid: what moves by a cell, and neighbours that must agree, are what
convolutions are for. Noise enters it per cell (texture) and by its mean over the grid (a bend is one decision). By
default it samples in one evaluation and is trained by the energy score over two samples a frame, a proper score whose
optimum is the distribution of futures and not their mean. With `prediction="x"` it denoises instead (diffusion
forcing): noise level tau, 0 is pure noise, 1 is clean, x_tau = (1 - tau) noise + tau x.

Sources: energy score (Gneiting & Raftery 2007), its almost fair form (Lang et al. 2024, AIFS-CRPS), one shared noise
vector a frame (Alet et al. 2025, FGN), diffusion forcing (Chen et al. 2024), adaLN-zero (Peebles & Xie 2022), QK-norm
(Henry et al. 2020), the light head on a causal trunk after MAR (Li et al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMPTY = -1e4  # added to the logits of empty slots and of frames outside the window


@dataclass(frozen=True)
class WorldModelConfig:
    """Shapes of the network; N tokens of C channels make one latent."""

    actions: int = 3  # A
    worlds: int = 1  # that share the network, each with a reading of actions of its own; a package has one
    grid: int = 12  # side of the tokenizer's latent grid
    channels: int = 16  # channels of a cell
    patch: int = 3  # cells on a token's side: N = (grid / patch)^2, C = channels * patch^2
    stem: int = 48  # channels of the trunk's convolutions below the tokens
    width: int = 256  # of a token in the trunk
    heads: int = 8
    kv_heads: int = 2
    mlp: int = 640
    condition: int = 96  # width of the embedding of action and levels
    trunk_layers: int = 5
    window_layers: tuple[int, ...] = (1, 3)  # trunk layers that attend to the window
    window: int = 12  # earlier frames that a frame attends to
    features: int = 64  # channels a cell that the trunk hands to the head
    head_width: int = 96  # channels of the head's convolutions
    head_shared: int = 1  # residual blocks before noise enters, which samples of one frame share
    head_sampled: int = 2  # residual blocks after it
    prediction: str = "score"  # sample in one evaluation; "x": denoise; "mean": blind to noise, by squared error

    def __post_init__(self) -> None:
        object.__setattr__(self, "window_layers", tuple(self.window_layers))  # JSON has lists

    @property
    def tokens(self) -> int:
        return (self.grid // self.patch) ** 2

    @property
    def token_channels(self) -> int:
        return self.channels * self.patch**2

    @property
    def attention_head(self) -> int:
        """Channels of an attention head."""
        return self.width // self.heads

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.attention_head

    def dict(self) -> dict:
        return asdict(self)


def patchify(latent: Tensor, config: WorldModelConfig) -> Tensor:
    """[..., C, grid, grid] to tokens [..., N, C patch^2]; C channels a cell, those of the latent or others."""
    *lead, c, _, _ = latent.shape
    p, side = config.patch, config.grid // config.patch
    x = latent.reshape(-1, c, side, p, side, p).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(*lead, side * side, c * p * p)


def unpatchify(tokens: Tensor, config: WorldModelConfig) -> Tensor:
    """The inverse of `patchify`."""
    *lead, _, width = tokens.shape
    p, side = config.patch, config.grid // config.patch
    c = width // p**2
    x = tokens.reshape(-1, side, side, c, p, p).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(*lead, c, config.grid, config.grid)


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
        c, batch, queries = self.c, q.shape[0], q.shape[1]
        group = c.heads // c.kv_heads
        q = q.reshape(batch, queries, c.kv_heads, group, c.attention_head).permute(0, 2, 3, 1, 4)
        q = q.reshape(batch, c.kv_heads, group * queries, c.attention_head)
        k = k.reshape(batch, -1, c.kv_heads, c.attention_head).permute(0, 2, 3, 1)  # [B, kv, head, M]
        v = v.reshape(batch, -1, c.kv_heads, c.attention_head).transpose(1, 2)  # [B, kv, M, head]
        logits = q @ k / math.sqrt(c.attention_head)
        if bias is not None:
            logits = logits + bias.reshape(c.kv_heads, group * queries, -1).to(logits.dtype)
        mixed = logits.softmax(-1).to(v.dtype) @ v
        mixed = mixed.reshape(batch, c.kv_heads, group, queries, c.attention_head).permute(0, 3, 1, 2, 4)
        return mixed.reshape(batch, queries, c.width)

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


class ConvBlock(nn.Module):
    """x + conv(silu(conv(silu(norm x)))), modulated between by a condition; the last convolution starts at zero."""

    def __init__(self, width: int, condition: int) -> None:
        """`condition`: its width; 0 for none."""
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width, 1, 1))
        self.conv1 = nn.Conv2d(width, width, 3, padding=1)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        nn.init.zeros_(self.conv2.weight)
        if condition:
            self.modulation = nn.Linear(condition, 2 * width)
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x [B, width, g, g], condition [B, condition]."""
        hidden = x / torch.sqrt(x.pow(2).mean(1, keepdim=True) + 1e-6) * self.weight
        hidden = self.conv1(F.silu(hidden))
        if condition is not None:
            scale, shift = self.modulation(condition)[..., None, None].chunk(2, 1)
            hidden = hidden * (1 + scale) + shift
        return x + self.conv2(F.silu(hidden))


class Blocks(nn.ModuleList):
    """Convolutional blocks, typed."""

    def __iter__(self) -> Iterator[ConvBlock]:
        return super().__iter__()  # type: ignore[return-value]


class Trunk(nn.Module):
    def __init__(self, c: WorldModelConfig) -> None:
        super().__init__()
        self.c = c
        self.stem = nn.Conv2d(c.channels, c.stem, 3, padding=1)
        self.stem_block = ConvBlock(c.stem, 0)
        self.embed = nn.Linear(c.stem * c.patch**2, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.tokens, c.width))
        self.action_weight = nn.Parameter(0.5 * torch.randn(c.worlds, c.actions, c.condition))
        self.action_bias = nn.Parameter(0.5 * torch.randn(c.worlds, c.condition))
        self.action = nn.Linear(c.condition, c.condition)
        self.level = nn.Linear(16, c.condition)
        self.layers = Layers(Layer(c, windowed=i in c.window_layers) for i in range(c.trunk_layers))

    def condition(self, action: Tensor, level: Tensor, world: Tensor | None) -> Tensor:
        """action [B, T, A], noise level of the history [B, T], world [B] (none: the only one); gives [B, T, ...]."""
        if world is None:
            hidden = action @ self.action_weight[0] + self.action_bias[0]
        else:
            hidden = action @ self.action_weight[world] + self.action_bias[world][:, None]
        return F.silu(self.action(F.silu(hidden)) + self.level(level_embedding(level, 16)))

    def enter(self, latent: Tensor) -> Tensor:
        """latent [B, N, C] to tokens [B, N, width]."""
        stem = self.stem_block(self.stem(unpatchify(latent, self.c)))
        return self.embed(patchify(stem, self.c)) + self.position

    def forward(
        self, latent: Tensor, action: Tensor, level: Tensor, world: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """All frames at once. latent [B, T, N, C], action [B, T, A], level [B, T].

        Gives features [B, T, N, width] and the slots to cache [B, T, L, 2, N, D], as `step` would frame by frame.
        """
        batch, time, tokens, _ = latent.shape
        x = self.enter(latent.flatten(0, 1)).unflatten(0, (batch, time))
        condition = self.condition(action, level, world)
        frame = torch.arange(time, device=latent.device)
        age = frame[:, None] - frame[None, :]  # [query frame, key frame]
        outside = (age < 0) | (age > self.c.window)
        written = []
        for layer in self.layers:
            shift1, scale1, gate1, *rest = layer.modulate(condition)
            q, k, v = layer.project(layer.norm1(x) * (1 + scale1) + shift1)
            if layer.windowed:
                written.append(torch.stack([k, v], 2))
                bias = layer.age_bias[:, age.clamp(0, self.c.window)].masked_fill(outside, EMPTY)
                bias = bias.repeat_interleave(tokens, 1).repeat_interleave(tokens, 2)  # [heads, T N, T N]
                mixed = attend_all(layer, q.flatten(1, 2), k.flatten(1, 2), v.flatten(1, 2), bias)
                mixed = mixed.reshape(batch, time, tokens, -1)
            else:
                mixed = attend_all(layer, q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1), None)
                mixed = mixed.reshape(batch, time, tokens, -1)
            x = layer.feed_forward(x + gate1 * layer.out(mixed), *rest)
        return x, torch.stack(written, 2)

    def step(
        self,
        latent: Tensor,
        action: Tensor,
        level: Tensor,
        kv: Tensor,
        age: Tensor,
        world: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One frame after the cache. latent [B, N, C], action [B, A], level [B], kv [B, S, L, 2, N, D], age [S].

        Gives features [B, N, width] and the slot to cache [B, L, 2, N, D]. An age of -1 is an empty slot.
        """
        c = self.c
        x = self.enter(latent)
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


class Head(nn.Module):
    def __init__(self, c: WorldModelConfig) -> None:
        super().__init__()
        if c.prediction not in ("score", "x", "mean"):
            raise ValueError(f'prediction: expected "score", "x" or "mean", got "{c.prediction}".')
        self.c = c
        self.norm = RMSNorm(c.width)
        self.features = nn.Linear(c.width, c.features * c.patch**2)
        self.overall = nn.Linear(c.width, c.condition)
        self.level = nn.Linear(16, c.condition)
        self.enter = nn.Conv2d(c.features + c.channels, c.head_width, 3, padding=1)
        self.shared = Blocks(ConvBlock(c.head_width, c.condition) for _ in range(c.head_shared))
        self.noise = nn.Conv2d(c.channels, c.head_width, 3, padding=1)
        self.overall_noise = nn.Linear(c.channels, c.condition)
        self.sampled = Blocks(ConvBlock(c.head_width, c.condition) for _ in range(c.head_sampled))
        self.out = nn.Conv2d(c.head_width, c.channels, 3, padding=1)
        with torch.no_grad():
            self.out.weight.mul_(0.1)  # a copy of the frame before, nearly; not quite, or noise would have no gradient
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def prepare(self, features: Tensor, latent: Tensor) -> tuple[Tensor, Tensor]:
        """What all samples of a frame share: features [B, N, width] of the trunk, latent [B, C, g, g] before it.

        Gives cells [B, head width, g, g] and a condition [B, condition].
        """
        features = self.norm(features)
        condition = F.silu(self.overall(features.mean(1)))
        cells = self.enter(torch.cat([unpatchify(self.features(features), self.c), latent], 1))
        for block in self.shared:
            cells = block(cells, condition)
        return cells, condition

    def sample(self, prepared: tuple[Tensor, Tensor], latent: Tensor, noised: Tensor, level: Tensor) -> Tensor:
        """The next latent [B, C, g, g] from what `prepare` gave; latent and noised [B, C, g, g], level [B]."""
        cells, condition = prepared
        if self.c.prediction != "mean":
            overall = self.overall_noise(noised.mean((2, 3)) * self.c.grid)  # of pure noise: standard normal numbers
            condition = condition + F.silu(overall + self.level(level_embedding(level, 16)))
            cells = cells + self.noise(noised)
        for block in self.sampled:
            cells = block(cells, condition)
        return latent + self.out(F.silu(cells))

    def forward(self, features: Tensor, latent: Tensor, noised: Tensor, level: Tensor) -> Tensor:
        """features of the trunk, previous and noised latent [B, N, C], level [B]; gives the next latent [B, N, C]."""
        before = unpatchify(latent, self.c)
        return patchify(self.sample(self.prepare(features, before), before, unpatchify(noised, self.c), level), self.c)


def attend_all(layer: Layer, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """`Layer.attend`, on CUDA by the fused kernel. On the CPU that kernel is slow backwards where there is a mask."""
    if q.device.type != "cuda" or torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting():
        return layer.attend(q, k, v, bias)
    c = layer.c
    mixed = F.scaled_dot_product_attention(
        q.unflatten(-1, (c.heads, c.attention_head)).transpose(1, 2),
        k.unflatten(-1, (c.kv_heads, c.attention_head)).transpose(1, 2).repeat_interleave(c.heads // c.kv_heads, 1),
        v.unflatten(-1, (c.kv_heads, c.attention_head)).transpose(1, 2).repeat_interleave(c.heads // c.kv_heads, 1),
        attn_mask=None if bias is None else bias[None],
    )
    return mixed.transpose(1, 2).flatten(-2)


def augment(history: Tensor, noise_scale: float) -> tuple[Tensor, Tensor]:
    """Noise on a history [B, T, N, C], up to `noise_scale` and none in a quarter of the rows; and its levels [B, T]."""
    batch, time = history.shape[:2]
    device = history.device
    noised = torch.rand(batch, 1, device=device) < 0.75
    level = torch.rand(batch, time, device=device) * noise_scale * noised
    return history + level[..., None, None] * torch.randn_like(history), level


def blocks(difference: Tensor) -> tuple[Tensor, ...]:
    """Root mean squares of a difference [M, C, g, g] at three scales: cells, blocks of cells, the picture pooled."""
    cells = difference.square().mean(1, keepdim=True)
    pooled = F.avg_pool2d(difference, 3).square().mean((1, 2, 3), keepdim=True)
    return tuple((square + 1e-6).sqrt().mean((1, 2, 3)) for square in (cells, F.avg_pool2d(cells, 3), pooled))


def energy_score(a: Tensor, b: Tensor, target: Tensor, fair: float = 0.95) -> Tensor:
    """Two samples of what happened, all [M, C, g, g], summed over the scales of `blocks`; gives [M].

    Least, on average, where samples are drawn as futures are. `fair` of 1 is the fair score, whose gradient is unstable
    where both samples agree on what is wrong (Lang et al. 2024).
    """
    errors = zip(blocks(a - target), blocks(b - target), blocks(a - b), strict=True)
    return torch.stack([0.5 * (to_a + to_b - fair * apart) for to_a, to_b, apart in errors]).sum(0)


def schedule(evaluations: int) -> list[float]:
    """Noise levels at which the head is evaluated: 0, then up to 0.3 in equal ratios.

    Evenly spaced steps kept the road for less time in a handful of short drives; unproven (`LOG.md`, 2026-11-21).
    """
    if evaluations <= 2:
        return [0.0, 0.1][:evaluations]
    return [0.0, *(0.03 * 10 ** (k / (evaluations - 2)) for k in range(evaluations - 1))]


class WorldModel(nn.Module):
    low: Tensor  # [token channels]: beyond these bounds no picture lies; set before training
    high: Tensor

    def __init__(self, config: WorldModelConfig, *, latent_limit: float = 4.0) -> None:
        super().__init__()
        self.config = config
        self.trunk, self.head = Trunk(config), Head(config)
        self.register_buffer("low", torch.full((config.token_channels,), -latent_limit))
        self.register_buffer("high", torch.full((config.token_channels,), latent_limit))

    @torch.no_grad()
    def for_worlds(self, worlds: Sequence[int | None], actions: int) -> WorldModel:
        """A network for some of the worlds that share this one, and (none) for new ones; weights are copied.

        actions: as many as the new network reads. A new world's reading of actions begins at random, with the mean of
        the others' biases.
        """
        model = WorldModel(replace(self.config, worlds=len(worlds), actions=actions))
        state = self.state_dict()
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

    def denoise(self, features: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
        """noise [K, B, N, C], K the number of evaluations; gives the next latent [B, N, C], within bounds.

        Euler steps along the probability-flow ODE: the noise that the last prediction implies is kept, so only the
        first draw is used; the others are there for stochastic samplers of the same contract.
        """
        levels = schedule(1 if self.config.prediction == "score" else len(noise))
        noised, clean = noise[0], latent
        for level, following in zip(levels, [*levels[1:], 1.0], strict=True):
            clean = self.head(features, latent, noised, torch.full((len(latent),), level, device=latent.device))
            clean = torch.minimum(torch.maximum(clean, self.low), self.high)
            implied = (noised - level * clean) / (1 - level)
            noised = (1 - following) * implied + following * clean
        return clean

    def step(
        self, latent: Tensor, action: Tensor, level: Tensor, noise: Tensor, kv: Tensor, age: Tensor
    ) -> tuple[Tensor, Tensor]:
        """One tick: next latent [B, N, C] and the slot [B, L, 2, N, D] to cache. Arguments as in `Trunk.step`."""
        features, slot = self.trunk.step(latent, action, level, kv, age)
        return self.denoise(features, latent, noise), slot

    @torch.no_grad()
    def resampled(self, history: Tensor, action: Tensor, noise: float, world: Tensor | None = None) -> Tensor:
        """A history [B, T, N, C], every frame but the first dreamed in one evaluation from the one before it.

        noise: 1 as in play, 0 for the mean of futures as a network without noise sees it.
        """
        level = torch.zeros(history.shape[:2], device=history.device)
        features = self.trunk(history, action, level, world)[0].flatten(0, 1)
        latent = history.flatten(0, 1)
        dreamed = self.denoise(features, latent, noise * torch.randn_like(latent)[None]).to(history.dtype)
        return torch.cat([history[:, :1], dreamed.view_as(history)[:, :-1]], 1)

    def loss(
        self,
        history: Tensor,
        target: Tensor,
        action: Tensor,
        noise_scale: float,
        first_weight: float = 1.0,
        world: Tensor | None = None,
        *,
        squared: bool = False,
    ) -> tuple[Tensor, dict]:
        """The energy score (or, by `config.prediction`, diffusion forcing) with history augmentation.

        `squared`: the squared error of one sample without noise in the score's place. It learns what moves several
        times as fast: no second sample, no noise in its gradient.

        history [B, T, N, C]: the latent before each frame (real or dreamed); target [B, T, N, C]: the frame after it;
        action [B, T, A]; world [B] where several share the network. `noise_scale` bounds the noise on the history;
        `first_weight` weighs what is denoised from pure noise.
        """
        c = self.config
        noisy, history_level = augment(history, noise_scale)
        features = self.trunk(noisy, action, history_level, world)[0].flatten(0, 1)
        before, clean = (unpatchify(latent.flatten(0, 1), c) for latent in (noisy, target))
        prepared = self.head.prepare(features, before)
        copy = (history - target).square().mean()
        if squared:
            level = torch.zeros(len(clean), device=clean.device)
            sample = self.head.sample(prepared, before, torch.zeros_like(clean), level)
            error = (sample - clean).square().mean()
            return error, {"loss": error.detach(), "error_to_copy": (error / copy).detach()}
        if c.prediction == "score":
            level = torch.zeros(len(clean), device=clean.device)
            a = self.head.sample(prepared, before, torch.randn_like(clean), level).float()
            b = self.head.sample(prepared, before, torch.randn_like(clean), level).float()
            loss = energy_score(a, b, clean).mean()
            error = 0.5 * ((a - clean).square().mean() + (b - clean).square().mean())
            spread = (a - b).square().mean() / (2 * error)  # 1: samples differ as much as they are wrong
            return loss, {
                "loss": loss.detach(),
                "error_to_copy": (error / copy).detach(),
                "spread": spread.detach(),
            }
        return self.denoising_loss(prepared, before, clean, copy, first_weight)

    def denoising_loss(
        self, prepared: tuple[Tensor, Tensor], before: Tensor, clean: Tensor, copy: Tensor, first_weight: float
    ) -> tuple[Tensor, dict]:
        """Squared error of the clean latent, [M, C, g, g].

        Half of the frames are denoised from pure noise, as the first evaluation in play does, the rest mostly from low
        levels, where what is new is decided.
        """
        rows, device = len(clean), clean.device
        level = torch.rand(rows, device=device).square() * (torch.rand(rows, device=device) < 0.5)
        share = level[:, None, None, None]
        noised = (1 - share) * torch.randn_like(clean) + share * clean
        error = (self.head.sample(prepared, before, noised, level) - clean).square().mean((1, 2, 3))
        loss = torch.where(level == 0, first_weight * error, error).mean()
        first = (error * (level == 0)).sum() / (level == 0).sum().clamp(min=1)
        return loss, {"loss": loss.detach(), "error_to_copy": (first / copy).detach()}

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
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Dreams on. history [B, n, N, C] real latents, action [B, n - 1 + frames, A]; gives [B, frames, N, C].

        `level`: the noise level that the history is said to have. Noise is drawn on the CPU, so that a seed gives the
        same dream on every device.
        """
        c, batch, context, device = self.config, len(history), history.shape[1], history.device
        kv = torch.zeros(batch, c.window, len(c.window_layers), 2, c.tokens, c.kv_width, device=device)
        age = torch.full((c.window,), -1, dtype=torch.int32, device=device)
        latent, out, told = history[:, 0], [], torch.full((batch,), level, device=device)
        for t in range(context - 1 + frames):
            features, slot = self.trunk.step(latent, action[:, t], told, kv, age, world)
            if t < context - 1:
                latent = history[:, t + 1]
            else:
                noise = torch.randn(evaluations, *latent.shape, generator=generator).to(device)
                latent = self.denoise(features, latent, noise)
                out.append(latent)
            kv[:, t % c.window] = slot
            age = torch.where(age >= 0, age + 1, age)
            age[t % c.window] = 1
        return torch.stack(out, 1)
