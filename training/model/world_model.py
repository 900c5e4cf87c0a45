"""The causal world model: a trunk that runs once per frame, a denoising head that runs once per function evaluation.

    trunk: previous latent, action, cache of earlier frames  ->  features of the frame to come, keys and values to cache
    head:  features, previous latent, noised latent, level   ->  clean latent (x-prediction)

The trunk only ever sees finished latents, so its cache is clean at any number of evaluations, and a second evaluation
costs the head alone. Spatial attention in every layer; in some trunk layers it reaches back over the window, with a
learned bias per head and age (ticks since a slot was written), clamped to the trained span. Keys are cached without
position. Noise level tau: 0 is pure noise, 1 is clean, x_tau = (1 - tau) noise + tau x.

Sources: diffusion forcing (Chen et al. 2024), adaLN-zero (Peebles & Xie 2022), QK-norm (Henry et al. 2020), the light
head on a causal trunk after MAR (Li et al. 2024).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

EMPTY = -1e4  # added to the logits of empty slots and of frames outside the window


@dataclass(frozen=True)
class WorldModelConfig:
    """Shapes of the network; N tokens of C channels make one latent."""

    actions: int = 3  # A
    grid: int = 12  # side of the tokenizer's latent grid
    channels: int = 8  # channels of a cell
    patch: int = 3  # cells on a token's side: N = (grid / patch)^2, C = channels * patch^2
    width: int = 256
    heads: int = 8
    kv_heads: int = 2
    mlp: int = 640
    condition: int = 96  # width of the embedding of action and levels
    trunk_layers: int = 6
    window_layers: tuple[int, ...] = (1, 3, 5)  # trunk layers that attend to the window
    head_layers: int = 3
    window: int = 16  # earlier frames that a frame attends to
    head_width: int = 0  # channels of a head; 0: width / heads
    prediction: str = "x"  # of the head: the clean latent; "v": the way there from noise; "mean": x, blind to noise

    @property
    def tokens(self) -> int:
        return (self.grid // self.patch) ** 2

    @property
    def token_channels(self) -> int:
        return self.channels * self.patch**2

    def __post_init__(self) -> None:
        if self.head_width == 0:
            object.__setattr__(self, "head_width", self.width // self.heads)

    @property
    def attention_width(self) -> int:
        return self.heads * self.head_width

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_width

    def dict(self) -> dict:
        return asdict(self)


def patchify(latent: Tensor, config: WorldModelConfig) -> Tensor:
    """[..., channels, grid, grid] to tokens [..., N, C]."""
    c, p, side = config.channels, config.patch, config.grid // config.patch
    lead = latent.shape[:-3]
    x = latent.reshape(-1, c, side, p, side, p).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(*lead, side * side, c * p * p)


def unpatchify(tokens: Tensor, config: WorldModelConfig) -> Tensor:
    """The inverse of `patchify`."""
    c, p, side = config.channels, config.patch, config.grid // config.patch
    lead = tokens.shape[:-2]
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
        self.qkv = nn.Linear(c.width, c.attention_width + 2 * c.kv_width, bias=False)
        self.q_norm, self.k_norm = RMSNorm(c.head_width), RMSNorm(c.head_width)
        self.out = nn.Linear(c.attention_width, c.width, bias=False)
        self.up = nn.Linear(c.width, 2 * c.mlp, bias=False)
        self.down = nn.Linear(c.mlp, c.width, bias=False)
        self.modulation = nn.Linear(c.condition, 6 * c.width)
        nn.init.zeros_(self.modulation.weight)
        nn.init.zeros_(self.modulation.bias)
        if windowed:
            slopes = 2.0 ** -torch.arange(c.heads).float()
            self.age_bias = nn.Parameter(-slopes[:, None] * torch.arange(c.window + 1))  # [heads, window + 1]

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[..., N, width] to queries [..., N, attention_width], keys, values [..., N, kv_width]; first two normed."""
        c = self.c
        q, k, v = self.qkv(x).split([c.attention_width, c.kv_width, c.kv_width], -1)
        q = self.q_norm(q.unflatten(-1, (c.heads, c.head_width))).flatten(-2)
        k = self.k_norm(k.unflatten(-1, (c.kv_heads, c.head_width))).flatten(-2)
        return q, k, v

    def attend(self, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
        """q [B, Q, attention_width], k and v [B, M, kv_width], bias [heads, Q, M] or none; gives the shape of q.

        Query heads of one group share a key head: they are laid along the rows, so that it is one product a group.
        """
        c, batch, queries = self.c, q.shape[0], q.shape[1]
        group = c.heads // c.kv_heads
        q = q.reshape(batch, queries, c.kv_heads, group, c.head_width).permute(0, 2, 3, 1, 4)
        q = q.reshape(batch, c.kv_heads, group * queries, c.head_width)
        k = k.reshape(batch, -1, c.kv_heads, c.head_width).permute(0, 2, 3, 1)  # [B, kv, head, M]
        v = v.reshape(batch, -1, c.kv_heads, c.head_width).transpose(1, 2)  # [B, kv, M, head]
        logits = q @ k / math.sqrt(c.head_width)
        if bias is not None:
            logits = logits + bias.reshape(c.kv_heads, group * queries, -1)
        mixed = logits.softmax(-1) @ v
        mixed = mixed.reshape(batch, c.kv_heads, group, queries, c.head_width).permute(0, 3, 1, 2, 4)
        return mixed.reshape(batch, queries, c.attention_width)

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


class Trunk(nn.Module):
    def __init__(self, c: WorldModelConfig) -> None:
        super().__init__()
        self.c = c
        self.embed = nn.Linear(c.token_channels, c.width)
        self.position = nn.Parameter(0.02 * torch.randn(c.tokens, c.width))
        self.action = nn.Sequential(nn.Linear(c.actions, c.condition), nn.SiLU(), nn.Linear(c.condition, c.condition))
        self.level = nn.Linear(16, c.condition)
        self.layers = Layers(Layer(c, windowed=i in c.window_layers) for i in range(c.trunk_layers))

    def condition(self, action: Tensor, level: Tensor) -> Tensor:
        """action [..., A] and the noise level of the history [...] to [..., condition]."""
        return F.silu(self.action(action) + self.level(level_embedding(level, 16)))

    def forward(self, latent: Tensor, action: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """All frames at once. latent [B, T, N, C], action [B, T, A], level [B, T].

        Gives features [B, T, N, width] and the slots to cache [B, T, L, 2, N, D], as `step` would frame by frame.
        """
        batch, time, tokens, _ = latent.shape
        x = self.embed(latent) + self.position
        condition = self.condition(action, level)
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

    def step(self, latent: Tensor, action: Tensor, level: Tensor, kv: Tensor, age: Tensor) -> tuple[Tensor, Tensor]:
        """One frame after the cache. latent [B, N, C], action [B, A], level [B], kv [B, S, L, 2, N, D], age [S].

        Gives features [B, N, width] and the slot to cache [B, L, 2, N, D]. An age of -1 is an empty slot.
        """
        c = self.c
        x = self.embed(latent) + self.position
        condition = self.condition(action, level)
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
        if c.prediction not in ("x", "v", "mean"):
            raise ValueError(f'prediction: expected "x", "v" or "mean", got "{c.prediction}".')
        self.c = c
        self.embed = nn.Linear(c.width + 2 * c.token_channels, c.width)
        self.level = nn.Sequential(nn.Linear(32, c.condition), nn.SiLU(), nn.Linear(c.condition, c.condition))
        self.layers = Layers(Layer(c, windowed=False) for _ in range(c.head_layers))
        self.norm = RMSNorm(c.width)
        self.out = nn.Linear(c.width, c.token_channels)
        nn.init.zeros_(self.out.weight)

    def forward(self, features: Tensor, latent: Tensor, noised: Tensor, level: Tensor) -> Tensor:
        """features of the trunk, previous and noised latent [B, N, C], level [B]; gives the clean latent [B, N, C]."""
        if self.c.prediction == "mean":
            noised, level = torch.zeros_like(noised), torch.zeros_like(level)
        x = self.embed(torch.cat([features, latent, noised], -1))
        condition = F.silu(self.level(level_embedding(level, 32)))
        for layer in self.layers:
            shift1, scale1, gate1, *rest = layer.modulate(condition)
            q, k, v = layer.project(layer.norm1(x) * (1 + scale1) + shift1)
            x = layer.feed_forward(x + gate1 * layer.out(attend_all(layer, q, k, v, None)), *rest)
        predicted = self.out(self.norm(x))
        if self.c.prediction == "v":
            return noised + (1 - level[:, None, None]) * predicted
        return latent + predicted


def attend_all(layer: Layer, q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None) -> Tensor:
    """`Layer.attend` by the fused kernel for training; the exported graph takes the plain one."""
    if torch.onnx.is_in_onnx_export() or torch.compiler.is_exporting():
        return layer.attend(q, k, v, bias)
    c = layer.c
    mixed = F.scaled_dot_product_attention(
        q.unflatten(-1, (c.heads, c.head_width)).transpose(1, 2),
        k.unflatten(-1, (c.kv_heads, c.head_width)).transpose(1, 2).repeat_interleave(c.heads // c.kv_heads, 1),
        v.unflatten(-1, (c.kv_heads, c.head_width)).transpose(1, 2).repeat_interleave(c.heads // c.kv_heads, 1),
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

    def denoise(self, features: Tensor, latent: Tensor, noise: Tensor) -> Tensor:
        """noise [K, B, N, C], K the number of evaluations; gives the next latent [B, N, C], within bounds.

        Euler steps along the probability-flow ODE: the noise that the last prediction implies is kept, so only the
        first draw is used; the others are there for stochastic samplers of the same contract.
        """
        levels = schedule(len(noise))
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

    def loss(
        self,
        history: Tensor,
        target: Tensor,
        action: Tensor,
        noise_scale: float,
        first_weight: float = 1.0,
    ) -> tuple[Tensor, dict]:
        """Diffusion forcing with history augmentation.

        history [B, T, N, C]: the latent before each frame (real or dreamed); target [B, T, N, C]: the frame after it;
        action [B, T, A]. `noise_scale` bounds the noise on the history, `first_weight` weighs frames at pure noise.
        Half of the frames are denoised from pure noise, as the first evaluation in play does, the rest mostly from low
        levels, where what is new is decided.
        """
        batch, time = history.shape[:2]
        noisy, history_level = augment(history, noise_scale)
        features, _ = self.trunk(noisy, action, history_level)
        device = history.device
        partly = torch.rand(batch * time, device=device) < 0.5
        level = torch.rand(batch * time, device=device).square() * partly
        clean = target.flatten(0, 1)
        share = level[:, None, None]
        noised = (1 - share) * torch.randn_like(clean) + share * clean
        predicted = self.head(features.flatten(0, 1), noisy.flatten(0, 1), noised, level)
        error = (predicted - clean).square().mean((1, 2))
        copy = (history - target).square().mean()
        loss = torch.where(level == 0, first_weight * error, error).mean()
        first = (error * (level == 0)).sum() / (level == 0).sum().clamp(min=1)
        return loss, {"loss": loss.detach(), "first_to_copy": (first / copy).detach()}

    @torch.no_grad()
    def rollout(
        self,
        history: Tensor,
        action: Tensor,
        frames: int,
        evaluations: int,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Dreams on. history [B, n, N, C] real latents, action [B, n - 1 + frames, A]; gives [B, frames, N, C].

        Noise is drawn on the CPU, so that a seed gives the same dream on every device.
        """
        c, batch, context, device = self.config, len(history), history.shape[1], history.device
        kv = torch.zeros(batch, c.window, len(c.window_layers), 2, c.tokens, c.kv_width, device=device)
        age = torch.full((c.window,), -1, dtype=torch.int32, device=device)
        latent, out, level = history[:, 0], [], torch.zeros(batch, device=device)
        for t in range(context - 1 + frames):
            features, slot = self.trunk.step(latent, action[:, t], level, kv, age)
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
