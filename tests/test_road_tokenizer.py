"""The road tokenizer: what it paints is where geometry says, and what was painted is found again."""

import math

import numpy as np
import pytest
import torch
from worldloop.world import Dream

from training.car_racing import AHEAD, BEHIND, Source, scripted
from training.errors import TrainingError
from training.record import write_npz
from training.road_tokenizer import ASIDE, POSE, TOLD, RoadConfig, RoadTokenizer, solved, times, turned, turns_of
from training.tokenizer import to_uint8
from training.tokenizers import build
from training.train_tokenizer import TokenizerTraining, train

CONFIG = RoadConfig(wide=8, known=64)
GRASS, LIGHT, ROAD = (0.4, 0.8, 0.4), (0.4, 0.9, 0.4), (0.4, 0.4, 0.4)


@pytest.fixture(scope="module")
def road() -> RoadTokenizer:
    """Grey road on green squares, kerbs of red and white tiles, no car to see."""
    torch.manual_seed(0)
    model = RoadTokenizer(CONFIG).eval()
    colour = {
        name: torch.tensor(rgb)[:, None, None] for name, rgb in (("grass", GRASS), ("light", LIGHT), ("road", ROAD))
    }
    across = (torch.arange(80) + 0.5) / 4 - 10  # units to the left
    with torch.no_grad():
        model.meadow.copy_(colour["grass"].expand(-1, 64, 64))
        model.meadow[:, 16:48, 16:48] = colour["light"]  # around the phase of 0 ...
        model.meadow.copy_(model.meadow.roll((32, 32), (1, 2)))  # ... which is the sheet's corner
        model.road.zero_()
        for variant in range(3):
            sheet = model.road[4 * variant : 4 * variant + 4]
            sheet[:3] = colour["road"]
            sheet[3] = (across.abs() < 6.67).float()
        for variant, side in ((1, across > 0), (2, across < 0)):
            kerb = side & (across.abs() > 6.67) & (across.abs() < 8)
            model.road[4 * variant : 4 * variant + 4, :12, kerb] = torch.tensor([1.0, 0, 0, 1])[:, None, None]
            model.road[4 * variant : 4 * variant + 4, 12:, kerb] = 1.0
        model.car[:, 3] = 0
        model.roads.copy_(torch.cat([torch.zeros(64, 8), torch.linspace(-0.3, 0.3, 64)[:, None]], 1))
    return model


def state(
    *,
    x: float = 0.0,
    y: float = 0.0,
    heading: float = 0.0,
    along: float = 100.5,
    aside: float = 0.0,
    off: float = 0.0,
    turns: dict[int, float] | None = None,
    kerbs: dict[int, int] | None = None,
) -> torch.Tensor:
    """float32 [1, S]; turns and kerbs by their tile, counted from the one that the car is on."""
    numbers = [x, y, heading, 0.0, along, aside, off, 1.0, *[0.0] * (3 + 2 * CONFIG.ring)]
    for place, values in enumerate((turns or {}, kerbs or {})):
        for tile, value in values.items():
            numbers[TOLD + place * CONFIG.ring + BEHIND + tile] = value
    return torch.tensor([numbers], dtype=torch.float32)


def painted(model: RoadTokenizer, *states: torch.Tensor) -> np.ndarray:
    """uint8 [B, H, W, 3]."""
    with torch.no_grad():
        return to_uint8(model.paint(*model.read(model.latent_of(torch.cat(states))))).numpy()


def columns_of_road(picture: np.ndarray, row: int) -> np.ndarray:
    return np.flatnonzero(picture[row, :, 1] < 150)


def test_a_latent_holds_car_and_road(road):
    latent = road.latent_of(
        state(heading=0.7, along=130.25, aside=-4.5, off=0.2, turns={0: 0.31, 26: -0.1}, kerbs={5: -1})
    )
    pose, turns, kerbs = road.read(latent)
    assert turns_of(pose[0, 0], pose[0, 1]).item() * 2 * math.pi == pytest.approx(0.7, abs=1e-5)
    assert turns_of(pose[0, 6], pose[0, 7]).item() * CONFIG.ring == pytest.approx(130.25 % 48, abs=1e-4)
    assert pose[0, 8].item() * ASIDE == pytest.approx(-4.5, abs=1e-5)
    assert {i: round(v, 3) for i, v in enumerate((turns[0] * 0.35).tolist()) if v} == {130 % 48: 0.31, 156 % 48: -0.1}
    assert kerbs[0].nonzero().flatten().tolist() == [135 % 48] and kerbs[0, 135 % 48] == -1
    assert latent.abs().max() <= 1  # what `bounds` promises


def test_driving_on_changes_only_tiles_far_away(road):
    """A tile stays in its slot; one that is out of sight behind makes room for the next one ahead."""
    bend = {k: 0.1 for k in range(-BEHIND, AHEAD + 1)}
    before, after = (
        road.read(road.latent_of(state(along=a, turns=bend | extra)))[1]
        for a, extra in ((100.9, {}), (101.1, {26: 0.3}))
    )
    changed = (before != after)[0].nonzero().flatten().tolist()
    assert changed == [(101 + AHEAD) % CONFIG.ring]


def test_the_road_is_where_the_car_isnt(road):
    """A car 5 units left of the middle sees the road to its right, by 5 units of 61.73 / 96."""
    middle, aside = (columns_of_road(painted(road, state(aside=a))[0], 20) for a in (0.0, 5.0))
    assert middle.mean() == pytest.approx(47.5, abs=0.6)
    assert len(middle) == pytest.approx(13.34 / (61.73 / 96), abs=2)
    assert aside.mean() - middle.mean() == pytest.approx(5 / (61.73 / 96), abs=1)
    # Turned to the left against the road, it sees the road lean to the right.
    leaning = painted(road, state(off=0.3))[0]
    assert columns_of_road(leaning, 20).mean() > columns_of_road(leaning, 50).mean() + 6


def test_a_bend_to_the_left_bends_to_the_left_and_its_kerb_is_red_and_white(road):
    picture = painted(road, state(turns={3: 0.2, 4: 0.2, 5: 0.2}, kerbs=dict.fromkeys(range(0, 6), 1)))[0].astype(int)
    assert columns_of_road(picture, 12).mean() < columns_of_road(picture, 60).mean() - 8
    red, white = (picture[..., 0] > 200) & (picture[..., 1] < 60), picture.min(-1) > 200
    assert red.sum() > 8 and white.sum() > 8
    assert np.nonzero(red)[1].max() < 48  # to the left of the road


@pytest.mark.parametrize("heading", [0.1, 0.7, -0.5])
def test_the_meadow_is_found_and_north_is_kept(road, heading):
    """Of four ways to say the same, the one that goes on from the picture before."""
    picture = torch.from_numpy(painted(road, state(x=12.0, y=-7.0, heading=heading, aside=9.0)))
    true = road.read(road.latent_of(state(x=12.3, y=-7.2, heading=heading + math.pi / 2 + 0.02)))[0]
    quarter = road.read(road.latent_of(state(x=12.0, y=-7.0, heading=heading)))[0]
    with torch.no_grad():
        first = road.read(road.encode(picture) * road.std + road.mean)[0]
        assert torch.dist(first[:, :6], quarter[:, :6]) < 0.1
        # The same meadow, turned by a quarter around the middle of a square: x becomes y, y becomes -x.
        old = torch.cat(
            [
                torch.stack([-quarter[:, 1], quarter[:, 0]], 1),
                quarter[:, 4:6] * torch.tensor([1.0, -1]),
                quarter[:, 2:4],
                true[:, 6:],
            ],
            1,
        )
        before = (road.joined(old, torch.zeros(1, 48), torch.zeros(1, 48)) - road.mean) / road.std
        carried = road.read(road.encode(picture, before) * road.std + road.mean)[0]
        assert torch.dist(carried[:, :6], old[:, :6]) < 0.1
        again = to_uint8(road.paint(carried, torch.zeros(1, 48), torch.zeros(1, 48)))
        once = to_uint8(
            road.paint(torch.cat([first[:, :6], carried[:, 6:]], 1), torch.zeros(1, 48), torch.zeros(1, 48))
        )
        assert (again.int() - once.int()).abs().float().mean() < 1


def test_a_mirrored_latent_is_a_mirrored_picture(road):
    latent = road.latent_of(state(x=5, y=9, heading=0.4, aside=3, off=-0.2, turns={2: 0.3}, kerbs={1: 1, 2: 1}))
    with torch.no_grad():
        one, other = (to_uint8(road.paint(*road.read(v))).int() for v in (latent, road.mirrored(latent)))
    assert (one.flip(2) - other).abs().float().mean() < 1
    assert torch.equal(road.mirrored(road.mirrored(latent)), latent)


def test_a_road_grows_by_one_tile_when_the_car_comes_to_the_next(road):
    """All others stay as they were, whatever the world model says of them; noise says how the new one turns."""
    before, after = (road.latent_of(state(along=a, turns={2: 0.3}, kerbs={3: 1})) for a in (100.9, 101.1))
    wrong = after + torch.cat([torch.zeros(1, POSE, 4, 4), torch.rand(1, 2 * CONFIG.share, 4, 4)], 1)
    new = (101 + AHEAD) % CONFIG.ring
    drawn = []
    with torch.no_grad():
        for value in (-2.0, 2.0):
            noise = torch.full_like(before, value)
            grown = road.grown(before, wrong, noise)
            pose, turns, kerbs = road.read(grown * road.std + road.mean)
            assert torch.allclose(pose, road.read(after)[0], atol=1e-5)
            changed = (turns - road.read(before)[1]).abs()[0] > 1e-6
            assert changed.nonzero().flatten().tolist() == [new]
            drawn.append(turns[0, new].item())
            assert kerbs[0, 103 % CONFIG.ring] == 1
        assert drawn[0] != drawn[1]
        # Within a tile nothing comes; backwards, one behind.
        for a, b, come in ((100.1, 100.8, []), (101.1, 100.9, [(100 - BEHIND) % CONFIG.ring])):
            one, other = (road.latent_of(state(along=v, turns={2: 0.3})) for v in (a, b))
            changed = road.read(road.grown(one, other, noise))[1] - road.read(one)[1]
            assert (changed[0].abs() > 1e-6).nonzero().flatten().tolist() == come
        # What isn't quite an angle becomes one.
        pose = road.read(road.grown(before, 0.7 * after, noise))[0]
        assert torch.allclose(pose[:, :8], road.read(after)[0][:, :8], atol=1e-5)


def test_what_is_drawn_for_real_roads_is_normal_and_can_be_learned():
    """Quantiles of what really followed are even, and the sharper a turn to the left the larger."""
    torch.manual_seed(0)
    model = RoadTokenizer(RoadConfig(wide=8, known=1024))
    rng = np.random.default_rng(0)
    turns = rng.normal(0, 0.05, 3000) * (rng.random(3000) < 0.3)
    rows = np.lib.stride_tricks.sliding_window_view(turns, CONFIG.ring)
    along = np.arange(len(rows))[:, None]
    states = np.concatenate([np.zeros((len(rows), 4)), along, np.zeros((len(rows), TOLD - 5)), rows, 0 * rows], 1)
    states = torch.from_numpy(states.astype(np.float32))
    starts = torch.arange(len(rows)) == 0
    model.normalise(states, starts)
    assert model.mean.abs().max() == 0 and model.std.min() > 0
    model.prepare(states, starts)
    chain = states[:, -CONFIG.ring - 9 : -CONFIG.ring]
    drawn = model.likely(chain)
    assert abs(drawn.mean()) < 0.15 and abs(drawn.std() - 1) < 0.15
    assert drawn[chain[:, 8] > 0.05].mean() > 1 > -1 > drawn[chain[:, 8] < -0.05].mean()
    optim, first = torch.optim.Adam([*model.onward.parameters(), *model.edge.parameters()], 3e-3), None
    for _ in range(60):
        turning, edging = model.growing(states[torch.randint(len(states), (16,))])
        first = first or turning.item()
        optim.zero_grad()
        (turning + edging).backward()
        optim.step()
    assert turning < 0.7 * first and edging < 0.05


def test_a_source_tells_of_the_road_that_it_draws():
    """The car starts on the road's middle; tiles are as long as they are counted; a tile's turn is told once."""
    source = Source()
    source.reset(7)
    driver, states = scripted(np.random.default_rng(0)), []
    for _ in range(60):
        states.append(source.state())
        source.step(driver(source))
    source.close()
    states = np.stack(states)
    assert states.dtype == np.float32 and states.shape == (60, TOLD + 2 * CONFIG.ring)
    assert abs(states[0, 5]) < 0.5 and abs(states[0, 6]) < 0.1
    steps = np.diff(states[:, :3], axis=0)
    np.testing.assert_allclose(states[1:, 8], steps[:, 2], atol=1e-4)
    np.testing.assert_allclose((states[1:, 9:11] ** 2).sum(1), (steps[:, :2] ** 2).sum(1), atol=2e-3)
    assert states[-1, 9] > 0  # ahead
    way = np.linalg.norm(steps[:, :2], axis=1).sum()
    assert states[-1, 4] - states[0, 4] == pytest.approx(way / 3.5, rel=0.25)
    tiles = {}
    for row in states:
        for place in range(-BEHIND, AHEAD + 1):
            tiles.setdefault(math.floor(row[4]) + place, set()).add(row[TOLD + BEHIND + place])
    assert all(len(turns) == 1 for turns in tiles.values())
    assert any(0.05 < abs(turn) <= 0.32 for turns in tiles.values() for turn in turns)


def test_learning_paints_and_sees_better(road):
    torch.manual_seed(1)
    rng = np.random.default_rng(0)
    states = torch.cat(
        [
            state(
                x=rng.uniform(0, 99),
                y=rng.uniform(0, 99),
                heading=rng.uniform(-3, 3),
                aside=rng.uniform(-6, 6),
                off=rng.uniform(-0.3, 0.3),
            )
            for _ in range(32)
        ]
    )
    pictures, model = torch.from_numpy(painted(road, *states.split(1))), RoadTokenizer(CONFIG)
    optim, first = model.optimiser(2e-3), None
    for _ in range(30):
        loss, logs = model.loss(pictures, states)
        first = logs if first is None else first
        optim.zero_grad()
        loss.backward()
        optim.step()
    assert logs["psnr"] > first["psnr"] + 5
    assert logs["aside"] < 0.7 * first["aside"]


def test_recordings_without_states_are_refused(tmp_path):
    frames = np.zeros((4, 96, 96, 3), np.uint8)
    arrays = {"frames": frames, "actions": np.zeros((4, 3), np.float32), "starts": np.arange(4) == 0}
    for name in ("train-1", "held-1"):
        write_npz(tmp_path / f"{name}.npz", arrays)
    with pytest.raises(TrainingError, match=r"say where things are \(states\)"):
        train(TokenizerTraining("car-racing", tmp_path, steps=1), CONFIG)


def test_angles_small_systems_and_build():
    angle = torch.tensor([0.3, 3.0])
    pair = torch.stack([angle.cos(), angle.sin()], 1)
    assert torch.allclose(turns_of(*times(pair, pair).unbind(1)) * 2 * math.pi, 2 * angle % (2 * math.pi), atol=1e-5)
    assert torch.allclose(turned(pair[1:], pair[:1]) * 2 * math.pi, torch.tensor([[2.7]]), atol=1e-5)
    half = torch.randn(3, 12, 12)
    matrix, right = half @ half.transpose(1, 2) + 0.5 * torch.eye(12), torch.randn(3, 12)
    assert torch.allclose(solved(matrix, right), torch.linalg.solve(matrix, right), atol=1e-3)
    assert build(CONFIG.dict()).CARRIES
    with pytest.raises(ValueError, match="multiple of 16"):
        RoadConfig(ring=40)


def test_an_encoder_that_carries_on_is_given_the_latent_before():
    """Zeros for the first picture, then what it said itself."""

    class Recorder(Dream):
        noise_shape = (1, 2, 3)
        manifest = {"encoder": {"inputs": {"picture": {}, "before": {}}}}

        def __init__(self) -> None:
            self.given = []

        def run(self, graph, feeds, outputs):
            self.given.append(feeds["before"])
            return [feeds["before"] + feeds["picture"].mean()]

    dream = Recorder()
    latents = dream.encoded([np.full((2, 2, 3), value, np.uint8) for value in (1, 5)])
    assert [float(given.max()) for given in dream.given] == [0, 1]
    assert latents[1].shape == (1, 2, 3) and latents[1].max() == 6


def test_a_road_looked_at_from_its_end_is_the_same_picture(road):
    """Facing it, the car sees the same road, told the other way round."""
    told = state(along=100.3, aside=2, off=3.0, turns={-3: 0.2, 2: -0.3}, kerbs={-4: 1, -3: 1, -2: 1})
    faced = road.facing(told)
    assert torch.equal(road.facing(faced), faced)
    assert faced[0, 4:7].tolist() == pytest.approx([-99.3, -2, 3.0 - math.pi], abs=1e-4)
    one, other = painted(road, told, faced)
    assert np.abs(one.astype(int) - other).mean() < 1
