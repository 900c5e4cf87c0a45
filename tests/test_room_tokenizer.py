"""The room tokenizer: what it paints is where geometry says, and cameras are found again in what was painted."""

import math

import numpy as np
import pytest
import torch

from training.errors import TrainingError
from training.record import write_npz
from training.room_tokenizer import CAMERA, FAR, POSE, SEEN, SPIN, RoomConfig, RoomTokenizer, polar, solve
from training.tokenizer import to_uint8
from training.tokenizers import build
from training.train_tokenizer import TokenizerTraining, train

CONFIG = RoomConfig(side=640.0, cells=10, votes=2, wide=32)


@pytest.fixture(scope="module")
def room() -> RoomTokenizer:
    """A room of random stones: no two places look alike."""
    torch.manual_seed(0)
    model = RoomTokenizer(CONFIG).eval()
    with torch.no_grad():
        model.floor.copy_(blotches(*model.floor.shape[1:], 5) * 0.4 + 0.1)
        model.wall.copy_(blotches(*model.wall.shape[1:], 9) * 0.5 + torch.tensor([0.3, 0.1, 0.0])[:, None, None])
        model.ceiling.copy_(blotches(*model.ceiling.shape[1:], 5) * 0.1)
        model.thing.fill_(1.0)
    return model


def blotches(high: int, wide: int, across: int) -> torch.Tensor:
    """Random grey, some texels across, without seams: [3, high, wide] in [0, 1]."""
    grey = torch.rand(1, 1, high, wide)
    for _ in range(3):
        grey = torch.nn.functional.pad(grey, (across // 2,) * 4, mode="circular")
        grey = torch.nn.functional.avg_pool2d(grey, across, 1)
    grey = grey - grey.min()
    return (grey / grey.max())[0].expand(3, -1, -1).clone()


def state(x: float, y: float, degrees: float, *things: tuple[float, float], height: float = 41.0) -> torch.Tensor:
    turn = math.radians(degrees)
    numbers = [x, y, height, math.cos(turn), math.sin(turn), 0, 0, 0, *(v for thing in things for v in thing)]
    numbers += [math.nan] * (POSE + 8 - len(numbers))
    return torch.tensor([numbers], dtype=torch.float32)


def painted(model: RoomTokenizer, *states: torch.Tensor) -> np.ndarray:
    """uint8 [B, H, W, 3]."""
    with torch.no_grad():
        return to_uint8(model.paint(*model.read(model.latent_of(torch.cat(states))))).numpy()


def test_a_latent_holds_camera_and_things(room):
    latent = room.latent_of(state(100, 500, 30, (64.5, 10), (639, 320.0), height=45))
    camera, there, place = room.read(latent)
    assert camera[0].tolist() == pytest.approx([100, 500, 45, math.cos(math.pi / 6), 0.5], abs=1e-3)
    assert there.sum() == 2
    assert place[there > 0].tolist() == [pytest.approx([64.5, 10], abs=0.01), pytest.approx([639, 320], abs=0.01)]
    assert latent.abs().max() <= 1  # what `bounds` promises


def test_of_two_things_in_a_cell_always_the_same_one_is_kept(room):
    one, other = (70.0, 70.0), (90.0, 80.0)
    latents = [room.latent_of(state(100, 500, 0, *things)) for things in ((one, other), (other, one))]
    assert torch.equal(*latents)
    assert room.read(latents[0])[1].sum() == 1


def test_a_wall_is_as_tall_as_it_is_near(room):
    """Facing a wall 200 units away from a height of 41: its foot is 41 units below the horizon, its top 63 above."""
    with torch.no_grad():
        bright = [room.room(room.read(room.latent_of(state(440, 320, 0)))[0])]
        room.wall.add_(1.0)
        bright.append(room.room(room.read(room.latent_of(state(440, 320, 0)))[0]))
        room.wall.sub_(1.0)
    rows = ((bright[1] - bright[0])[0, 0, :, 48] > 0.4).nonzero().flatten()
    per_unit = 48 / (0.75 / 1.2) / 200  # pixels
    assert rows[0].item() == pytest.approx(48 - 63 * per_unit, abs=1)
    assert rows[-1].item() == pytest.approx(48 + 41 * per_unit, abs=1)


def test_a_thing_is_painted_where_it_lies_and_the_nearer_one_covers(room):
    without, ahead = painted(room, state(100, 320, 0), state(100, 320, 0, (200, 320)))
    changed = np.abs(ahead.astype(int) - without).max(-1) > 60
    rows, columns = np.nonzero(changed)
    assert abs(columns.mean() - 47.5) < 1 and rows.mean() > 60  # ahead, on the floor
    # A thing to the left, which is towards larger y, is left of the middle.
    left = np.abs(painted(room, state(100, 320, 0, (200, 360)))[0].astype(int) - without).max(-1) > 60
    assert np.nonzero(left)[1].mean() < 30
    # Behind, it isn't seen.
    assert np.array_equal(painted(room, state(100, 320, 180, (200, 320))), painted(room, state(100, 320, 180)))


def test_once_around_is_where_one_was(room):
    views = painted(room, *(state(300, 200, 8 * step, (400, 250)) for step in range(46)))
    assert np.array_equal(views[45], views[0])
    assert not np.array_equal(views[20], views[0])


@pytest.mark.parametrize("at", [(300, 200, 20), (150.5, 480.2, 250), (520, 130, 133)])
def test_the_camera_is_found_in_a_picture(room, at):
    """A thing in view, which the empty room can't explain, doesn't mislead."""
    x, y, degrees = at
    ahead = x + 90 * math.cos(math.radians(degrees)), y + 90 * math.sin(math.radians(degrees))
    picture = torch.from_numpy(painted(room, state(x, y, degrees, ahead)))
    with torch.no_grad():
        camera = room.read(room.encode(picture) * room.std + room.mean)[0][0]
    assert torch.dist(camera[:2], torch.tensor([x, y])) < 2
    off = math.degrees(math.atan2(camera[4], camera[3])) - degrees
    assert abs((off + 180) % 360 - 180) < 1


@pytest.mark.parametrize("at", [(300, 200, 20), (150.5, 480.2, 250), (520, 130, 133)])
def test_a_picture_sharper_than_the_room_pulls_no_camera_aside(room, at):
    """Real pictures are: slopes to one side alone would lead half a unit and a tenth of a degree astray."""
    x, y, degrees = at
    picture = torch.from_numpy(painted(room, state(x, y, degrees))).permute(0, 3, 1, 2).float()
    blurred = torch.nn.functional.avg_pool2d(picture, 3, 1, 1)
    sharp = (picture + 0.7 * (picture - blurred)).clamp(0, 255).round().byte().permute(0, 2, 3, 1)
    with torch.no_grad():
        camera = room.read(room.encode(sharp) * room.std + room.mean)[0][0]
    assert torch.dist(camera[:2], torch.tensor([x, y])) < 0.15
    off = math.degrees(math.atan2(camera[4], camera[3])) - degrees
    assert abs((off + 180) % 360 - 180) < 0.04


def test_where_places_look_alike_one_is_near_the_last(room):
    """Close to a wall whose stones repeat: alone, the place nearer to the middle is taken."""
    model = RoomTokenizer(CONFIG).eval()
    model.load_state_dict(room.state_dict())
    with torch.no_grad():
        model.wall.copy_(room.wall[..., :320].repeat(1, 1, 2))  # five of the floor's tiles
        picture = torch.from_numpy(painted(model, state(540, 500, 0)))
        before = model.latent_of(state(534, 497, 1)) - model.mean
        alone, follows = (
            model.read(model.encode(picture, latent) * model.std + model.mean)[0][0, :2]
            for latent in (None, before / model.std)
        )
    assert torch.dist(alone, torch.tensor([540.0, 180.0])) < 3
    assert torch.dist(follows, torch.tensor([540.0, 500.0])) < 3


@pytest.mark.parametrize("at", [(616, 250.0, 20), (380.5, 16.0, -55), (30, 500, 250)])
def test_the_camera_is_found_at_a_wall_that_fills_the_picture(room, at):
    """At any of the four walls: one picture is that of all, and nothing else is in view."""
    x, y, degrees = at
    with torch.no_grad():
        picture = torch.from_numpy(painted(room, state(x, y, degrees)))
        camera = room.read(room.encode(picture) * room.std + room.mean)[0][0]
    wall = round((math.degrees(math.atan2(camera[4], camera[3])) - degrees) / 90)
    off = math.degrees(math.atan2(camera[4], camera[3])) - degrees - 90 * wall
    middle = CONFIG.side / 2
    there = (x - middle + 1j * (y - middle)) * 1j**wall + middle + 1j * middle
    assert torch.dist(camera[:2], torch.tensor([there.real, there.imag])) < 1 and abs(off) < 1
    # Where one was at this wall a frame earlier, looking too far away for that alone to lead here, it is this wall.
    before = (room.latent_of(state(x, y, degrees + 60)) - room.mean) / room.std
    with torch.no_grad():
        camera = room.read(room.encode(picture, before) * room.std + room.mean)[0][0]
    assert torch.dist(camera[:2], torch.tensor([x, y])) < 1
    off = math.degrees(math.atan2(camera[4], camera[3])) - degrees
    assert abs((off + 180) % 360 - 180) < 1


def test_a_camera_that_is_found_elsewhere_moves_on_as_before(room):
    picture = torch.from_numpy(painted(room, state(300, 200, 20)))
    moving = state(100, 500, 20)
    moving[:, CAMERA:POSE] = torch.tensor([0.1, 7.0, -3.0])
    before = room.latent_of(moving)
    with torch.no_grad():
        latent = room.encode(picture, (before - room.mean) / room.std) * room.std + room.mean
    assert torch.dist(room.read(latent)[0][0, :2], torch.tensor([300.0, 200.0])) < 2
    assert room.said_movement(latent)[0].tolist() == pytest.approx([0.1, 7.0, -3.0], abs=1e-4)


def test_learning_paints_better_and_finds_things(room):
    torch.manual_seed(1)
    model = RoomTokenizer(CONFIG)
    rng = np.random.default_rng(0)
    states = torch.cat(
        [state(*rng.uniform(60, 580, 2), rng.uniform(0, 360), *rng.uniform(20, 620, (4, 2))) for _ in range(32)]
    )
    pictures = torch.from_numpy(painted(room, *states.split(1)))
    optim, first = model.optimiser(2e-3), None
    for step in range(40):
        rows = torch.arange(4 * step, 4 * step + 4) % 32
        loss, logs = model.loss(pictures[rows], states[rows])
        first = logs if first is None else first
        optim.zero_grad()
        loss.backward()
        optim.step()
    assert logs["psnr"] > first["psnr"] + 5
    assert logs["search"] < 0.5 * first["search"]


def test_small_systems_are_solved():
    torch.manual_seed(0)
    half = torch.randn(3, 4, 4)
    matrix, right = half @ half.transpose(1, 2) + 0.1 * torch.eye(4), torch.randn(3, 4)
    assert torch.allclose(solve(matrix, right), torch.linalg.solve(matrix, right), atol=1e-3)


def test_polar_and_build():
    camera = polar(torch.tensor([[1.0, 2.0, 41.0, math.pi / 2]]))
    assert camera[0].tolist() == pytest.approx([1, 2, 41, 0, 1], abs=1e-6)
    assert isinstance(build(CONFIG.dict()), RoomTokenizer)
    with pytest.raises(ValueError, match="multiple of votes"):
        RoomConfig(cells=10, votes=4)


def test_in_rows_things_lie_where_they_lay_first(room):
    here, new = (200.0, 320.0), (400.0, 330.0)
    states = [state(100, 320, 0, *things) for things in ((here,), (here, new), (new,), ())]
    rows = room.undisturbed(room.latent_of(torch.cat(states))[None])
    counts = [room.read(latent[None])[1].sum().item() for latent in rows[0]]
    assert counts == [1, 1, 1, 1]
    assert room.read(rows[0, 3:4])[0][0, :2].tolist() == pytest.approx([100, 320], abs=1e-2)


@pytest.mark.parametrize(("chance", "arrivals", "things"), [(-50.0, 0.0, 1), (50.0, 0.0, 0), (-50.0, 100.0, 100)])
def test_things_stay_until_they_are_taken_and_new_ones_fall(room, chance, arrivals, things):
    """Whatever the network says of them; the camera is where it says, on the mean of its votes."""
    model = RoomTokenizer(CONFIG).eval()
    torch.manual_seed(2)
    with torch.no_grad():
        model.taken[-1].bias.fill_(chance)
        model.arrivals.fill_(arrivals)  # of 100 cells
        before = model.latent_of(state(100, 320, 0, (200, 330)))
        moved = torch.tensor([[0.1, 10.0, -5.0]])
        pose = torch.cat([torch.rand(1, CAMERA), moved], 1)  # of where it is then only the way there counts
        said = model.joined(pose, torch.randn(1, 3, CONFIG.cells, CONFIG.cells))
        said[:, CAMERA:POSE] += 0.01 * torch.randn_like(said[:, CAMERA:POSE])
        votes = model.votes(said)[:, CAMERA:]
        said[:, CAMERA:POSE] -= (votes.mean((2, 3)) - moved / torch.tensor([SPIN, FAR, FAR]))[..., None, None]
        grown = model.grown(before, said, torch.randn_like(said))
        camera, there, place = model.read(grown)
    assert there.sum() == things
    if chance < 0:
        kept = model.read(before)[1][0] > 0
        assert place[0, kept][0].tolist() == pytest.approx([200, 330], abs=0.1)
    x, y = 100 + 10 * math.cos(0.1) + 5 * math.sin(0.1), 320 + 10 * math.sin(0.1) - 5 * math.cos(0.1)
    assert camera[0, :2].tolist() == pytest.approx([x, y], abs=0.05)
    assert camera[0, 3:].tolist() == pytest.approx([math.cos(0.1), math.sin(0.1)], abs=1e-4)
    assert model.votes(grown).std((2, 3)).max() < 1e-6


def test_a_movement_leads_from_camera_to_camera_and_what_hardly_moves_rests(room):
    old, new = (polar(torch.tensor([[x, y, 41.0, turn]])) for x, y, turn in ((100, 200, 3.1), (108, 190, -3.1)))
    moved = room.movement(old, new)
    assert moved[0, 0].item() == pytest.approx(2 * math.pi - 6.2, abs=1e-5)
    torch.testing.assert_close(room.onward(old, moved, torch.tensor([41.0])), new, atol=1e-4, rtol=1e-5)
    latent = room.latent_of(state(100, 320, 0))
    crept = latent.clone()
    crept[:, CAMERA:POSE] += 2e-4
    with torch.no_grad():
        for _ in range(100):
            crept = room.grown(latent, crept, torch.zeros_like(latent))
            latent = crept.clone()
    camera = room.read(latent)[0]
    assert torch.dist(camera[:, :2], torch.tensor([[100.0, 320.0]])) < 0.1


def test_one_comes_no_nearer_to_a_wall_than_in_the_recordings(room):
    model = RoomTokenizer(CONFIG).eval()
    states = torch.cat([state(x, 320, 0) for x in (600, 616, 610)])
    model.prepare(states, torch.tensor([True, False, False]))
    latent = model.latent_of(state(610, 320, 30))
    with torch.no_grad():
        said = model.joined(torch.tensor([[0.0] * CAMERA + [0.0, 40.0, 0.0]]), torch.zeros(1, 3, 10, 10))
        grown = model.grown(latent, said, torch.zeros_like(latent))
    assert model.read(grown)[0][0, :2].tolist() == pytest.approx([616, 340], abs=0.1)
    moved = model.votes(grown)[0, CAMERA:, 0, 0] * torch.tensor([SPIN, FAR, FAR])
    along = [6 * math.cos(math.pi / 6) + 20 * 0.5, 20 * math.cos(math.pi / 6) - 6 * 0.5]
    assert moved.tolist() == pytest.approx([0, *along], abs=0.1)


def test_what_became_of_things_is_learned_from_recordings():
    """One walks along a row of things; each is gone as soon as one is within 36 units of it, and one falls far away."""
    model = RoomTokenizer(CONFIG).eval()
    torch.manual_seed(3)
    row = [(100.0 + 60 * n, 320.0) for n in range(8)]
    states = []
    for x in range(20, 620, 10):
        left = [thing for thing in row if thing[0] > x + 36]
        states.append(state(x, 320, 0, *left[:3], *([(50.0, 50.0)] if x > 300 else [])))
    states = torch.cat(states)
    starts = torch.zeros(len(states), dtype=torch.bool)
    starts[0] = True
    model.prepare(states, starts)
    # Of the first three things of the row each counts as new where the state has no more room before.
    assert model.arrivals.item() == pytest.approx((5 + 1) / (len(states) - 1))
    optim = torch.optim.Adam(model.taken.parameters(), 3e-3)
    for _ in range(300):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model.fate(model.fates[:, :4]), model.fates[:, 4])
        optim.zero_grad()
        loss.backward()
        optim.step()
    with torch.no_grad():
        near, far = model.fate(torch.tensor([[42.0, 0, 32, 0], [62.0, 0, 52, 0]])).sigmoid()
    assert near > 0.8 and far < 0.2


def test_what_is_seen_is_a_little_off_in_half_of_the_rows_and_agrees_with_itself(room):
    torch.manual_seed(4)
    row = room.latent_of(torch.cat([state(300 + 10 * t, 200, 30, (400, 250)) for t in range(5)]))
    row[:, CAMERA:POSE] = room.joined(torch.tensor([[0.0] * 6 + [10 * 0.866, -5.0]]), torch.zeros(1, 3, 10, 10))[
        :, CAMERA:POSE
    ]
    seen = room.as_seen(row[None].expand(64, -1, -1, -1, -1))
    camera = room.read(seen.flatten(0, 1))[0].unflatten(0, (64, 5))
    off = camera - room.read(row)[0]
    exact = off.abs().amax((1, 2)) < 1e-3
    assert 16 < exact.sum() < 48
    assert off[~exact][..., 0].std().item() == pytest.approx(SEEN[0], rel=0.2)
    moved = room.votes(seen.flatten(0, 1))[:, CAMERA:, 0, 0].unflatten(0, (64, 5)) * torch.tensor([SPIN, FAR, FAR])
    between = room.movement(camera[:, :-1].flatten(0, 1), camera[:, 1:].flatten(0, 1)).unflatten(0, (64, 4))
    assert (moved[:, 1:] - between).abs().max() < 0.2  # but for the direction in which it is measured
    assert torch.equal(seen[:, :, POSE:], row[None, :, POSE:].expand(64, -1, -1, -1, -1))


def test_recordings_without_states_are_refused(tmp_path):
    frames = np.zeros((4, 96, 96, 3), np.uint8)
    arrays = {"frames": frames, "actions": np.zeros((4, 3), np.float32), "starts": np.array([True] + [False] * 3)}
    for name in ("train-1", "held-1000000"):
        write_npz(tmp_path / f"{name}.npz", arrays)
    with pytest.raises(TrainingError, match="states"):
        train(TokenizerTraining("doom-hall", tmp_path, steps=1), CONFIG)
    write_npz(tmp_path / "train-1.npz", arrays | {"states": np.zeros((3, 9), np.float32)})
    with pytest.raises(TrainingError, match=r"train-1.*expected states float32 \[4, S\], got float32 \[3, 9\]"):
        train(TokenizerTraining("doom-hall", tmp_path, steps=1), CONFIG)
