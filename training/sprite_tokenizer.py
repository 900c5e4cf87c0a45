"""A tokenizer for a few rigid things seen from above: learned sprites on a learned background, the latent their poses.

On a grid of cells (`tokenizer.py`) a world model by squared error paints a thing whose place is uncertain fainter; the
fainter thing is the history of the next frame, and soon the table is empty (`LOG.md`, 2026-11-21). A pose can't fade:
what is uncertain is a place in between. The price: nothing else can ever be seen, so this is for worlds of a fixed
background and rigid things of one colour each. A world's module asks for it by `SPRITES`: for each thing, whether it
turns.

Nothing is labelled. The colours are the commonest among those that differ from the usual picture, a thing's place is
near the middle of its colour, its turn near the direction of the colour's third moment, and a small network, which sees
the picture cut out in that frame, says how far off both are. All of it learns from how well the picture is painted.

Sources: sprites placed by affine maps (Jaderberg et al. 2015, "Spatial transformer networks"; Smirnov et al. 2021,
"MarioNette"), orientation by moments (Hu 1962).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .any_tokenizer import AnyTokenizer
from .data import Episodes
from .tokenizer import to_float

UNLIKE = 0.06  # of a channel's range: so much a pixel differs from the background where something is
ALIKE = 0.1  # standard deviation of a thing's colour, in the same unit


@dataclass(frozen=True)
class SpriteConfig:
    """Shapes of the autoencoder."""

    size: int = 96  # side of the picture, px
    turns: tuple[bool, ...] = (False, True)  # one sprite each, the last on top; those that don't turn only move
    sprite: int = 44  # side of a sprite, px
    finer: int = 1  # times as many pixels a side are painted: see `train_large.py`
    look: int = 24  # side of what the correcting network sees: the sprite's square, sampled so finely
    wide: int = 256  # of that network

    @property
    def grid(self) -> int:
        """Side of the latent: all poses are one cell."""
        return 1

    @property
    def numbers(self) -> list[int]:
        """How many say where each thing is: x and y, and of one that turns the cosine and the sine."""
        return [4 if turns else 2 for turns in self.turns]

    @property
    def channels(self) -> int:
        return sum(self.numbers)

    def __post_init__(self) -> None:
        object.__setattr__(self, "turns", tuple(self.turns))  # JSON knows lists only

    def dict(self) -> dict:
        return asdict(self)


class SpriteTokenizer(AnyTokenizer):
    SURFACES = ("usual", "texture", "cover")

    def __init__(self, config: SpriteConfig) -> None:
        super().__init__()
        self.config = c = config
        count = len(c.turns)
        size, sprite = c.size * c.finer, c.sprite * c.finer
        self.usual = nn.Parameter(torch.zeros(3, size, size))  # in [-0.5, 0.5]
        far = coordinates(sprite).square().sum(-1)
        self.texture = nn.Parameter(torch.zeros(count, 3, sprite, sprite))
        self.cover = nn.Parameter((1 - 6 * far).expand(count, 1, -1, -1).clone())  # logits of alpha: blobs at first
        self.correct = nn.ModuleList(
            nn.Sequential(
                nn.Linear(4 * c.look**2, c.wide),
                nn.SiLU(),
                nn.Linear(c.wide, c.wide),
                nn.SiLU(),
                nn.Linear(c.wide, 3),
            )
            for _ in c.turns
        )
        for network in self.correct:
            nn.init.zeros_(network[-1].weight)
            nn.init.zeros_(network[-1].bias)
        self.register_buffer("colour", torch.zeros(count, 3))  # what each thing is looked for by
        # Statistics of the poses over the training set, per number; set once, after training.
        self.register_buffer("mean", torch.zeros(c.channels, 1, 1))
        self.register_buffer("std", torch.ones(c.channels, 1, 1))

    def begin(self, episodes: Episodes) -> None:
        self.prepare(episodes.frames)

    @torch.no_grad()
    def prepare(self, frames: np.ndarray) -> None:
        """Before training: the background and the things' colours, rarest first. frames uint8 [T, H, W, 3]."""
        some = frames[:: max(1, len(frames) // 500)]
        self.usual.copy_(to_float(torch.from_numpy(np.median(some, 0).astype(np.uint8)[None]))[0])
        pictures = to_float(torch.from_numpy(some))
        unlike = (pictures - self.usual).abs().amax(1) > UNLIKE
        self.colour.copy_(commonest(pictures.permute(0, 2, 3, 1)[unlike], len(self.colour)))
        self.texture.copy_(self.colour[:, :, None, None].expand_as(self.texture))

    def find(self, picture: Tensor) -> Tensor:
        """[B, 3, H, W] in [-0.5, 0.5] to poses [B, channels]: x, y and, where a thing turns, its cosine and sine."""
        unlike = picture - self.usual
        there = ((unlike.abs().amax(1) - UNLIKE) * 50).sigmoid()
        at, local = (coordinates(side, picture.device) for side in (self.config.size, self.config.look))
        poses = []
        for colour, turns, network in zip(self.colour, self.config.turns, self.correct, strict=True):
            distance = (picture - colour[:, None, None]).square().sum(1)
            mask = there * (-distance / (2 * ALIKE**2)).exp()  # [B, H, W]
            place = middle(mask, at)
            upright = torch.stack([torch.ones_like(place[:, 0]), torch.zeros_like(place[:, 0])], 1)
            seen = torch.cat([unlike, mask[:, None]], 1)
            if turns:
                near = self.cut(mask[:, None], place, upright)[:, 0]
                place = place + self.reach * middle(near, local)
                near = self.cut(mask[:, None], place, upright)[:, 0]
                moment = (near[..., None] * local.square().sum(-1, keepdim=True) * local).sum((1, 2))
                turn = unit(moment + 1e-3 * upright)
            else:
                turn = upright
            off = network(self.cut(seen, place, turn).flatten(1))
            place = (place + 0.2 * self.reach * rotate(off[:, :2], turn)).clamp(-1, 1)
            poses.append(place)
            if turns:
                poses.append(rotate(unit(torch.stack([torch.ones_like(off[:, 2]), off[:, 2]], 1)), turn))
        return torch.cat(poses, 1)

    @property
    def reach(self) -> float:
        """Half the side of a sprite, where half the side of the picture is 1."""
        return self.config.sprite / self.config.size

    def cut(self, picture: Tensor, place: Tensor, turn: Tensor) -> Tensor:
        """The square around `place`, turned upright: [B, C, H, W] to [B, C, look, look]."""
        local = coordinates(self.config.look, picture.device).flatten(0, 1)  # [look^2, 2]
        where = place[:, None] + self.reach * rotate(local[None], turn[:, None])
        where = where.unflatten(1, (self.config.look, self.config.look))
        return F.grid_sample(picture, where, align_corners=False)

    def paint(self, poses: Tensor) -> Tensor:
        """The way back: poses [B, channels] to pictures [B, 3, H, W].

        What doesn't turn is moved by two small products. What turns is sampled on whole pixels around it, and these
        are put in place: its own picture should fit into a circle.
        """
        c, device = self.config, poses.device
        size, sprite = c.size * c.finer, c.sprite * c.finer
        pixels = torch.arange(size, device=device)
        side = sprite // 2 * 2 + 3
        around = coordinates(side, device) * (side / 2)  # whole pixels off the middle
        flat = F.pad(around.flatten(0, 1), (0, 1), value=1.0)  # [w^2, 3]: x, y, 1
        picture = self.usual
        things = zip(c.turns, poses.split(c.numbers, 1), self.texture, self.cover, strict=True)
        for turns, pose, texture, cover in things:
            alpha = cover.sigmoid()
            sheet = torch.cat([texture * alpha, alpha])[None]
            place = (pose[:, :2] + 1) * (size / 2) - 0.5  # px
            if turns:
                whole = place.detach().round()
                x, y = (whole - place).unbind(1)
                cosine, sine = (unit(pose[:, 2:]) * (2 / sprite)).unbind(1)
                affine = [cosine, -sine, sine, cosine, x * cosine + y * sine, y * cosine - x * sine]
                local = (flat @ torch.stack(affine, 1).unflatten(1, (3, 2))).unflatten(1, (side, side))
                sheet = F.grid_sample(sheet.expand(len(poses), -1, -1, -1), local, align_corners=False)
                place = whole
            first = place - (sheet.shape[-1] - 1) / 2  # px of the sheet's own first
            across, down = (tents(pixels - first[:, n, None], sheet.shape[-1]) for n in (0, 1))
            drawn = down[:, None] @ sheet @ across[:, None].transpose(2, 3)
            picture = picture * (1 - drawn[:, 3:]) + drawn[:, :3]
        return picture

    @torch.no_grad()
    def laid_otherwise(self, latents: Tensor, actions: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The same scenes on a table laid in any of the eight ways a square can be: turned, half of them mirrored too.

        Normalised latents [B, T, channels, 1, 1] and actions [B, T, A], whose first two numbers are x and y. A thing
        that doesn't turn must be round; one that does must look the same in a mirror. Its axis is the x of its own
        picture then, for that is where the third moment points.
        """
        count = len(latents)
        quarter = np.pi / 2 * rng.integers(0, 4, count)
        turn = torch.from_numpy(np.stack([np.cos(quarter), np.sin(quarter)], 1).round().astype(np.float32))
        mirror = torch.from_numpy(np.stack([np.ones(count), rng.choice([-1, 1], count)], 1).astype(np.float32))
        turn, mirror = turn[:, None].to(latents.device), mirror[:, None].to(latents.device)

        poses = latents.flatten(2) * self.std.flatten() + self.mean.flatten()
        laid = []
        things = zip(self.config.turns, poses.split(self.config.numbers, 2), self.cover.sigmoid(), strict=True)
        for turns, pose, cover in things:
            centre = self.reach * middle(cover, coordinates(self.config.sprite, cover.device))[0]  # off its picture's
            if turns:
                heading = pose[..., 2:]
                place = rotate((pose[..., :2] + rotate(centre, heading)) * mirror, turn)
                heading = rotate(heading * mirror, turn)
                laid += [place - rotate(centre, heading), heading]
            else:
                laid.append(rotate((pose[..., :2] + centre) * mirror, turn) - centre)
        laid = (torch.cat(laid, 2) - self.mean.flatten()) / self.std.flatten()
        way = rotate(actions[..., :2] * mirror, turn)
        return laid.reshape(latents.shape), torch.cat([way, actions[..., 2:]], -1)

    def optimiser(self, rate: float) -> torch.optim.Optimizer:
        """Sprites are few numbers, each seen in every picture: they learn quicker than networks."""
        groups = [(self.correct.parameters(), 1), ([self.usual], 1), ([self.texture], 10), ([self.cover], 100)]
        groups = [{"params": list(weights), "lr": times * rate} for weights, times in groups]
        return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)

    def encode(self, picture: Tensor) -> Tensor:
        """uint8 [B, H, W, 3] to normalised latents [B, channels, 1, 1]."""
        return (self.find(to_float(picture))[..., None, None] - self.mean) / self.std

    def decode(self, latent: Tensor) -> Tensor:
        """Normalised latents [B, channels, 1, 1] to pictures [B, 3, H, W], about [0, 1], not clipped."""
        return self.paint((latent * self.std + self.mean).flatten(1)) + 0.5

    def loss(self, picture: Tensor, before: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Error on `picture` uint8 [B, H, W, 3]; what is unusual weighs more. `before` isn't needed."""
        target = to_float(picture)
        loss, psnr = self.painting(target, self.find(target)[..., None, None], torch.ones_like(target[:, 0, 0, 0]))
        return loss, {"loss": loss.detach(), "psnr": psnr}

    def painting(self, target: Tensor, latent: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Error of painting `target` [B, 3, H, W], in [-0.5, 0.5], from its latents, not normalised; and PSNR, dB.

        weight [B]: how much each picture counts.
        """
        error = (self.paint(latent.flatten(1)) - target) * weight[:, None, None, None]
        unusual = 1 + 8 * ((target - self.usual.detach()).abs().amax(1, keepdim=True) > UNLIKE)
        loss = (unusual * (error.square() + 0.05 * error.abs())).mean()
        return loss, -10 * error.detach().square().mean().log10()


def coordinates(side: int, device: torch.device | None = None) -> Tensor:
    """x and y of the middles of side x side pixels, [side, side, 2], in (-1, 1)."""
    at = (torch.arange(side, device=device) - (side - 1) / 2) * (2 / side)
    return torch.stack([at[None].expand(side, -1), at[:, None].expand(-1, side)], -1)


def middle(mask: Tensor, at: Tensor) -> Tensor:
    """Mean place of a mask [B, H, W], [B, 2]; the picture's middle where it is empty."""
    return (mask[..., None] * at).sum((1, 2)) / (mask.sum((1, 2))[:, None] + 1e-2)


def tents(place: Tensor, side: int) -> Tensor:
    """Shares that the pixels of a line have in places on it, px, linear in between: [B, n] to [B, n, side]."""
    return (1 - (place[..., None] - torch.arange(side, device=place.device)).abs()).relu()


def unit(vector: Tensor) -> Tensor:
    return vector / (vector.square().sum(-1, keepdim=True) + 1e-12).sqrt()


def rotate(vector: Tensor, turn: Tensor) -> Tensor:
    """Vectors [..., 2] by the angle whose cosine and sine are `turn` [..., 2]."""
    (x, y), (cosine, sine) = vector.unbind(-1), turn.unbind(-1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y], -1)


def commonest(colours: Tensor, count: int) -> Tensor:
    """The `count` commonest of colours [N, 3] that aren't alike, rarest first. float32 [count, 3]."""
    found = []
    bins = ((colours + 0.5) * 15.999).long() @ torch.tensor([256, 16, 1])  # 16 levels a channel
    for place in torch.bincount(bins, minlength=4096).argsort(descending=True):
        colour = colours[bins == place].median(0).values
        if all((colour - other).norm() > 3 * ALIKE for other in found):
            found.append(colour)
        if len(found) == count:
            break
    return torch.stack(found[::-1])
