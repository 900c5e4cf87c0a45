"""A tokenizer for one road seen from above a car: learned surfaces, the latent the car's place and the road's turns.

A grid of texture (`tokenizer.py`) never invented a bend: what comes into view at its edge is a mean of all roads, and
that is straight (`LOG.md`, 2026-11-21). Here the road is a chain of tiles and the latent holds by how much it turns at
each: the road ahead is one number a tile, drawn once, by noise, far out of sight, and stays. The price: nothing but
one road on a meadow of one pattern can ever be seen. A world's module asks for it by `ROAD`; its source says in `state`
where the car is and how the road turns, and recordings keep that.

The latent is a ring of tiles, three a token: a tile keeps its place in it until it is far behind, then the next one
far ahead takes that place, drawn by two small networks: one reads noise and the eight turns before, one sees which
turns have kerbs. In each token stands the car too, a vote: its heading; where on the meadow's pattern it is,
which repeats; where on the ring; how far to the left of the road's middle, and turned how far from the road's way; its
wheels.

Recordings are told all that; a picture alone isn't. For it the meadow's pattern is laid over the green by its strongest
wave, then moved until it fits (Gauss-Newton; Lucas & Kanade 1981), a network sees the road, and all ways to turn the
wheels are painted and compared. What one picture can't
say, which tile of a ring this is and which of four ways is north, is carried on from the picture before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .any_tokenizer import ToldTokenizer
from .data import Episodes
from .room_tokenizer import slopes, times, ways_of, wrap
from .tokenizer import Block, to_float

# Numbers of a car: cosine and sine of its heading, of x, of y, of its place on the ring; aside; cosine and sine of its
# heading against the road's; wheels; since the frame before how far it turned, went ahead and to the left.
POSE = 15
MIRRORED = (1, -1, 1, -1, 1, 1, 1, 1, -1, 1, -1, -1, -1, 1, -1)  # of them, left for right
WHEELS = 11  # their place in a pose
TOLD = 11  # numbers of a state before the tiles (`car_racing.Source.state`)
TURN = 0.35  # radians; no tile turns by more
ASIDE = 45.0  # units beside the road that a latent can tell
LOCK = 0.45  # radians; wheels turn by less
SPIN, FAR = 0.6, 6.0  # radians and units; in a frame a car turns and goes less far
UNIT, ARM = 2.0, 20.0  # units: a latent's; from the car to the middle of what is seen
EDGE = 6  # tiles before and behind, by whose turns a tile has a kerb
RARE = 30.0  # times that the rarest noise counts more than the commonest
KNOWN = 10  # tiles ahead of the car that were in view for a while
SIMILAR, EQUAL = 256, 0.01  # real roads that a turn is compared with; radians below which two turns are equal
GREEN = 0.25  # more green than red or blue: grass


@dataclass(frozen=True)
class RoadConfig:
    """Shapes; a unit is the environment's own unit of length."""

    size: int = 96  # side of the picture, px
    across: float = 61.73  # of the view, units
    down: float = 49.38  # of the view, units
    car_row: float = 0.75  # where the car is, share of the picture from its top
    repeat: float = 100 / 3  # after which the meadow's pattern repeats, units; as many texels twice
    tile: float = 3.5  # length of a tile of road, units
    ring: int = 48  # tiles in a latent
    behind: int = 21  # tiles of them behind the one that the car is on
    back: int = 12  # of those, that are painted
    kerbed: int = 20  # tiles ahead whose kerb is known: it depends on the turns of the next
    reach: float = 10.0  # of the road's picture to each side, units
    wheels: int = 9  # pictures of the car, wheels from full left to full right
    car: tuple[int, int, int, int] = (58, 36, 26, 24)  # top, left, height and width of the car's picture, px
    wide: int = 64  # of the network that sees the road
    finer: int = 1  # times as many pixels and texels a side are painted: see `train_large.py`
    known: int = 4096  # turns of real roads that are kept, to say how likely a turn is

    def __post_init__(self) -> None:
        object.__setattr__(self, "car", tuple(self.car))  # JSON knows lists only
        if self.ring % (self.grid**2) or self.ring % 2:
            raise ValueError(f"ring: expected a multiple of {self.grid**2}, got {self.ring}.")

    @property
    def grid(self) -> int:
        return 4

    @property
    def share(self) -> int:
        """Tiles in a token."""
        return self.ring // self.grid**2

    @property
    def channels(self) -> int:
        return POSE + 2 * self.share

    @property
    def ahead(self) -> int:
        return self.ring - self.behind - 1

    @property
    def seen(self) -> int:
        """Stretches of the road that the network tells of: as long as a tile, from `back` behind to `ahead`."""
        return self.back + self.ahead

    def dict(self) -> dict:
        return asdict(self)


class RoadTokenizer(ToldTokenizer):
    ALONE = 7  # which of a state's numbers says that no other stretch of the road can be in view
    SURFACES = ("meadow", "road", "car")

    def __init__(self, config: RoadConfig) -> None:
        super().__init__()
        self.config = c = config
        fine = c.finer
        self.meadow = nn.Parameter(torch.full((3, 64 * fine, 64 * fine), 0.4))
        # Two tiles long, for kerbs alternate: red, green, blue and cover of the plain road, of one with a kerb to the
        # left, of one with a kerb to the right.
        self.road = nn.Parameter(torch.full((12, 24 * fine, 80 * fine), 0.4))
        top, left, high, wide = c.car
        self.car = nn.Parameter(torch.full((c.wheels, 4, high * fine, wide * fine), 0.2))
        # What the lens is like: corrections of the view's width and height, and of the car's column and row, px.
        self.lens = nn.Parameter(torch.tensor([1.0, 1.0, 0.0, 0.0]))
        w, cells = c.wide, (c.size // 16) ** 2
        self.look = nn.Sequential(
            nn.PixelUnshuffle(4),
            nn.Conv2d(48, w, 3, padding=1),
            Block(w),
            nn.PixelUnshuffle(2),
            nn.Conv2d(4 * w, 2 * w, 1),
            Block(2 * w),
            nn.Conv2d(2 * w, 2 * w, 3, stride=2, padding=1),
            Block(2 * w),
            nn.ReLU(),
            nn.Conv2d(2 * w, w, 1),
            nn.Flatten(),
            nn.Linear(w * cells, 4 * w),
            nn.ReLU(),
            nn.Linear(4 * w, 5 + 2 * c.seen),
        )
        # The next tile's turn after eight others, by noise; a tile's kerb by the turns around it.
        self.onward, self.edge = (
            nn.Sequential(nn.Linear(n, 96), nn.SiLU(), nn.Linear(96, 96), nn.SiLU(), nn.Linear(96, 1))
            for n in (9, 2 * EDGE)
        )
        # Real roads: eight turns and the one that followed, see `likely`.
        self.register_buffer("roads", torch.zeros(c.known, 9))
        # Statistics over the training set, per channel; set once, after training.
        self.register_buffer("mean", torch.zeros(c.channels, 1, 1))
        self.register_buffer("std", torch.ones(c.channels, 1, 1))

    # Latents

    def latent_of(self, states: Tensor) -> Tensor:
        """What a source's `state` says, [B, 11 + 2 ring], to latents [B, C, 4, 4], not normalised."""
        c = self.config
        x, y, heading, wheel, along, aside, off, _, spin, ahead, left = states[:, :TOLD].unbind(1)
        wave, lap = 2 * math.pi / c.repeat, 2 * math.pi / c.ring
        x, y = (wave * (v - c.repeat / 4) for v in (x, y))  # from the middle of one of the pattern's squares
        around = [f(angle) for angle in (heading, x, y, lap * along) for f in (torch.cos, torch.sin)]
        scaled = [v.clamp(-1, 1) for v in (aside / ASIDE, wheel / LOCK, spin / SPIN, ahead / FAR, left / FAR)]
        pose = [*around, scaled[0], off.cos(), off.sin(), *scaled[1:]]
        turns, kerbs = states[:, TOLD:].split(c.ring, 1)
        place = torch.arange(-c.behind, c.ahead + 1, device=states.device)
        kerbs = kerbs * (place <= c.kerbed)
        slot = (along.floor().long()[:, None] + place) % c.ring
        turns, kerbs = (torch.zeros_like(v).scatter(1, slot, v) for v in (turns / TURN, kerbs))
        return self.joined(torch.stack(pose, 1), turns.clamp(-1, 1), kerbs)

    def joined(self, pose: Tensor, turns: Tensor, kerbs: Tensor) -> Tensor:
        """A car [B, 15] as every vote, turns and kerbs in the ring's order [B, ring]: latents, not normalised."""
        c = self.config
        vote = pose[:, :, None].expand(-1, -1, c.grid**2)
        tiles = [v.unflatten(1, (c.grid**2, c.share)).transpose(1, 2) for v in (turns, kerbs)]
        return torch.cat([vote, *tiles], 1).unflatten(2, (c.grid, c.grid))

    def read(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The way back: car [B, 15], turns and kerbs [B, ring], as `joined` takes them."""
        c = self.config
        pose = latent[:, :POSE].mean((2, 3))
        turns, kerbs = latent[:, POSE:].flatten(2).transpose(1, 2).split(c.share, 2)
        return pose, turns.flatten(1), kerbs.flatten(1)

    def mirrored(self, latents: Tensor) -> Tensor:
        """Latents [..., C, 4, 4], normalised or not, of the same scenes with left for right: means are 0."""
        sign = torch.tensor([*MIRRORED, *[-1] * (2 * self.config.share)], dtype=latents.dtype, device=latents.device)
        return latents * sign[:, None, None]

    def mirrored_latents_of(self, episodes: Episodes) -> Tensor:
        return self.mirrored(self.latents_of(episodes))

    def told_whole(self, episodes: Episodes) -> np.ndarray:
        return episodes.states[:, self.ALONE]

    @torch.no_grad()
    def normalise(self, states: Tensor, starts: Tensor) -> None:
        """Sets what normalises latents. A car's unit is what moves the picture by `UNIT`, for that is what is seen.

        That of its motion is a quarter: an error in that is made again in every frame.
        """
        c = self.config
        wave, lap = 2 * math.pi / c.repeat, 2 * math.pi / (c.ring * c.tile)
        per_unit = [1 / ARM] * 2 + [wave] * 4 + [lap] * 2 + [1 / ASIDE] + [1 / ARM] * 2
        motion = [0.25 / ARM / SPIN, 0.25 / FAR, 0.25 / FAR]
        latents = self.latent_of(states[torch.linspace(0, len(states) - 1, min(4096, len(states))).long()])
        spread = latents.square().mean((0, 2, 3)).sqrt()
        pose = torch.cat([UNIT * torch.tensor(per_unit), spread[WHEELS : WHEELS + 1], UNIT * torch.tensor(motion)])
        self.mean.zero_()
        self.std.copy_(torch.cat([pose, spread[POSE:]])[:, None, None].clamp(min=1e-3))

    @torch.no_grad()
    def prepare(self, states: Tensor, starts: Tensor) -> None:
        """Before training: real roads, from the states [T, S] of recordings and where episodes start [T]."""
        # The furthest turns at the first sight of each tile, and all of it with left for right.
        tiles = torch.stack([starts.cumsum(0).float(), states[:, 4].floor()], 1).numpy()
        first = torch.from_numpy(np.unique(tiles, axis=0, return_index=True)[1])
        first = first[torch.linspace(0, len(first) - 1, self.config.known // 2).long()]
        chains = states[first, TOLD : TOLD + self.config.ring][:, -9:]
        self.roads.copy_(torch.cat([chains, -chains]))

    def facing(self, states: Tensor) -> Tensor:
        """The same states [B, S], of roads that go where the car looks: in a picture a road has no direction."""
        c = self.config
        along, aside, off = states[:, 4:7].unbind(1)
        turns, kerbs = states[:, TOLD:].split(c.ring, 1)
        place = torch.arange(c.ring, device=states.device)
        # Where a tile ended it begins; so far ahead, which was behind, nothing is known.
        other = [2 * c.behind - k - place for k in (1, 0)]
        turns, kerbs = (-v[:, k.clamp(min=0)] * (k >= 0) for v, k in zip((turns, kerbs), other, strict=True))
        car = torch.stack([1 - along, -aside, torch.remainder(off, 2 * math.pi) - math.pi], 1)
        back = torch.cat([states[:, :4], car, states[:, 7:TOLD], turns, kerbs], 1)
        return torch.where(off.cos()[:, None] < 0, back, states)

    # What comes next

    def grown(self, before: Tensor, after: Tensor, noise: Tensor) -> Tensor:
        """Latents `after` a frame, normalised as all [B, C, 4, 4], with the road of `before` and what it grew by.

        When the car comes to the next tile, the one furthest ahead is drawn by `noise`, and the kerb of one less far;
        likewise backwards. The car is one again: all votes are alike, cosines and sines are those of angles.
        """
        c = self.config
        car, turns, kerbs = self.read(before * self.std + self.mean)
        pose = self.read(after * self.std + self.mean)[0]
        angles = [unit(pose[:, k : k + 2]) for k in (0, 2, 4, 6, 9)]
        pose = torch.cat([*angles[:4], pose[:, 8:9], angles[4], pose[:, 11:]], 1)
        along = turns_of(*car[:, 6:8].unbind(1))[:, None] * c.ring
        further = along + turned(pose[:, 6:8], car[:, 6:8]) * c.ring
        tile = further.floor()
        ring = torch.arange(c.ring, device=before.device)
        for sign, comes, new, edge in (
            (1, tile > along.floor(), c.ahead, c.kerbed),
            (-1, tile < along.floor(), -c.behind, EDGE - c.behind),
        ):
            # Backwards the same road turns the other way.
            chain = sign * turns.gather(1, self.slots(tile, range(new - 8 * sign, new, sign)))
            turn = sign * self.onward(torch.cat([chain, noise[:, POSE, 0, :1]], 1)).clamp(-1, 1)
            turns = torch.where(comes & (ring == self.slots(tile, [new])), turn, turns)
            kerb = self.edge(turns.gather(1, self.slots(tile, range(edge - EDGE, edge + EDGE))))
            kerb = torch.where(kerb.abs() > 0.5, kerb.sign(), 0.0)
            kerbs = torch.where(comes & (ring == self.slots(tile, [edge])), kerb, kerbs)
        return (self.joined(pose, turns, kerbs) - self.mean) / self.std

    def slots(self, tile: Tensor, places: Iterable[int]) -> Tensor:
        """Of the tiles at `places` from a tile [B, 1] on, [B, n]."""
        return ((tile + torch.tensor(list(places), device=tile.device)) % self.config.ring).long()

    def growing(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """Losses of the two networks that draw tiles, of turns and of kerbs, on the roads of states [B, S].

        The noise of a turn isn't any but the one that would have drawn it: so what a noise means is always the same, a
        network can learn it, and in play any noise gives a real kind of road. What is drawn rarely, where bends begin,
        counts as much as what is drawn often.
        """
        c = self.config
        turns, kerbs = states[:, TOLD:].split(c.ring, 1)
        chain = turns.unfold(1, 9, 3).flatten(0, 1)
        chain = torch.cat([chain, -chain])
        noise = self.likely(chain)
        said = self.onward(torch.cat([chain[:, :8] / TURN, noise[:, None]], 1))[:, 0]
        around = turns.unfold(1, 2 * EDGE, 1) / TURN
        kerb = self.edge(around)[..., 0] - kerbs[:, EDGE : EDGE + around.shape[1]]
        error = said - chain[:, 8] / TURN
        weight = (noise.square() / 2).exp().clamp(max=RARE)
        turning = ((error.abs() + error.square()) * weight).sum() / weight.sum()
        return turning, (kerb.abs() + kerb.square()).mean()

    def likely(self, chain: Tensor) -> Tensor:
        """Eight turns and a ninth, radians [n, 9], to the quantile of the ninth as a normal number [n].

        Among the most similar stretches of real roads; of equal ones a random share counts as smaller.
        """
        weight = torch.tensor([0.2, 0.2, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0], device=chain.device)
        far = torch.cdist(chain[:, :8] * weight, self.roads[:, :8] * weight)
        near = far.topk(min(SIMILAR, len(self.roads)), largest=False).indices
        then, now = self.roads[near, 8], chain[:, 8:]
        smaller = (then < now - EQUAL).float().sum(1)
        equal = ((then - now).abs() <= EQUAL).float().sum(1)
        share = (smaller + torch.rand_like(smaller) * (equal + 1)) / (near.shape[1] + 1)
        return math.sqrt(2) * torch.erfinv(2 * share.clamp(0.0005, 0.9995) - 1)

    # Painting

    def view(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Of the picture's columns how far to the right of the car, of its rows how far ahead, units [size * finer]."""
        c = self.config
        at = (torch.arange(c.size * c.finer, device=device) + 0.5) / c.finer
        right = (at - c.size / 2 - self.lens[2]) * (c.across / c.size) * self.lens[0]
        return right, (c.size * c.car_row - at + self.lens[3]) * (c.down / c.size) * self.lens[1]

    def grass(self, heading: Tensor, place: Tensor, right: Tensor, ahead: Tensor) -> Tensor:
        """The meadow under points [P] beside a car: [B, 3, P].

        heading [B, 2] and place [B, 4], of x and y, are cosines and sines, of any length.
        """
        cosine, sine = (heading * (heading.square().sum(1, keepdim=True) + 1e-6).rsqrt())[..., None].unbind(1)
        wave = 1 / self.config.repeat
        x = turns_of(place[:, 0], place[:, 1])[:, None] + wave * (right * cosine - ahead * sine)
        y = turns_of(place[:, 2], place[:, 3])[:, None] + wave * (right * sine + ahead * cosine)
        return sampled(self.meadow, wrap(x), wrap(y), round_x=True)

    def chain(self, pose: Tensor, turns: Tensor, kerbs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The road as the car sees it. Ends of the tiles [B, n + 1, 2] (right, ahead), the direction of the line across
        the road there, as its way is [B, n + 1, 2], kerbs [B, n] and whether a tile is one of the even ones [B, n].
        """
        c = self.config
        along = turns_of(pose[:, 6], pose[:, 7]) * c.ring  # [B], in [0, ring)
        tile = along.floor()
        share = (along - tile)[:, None]
        slot = (tile[:, None] + torch.arange(-c.back - 1, c.ahead + 1, device=pose.device)) % c.ring
        turn = turns.gather(1, slot.long()) * TURN  # at the end of the tile before the first, of all others
        kerb = kerbs.gather(1, slot.long())[:, 1:]
        here = c.back + 1  # the tile that the car is on
        length = (pose[:, 9].square() + pose[:, 10].square() + 1e-6).rsqrt()
        cosine, sine = pose[:, 9] * length, -pose[:, 10] * length  # the road's way from the car's
        # Directions of the tiles, from that of the one below the car.
        summed = turn.cumsum(1)
        summed = torch.cat([torch.zeros_like(summed[:, :1]), summed], 1)  # before each tile, [B, n + 2]
        offset = summed[:, :-1] - summed[:, here : here + 1]
        offset = offset + 0.5 * (turn[:, here - 1 : here] * (1 - share) - turn[:, here : here + 1] * share)
        way = rotated(offset, cosine[:, None], sine[:, None])[:, 1:]  # [B, n, 2]
        across = rotated((offset + turn / 2), cosine[:, None], sine[:, None])  # at the ends, the first one included
        # Ends: from the point on the road's middle beside the car.
        begin = -(pose[:, 8:9] * ASIDE) * torch.stack([-cosine, -sine], 1)
        step = (way * c.tile).cumsum(1)
        ends = torch.cat([torch.zeros_like(step[:, :1]), step], 1)
        under = ends[:, here - 1] * (1 - share) + ends[:, here] * share
        return ends - under[:, None] + begin[:, None], across, kerb, 1 - slot[:, 1:] % 2

    def paint(self, pose: Tensor, turns: Tensor, kerbs: Tensor) -> Tensor:
        """What `read` gives to pictures [B, 3, H, W], about [0, 1]."""
        return self.driven(self.ground(pose, turns, kerbs), pose[:, WHEELS])

    def driven(self, ground: Tensor, wheels: Tensor) -> Tensor:
        """Pictures [B, 3, H, W] with the car on them, its wheels [B] between two of the pictures that there are."""
        c, (top, left, high, wide) = self.config, (self.config.finer * px for px in self.config.car)
        knot = (wheels.clamp(-1, 1) * 0.5 + 0.5) * (c.wheels - 1)
        shares = (1 - (knot[:, None] - torch.arange(c.wheels, device=ground.device)).abs()).relu()
        car = (shares @ self.car.flatten(1)).unflatten(1, (4, high, wide))
        cover = car[:, 3:].clamp(0, 1)
        side = ground.shape[-1]
        edges = (left, side - left - wide, top, side - top - high)
        return ground * (1 - F.pad(cover, edges)) + F.pad(car[:, :3] * cover, edges)

    def ground(self, pose: Tensor, turns: Tensor, kerbs: Tensor, every: int = 1) -> Tensor:
        """Meadow and road without the car [B, 3, H, W], about [0, 1]; of rows and columns one out of `every`."""
        c = self.config
        right, ahead = (v[::every] for v in self.view(pose.device))
        side = len(right)
        right, ahead = right.repeat(side), ahead.repeat_interleave(side)  # [H W]
        picture = self.grass(pose[:, :2], pose[:, 2:6], right, ahead)
        ends, across, kerb, even = self.chain(pose, turns, kerbs)
        # How far ahead of the line across each end a point is, and how far to the left of its middle. [B, H W, n + 1]
        points = torch.stack([right, ahead, torch.ones_like(right)], 1)
        left = torch.stack([-across[..., 1], across[..., 0]], -1)
        past, aside = (
            points @ torch.cat([way, -(way * ends).sum(-1, keepdim=True)], 2).transpose(1, 2) for way in (across, left)
        )
        inside = (past[..., :-1] >= 0) & (past[..., 1:] < 0)
        beside = (aside[..., :-1] + aside[..., 1:]).abs() * 0.5
        near, tile = (beside + torch.where(inside, 0.0, 1e3)).min(2, keepdim=True)  # [B, H W, 1]
        begin, end = past.gather(2, tile)[..., 0], past.gather(2, tile + 1)[..., 0]
        share = begin / (begin - end).clamp(min=1e-4)
        share = torch.where(near[..., 0] < 1e3, share, 0.0)
        aside = aside.gather(2, tile)[..., 0] * (1 - share) + aside.gather(2, tile + 1)[..., 0] * share
        kerb, even = kerb.gather(1, tile[..., 0]), even.gather(1, tile[..., 0])
        drawn = sampled(self.road, aside / (2 * c.reach) + 0.5, (even + share) / 2, round_x=False)
        plain, kerb_left, kerb_right = drawn.split(4, 1)
        kerb = kerb[:, None]
        drawn = plain + kerb.clamp(0, 1) * (kerb_left - plain) + (-kerb).clamp(0, 1) * (kerb_right - plain)
        cover = (drawn[:, 3:] * (near[:, None, :, 0] < c.reach)).clamp(0, 1)
        return (picture * (1 - cover) + drawn[:, :3] * cover).unflatten(2, (side, side))

    def decode(self, latent: Tensor) -> Tensor:
        """Normalised latents [B, C, 4, 4] to pictures [B, 3, H, W], about [0, 1], not clipped."""
        return self.paint(*self.read(latent * self.std + self.mean))

    # Seeing

    def encode(self, picture: Tensor, before: Tensor | None = None) -> Tensor:
        """uint8 [B, H, W, 3] to normalised latents [B, C, 4, 4].

        `before`: latents of the pictures one frame earlier, so that ring and north go on as they were; zeros or none
        for a picture that is the first.
        """
        c, picture = self.config, to_float(picture)
        if before is None:
            before = torch.zeros(len(picture), c.channels, c.grid, c.grid, device=picture.device)
        old, old_turns, old_kerbs = self.read(before * self.std + self.mean)
        follows = (old[:, :2].square().sum(1) > 0.25)[:, None]
        heading, x, y = (torch.cat(v) for v in zip(*(self.laid(one) for one in picture), strict=True))
        heading, x, y = self.as_before(old, heading, x, y)
        step = torch.cat([turned(v, old[:, k : k + 2]) for v, k in ((x, 2), (y, 4))], 1) * c.repeat
        # A road that was told of from its other end goes on being told so.
        aside, off, phase, turns, kerbs = self.said(picture)
        expected = times(old[:, 9:11], times(heading, conjugate(old[:, :2])))
        other = follows & ((off * expected).sum(1, keepdim=True) < 0)
        aside, off = torch.where(other, -aside[:, None], aside[:, None]), torch.where(other, -off, off)
        turns, kerbs = (torch.where(other, self.reversed(v), v) for v in (turns, kerbs))
        # Where on the ring: as far along as the car went, or where the stripes of kerbs are.
        went = along_and_left(step, times(heading, conjugate(off)))[0] / c.tile
        guess = torch.where(self.striped(kerbs), turns_of(*phase.unbind(1)) * 2, 0.0)[:, None]
        along = torch.where(follows, turns_of(*old[:, 6:8].unbind(1))[:, None] * c.ring + went, guess)
        turns, kerbs, slot, known = self.on_ring(along, turns, kerbs)
        turns = torch.where(known & follows, old_turns, turns)
        kerbs = torch.where(known & follows & (old_kerbs.abs() > 0.5), old_kerbs.sign(), kerbs)
        lap = along * (2 * math.pi / c.ring)
        pose = torch.cat([heading, x, y, lap.cos(), lap.sin(), aside.clamp(-1, 1), off], 1)
        pose, turns, kerbs = self.in_stripes(picture, *self.fitted(picture, pose, turns, kerbs, slot), kerbs)
        wheels = self.steered(picture, self.ground(pose, turns, kerbs))[:, None]
        ahead, left = along_and_left(step, heading)
        motion = torch.cat([turned(heading, old[:, :2]) * (2 * math.pi / SPIN), ahead / FAR, left / FAR], 1)
        pose = torch.cat([pose, wheels, torch.where(follows, motion.clamp(-1, 1), 0.0)], 1)
        return (self.joined(pose, turns, kerbs) - self.mean) / self.std

    def in_stripes(self, picture: Tensor, pose: Tensor, turns: Tensor, kerbs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pose [B, 11], turns and kerbs [B, ring], one tile further if kerbs are red where these would be white."""
        one = torch.tensor([2 * math.pi / self.config.ring], device=picture.device)
        lap = times(pose[:, 6:8], torch.stack([one.cos(), one.sin()], 1))
        here = pose, turns, kerbs
        further = torch.cat([pose[:, :6], lap, pose[:, 8:]], 1), turns.roll(1, 1), kerbs.roll(1, 1)
        painted = self.ground(*(torch.cat(pair) for pair in zip(here, further, strict=True)))
        error, other = (painted - picture.repeat(2, 1, 1, 1) - 0.5).abs().mean((1, 2, 3))[:, None].chunk(2)
        return tuple(torch.where(other < 0.97 * error, b, a) for a, b in zip(here, further, strict=True))

    def reversed(self, stretches: Tensor) -> Tensor:
        """What the network says of stretches of the road [B, seen], of the same road told of from its other end."""
        back = self.config.back
        return F.pad(-stretches[:, : 2 * back].flip(1), (0, self.config.seen - 2 * back))

    def on_ring(self, along: Tensor, turns: Tensor, kerbs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the network says of stretches from `along` [B, 1] on, as tiles of the ring [B, ring]: turns and kerbs.

        Also the tiles' slots [B, seen], and which slots a picture before would have shown better [B, ring].
        """
        c = self.config
        tile = along.floor()
        share = along - tile
        shift, later = 0.5 - share, share > 0.5
        turns = torch.where(
            later,
            (1 + shift) * turns - shift * F.pad(turns, (1, -1)),
            (1 - shift) * turns + shift * F.pad(turns, (-1, 1)),
        ).clamp(-1, 1)
        kerbs = torch.where(later, F.pad(kerbs, (1, -1)), kerbs)
        place = torch.arange(-c.back, c.ahead, device=along.device)
        kerbs = torch.where((kerbs.abs() > 0.5) & (place <= c.kerbed), kerbs.sign(), 0.0)
        slot = ((tile + place) % c.ring).long()
        empty = torch.zeros(len(along), c.ring, device=along.device)
        shown = ((place <= KNOWN).float()).expand(len(along), -1)
        turns, kerbs, shown = (empty.scatter(1, slot, v) for v in (turns, kerbs, shown))
        return turns, kerbs, slot, shown > 0.5

    def fitted(
        self, picture: Tensor, pose: Tensor, turns: Tensor, kerbs: Tensor, slot: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Pose [B, 11] and turns [B, ring] near the given ones with which the ground looks more like pictures.

        Moved are the car on the road and the road's turns, first a few tiles at once, then each. `slot` [B, seen] is
        where tiles are.
        """
        c = self.config
        top, left, high, wide = c.car
        free = torch.ones(c.size, c.size, device=picture.device)
        free[top : top + high, left : left + wide] = 0
        seen, free = picture[:, :, ::2, ::2] + 0.5, free[::2, ::2]
        for tiles, middles in ((4, range(-2, 15, 4)), (1, range(-4, 14))):
            place = torch.arange(-c.back, c.ahead, device=picture.device)
            middle = torch.tensor(list(middles), device=picture.device)[:, None]
            bends = (1 - (place - middle).abs() / tiles).relu().expand(len(picture), -1, -1)  # [B, n, seen]
            empty = torch.zeros(*bends.shape[:2], c.ring, device=picture.device)
            bends = empty.scatter(2, slot[:, None].expand(-1, bends.shape[1], -1), bends)
            steps = torch.tensor([0.1, 0.01, 0.1] + [0.02] * bends.shape[1], device=picture.device)
            moved = ways_of(steps)
            here = torch.zeros(len(picture), 1, len(steps), device=picture.device)
            for _ in range(2):
                ways, road = self.moved(pose, turns, bends, here + moved)
                painted = self.ground(ways, road, kerbs.repeat_interleave(len(moved), 0), every=2)
                error = (seen.repeat_interleave(len(moved), 0) - painted) * free
                if tiles > 1:  # from further away the coarse shapes lead
                    error = F.avg_pool2d(error, 3, 1, 1)
                error = error.flatten(1).unflatten(0, (-1, len(moved)))
                trust = 1 / (1 + (error[:, 0] / 0.15).square())  # what no such road explains is another one
                slope = slopes(error, steps)
                weighed = slope * trust[:, None]
                square = weighed @ slope.transpose(1, 2)
                square = square + torch.diag_embed(0.05 * square.diagonal(dim1=1, dim2=2) + 1e-3 / steps.square())
                way = solved(square, (weighed @ error[:, 0, :, None])[..., 0])
                here = here + torch.minimum(torch.maximum(way, -6 * steps), 6 * steps)[:, None]
            pose, turns = self.moved(pose, turns, bends, here)
        return pose, turns

    def moved(self, pose: Tensor, turns: Tensor, bends: Tensor, by: Tensor) -> tuple[Tensor, Tensor]:
        """Poses [B n, 11] and turns [B n, ring], each of B moved in n ways `by` [B, n, 3 + k].

        To the left of the road, units, to the left against its way, along it, tiles; and `bends` [B, k, ring], radians.
        """
        count = by.shape[1]
        pose, turns, bends = (v.repeat_interleave(count, 0) for v in (pose, turns, bends))
        aside, off, along = (v[:, None] for v in by[..., :3].flatten(0, 1).unbind(1))
        off, along = (torch.cat([v.cos(), v.sin()], 1) for v in (off, along * (2 * math.pi / self.config.ring)))
        bent = (by[..., 3:].flatten(0, 1)[:, None] @ bends)[:, 0] / TURN
        parts = [pose[:, :6], times(pose[:, 6:8], along), pose[:, 8:9] + aside / ASIDE, times(pose[:, 9:], off)]
        return torch.cat(parts, 1), (turns + bent).clamp(-1, 1)

    def steered(self, picture: Tensor, ground: Tensor) -> Tensor:
        """The wheels [B] with which the car on the painted ground looks most like pictures [B, 3, H, W].

        They are two pixels wide: a network that was to see them didn't learn to in 2,500 steps.
        """
        top, left, high, wide = self.config.car
        ways = torch.linspace(-1, 1, 33, device=picture.device)
        painted = self.driven(ground.repeat_interleave(len(ways), 0), ways.repeat(len(ground)))
        error = painted.unflatten(0, (-1, len(ways))) - picture[:, None] - 0.5
        error = error[..., top : top + high, left : left + wide].abs().clamp(max=0.3).mean((2, 3, 4))
        return ways[error.argmin(1)]

    def said(self, picture: Tensor) -> tuple[Tensor, ...]:
        """What the network says of pictures [B, 3, H, W] in [-0.5, 0.5].

        Aside [B], cosine and sine of the heading against the road [B, 2], of the place within two tiles [B, 2]; how the
        road turns over a tile's length, and kerbs, from `back` behind to `ahead` [B, seen].
        """
        said = self.look(picture)
        turns, kerbs = said[:, 5:].split(self.config.seen, 1)
        return said[:, 0], unit(said[:, 1:3]), unit(said[:, 3:5]), turns, kerbs

    def as_before(self, old: Tensor, heading: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The one of four ways to say the same that is most like a car [B, 15]; where that is nothing, any."""
        cosine = (old[:, :2] * heading).sum(1, keepdim=True)  # of how far it has turned
        sine = (old[:, 1] * heading[:, 0] - old[:, 0] * heading[:, 1])[:, None]
        quarter, half, third = sine > cosine.abs(), cosine < -sine.abs(), sine < -cosine.abs()

        def ways(none: Tensor, one: Tensor, two: Tensor, three: Tensor) -> Tensor:
            return torch.where(quarter, one, torch.where(half, two, torch.where(third, three, none)))

        over = torch.stack([-heading[:, 1], heading[:, 0]], 1)
        flip = torch.tensor([1.0, -1.0], device=x.device)  # of an angle
        return ways(heading, over, -heading, -over), ways(x, y * flip, x * flip, y), ways(y, x, y * flip, x * flip)

    def laid(self, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The meadow under one picture [3, H, W], in [-0.5, 0.5]: heading (within 45 degrees), x and y, [1, 2] each."""
        c, device = self.config, picture.device
        right, ahead = self.view(device)
        right, ahead = right.repeat(c.size), ahead.repeat_interleave(c.size)
        green = picture[1] - torch.maximum(picture[0], picture[2])
        grass = 1 - F.max_pool2d((green < GREEN).float()[None, None], 3, 1, 1).flatten()  # and so is all around it
        seen = picture[1].flatten() + 0.5
        value = (seen - (seen * grass).sum() / grass.sum().clamp(min=1)) * grass
        angles = torch.arange(-45, 45, device=device).float() * (math.pi / 180)
        cosine, sine, wave = angles.cos()[:, None], angles.sin()[:, None], 2 * math.pi / c.repeat
        every = slice(None, None, 3)
        u = wave * (right[every] * cosine - ahead[every] * sine)  # [angles, P]
        v = wave * (right[every] * sine + ahead[every] * cosine)
        felt = [torch.stack([u.cos() @ value[every], -(u.sin() @ value[every])], 1) for u in (u, v)]
        fit = sum(f.square().sum(1) for f in felt)
        # The best of all, and the best of those that differ from it.
        first = fit.argmax()[None]
        apart = (torch.arange(90, device=device) - first + 45) % 90 - 45
        second = torch.where(apart.abs() > 8, fit, -1.0).argmax()[None]
        best = torch.cat([first, second])
        angle, x, y = angles[best], *(unit(f[best]) for f in felt)
        steps, limit = torch.tensor([0.005, 0.03, 0.03], device=device), torch.tensor([0.04, 0.3, 0.3], device=device)
        moved = ways_of(steps)
        rounds = 6
        for number in range(rounds + 1):
            at_angle = (angle[:, None] + moved[:, 0]).flatten()
            at_x, at_y = (
                times(v[:, None].expand(-1, len(moved), -1), torch.stack([m.cos(), m.sin()], 1)[None]).flatten(0, 1)
                for v, m in ((x, moved[:, 1]), (y, moved[:, 2]))
            )
            heading = torch.stack([at_angle.cos(), at_angle.sin()], 1)
            painted = self.grass(heading, torch.cat([at_x, at_y], 1), right, ahead)[:, 1]
            error = ((seen - painted) * grass).unflatten(1, (c.size, c.size))[:, None]
            if number < rounds - 2:  # from further away the coarse shapes lead
                error = F.avg_pool2d(error, 7, 2, 3)
            error = error.flatten(1).unflatten(0, (-1, len(moved)))
            here = error[:, 0]
            if number < rounds:
                slope = slopes(error, steps)
                square = slope @ slope.transpose(1, 2)
                square = square + torch.diag_embed(1e-2 * square.diagonal(dim1=1, dim2=2) + 1e-6)
                way = solved(square, (slope @ here[..., None])[..., 0]).clamp(-limit, limit)
                angle = angle + way[:, 0]
                x, y = (times(v, torch.stack([w.cos(), w.sin()], 1)) for v, w in ((x, way[:, 1]), (y, way[:, 2])))
        one = here.square().sum(1).argmin()[None]
        return torch.stack([angle[one].cos(), angle[one].sin()], 1), x[one], y[one]

    # Training

    def optimiser(self, rate: float) -> torch.optim.Optimizer:
        """Pictures are few numbers, each seen rarely: they learn quicker than networks."""
        networks = [*self.look.parameters(), *self.onward.parameters(), *self.edge.parameters()]
        groups = [(networks, 1), ([self.lens], 0.3), ([self.meadow, self.road, self.car], 10)]
        groups = [{"params": list(weights), "lr": times * rate} for weights, times in groups]
        return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.0)

    def loss(self, picture: Tensor, states: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Error of painting and of seeing `picture` uint8 [B, H, W, 3], whose source's states are [B, S]."""
        target = to_float(picture)
        latent = self.latent_of(states)
        few = slice(0, len(target) // 8 + 1)  # of the painting all is learned soon
        # What is in view of other stretches of road no latent tells of.
        painting, psnr = self.painting(target[few], latent[few], states[few, self.ALONE])
        # Half of the pictures are seen with left for right.
        half, latent = len(target) // 2, self.latent_of(self.facing(states))
        latent = torch.cat([self.mirrored(latent[:half]), latent[half:]])
        seeing, parts = self.seeing(torch.cat([target[:half].flip(3), target[half:]]), *self.read(latent))
        turning, edging = self.growing(states)
        loss = painting + seeing + turning + edging
        parts |= {"turning": turning.detach(), "edging": edging.detach()}
        return loss, {"loss": loss.detach(), "psnr": psnr, **parts}

    def painting(self, target: Tensor, latent: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Error of painting `target` [B, 3, H, W], in [-0.5, 0.5], from its latents, not normalised; and PSNR, dB.

        weight [B]: how much each picture counts; 0 for those that show more road than latents tell of.
        """
        error = (self.paint(*self.read(latent)) - 0.5 - target) * weight[:, None, None, None]
        # What no picture shows sharply is smooth, not noise.
        rough = sum(p.diff(dim=d).abs().mean() for p in (self.meadow, self.road) for d in (1, 2))
        psnr = -10 * (error.detach().square().mean() / weight.mean().clamp(min=0.01)).log10()
        return (error.abs() + 4 * error.square()).mean() + 0.003 * rough, psnr

    def seeing(self, picture: Tensor, pose: Tensor, turns: Tensor, kerbs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Loss of what the network says of pictures [B, 3, H, W] in [-0.5, 0.5], and its parts."""
        c = self.config
        aside, off, phase, turns_said, kerbs_said = self.said(picture)
        along = turns_of(pose[:, 6], pose[:, 7]) * c.ring
        tile = along.floor()
        share = (along - tile)[:, None]
        place = torch.arange(-c.back - 1, c.ahead + 1, device=picture.device)
        slot = ((tile[:, None] + place) % c.ring).long()
        turn, kerb = turns.gather(1, slot), kerbs.gather(1, slot)
        # Over a stretch from `share` of one tile to that of the next.
        middle = (turn[:, :-1] + turn[:, 1:]) / 2
        turn = (1 - share) * middle[:, :-1] + share * middle[:, 1:]
        kerb = torch.where(share > 0.5, kerb[:, 2:], kerb[:, 1:-1])
        lap = math.pi * along
        two = torch.stack([lap.cos(), lap.sin()], 1)
        striped = self.striped(kerb)
        shown, true = self.shape(off, turns_said), self.shape(pose[:, 9:11], turn)
        visible = true - (pose[:, 8] * ASIDE)[:, None, None] * self.leftwards(pose[:, 9:11])[:, None]
        visible = (
            (visible[..., 0].abs() < c.across / 2)
            & (visible[..., 1] > -0.25 * c.down)
            & (visible[..., 1] < 0.75 * c.down)
        ).float()
        # A picture without the road says little.
        weight = torch.where(visible.sum(1) > 3, 1.0, 0.05)
        weight = weight / weight.mean()
        parts = {
            "aside": ((aside - pose[:, 8]).abs() * weight).mean() * ASIDE,
            "off": ((off - pose[:, 9:11]).abs().mean(1) * weight).mean() * 10,
            "phase": ((phase - two).abs().mean(1) * striped).mean(),
            "turns": ((turns_said - turn).abs().mean(1) * weight).mean() * 3,
            "shape": ((shown - true).abs().sum(-1).clamp(max=8) * visible).sum() / visible.sum().clamp(min=1),
            "kerbs": ((kerbs_said - kerb).square().mean(1) * weight).mean() * 3,
        }
        return 0.3 * sum(parts.values()), {k: v.detach() for k, v in parts.items()}

    def striped(self, kerbs: Tensor) -> Tensor:
        """Whether there are kerbs [B, seen] near: only they tell one tile from the next."""
        return kerbs[:, self.config.back - 3 : self.config.back + 9].abs().sum(1) > 1.5

    def leftwards(self, off: Tensor) -> Tensor:
        """What is left of the road's way, as (right, ahead) of a car whose heading against it is `off` [B, 2]."""
        return torch.stack([-off[:, 0], off[:, 1]], 1)

    def shape(self, off: Tensor, turns: Tensor) -> Tensor:
        """Points of the road's middle [B, seen + 1, 2], relative to the one beside the car."""
        c = self.config
        summed = (turns * TURN).cumsum(1)
        summed = torch.cat([torch.zeros_like(summed[:, :1]), summed], 1)
        summed = summed - summed[:, c.back : c.back + 1]
        way = rotated((summed[:, 1:] + summed[:, :-1]) / 2, off[:, :1], -off[:, 1:])
        points = (way * c.tile).cumsum(1)
        points = torch.cat([torch.zeros_like(points[:, :1]), points], 1)
        return points - points[:, c.back : c.back + 1]


def unit(vector: Tensor) -> Tensor:
    """Of length one, [..., 2]."""
    return vector * (vector.square().sum(-1, keepdim=True) + 1e-9).rsqrt()


def conjugate(a: Tensor) -> Tensor:
    """The angle the other way, as cosine and sine [..., 2]."""
    return torch.stack([a[..., 0], -a[..., 1]], -1)


def solved(matrix: Tensor, right: Tensor) -> Tensor:
    """matrix [B, n, n], positive definite, and right [B, n] to x of matrix x = right.

    By the matrix's inverse, which Newton's iteration finds (Schulz 1933): few operators in a graph, whatever n.
    """
    scale = matrix.diagonal(dim1=1, dim2=2).rsqrt()
    matrix = matrix * scale[:, :, None] * scale[:, None]  # ones on its diagonal, so no eigenvalue is larger than n
    one = torch.eye(matrix.shape[1], device=matrix.device)
    inverse = (one / matrix.shape[1]).expand_as(matrix)
    for _ in range(14):
        inverse = inverse @ (2 * one - matrix @ inverse)
    return (inverse @ (right * scale)[..., None])[..., 0] * scale


def along_and_left(step: Tensor, way: Tensor) -> tuple[Tensor, Tensor]:
    """How far a step of x and y leads along a way, given as cosine and sine, and to its left; all [B, 2], [B, 1]."""
    return step[:, 1:] * way[:, :1] - step[:, :1] * way[:, 1:], -(step * way).sum(1, keepdim=True)


def turned(after: Tensor, before: Tensor) -> Tensor:
    """From one angle to another as the shorter way, both [B, 2], of a whole turn: [B, 1] in [-0.5, 0.5)."""
    return wrap(turns_of(*times(after, conjugate(before)).unbind(1)) + 0.5)[:, None] - 0.5


def turns_of(cosine: Tensor, sine: Tensor) -> Tensor:
    """An angle as a share of a whole turn, in [0, 1)."""
    return wrap(torch.atan2(sine, cosine + 1e-9) * (0.5 / math.pi))


def rotated(angle: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Directions (right, ahead) of what is turned to the left by `angle` and an angle given as cosine and sine."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([-(s * cosine + c * sine), c * cosine - s * sine], -1)


def sampled(sheet: Tensor, x: Tensor, y: Tensor, *, round_x: bool) -> Tensor:
    """A sheet [C, h, w], which repeats downwards (and across with `round_x`), at shares x and y [B, P]: [B, C, P]."""
    sheet = torch.cat([sheet[:, -1:], sheet, sheet[:, :1]], 1)
    ends = (sheet[..., -1:], sheet[..., :1]) if round_x else (sheet[..., :1], sheet[..., -1:])
    sheet = torch.cat([ends[0], sheet, ends[1]], 2)
    high, wide = sheet.shape[1:]
    x, y = ((v * (side - 2) + 1) * (2 / side) - 1 for v, side in ((x, wide), (y, high)))
    # All pictures look at one sheet: their points are laid below each other, for an expanded sheet would be copied.
    return F.grid_sample(sheet[None], torch.stack([x, y], -1)[None], align_corners=False)[0].transpose(0, 1)
