"""A tokenizer for one room seen by a camera in it: learned surfaces, the latent where the camera and the things are.

What sprites are from above (`sprite_tokenizer.py`) these are from within: pictures of floor, walls, ceiling and of the
one kind of thing that lies about, all learned from how well the frames are painted. A wall can't fade then, and a view
that was left is there again when one comes back. The price: nothing but this room can ever be seen. A world's module
asks for it by `ROOM`; its source says in `state` where the camera and the things are, and recordings keep that.

The latent is the room's floor as a grid. Each cell says whether a thing lies in it, and where; in the middle of every
few cells, once in each token, stands the camera (place, height, cosine and sine of its turn) and how it moved since the
frame before: each a vote.

Recordings are told where the camera is; a picture alone isn't. For it the camera is found by geometry: the floor's
pattern says how one stands within a tile and the walls which tile it is, or a wall's own pattern how one stands close
to it; the best places are moved until the room, painted from there, looks like the picture (Gauss-Newton on the
painting's error; Lucas & Kanade 1981). Then each cell is looked at for what the empty room doesn't explain.

The world model says how the camera moves; where it is then is arithmetic, so that a place and the way there agree.
Things stay where they lie until they are taken, by a chance that a small network gives by where the camera is and was,
seen from the thing; new ones fall anywhere, as often as in the recordings.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .any_tokenizer import ToldTokenizer
from .tokenizer import to_float
from .world_model import settle

VIEW = 0.75  # tangent of half the angle of view, about: what is left of it is learned
TALL = 1.2  # pixels are so much taller than wide, about
CAMERA = 5  # numbers of a camera: x, y, height, cosine and sine of its turn, left is positive
POSE = CAMERA + 3  # since the frame before how far it turned (radians), went ahead and to the left (units)
SPIN, FAR = 0.3, 48.0  # radians and units; in a frame a camera turns and goes less far
FINER = 8.0  # times that a turn's unit is finer than turns are large: once around, 45 turns must add up
STILL = (0.001, 0.1, 0.1)  # radians and units; movements well below are none
NEAR = 0.65  # of the picture from its top: below it the floor is near enough for its pattern to be seen
FINE = 2  # samples of a pixel on a side: textures far away are finer than pixels; those of the large tier are pixels
ROUGH = 0.003  # weight of the differences between neighbouring texels
ONWARD = (-0.08, 0.0, 0.08)  # radians; from one picture to the next a camera turns by less than twice that
SEEN = (0.6, 0.6, 0.3, 0.0035)  # units and radians; how far off x, y, height and turn are found in a picture
CLOSE = 64.0  # units; from further away nothing is taken
FATES = 8192  # things near the camera that are kept from recordings, to learn what becomes of them
BESIDE = (16.0, 20.0, 25.0, 31.0, 39.0, 49.0, 61.0, 76.0)  # units from a wall at which its pattern is looked for


@dataclass(frozen=True)
class RoomConfig:
    """Shapes of the room and of its pictures; a unit is the environment's own unit of length."""

    size: int = 96  # side of the picture, px
    side: float = 1216.0  # of the square room, units
    cells: int = 20  # on a side of the latent's grid
    votes: int = 4  # on a side of it, for where the camera is
    eye: float = 41.0  # the camera's usual height, units
    sway: float = 16.0  # how far the camera's height can be from that, units
    tile: int = 64  # after which floor and ceiling repeat, units
    tall: int = 104  # of the walls, units
    thing: int = 32  # side of the picture of a thing, units
    finer: int = 1  # times as many pixels a side are painted, and a unit has so many texels: see `train_large.py`
    sunk: float = 6.0  # of that picture below the floor, units
    shown: int = 16  # things painted at most, the nearest
    look: int = 12  # side of what the network sees that looks for a thing in a cell, px
    wide: int = 128  # of that network

    def __post_init__(self) -> None:
        if self.cells % self.votes:
            raise ValueError(f"cells: expected a multiple of votes ({self.votes}), got {self.cells}.")

    @property
    def grid(self) -> int:
        return self.cells

    @property
    def channels(self) -> int:
        return POSE + 3

    def dict(self) -> dict:
        return asdict(self)


class RoomTokenizer(ToldTokenizer):
    SURFACES = ("floor", "wall", "ceiling", "thing", "cover")

    def __init__(self, config: RoomConfig) -> None:
        super().__init__()
        self.config = c = config
        # What the camera is like: corrections of VIEW, VIEW / TALL, and the horizon's tangent; and the walls' height.
        self.lens = nn.Parameter(torch.tensor([1.0, 1.0, 0.0, 1.0]))
        tile, tall, wide, thing = (c.finer * units for units in (c.tile, c.tall, round(c.side), c.thing))
        self.floor = nn.Parameter(torch.full((3, tile, tile), 0.3))
        self.wall = nn.Parameter(torch.full((3, tall, wide), 0.3))
        self.ceiling = nn.Parameter(torch.full((3, tile, tile), 0.1))
        self.thing = nn.Parameter(torch.full((3, thing, thing), 0.5))
        far = torch.linspace(-1, 1, thing)
        self.cover = nn.Parameter(1 - 4 * (far[None].square() + far[:, None].square())[None])  # logits of alpha
        # Logarithm of the gain over depth: floor, ceiling, walls of constant x, walls of constant y, things.
        self.light = nn.Parameter(torch.zeros(5, 24))
        self.search = nn.Sequential(
            nn.Linear(6 * c.look**2 + 2, c.wide),
            nn.ReLU(),
            nn.Linear(c.wide, c.wide // 2),
            nn.ReLU(),
            nn.Linear(c.wide // 2, 3),
        )
        # Whether a thing is taken, by its place from where the camera was and from where it is: a logit.
        self.taken = nn.Sequential(nn.Linear(4, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))
        # Of real things those two places, units, and 1 if it was taken; and how many fall in a frame.
        self.register_buffer("fates", torch.zeros(FATES, 5))
        self.register_buffer("arrivals", torch.zeros(()))
        self.register_buffer("margin", torch.ones(()))  # how near to a wall a camera comes, units
        # Statistics over the training set, per channel; set once, after training.
        self.register_buffer("mean", torch.zeros(c.channels, 1, 1))
        self.register_buffer("std", torch.ones(c.channels, 1, 1))

    # Latents

    def latent_of(self, states: Tensor) -> Tensor:
        """What a source's `state` says to latents [B, C, g, g], not normalised. Of two things in one cell one is kept.

        States are [B, 8 + 2 n]: camera and its movement, then x and y of the things, units, NaN where there is none.
        """
        c = self.config
        things = torch.zeros(len(states), 3, c.cells, c.cells, device=states.device)
        places = states[:, POSE:].unflatten(1, (-1, 2)) * (c.cells / c.side)
        row, slot = places.isfinite().all(-1).nonzero(as_tuple=True)
        place = places[row, slot]
        cell = place.long().clamp(0, c.cells - 1)
        # Of those in one cell the one with the largest x, whatever their order.
        order = place[:, 0].argsort()
        order = order[((row * c.cells + cell[:, 1]) * c.cells + cell[:, 0])[order].argsort(stable=True)]
        row, place, cell = row[order], place[order], cell[order]
        last = torch.ones_like(row, dtype=torch.bool)
        last[:-1] = (row[1:] != row[:-1]) | (cell[1:] != cell[:-1]).any(1)
        row, place, cell = row[last], place[last], cell[last]
        off = 2 * (place - cell) - 1  # [-1, 1]
        things[row, :, cell[:, 1], cell[:, 0]] = torch.cat([torch.ones_like(off[:, :1]), off], 1)
        return self.joined(states[:, :POSE], things)

    def joined(self, pose: Tensor, things: Tensor) -> Tensor:
        """Camera and movement [B, 8] as every vote, what lies in the cells [B, 3, g, g]: latents, not normalised."""
        apart = self.config.cells // self.config.votes
        vote = F.pad(self.scaled(pose)[..., None, None], (apart // 2, (apart - 1) // 2) * 2)
        return torch.cat([vote.repeat(1, 1, self.config.votes, self.config.votes), things], 1)

    def undisturbed(self, latents: Tensor) -> Tensor:
        """Normalised latents [B, T, C, g, g] in which all things lie where they lay in the first frame.

        What becomes of things is for `grown` to say: the world model shall learn nothing from its noise.
        """
        return torch.cat([latents[:, :, :POSE], latents[:, :1, POSE:].expand(-1, latents.shape[1], -1, -1, -1)], 2)

    def as_seen(self, latents: Tensor) -> Tensor:
        """Normalised latents [B, T, C, g, g] as if each had been found in its picture, in half of the rows.

        Cameras are a little off then, and a movement between two of them is so by more than a world model that was
        only ever told the truth would think.
        """
        flat = latents.flatten(0, 1) * self.std + self.mean
        x, y, height, cosine, sine = self.read(flat)[0].unbind(1)
        moved = self.said_movement(flat)
        batch, time = latents.shape[:2]
        off = torch.randn(batch, time + 1, 4, device=flat.device) * torch.tensor(SEEN, device=flat.device)
        off = off * (torch.rand(batch, 1, 1, device=flat.device) < 0.5)
        (dx, dy, _, spin), (ex, ey, eh, turn) = (v.flatten(0, 1).unbind(1) for v in (off.diff(dim=1), off[:, 1:]))
        moved = moved + torch.stack([spin, dx * cosine + dy * sine, dy * cosine - dx * sine], 1)
        way = times(torch.stack([cosine, sine], 1), torch.stack([turn.cos(), turn.sin()], 1))
        pose = torch.cat([torch.stack([x + ex, y + ey, height + eh], 1), way, moved], 1)
        return ((self.joined(pose, flat[:, POSE:]) - self.mean) / self.std).unflatten(0, (batch, time))

    @torch.no_grad()
    def normalise(self, states: Tensor, starts: Tensor) -> None:
        """Sets what normalises latents, from the states [T, S] of recordings and where episodes start [T]."""
        rows = torch.linspace(0, len(states) - 1, min(4096, len(states))).long()
        latent = self.latent_of(states[rows])
        self.mean.copy_(latent.mean((0, 2, 3))[:, None, None])
        self.std.copy_(latent.std((0, 2, 3))[:, None, None])
        # A camera goes far, little by little: its unit is four steps, for a step of it is what must be exact.
        rows = rows[~starts[rows]]
        after, before = (self.scaled(states[at, :POSE]) for at in (rows, rows - 1))
        self.mean[:POSE] = 0
        self.std[:CAMERA] = 4 * (after - before)[:, :CAMERA].square().mean(0).sqrt()[:, None, None]
        self.std[CAMERA:POSE] = after[:, CAMERA:].square().mean(0).sqrt()[:, None, None]
        self.std[CAMERA] /= FINER

    @torch.no_grad()
    def prepare(self, states: Tensor, starts: Tensor) -> None:
        """Before training: margin and fates, from the states [T, S] of recordings and where episodes start [T]."""
        place = states[:, :2]
        self.margin.copy_(torch.minimum(place, self.config.side - place).amin().clamp(min=1.0))
        rows = (~starts[1:]).nonzero()[:, 0]
        fates, fallen = [], 0
        for at in rows.split(1024):
            now, then = (states[k, POSE:].unflatten(1, (-1, 2)) for k in (at, at + 1))  # [b, n, 2], NaN for none
            same = (now[:, :, None] == then[:, None]).all(-1)  # [b, n, n]
            there = now[..., 0].isfinite()
            fallen += int((then[..., 0].isfinite() & ~same.any(1)).sum())
            taken = (there & ~same.any(2)).float()
            away = torch.cat([now - states[at, None, :2], now - states[at + 1, None, :2]], -1)
            near = there & (away[..., 2:].abs().amax(-1) < CLOSE)
            fates.append(torch.cat([away, taken[..., None]], -1)[near])
        fates = torch.cat(fates)
        self.arrivals.fill_(fallen / max(len(rows), 1))
        if len(fates):
            self.fates.copy_(fates[torch.linspace(0, len(fates) - 1, FATES).long()])

    def votes(self, latent: Tensor) -> Tensor:
        """The part of latents [B, C, g, g] that says where the camera is: [B, 8, votes, votes]."""
        apart = self.config.cells // self.config.votes
        return latent[:, :POSE, apart // 2 :: apart, apart // 2 :: apart]

    def said_movement(self, latent: Tensor) -> Tensor:
        """How far the camera of latents [B, C, g, g], not normalised, turned and went, in radians and units: [B, 3]."""
        return self.votes(latent)[:, CAMERA:].mean((2, 3)) * torch.tensor([SPIN, FAR, FAR], device=latent.device)

    def scaled(self, pose: Tensor) -> Tensor:
        """A camera and its movement [..., 8] as their numbers in a latent, in [-1, 1]."""
        c, (x, y, height, cosine, sine, spin, ahead, left) = self.config, pose.unbind(-1)
        moved = [v.clamp(-1, 1) for v in (spin / SPIN, ahead / FAR, left / FAR)]
        return torch.stack(
            [2 * x / c.side - 1, 2 * y / c.side - 1, (height - c.eye) / c.sway, cosine, sine, *moved], -1
        )

    def read(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The way back: camera [B, 5] in units, whether a thing is in each cell [B, g^2], and where [B, g^2, 2]."""
        c = self.config
        x, y, height, cosine, sine = self.votes(latent)[:, :CAMERA].mean((2, 3)).unbind(1)
        turn = (cosine.square() + sine.square() + 1e-6).rsqrt()
        inside = (c.side / 2 - 1) * 0.999
        x, y = (c.side / 2 + (v * c.side / 2).clamp(-inside, inside) for v in (x, y))
        camera = torch.stack([x, y, c.eye + c.sway * height.clamp(-1.0, 1.0), cosine * turn, sine * turn], 1)
        there = latent[:, POSE].flatten(1)
        place = latent[:, POSE + 1 :].flatten(2).transpose(1, 2).clamp(-1.0, 1.0)
        return camera, there, self.middles(latent.device) + place * (c.side / c.cells / 2)

    def middles(self, device: torch.device) -> Tensor:
        """Of the cells, x and y in units, [g^2, 2], row by row."""
        c = self.config
        at = (torch.arange(c.cells, device=device) + 0.5) * (c.side / c.cells)
        return torch.stack([at.repeat(c.cells), at.repeat_interleave(c.cells)], 1)

    # What comes next

    def grown(self, before: Tensor, after: Tensor, noise: Tensor) -> Tensor:
        """Latents `after` a frame, normalised as all [B, C, g, g], with the things of `before` and their fates.

        The camera went from where it was by the movement of `after`, the mean of its votes. By `noise`, that of a
        thing's cell, some things are taken, and in a cell without one a new one falls now and then.
        """
        c = self.config
        before, after = (latent * self.std + self.mean for latent in (before, after))
        (old, there, place), said = self.read(before), self.read(after)[0]
        moved = settle(self.said_movement(after), torch.tensor(STILL, device=after.device))
        new = self.onward(old, moved, said[:, 2])
        moved = self.movement(old, new)  # at a wall it ends
        there = there > 0.5
        away = torch.cat([place - camera[:, None, :2] for camera in (old, new)], 2)
        chance = torch.where(there, self.fate(away).sigmoid(), self.arrivals / c.cells**2)
        share = 0.5 + 0.5 * torch.erf(noise[:, POSE:].flatten(2) / math.sqrt(2))  # in [0, 1], any alike
        lies = there != (share[:, 0] < chance)
        off = torch.where(there[:, None], before[:, POSE + 1 :].flatten(2), 2 * share[:, 1:] - 1)
        things = torch.where(lies[:, None], torch.cat([torch.ones_like(off[:, :1]), off], 1), 0.0)
        pose = torch.cat([new, moved], 1)
        return (self.joined(pose, things.unflatten(2, (c.cells, c.cells))) - self.mean) / self.std

    def onward(self, camera: Tensor, moved: Tensor, height: Tensor) -> Tensor:
        """Where a camera [B, 5] is after a movement [B, 3], at a height [B]; no nearer to a wall than real ones."""
        x, y = camera[:, :2].unbind(1)
        spin, ahead, left = moved.unbind(1)
        cosine, sine = times(camera[:, 3:], torch.stack([spin.cos(), spin.sin()], 1)).unbind(1)
        x, y = x + ahead * cosine - left * sine, y + ahead * sine + left * cosine
        x, y = (v.maximum(self.margin).minimum(self.config.side - self.margin) for v in (x, y))
        return torch.stack([x, y, height, cosine, sine], 1)

    def movement(self, old: Tensor, new: Tensor) -> Tensor:
        """What leads from one camera to another, both [B, 5]: how far it turns, goes ahead and to the left, [B, 3]."""
        cosine, sine = new[:, 3], new[:, 4]
        spin = torch.atan2(sine * old[:, 3] - cosine * old[:, 4], cosine * old[:, 3] + sine * old[:, 4] + 1e-9)
        x, y = (new - old)[:, :2].unbind(1)
        return torch.stack([spin, x * cosine + y * sine, y * cosine - x * sine], 1)

    def fate(self, away: Tensor) -> Tensor:
        """Logit of being taken, of things so far away before and after a frame [..., 4], units: [...]."""
        return self.taken((away / CLOSE).clamp(-1, 1))[..., 0]

    # Painting

    def rays(self, samples: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Tangents of the columns (right is positive) and of the rows (down is positive), [samples] each."""
        at = (torch.arange(samples, device=device) + 0.5) * (2 / samples) - 1
        return at * VIEW * self.lens[0], at * VIEW / TALL * self.lens[1] + self.lens[2]

    def gain(self, kind: int, depth: Tensor) -> Tensor:
        """How bright what is so far away is, of any shape."""
        knots = self.light.shape[1]
        place = (depth.clamp(8.0, 2000.0).log2() - 3) * ((knots - 1.001) / 8)
        low = place.floor()
        share, low = place - low, low.long()
        curve = self.light[kind]
        return (curve[low] * (1 - share) + curve[low + 1] * share).exp()

    def room(self, camera: Tensor, size: int = 0, begin: int = 0, end: int = 0) -> Tensor:
        """The empty room from cameras [B, 5]: [B, 3, H, W], about [0, 1].

        With a `size` smaller, and coarse; with `begin` and `end` only those rows of the picture that there are.
        """
        c = self.config
        fine = 1 if size else FINE
        samples = (size or c.size) * fine
        x, y, height, cosine, sine = (v[:, None] for v in camera.unbind(1))
        column, row = self.rays(samples, camera.device)
        row = row[begin * samples // c.size : (end or c.size) * samples // c.size]
        # How far x and y go with a unit of depth, and how deep the wall of each column is. [B, columns]
        go_x, go_y = cosine + column * sine, sine - column * cosine
        to_x = torch.where(go_x > 0, c.side - x, x) / go_x.abs().clamp(min=1e-5)
        to_y = torch.where(go_y > 0, c.side - y, y) / go_y.abs().clamp(min=1e-5)
        depth = torch.minimum(to_x, to_y)
        hit_x, hit_y = x + depth * go_x, y + depth * go_y
        along = torch.where(to_x < to_y, torch.where(go_x > 0, -hit_y, hit_y), torch.where(go_y > 0, hit_x, -hit_x))
        # How deep floor and ceiling of each row are. [B, rows]
        top = c.tall * self.lens[3]
        level = torch.where(row > 0, height, top - height)
        flat = (level / row.abs().clamp(min=1e-3)).clamp(max=2 * c.side)
        # One sheet of all pictures, each with a margin to interpolate into; texels of each pixel. [B, rows, columns]
        sheet, (wall_at, floor_at, ceiling_at) = self.sheet()
        tile = c.tile * c.finer
        flat_x = wrap((x[..., None] + flat[..., None] * go_x[:, None]) / c.tile) * tile
        flat_x = flat_x + torch.where(row > 0, floor_at, ceiling_at)[:, None]
        flat_y = wrap((y[..., None] + flat[..., None] * go_y[:, None]) / c.tile) * tile
        wall_x = wrap(along / c.side)[:, None] * (c.side * c.finer) + wall_at
        wall_y = (top - height[..., None] + row[:, None] * depth[:, None]) * c.finer
        on_wall = flat[..., None] > depth[:, None]
        across = torch.where(on_wall, wall_x, flat_x)
        down = torch.where(on_wall, wall_y.clamp(0.0, float(c.tall * c.finer)), flat_y)
        bright_flat = torch.where(row > 0, self.gain(0, flat), self.gain(1, flat))
        bright_wall = torch.where(to_x < to_y, self.gain(2, depth), self.gain(3, depth))
        bright = torch.where(on_wall, bright_wall[:, None], bright_flat[..., None])
        high, wide = sheet.shape[2:]
        where = torch.stack([(across + 1) * (2 / wide) - 1, (down + 1) * (2 / high) - 1], -1)
        # All cameras look at one sheet: their rows are laid below each other, for an expanded sheet would be copied.
        painted = F.grid_sample(sheet, where.flatten(0, 1)[None], align_corners=False)[0]
        painted = painted.unflatten(1, (len(camera), -1)).transpose(0, 1)
        return F.avg_pool2d(painted * bright[:, None], max(1, fine // c.finer))

    def sheet(self) -> tuple[Tensor, tuple[int, int, int]]:
        """Walls, floor and ceiling side by side, [1, 3, h, w], and where each begins, texels; around each one more."""
        begins, parts, at = [], [], 0
        pictures = (self.wall, self.floor, self.ceiling)
        tallest = max(p.shape[1] for p in pictures)
        for picture in pictures:
            wide = torch.cat([picture[..., -1:], picture, picture[..., :1]], 2)
            if picture is self.wall:
                wide = torch.cat([wide[:, :1], wide, wide[:, -1:]], 1)
            else:  # repeats downwards as well
                wide = torch.cat([wide[:, -1:], wide, wide[:, :1]], 1)
            parts.append(F.pad(wide, (0, 0, 0, tallest - picture.shape[1])))
            begins.append(at)
            at += picture.shape[2] + 2
        return torch.cat(parts, 2)[None], tuple(begins)

    def ahead(self, camera: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Depth and way to the right of places [B, n, 2], units, [B, n] each."""
        cosine, sine = camera[:, 3:4], camera[:, 4:5]
        x, y = (place - camera[:, None, :2]).unbind(2)
        return x * cosine + y * sine, x * sine - y * cosine

    def paint(self, camera: Tensor, there: Tensor, place: Tensor) -> Tensor:
        """The room with its things: what `read` gives to [B, 3, H, W], about [0, 1]."""
        c = self.config
        picture = self.room(camera)
        depth, right = self.ahead(camera, place)
        seen = (depth > 6) & (right.abs() < depth * VIEW * self.lens[0] + c.thing)
        near = torch.where(seen, there / depth.clamp(min=6.0), -torch.ones_like(depth))
        near, chosen = near.topk(c.shown, 1)  # the nearest first
        depth, right, there = (v.gather(1, chosen)[..., None] for v in (depth, right, there))
        depth = depth.clamp(min=6.0)
        alpha = ((there - 0.5) * 12).sigmoid() * (near > 0)[..., None]
        # Texels of the thing's picture at each column and row: [B, n, size].
        column, row = self.rays(c.size * c.finer, camera.device)
        half = c.thing / 2
        across = (column * depth - right + half) * c.finer - 0.5
        down = (row * depth - camera[:, None, 2:3] + (c.thing - c.sunk)) * c.finer - 0.5
        across = shares(across, depth * (2 * VIEW / c.size), c.thing * c.finer)  # finer both, pixels and texels
        down = shares(down, depth * (2 * VIEW / TALL / c.size), c.thing * c.finer)
        cover = self.cover.sigmoid()
        sheet = torch.cat([self.thing * cover, cover])
        drawn = down[:, :, None] @ sheet @ across[:, :, None].transpose(3, 4)  # [B, n, 4, H, W]
        drawn = drawn * alpha[..., None, None]
        bright = self.gain(4, depth)[..., None, None]
        for n in reversed(range(c.shown)):
            picture = picture * (1 - drawn[:, n, 3:]) + drawn[:, n, :3] * bright[:, n]
        return picture

    def decode(self, latent: Tensor) -> Tensor:
        """Normalised latents [B, C, g, g] to pictures [B, 3, H, W], about [0, 1], not clipped."""
        return self.paint(*self.read(latent * self.std + self.mean))

    # Finding the camera and the things in a picture

    def encode(self, picture: Tensor, before: Tensor | None = None) -> Tensor:
        """uint8 [B, H, W, 3] to normalised latents [B, C, g, g].

        `before`: latents of the pictures one frame earlier, near whose cameras these are looked for too; zeros or none
        for a picture that is the first.
        """
        c, picture = self.config, to_float(picture)
        if before is None:
            before = torch.zeros(len(picture), c.channels, c.cells, c.cells, device=picture.device)
        before = before * self.std + self.mean
        old, follows = self.read(before)[0], self.votes(before)[:, 3:CAMERA].square().sum(1).mean((1, 2)) > 0.25
        camera = torch.cat([self.locate(*one) for one in zip(picture, old.split(1), follows, strict=True)])
        there, off = self.found(picture, camera)
        things = torch.cat([there[:, None], off.transpose(1, 2) * there[:, None]], 1)
        things = things.unflatten(2, (c.cells, c.cells))
        moved = torch.where(follows[:, None], self.movement(old, camera), 0.0)
        leap = (moved[:, 1:].abs() > FAR).any(1, keepdim=True)  # one of the two was found elsewhere
        moved = torch.where(leap, self.said_movement(before), moved)
        return (self.joined(torch.cat([camera, moved], 1), things) - self.mean) / self.std

    def locate(self, picture: Tensor, old: Tensor, follows: Tensor) -> Tensor:
        """The camera [1, 5] from which one picture [3, H, W], in [-0.5, 0.5], was seen.

        old [1, 5]: the one a frame earlier, if `follows` [] says that there is one.
        """
        c = self.config
        tiles = torch.arange(math.ceil(c.side / c.tile), device=picture.device).float() * c.tile
        middle = tiles[len(tiles) // 2]
        cameras, error = self.refined(picture, self.by_floor(picture, middle), begin=round(NEAR * c.size), rounds=3)
        x, y, height, turn = cameras[error.topk(3, largest=False).indices].unbind(1)
        # Which of the floor's tiles one stands on is for the walls to say: their rows, at half resolution.
        x = (wrap(x / c.tile)[:, None, None] * c.tile + tiles[:, None]).expand(-1, -1, len(tiles)).flatten()
        y = (wrap(y / c.tile)[:, None, None] * c.tile + tiles).expand(-1, len(tiles), -1).flatten()
        height, turn = (v.repeat_interleave(len(tiles) ** 2) for v in (height, turn))
        cameras = torch.stack([x.clamp(1.0, c.side - 1), y.clamp(1.0, c.side - 1), height, turn], 1)
        begin, end = round(0.2 * c.size) // 2 * 2, round(NEAR * c.size) // 2 * 2
        band = picture[None, :, begin:end] + 0.5
        far = self.room(polar(cameras), c.size // 2, begin, end) - F.avg_pool2d(band, 2)
        cameras = cameras[far.abs().mean((1, 2, 3)).topk(40, largest=False).indices]
        far = self.room(polar(cameras), 0, begin, end) - band
        near = far.clamp(-0.2, 0.2).abs().mean((1, 2, 3)).topk(4, largest=False).indices
        cameras = cameras[near]
        turn = torch.atan2(old[:, 4], old[:, 3]) + torch.tensor(ONWARD, device=picture.device)
        onward = torch.cat([old[:, :3].expand(len(turn), -1), turn[:, None]], 1)
        beside = self.by_wall(picture)
        cameras = torch.cat([cameras, beside, torch.where(follows, onward, cameras[: len(turn)])])
        cameras, error = self.refined(picture, cameras, begin=0, rounds=2)
        cameras = cameras[error.topk(5, largest=False).indices]
        cameras, error = self.refined(picture, cameras, begin=0, rounds=2, coarse=0)
        # Where the walls look alike, one place is as good as another: the one nearest to the last, or to the middle.
        aside = 0.1 * (2 * cameras[:, :2] / c.side - 1).square().sum(1)
        far = 0.3 * ((cameras[:, :2] - old[:, :2]) / c.tile).square().sum(1).clamp(max=4)
        return polar(cameras[(error * (1 + torch.where(follows, far, aside))).argmin()[None]])

    def heights(self, device: torch.device) -> Tensor:
        """Heights of a camera that are tried, units: [7]."""
        return torch.arange(-3, 4, device=device).float() * (self.config.sway / 6.4) + self.config.eye

    def by_floor(self, picture: Tensor, corner: Tensor) -> Tensor:
        """Cameras (x, y, height, turn in radians) on the tile at `corner` from which the floor's pattern fits: [8, 4].

        All turns and heights are tried. The pattern's strongest waves are laid over the near floor of the picture; how
        well they fit is known for all places at once then, since a place only moves their phases.
        """
        c, device = self.config, picture.device
        column, row = self.rays(c.size, device)
        begin, wave = round(NEAR * c.size), 2 * math.pi / c.tile
        column = column.unflatten(0, (-1, 4)).mean(1)
        seen = picture.mean(0)[begin:].unflatten(1, (-1, 4)).mean(2)
        seen = seen - seen.mean(1, keepdim=True)
        seen = (seen / (seen.square().mean(1, keepdim=True).sqrt() + 0.01)).flatten()  # so the light doesn't matter
        ahead = (1 / row[begin:, None]).expand(-1, len(column)).flatten()  # of each pixel's floor, in heights
        right = (column / row[begin:, None]).flatten()

        # The floor's strongest waves, and what each is made of.
        span = torch.arange(-8, 9, device=device)
        waves = torch.stack([span[8:].repeat_interleave(17), span.repeat(9)], 1)  # of x and y
        half = ((waves[:, 0] > 0) | (waves[:, 1] > 0)) & (waves.square().sum(1) <= 64)
        waves = waves[half].float()
        texel = torch.arange(c.tile, device=device).float()
        pattern = self.floor.mean(0)
        angle_x, angle_y = wave * waves[:, :1] * texel, wave * waves[:, 1:] * texel  # [waves, tile]
        cosine = angle_y.cos() @ pattern, angle_y.sin() @ pattern  # [waves, tile (x)]
        real = (cosine[0] * angle_x.cos() - cosine[1] * angle_x.sin()).sum(1)
        imaginary = -(cosine[1] * angle_x.cos() + cosine[0] * angle_x.sin()).sum(1)
        chosen = (real.square() + imaginary.square()).topk(32).indices
        waves, real, imaginary = waves[chosen], real[chosen], imaginary[chosen]

        turns = torch.arange(0, 120, device=device).float() * (2 * math.pi / 120)
        heights = self.heights(device)
        turn, height = turns.repeat_interleave(len(heights)), heights.repeat(len(turns))
        to_ahead = waves[:, 0] * turn.cos()[:, None] + waves[:, 1] * turn.sin()[:, None]  # [ways, waves]
        to_right = waves[:, 0] * turn.sin()[:, None] - waves[:, 1] * turn.cos()[:, None]
        stretch = wave * height[:, None]
        phase = (to_ahead * stretch)[..., None] * ahead + (to_right * stretch)[..., None] * right
        felt = phase.cos() @ seen, phase.sin() @ seen  # [ways, waves]
        both = real * felt[0] - imaginary * felt[1], real * felt[1] + imaginary * felt[0]
        step = torch.arange(0, c.tile, 2, device=device).float()
        x, y = step.repeat_interleave(len(step)), step.repeat(len(step))
        phase = wave * (waves[:, :1] * x + waves[:, 1:] * y)
        fit, place = (both[0] @ phase.cos() - both[1] @ phase.sin()).max(1)
        best = fit.topk(8).indices
        place = place[best]
        return torch.stack([corner + x[place], corner + y[place], height[best], turn[best]], 1)

    def by_wall(self, picture: Tensor) -> Tensor:
        """Cameras (x, y, height, turn in radians) close to a wall from which its pattern fits: [4, 4].

        As `by_floor`: how far the wall is, how one stands to it and how high are tried; where along it only moves the
        phases of its strongest waves.
        """
        c, device = self.config, picture.device
        column, row = (at.unflatten(0, (-1, 4)).mean(1) for at in self.rays(c.size, device))
        none = 0 * picture[0, 0, 0]  # what hangs on the picture isn't worked out at export and kept in the graph
        row = row + none
        seen = F.avg_pool2d(picture.mean(0)[None], 4)[0]
        seen = seen - F.avg_pool2d(seen[None], 9, 1, 4, count_include_pad=False)[0]  # so the light doesn't matter
        seen = seen / (F.avg_pool2d(seen.square()[None], 9, 1, 4, count_include_pad=False)[0].sqrt() + 0.01)

        # The wall's strongest waves along it, and what each is made of at every height.
        wall = self.wall.mean(0)
        wide = wall.shape[1]
        many = torch.arange(0, round(wide / 12), device=device).float() * (2 * math.pi / wide)
        angle = (torch.arange(wide, device=device).float()[:, None] + none) * many
        share = torch.where(many > 0, 2.0, 1.0) / wide
        real, imaginary = (wall - wall.mean()) @ angle.cos() * share, (wall - wall.mean()) @ angle.sin() * share
        energy = real.square() + imaginary.square()  # [tall, waves]
        chosen = energy.sum(0).topk(32).indices
        waves = many[chosen]
        table = torch.cat([real[:, chosen], imaginary[:, chosen], energy[:, chosen].sum(1, keepdim=True)], 1)
        table = F.pad(table, (0, 0, 0, 1))  # above and below there is no wall

        slants = torch.arange(-80, 81, 5, device=device).float() * (math.pi / 180)
        heights = self.heights(device)
        slant, height = slants.repeat_interleave(len(heights)), heights.repeat(len(slants))
        facing = slant.cos()[:, None] + column * slant.sin()[:, None]  # [ways, columns]
        aside = (slant.sin()[:, None] - column * slant.cos()[:, None]) / facing.clamp(min=0.01)
        top = c.tall * self.lens[3] - height[:, None, None]
        along = torch.arange(0, wide, 4, device=device).float()
        there = (waves[:, None] * along).cos(), (waves[:, None] * along).sin()  # [waves, places]
        fits, places = [], []
        for far in BESIDE:
            depth = far / facing.clamp(min=0.01)
            at = top + row * depth[..., None]  # [ways, columns, rows]
            outside = (facing[..., None] < 0.05) | (at < 0) | (at >= c.tall)
            felt = table[torch.where(outside, c.tall, at.long().clamp(0, c.tall - 1))]
            power = felt[..., -1].sum((1, 2))
            felt = (felt[..., :-1] * seen.T[None, ..., None]).sum(2).unflatten(2, (2, -1))  # [ways, columns, 2, waves]
            phase = (aside * far)[..., None] * waves
            real, imaginary, cosine, sine = felt[:, :, 0], felt[:, :, 1], phase.cos(), phase.sin()
            both = (real * cosine - imaginary * sine).sum(1), (real * sine + imaginary * cosine).sum(1)
            fit, place = (both[0] @ there[0] + both[1] @ there[1]).max(1)
            fits.append(fit / (power + 1.0).sqrt())
            places.append(place)
        best = torch.cat(fits).topk(8).indices
        far = torch.tensor(BESIDE, device=device)[best // len(slant)]
        place, best = along[torch.cat(places)[best]], best % len(slant)
        height, slant = height[best], slant[best]
        # At a wall of constant x, of constant y, and at those across the room.
        x, y = torch.cat([c.side - far, place]), torch.cat([c.side - place, c.side - far])
        x, y = (v.clamp(1.0, c.side - 1) for v in (x, y))
        turn, height = torch.cat([slant, slant + math.pi / 2]), height.repeat(2)
        here = torch.stack([x, y, height, turn], 1)
        across = torch.stack([c.side - x, c.side - y, height, turn + math.pi], 1)
        cameras = torch.cat([here, across])
        error = self.room(polar(cameras), c.size // 2) - F.avg_pool2d(picture[None] + 0.5, 2)
        return cameras[error.clamp(-0.2, 0.2).abs().mean((1, 2, 3)).topk(4, largest=False).indices]

    def refined(
        self, picture: Tensor, cameras: Tensor, *, begin: int, rounds: int, coarse: int = 2
    ) -> tuple[Tensor, Tensor]:
        """Cameras [n, 4] (x, y, height, turn), each moved until the empty room looks like the picture, and errors [n].

        Looks at the rows from `begin` down; in the first `coarse` rounds at coarse shapes: they lead from further away.
        """
        c, device = self.config, picture.device
        picture = picture[:, begin:] + 0.5
        steps = torch.tensor([0.5, 0.5, 0.3, 0.004], device=device)
        limit = torch.tensor([8.0, 8.0, 3.0, 0.05], device=device)
        low = torch.tensor([1.0, 1.0, c.eye - c.sway, -100.0], device=device)
        high = torch.tensor([c.side - 1, c.side - 1, c.eye + c.sway, 100.0], device=device)
        moved = ways_of(steps)
        for number in range(rounds + 1):
            error = picture - self.room(polar((cameras[:, None] + moved).flatten(0, 1)), begin=begin)
            if number < coarse:
                error = F.avg_pool2d(error, 3, 1, 1)
            error = error.flatten(1).unflatten(0, (-1, len(moved)))
            here = error[:, 0]
            trust = 1 / (1 + (here / 0.1).square())  # what the empty room can't explain is a thing
            if number < rounds:
                slope = slopes(error, steps)
                weighed = slope * trust[:, None]
                square = weighed @ slope.transpose(1, 2)
                square = square + torch.diag_embed(1e-3 * square.diagonal(dim1=1, dim2=2) + 1e-9)
                way = solve(square, (weighed @ here[..., None])[..., 0])
                cameras = torch.minimum(torch.maximum(cameras + way.clamp(-limit, limit), low), high)
        return cameras, (here.square() * trust).mean(1)

    def found(self, picture: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """Whether there is a thing in each cell, [B, g^2] in {0, 1}, and where in it, [B, g^2, 2] in [-1, 1]."""
        said, seen = self.searched(picture, camera)
        return ((said[..., 0] > 0) & seen).float(), said[..., 1:].clamp(-1.0, 1.0)

    def searched(self, picture: Tensor, camera: Tensor) -> tuple[Tensor, Tensor]:
        """What the network says of each cell, [B, g^2, 3]: logit, and where; and which cells are in view [B, g^2].

        It sees the picture, and what differs from the empty room, around the cell's middle as large as at one distance.
        """
        c, device = self.config, picture.device
        depth, right = self.ahead(camera, self.middles(device)[None].expand(len(camera), -1, -1))
        cell = c.side / c.cells
        seen = (depth > 0.5 * cell) & (right.abs() < depth * VIEW + 0.5 * cell)
        depth = depth.clamp(min=0.5 * cell)
        at = (torch.arange(c.look, device=device) + 0.5) * (2 / c.look) - 1
        column = (right[..., None] + at * cell * 0.8) / depth[..., None] / VIEW  # [B, g^2, look], in [-1, 1] on screen
        row = (camera[:, None, 2:3] - 4 + at * cell * 0.5) / depth[..., None] * (TALL / VIEW)
        where = torch.stack(
            [column[:, :, None].expand(-1, -1, c.look, -1), row[..., None].expand(-1, -1, -1, c.look)], -1
        )
        both = torch.cat([picture, picture + 0.5 - self.room(camera)], 1)
        near = F.grid_sample(both, where.flatten(2, 3), align_corners=False).permute(0, 2, 1, 3).flatten(2)
        turn = torch.stack([(depth / c.side), right / depth], -1)
        said = self.search(torch.cat([near, turn], -1))
        # Where, as the camera sees it: to the right and ahead; then as the room lies.
        cosine, sine = camera[:, None, 3], camera[:, None, 4]
        off_right, off_ahead = said[..., 1], said[..., 2]
        off = torch.stack([off_right * sine + off_ahead * cosine, off_ahead * sine - off_right * cosine], -1)
        return torch.cat([said[..., :1], off], -1), seen

    # Training

    def optimiser(self, rate: float) -> torch.optim.Optimizer:
        """Pictures are few numbers, each seen rarely: they learn quicker than networks."""
        groups = [
            ([*self.search.parameters(), *self.taken.parameters()], 1),
            ([self.lens], 1),
            ([self.floor, self.wall, self.ceiling, self.thing], 10),
            ([self.light], 20),
            ([self.cover], 50),
        ]
        groups = [{"params": list(weights), "lr": times * rate} for weights, times in groups]
        return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)

    def painting(self, target: Tensor, latent: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Error of painting `target` [B, 3, H, W], in [-0.5, 0.5], from its latents, not normalised; and PSNR, dB.

        weight [B]: how much each picture counts.
        """
        error = (self.paint(*self.read(latent)) - 0.5 - target) * weight[:, None, None, None]
        # What no picture shows sharply is smooth, not noise.
        rough = sum((p.diff(dim=d)).abs().mean() for p in (self.wall, self.floor, self.ceiling) for d in (1, 2))
        loss = (error.abs() + 4 * error.square()).mean() + ROUGH * rough
        return loss, -10 * error.detach().square().mean().log10()

    def loss(self, picture: Tensor, states: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Error of painting and of searching `picture` uint8 [B, H, W, 3], whose source's states are [B, S]."""
        target = to_float(picture)
        camera, latent = states[:, :CAMERA], self.latent_of(states)
        painting, psnr = self.painting(target, latent, torch.ones_like(target[:, 0, 0, 0]))
        with torch.no_grad():  # the camera that a picture is searched with isn't exact either
            near = torch.cat([camera[:, :2] + 2 * torch.randn_like(camera[:, :2]), camera[:, 2:]], 1)
        said, seen = self.searched(target, near)
        there = latent[:, POSE].flatten(1)
        where = latent[:, POSE + 1 :].flatten(2).transpose(1, 2)
        searching = F.binary_cross_entropy_with_logits(said[..., 0], there, reduction="none")[seen].mean()
        off = ((said[..., 1:] - where).abs().sum(-1) * there * seen).sum() / (there * seen).sum().clamp(min=1)
        # No side of a thing is another one.
        away = self.fates[:, :4] * (1 - 2 * torch.randint(0, 2, (FATES, 2), device=target.device)).repeat(1, 2)
        taking = F.binary_cross_entropy_with_logits(self.fate(away), self.fates[:, 4])
        loss = painting + searching + 0.1 * off + taking
        parts = {"search": searching, "off": off, "taking": taking}
        return loss, {"loss": loss.detach(), "psnr": psnr, **{k: v.detach() for k, v in parts.items()}}


def ways_of(steps: Tensor) -> Tensor:
    """Where slopes are taken from: here, and a step forth and back along each of n numbers: [n] to [1 + 2 n, n].

    A slope to one side alone is that of half a step on, and leads away from what is sharper than its painting.
    """
    return torch.cat([torch.zeros_like(steps)[None], torch.diag(steps), -torch.diag(steps)])


def slopes(error: Tensor, steps: Tensor) -> Tensor:
    """How the painting changes with each number, from errors at `ways_of(steps)`: [B, 1 + 2 n, P] to [B, n, P]."""
    forth, back = error[:, 1:].chunk(2, 1)
    return (back - forth) / (2 * steps[:, None])


def polar(camera: Tensor) -> Tensor:
    """x, y, height and turn [B, 4] to x, y, height, cosine and sine [B, 5]."""
    return torch.cat([camera[:, :3], camera[:, 3:].cos(), camera[:, 3:].sin()], 1)


def solve(matrix: Tensor, right: Tensor) -> Tensor:
    """matrix [B, n, n], positive definite, and right [B, n] to x of matrix x = right. ONNX has no operator for it."""
    rows = torch.cat([matrix, right[..., None]], 2)
    for n in range(matrix.shape[1]):
        pivot = rows[:, n : n + 1] / rows[:, n : n + 1, n : n + 1]
        others = rows - rows[:, :, n : n + 1] * pivot
        rows = torch.cat([others[:, :n], pivot, others[:, n + 1 :]], 1)
    return rows[..., -1]


def wrap(value: Tensor) -> Tensor:
    """What is left of whole numbers, in [0, 1)."""
    return value - value.floor()


def times(a: Tensor, b: Tensor) -> Tensor:
    """Products of cosines and sines [..., 2]: angles added."""
    real, imaginary = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1], a[..., 1] * b[..., 0] + a[..., 0] * b[..., 1]
    return torch.stack([real, imaginary], -1)


def shares(place: Tensor, step: Tensor, side: int) -> Tensor:
    """Shares that the texels of a line have in pixels at `place` [B, n, size], `step` texels apart: [B, n, size, side].

    Linear in between; over all that a pixel covers where texels are finer.
    """
    wide = step.clamp(min=1.0)[..., None]
    return (1 - (place[..., None] - torch.arange(side, device=place.device)).abs() / wide).relu() / wide
