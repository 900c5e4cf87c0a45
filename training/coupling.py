"""Learned coupling: noise that means something, so that one evaluation draws one future instead of their mean.

    python -m training.coupling --world car-racing

Where the future is open (which way the road bends, what is round the corner), a network that must paint it from noise
which says nothing paints the mean of all futures. Here an encoder that sees the next frame chooses the noise that leads
to it, and pays for every nat by which its choice differs from plain noise. In play plain noise is drawn, as before, and
the frame that it stands for appears: the world model, its graphs and the runtime stay what they are, the encoder is
dropped after training.

Sources: Lee et al. 2023, "Minimizing trajectory curvature of ODE-based generative models" (the coupling); Denton and
Fergus 2018, "Stochastic video generation with a learned prior" (why video wants it).
"""

from __future__ import annotations

import copy
import sys
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from .command import stage_main
from .device import compiled, find_place
from .environments import world_module
from .loop import Loop, Training, follow
from .train_tokenizer import load_tokenizer
from .train_world_model import HORIZONS, LatentRows, held_out, load_world_model
from .world_model import Layer, RMSNorm, WorldModel, WorldModelConfig, augment, patchify

STAGE = "coupling"


@dataclass
class CouplingTraining(Training):
    """How long, how fast, how dear the noise is."""

    steps: int = 1200
    batch: int = 8
    length: int = 20  # frames of a row; longer than the window
    lr: float = 2.5e-4
    encoder_lr: float = 1e-3
    price: float = 5e-4  # of a nat, in mean squared error of a latent whose variance is 1
    free_until: float = 0.1  # share of the steps in which a nat costs a fiftieth: else nobody learns to use the noise
    dear_from: float = 0.4  # share of the steps from which it costs the price
    ema: float = 0.995
    noise_scale: float = 0.4  # largest noise on the history, in standard deviations of the latent
    compile: bool = True


class NoiseEncoder(nn.Module):
    """The distribution of the noise that leads to a frame: a Gaussian per token channel, at first plain noise."""

    def __init__(self, config: WorldModelConfig, width: int = 128) -> None:
        super().__init__()
        c = replace(config, width=width, heads=4, kv_heads=2, head_width=width // 4, mlp=2 * width)
        self.embed = nn.Linear(config.width + 2 * config.token_channels, width)
        self.position = nn.Parameter(0.02 * torch.randn(config.tokens, width))
        self.condition = nn.Parameter(torch.full((config.condition,), 0.5))
        self.layers = nn.ModuleList(Layer(c, windowed=False) for _ in range(2))
        self.norm = RMSNorm(width)
        self.out = nn.Linear(width, 2 * config.token_channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, features: Tensor, latent: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """features [B, N, width], a latent and the one after it [B, N, C]; gives mean and log deviation [B, N, C]."""
        x = self.embed(torch.cat([features, latent, following], -1)) + self.position
        for layer in self.layers:
            shift, scale, gate, *rest = layer.modulate(self.condition.expand(len(x), -1))
            q, k, v = layer.project(layer.norm1(x) * (1 + scale) + shift)
            x = layer.feed_forward(x + gate * layer.out(layer.attend(q, k, v, None)), *rest)
        mean, deviation = self.out(self.norm(x)).chunk(2, -1)
        return mean, deviation.clamp(-5, 1)


def coupling_loss(
    model: WorldModel, encoder: NoiseEncoder, noise_scale: float, latents: Tensor, action: Tensor, price: Tensor
) -> tuple[Tensor, dict]:
    """latents [B, T + 1, N, C], action [B, T, A], price of a nat []."""
    batch, time = action.shape[:2]
    at = {"device": latents.device}
    history, history_level = augment(latents[:, :-1], noise_scale)
    features = model.trunk(history, action, history_level)[0].flatten(0, 1)
    before, clean = history.flatten(0, 1), latents[:, 1:].flatten(0, 1)

    mean, deviation = encoder(features.detach(), before, clean)
    nats = (0.5 * (mean.square() + (2 * deviation).exp() - 1) - deviation).sum((1, 2))
    noise = mean + deviation.exp() * torch.randn_like(mean)
    level = torch.rand(batch * time, **at).square() * (torch.rand(batch * time, **at) < 0.3)
    share = level[:, None, None]
    predicted = model.head(features, before, (1 - share) * noise + share * clean, level)
    error = (predicted - clean).square().mean((1, 2))
    loss = error.mean() + price * nats.mean()
    with torch.no_grad():  # the same from plain noise: a draw of its own is up to twice as far off as the mean
        few = slice(0, time)
        plain = model.head(features[few], before[few], torch.randn_like(clean[few]), torch.zeros(time, **at))
        plain = (plain - clean[few]).square().mean()
    first = (error * (level == 0)).sum() / (level == 0).sum().clamp(min=1)
    return loss, {"loss": loss.detach(), "nats": nats.mean().detach(), "chosen": first.detach(), "plain": plain}


def train(args: CouplingTraining) -> WorldModel:
    """Begins from self-forcing where that was done, else from the world model."""
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world).to(place.device)
    model = load_world_model(args.data, args.world, "self-forcing", "world-model").to(place.device).train()
    average = copy.deepcopy(model)
    encoder = NoiseEncoder(model.config).to(place.device)
    groups = [{"params": model.parameters(), "lr": args.lr}, {"params": encoder.parameters(), "lr": args.encoder_lr}]
    optim = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    rows = LatentRows(args.data, "train-*", args.length + 1, world_module(args.world, args.data).MIRROR)
    held = LatentRows(args.data, "held-*", 4 + HORIZONS[-1], None)
    loop = Loop(
        STAGE,
        args,
        place,
        config=model.config.dict(),
        parts={"model": model, "average": average, "encoder": encoder, "optim": optim},
        frames=args.batch * args.length,
        evaluate=lambda: held_out(average, tokenizer, held, count=48),
    )
    loss_of = compiled(coupling_loss, args.compile)
    for step, rng in loop:
        grid, actions = (drawn.to(place.device) for drawn in rows.draw(rng, args.batch))
        share = step / args.steps
        risen = (share - args.free_until) / (args.dear_from - args.free_until)
        price = torch.tensor(args.price * min(1.0, max(0.02, risen)), device=place.device)
        with place.autocast():
            latents = patchify(grid, model.config)
            loss, logs = loss_of(model, encoder, args.noise_scale, latents, actions[:, :-1], price)
        loss.backward()
        loop.update([optim], rate=min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - share))))
        follow(average, model, decay=args.ema, step=step)
        loop.log(logs)
    return average


def main(argv: list[str] | None = None) -> int:
    return stage_main(__doc__, CouplingTraining, train, argv)


if __name__ == "__main__":
    sys.exit(main())
