"""Slow noise: a few numbers that last for many frames and decide what the open future brings, such as the next bend.

    python -m training.slow_noise --world car-racing

A network that paints frame by frame, by squared error, paints the mean of all futures: a road that goes on straight.
Noise drawn anew for each frame doesn't help, a bend costs next to nothing in the frame in which it begins, and much in
the dream that went straight on (`LOG.md`, 2026-11-21). So dreams of a whole stretch are held to the real one here, and
the head is told a few numbers about it that another network, the posterior, reads off the real stretch. They cost by
how far they are from standard normals, so they say what can't be foreseen. In play plain noise is drawn, anew every
`slow_ticks` ticks. The trunk never sees it, so the cache of earlier frames doesn't hold it.

Source: variational futures (Denton & Fergus 2018, "Stochastic video generation with a learned prior"), one for many
frames. Begins from self-forcing where that was done, else from the world model.
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
from .self_forcing import CONTEXT_LEVEL, dream
from .train_tokenizer import load_tokenizer
from .train_world_model import HORIZONS, LatentRows, held_out, load_world_model
from .world_model import WorldModel, WorldModelConfig, patchify

STAGE = "slow-noise"


@dataclass
class SlowNoiseTraining(Training):
    """How long, how fast, how much may be told."""

    steps: int = 800
    batch: int = 8
    numbers: int = 4
    ticks: int = 24  # frames of a stretch
    leap: int = 3  # frames that one compiled call dreams; the stretch is so many times as long
    price: float = 2e-5  # of a nat, in mean squared error: about what it is worth by likelihood
    free: int = 60  # steps before a nat costs anything, or else nobody begins to say anything; its price then grows
    lr: float = 2.5e-4
    new_lr: float = 1e-3  # of what doesn't come from the model before
    ema: float = 0.995
    compile: bool = True


class Posterior(nn.Module):
    """Looks at four frames of a stretch, its ends among them."""

    def __init__(self, config: WorldModelConfig, width: int = 256) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(4 * config.tokens * config.token_channels, width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, 2 * config.slow_noise),
        )
        nn.init.zeros_(self.network[-1].bias)

    def forward(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, N, C] to a draw [B, P] and its distance from standard normals, nats [B]."""
        frames = torch.linspace(0, latents.shape[1] - 1, 4).round().long()
        mean, log_std = self.network(latents[:, frames].flatten(1)).chunk(2, -1)
        log_std = log_std.clamp(-5, 1)
        nats = (0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std).sum(-1)
        return mean + log_std.exp() * torch.randn_like(mean), nats


def train(args: SlowNoiseTraining) -> WorldModel:
    torch.manual_seed(args.seed)
    place = find_place()
    tokenizer = load_tokenizer(args.data / "tokenizer.pt", args.world).to(place.device)
    before = load_world_model(args.data, args.world, "self-forcing", "world-model")
    config = replace(before.config, slow_noise=args.numbers, slow_ticks=args.ticks)
    model = WorldModel(config)
    model.load_state_dict({**model.state_dict(), **before.state_dict()})
    model, posterior = model.to(place.device).train(), Posterior(config).to(place.device)
    average = copy.deepcopy(model)
    new = [*model.slow.parameters(), *posterior.parameters()]
    old = [weight for name, weight in model.named_parameters() if not name.startswith("slow.")]
    groups = [{"params": old, "lr": args.lr}, {"params": new, "lr": args.new_lr}]
    optim = torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)
    window = config.window
    rows = LatentRows(args.data, "train-*", window + args.ticks + 1, world_module(args.world, args.data).MIRROR)
    held = LatentRows(args.data, "held-*", 4 + HORIZONS[-1], None)
    loop = Loop(
        STAGE,
        args,
        place,
        config=config.dict(),
        parts={"model": model, "average": average, "posterior": posterior, "optim": optim},
        frames=args.batch * args.ticks,
        evaluate=lambda: held_out(average, tokenizer, held, count=48),
    )
    dreaming = compiled(dream, args.compile)
    for step, rng in loop:
        grid, actions = (drawn.to(place.device) for drawn in rows.draw(rng, args.batch))
        latents = patchify(grid, config)
        real = latents[:, window + 1 :]
        noise = torch.randn(args.ticks, 1, *real[:, 0].shape, device=place.device)
        with place.autocast():
            level = torch.full((args.batch, window), CONTEXT_LEVEL, device=place.device)
            _, kv = model.trunk(latents[:, :window], actions[:, :window], level)
            slow, nats = posterior(latents[:, window:])
            latent, dreamed = latents[:, window], []
            for t in range(0, args.ticks, args.leap):
                now = slice(window + t, window + t + args.leap)
                clip, kv = dreaming(model, latent, kv, actions[:, now], noise[t : t + args.leap], slow)
                latent = clip[:, -1]
                dreamed.append(clip)
            error = (torch.cat(dreamed, 1) - real).square().mean((0, 2, 3))  # by frame
            loss = error.mean() + args.price * min(1.0, max(0.0, step / args.free - 1)) * nats.mean()
        loss.backward()
        loop.update([optim], rate=min(1.0, (step + 1) / 50, max(0.05, 2 * (1 - step / args.steps))))
        follow(average, model, decay=args.ema, step=step)
        logs = {"loss": error.mean(), "first": error[0], "last": error[-1], "nats": nats.mean()}
        loop.log({name: value.detach() for name, value in logs.items()})
    return average


def main(argv: list[str] | None = None) -> int:
    return stage_main(__doc__, STAGE, SlowNoiseTraining, train, argv)


if __name__ == "__main__":
    sys.exit(main())
