"""Worlds of one's own: episodes in three layouts, Gymnasium environments, and what is refused before it does harm."""

import io
import json
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import gymnasium
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from training.data.episodes import load_episodes
from training.data.import_episodes import add_episodes, open_folder, read_episodes
from training.data.lerobot_episodes import LerobotDataset
from training.data.record import Recording, record, write_npz
from training.errors import TrainingError
from training.run import main as run
from training.worlds import own_world
from training.worlds.gym_world import GymSource, describe, open_environment, table_of
from training.worlds.own_world import OwnWorld, checked_table, read_about
from training.worlds.pictures import to_square
from training.worlds.registry import find_world

ROOT = Path(__file__).parent.parent
TINY = ROOT / "tests/goldens/tiny-world"
EPISODES, FRAMES, PX = 4, 104, 16
WORLD = "mine"


def worldloop(*arguments: str) -> None:
    subprocess.run(["node", "--import", "tsx", "src/cli/main.ts", *arguments], cwd=ROOT, check=True)


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same episodes of the tiny world, by layout; never written to."""
    folders = {name: tmp_path_factory.mktemp("collected") / name for name in ("npz", "lerobot")}
    if shutil.which("ffmpeg"):
        folders["mp4"] = folders["npz"].with_name("mp4")
    for layout, folder in folders.items():
        what = ["--world", str(TINY), "--episodes", str(EPISODES), "--frames", str(FRAMES), "--seed", "3"]
        worldloop("collect", *what, "--workers", "1", "--format", layout, "--out", str(folder))
    return folders


@pytest.fixture
def drives(collected: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Copies to spoil."""
    return {name: Path(shutil.copytree(folder, tmp_path / name)) for name, folder in collected.items()}


def table() -> list[dict]:
    return read_about(TINY / "world.json").actions


def episodes_of(folder: Path, size: int = PX) -> list:
    return read_episodes(open_folder(folder, table()), table(), size=size, how="letterbox")


def bring(*arguments: str | Path) -> int:
    """A tiny run that ends where a bad input is found."""
    return run(["--world", WORLD, "--tiny", *map(str, arguments)])


def test_what_was_collected_comes_back_bit_by_bit(collected):
    wanted = load_episodes(sorted(collected["npz"].glob("*.npz")))
    for layout, folder in collected.items():
        read = episodes_of(folder)
        assert [len(episode.frames) for episode in read] == [FRAMES] * EPISODES
        np.testing.assert_array_equal(np.concatenate([e.actions for e in read]), wanted.actions)
        frames = np.concatenate([e.frames for e in read])
        if layout == "mp4":  # H.264 halves the resolution of colours, and these pictures are noise
            grey, true = (x.mean(-1) for x in (frames, wanted.frames))
            assert np.corrcoef(grey.ravel(), true.ravel())[0, 1] > 0.8
            off = [np.abs(grey[4:-4] - true[4 + late : len(true) - 4 + late]).mean() for late in (0, -1, 1)]
            assert off[0] < min(off[1:])  # no frame late or early
        else:
            np.testing.assert_array_equal(frames, wanted.frames)
        assert open_folder(folder, table()).frame_rate == (None if layout == "npz" else 25)


def test_a_video_and_its_log_are_an_episode(tmp_path):
    specs = table()
    rng = np.random.default_rng(0)
    for name, lines in (("a", 12), ("b", 11)):
        film = cv2.VideoWriter(str(tmp_path / f"{name}.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 20, (32, 32))
        for shade in np.linspace(20, 220, 12):
            film.write(np.full((32, 32, 3), (0, 0, shade), np.uint8))  # blue, green, red
        film.release()
        rows = rng.uniform(0, 1, (lines, 2)).round(3).tolist()
        log = [json.dumps({"gas": gas, "steer": steer}) for steer, gas in rows]
        header = ['{"provenance": {"schema": 1}}'] if name == "b" else []  # as the page saves it
        text = "\n".join([*header, *log]) + "\n"
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8-sig" if name == "a" else "utf-8")
    read = read_episodes(folder := open_folder(tmp_path, specs), specs, size=PX, how="letterbox")
    assert folder.frame_rate == 20
    for episode in read:
        assert episode.frames.shape == (12, PX, PX, 3) and episode.actions.shape == (12, 2)
        red = episode.frames[..., 0].mean((1, 2))
        assert (np.diff(red) > 5).all() and episode.frames[..., 2].max() < 30
    np.testing.assert_allclose(read[1].actions[-2], rows[-1], atol=1e-6)
    np.testing.assert_array_equal(read[1].actions[-1], read[1].actions[-2])
    (tmp_path / "b.jsonl").write_text('{"gas": true, "steer": 0}\n' * 12)
    with pytest.raises(TrainingError, match="b.jsonl', line 1: expected numbers"):
        episodes_of(tmp_path)
    (tmp_path / "b.jsonl").unlink()
    with pytest.raises(TrainingError, match="b.jsonl': expected a log of actions"):
        episodes_of(tmp_path)


def change_npz(folder: Path, **changes) -> None:
    path = sorted(folder.glob("*.npz"))[1]
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    write_npz(path, {name: changes.get(name, lambda x: x)(array) for name, array in arrays.items()})


def change_parquet(folder: Path, change) -> None:
    path = folder / "data/chunk-000/file-000.parquet"
    read = pq.read_table(path)
    pq.write_table(change(read), path)


def change_info(folder: Path, *path: str, to: object) -> None:
    """Sets one value of meta/info.json."""
    file = folder / "meta/info.json"
    info = place = json.loads(file.read_text())
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    file.write_text(json.dumps(info))


def with_picture(folder: Path, frame: int, picture: np.ndarray) -> None:
    """Another PNG in a frame of the first episode."""

    def change(read: pa.Table) -> pa.Table:
        column, png = read.column("observation.image").to_pylist(), io.BytesIO()
        Image.fromarray(picture).save(png, "PNG")
        column[frame]["bytes"] = png.getvalue()
        at = read.schema.get_field_index("observation.image")
        return read.set_column(at, read.schema.field(at), pa.array(column, read.schema.field(at).type))

    change_parquet(folder, change)


def other_size(folder: Path) -> None:
    with np.load(path := sorted(folder.glob("*.npz"))[1]) as file:
        arrays = dict(file)
    write_npz(path, {**arrays, "frames": np.pad(arrays["frames"], ((0, 0), (0, 0), (0, 9), (0, 0)))})


def with_column(read: pa.Table, name: str, values: list) -> pa.Table:
    return read.set_column(read.schema.get_field_index(name), name, pa.array(values))


def with_actions(read: pa.Table, values: list) -> pa.Table:
    return with_column(read, "action", values)


def at(actions: np.ndarray, frame: int, value: float) -> np.ndarray:
    actions = actions.copy()
    actions[frame, 0] = value
    return actions


BAD = {
    "another width": ("npz", lambda f: change_npz(f, actions=lambda a: a[:, :1]), r"actions \[T, 2\].*\[104, 1\]"),
    "NaN": ("npz", lambda f: change_npz(f, actions=lambda a: a * np.nan), "expected finite actions"),
    "out of range": ("npz", lambda f: change_npz(f, actions=lambda a: at(a, 7, 3)), r"frame 7: expected steer in \[-1"),
    "wrong dtype": ("npz", lambda f: change_npz(f, frames=lambda x: x.astype(np.float32)), "expected frames uint8"),
    "a missing frame": ("npz", lambda f: change_npz(f, frames=lambda x: x[:-1]), "got 103 frames, 104 actions"),
    "cut short": ("npz", lambda f: [p.write_bytes(p.read_bytes()[:900]) for p in f.glob("*.npz")], "unreadable"),
    "no layout": ("npz", lambda f: [p.unlink() for p in f.glob("*.npz")], "got neither"),
    "a row gone": ("lerobot", lambda f: change_parquet(f, lambda t: pa.concat_tables([t[:5], t[6:]])), "frame 5 is m"),
    "an episode gone": ("lerobot", lambda f: change_parquet(f, lambda t: t[FRAMES:]), "episode 0 is missing"),
    "words": ("lerobot", lambda f: change_parquet(f, lambda t: with_actions(t, ["x"] * len(t))), "same number of num"),
    "three": ("lerobot", lambda f: change_parquet(f, lambda t: with_actions(t, [[0, 0, 0.5]] * len(t))), r"\[T, 2\]"),
    "no picture": (
        "lerobot",
        lambda f: change_parquet(
            f, lambda t: t.set_column(0, t.schema.field(0), pa.array([None] * len(t), t.schema.field(0).type))
        ),
        "frame 0: expected the bytes of a picture",
    ),
    "another version": (
        "lerobot",
        lambda f: (f / "meta/info.json").write_text((f / "meta/info.json").read_text().replace("v3.0", "v2.1")),
        "expected a dataset v3.0, got v2.1",
    ),
    "columns in another order": (
        "lerobot",
        lambda f: change_info(f, "features", "action", "names", to=["gas", "steer"]),
        "expected the columns of 'action' in the order of the action table, steer, gas, got gas, steer",
    ),
    "columns in another order, in a dict": (
        "lerobot",
        lambda f: change_info(f, "features", "action", "names", to={"motors": ["gas", "steer"]}),
        "got gas, steer",
    ),
    "more frames than there are": ("lerobot", lambda f: change_info(f, "total_frames", to=999), "of 999 frames in all"),
    "more episodes than there are": ("lerobot", lambda f: change_info(f, "total_episodes", to=9), "expected 9 episode"),
    "times of another rate": (
        "lerobot",
        lambda f: change_parquet(f, lambda t: with_column(t, "timestamp", [n % FRAMES / 50 for n in range(len(t))])),
        "frame 1: expected it at 0.04 s, for 25 frames a second, got 0.02",
    ),
    "pictures of another size": (
        "lerobot",
        lambda f: with_picture(f, 3, np.zeros((9, 8, 3), np.uint8)),
        r"frame 3: expected a picture of \[16, 16\], height and width, as meta/info.json says, got \[9, 8\]",
    ),
    "recordings of several shapes": ("npz", other_size, "frame 0: expected a picture of the shape of those before it"),
    "no place for videos": (
        "mp4",
        lambda f: change_info(f, "video_path", to=None),
        "video_path: expected where the videos are, got None",
    ),
    "a place for videos elsewhere": (
        "mp4",
        lambda f: change_info(f, "video_path", to="../../{video_key}.mp4"),
        "video_path: expected one in the dataset",
    ),
    "a place for videos that nobody fills in": (
        "mp4",
        lambda f: change_info(f, "video_path", to="{shelf}/{file_index:q}.mp4"),
        "video_path: expected the path of a video",
    ),
    "no time between frames": ("lerobot", lambda f: change_info(f, "fps", to=0), "0.0 frames a second"),
    "a rate that is no number": ("lerobot", lambda f: change_info(f, "fps", to="NaN"), "nan frames a second"),
    "a video gone": ("mp4", lambda f: next(f.rglob("file-002.mp4")).unlink(), "file-002.mp4': expected a video"),
    "short episodes": ("npz", lambda f: [p.unlink() for p in sorted(f.glob("*.npz"))[2:]], "expected three episodes"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_folder_is_one_error_and_leaves_nothing(name, drives, tmp_path, capsys):
    layout, spoil, words = BAD[name]
    if layout not in drives:
        pytest.skip("no ffmpeg to make videos with")
    spoil(drives[layout])
    before = sorted(tmp_path.iterdir())
    arguments = ("--episodes", drives[layout], "--actions", TINY / "world.json", "--size", 64)
    assert bring(*arguments, "--data", tmp_path / "data", "--out", tmp_path / "out") == 2
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
    assert len(said) == 1 and str(drives[layout]) in said[0]
    assert re.search(words, said[0])
    assert sorted(tmp_path.iterdir()) == before


def test_grey_of_16_bits_keeps_its_shades(drives):
    ramp = np.linspace(0, 65535, PX * PX).astype(np.uint16).reshape(PX, PX)
    with_picture(drives["lerobot"], 3, ramp)
    picture = episodes_of(drives["lerobot"])[0].frames[3]
    np.testing.assert_array_equal(picture, np.repeat((ramp >> 8).astype(np.uint8)[..., None], 3, 2))


def test_a_video_of_another_rate_is_refused(drives):
    dataset = LerobotDataset(drives["lerobot"])
    dataset.video_path = "a.mp4"
    film = cv2.VideoWriter(str(drives["lerobot"] / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (32, 32))
    film.write(np.zeros((32, 32, 3), np.uint8))
    film.release()
    place = {"chunk_index": 0, "file_index": 0, "from_timestamp": 0.0}
    entry = {"length": 1, **{f"videos/{dataset.camera}/{key}": value for key, value in place.items()}}
    with pytest.raises(TrainingError, match="a.mp4': expected 25 frames a second, as meta/info.json says, got 10"):
        next(dataset._filmed(entry))


def test_names_that_are_not_of_the_table_tell_nothing(drives):
    change_info(drives["lerobot"], "features", "action", "names", to={"motors": ["motor_0", "gas"]})
    assert len(episodes_of(drives["lerobot"])) == EPISODES


@pytest.fixture(scope="module")
def pipeline(collected: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, list[str]]:
    """Data folder, package, and the arguments that made them of a folder."""
    data, out = tmp_path_factory.mktemp("own") / "data", tmp_path_factory.mktemp("worlds") / WORLD
    arguments = ["--episodes", str(collected["lerobot"]), "--actions", str(TINY / "world.json"), "--size", "64"]
    arguments += ["--data", str(data), "--out", str(out)]
    assert bring(*arguments) == 0
    return data, out, arguments


def test_a_folder_becomes_a_world_that_the_runtime_plays(pipeline, tmp_path, capsys):
    data, out, _ = pipeline
    manifest = json.loads((out / "world.json").read_text())
    assert manifest["picture"] == {"width": 64, "height": 64} and manifest["latent"]["tokens"] == (64 // 4) ** 2
    assert manifest["frameRate"] == 25 and manifest["actions"] == table() and manifest["metrics"]
    assert len(manifest["starts"]) == 5
    (tmp_path / "log.jsonl").write_text('{"steer": 0.5, "gas": 1}\n' * 3)
    log = str(tmp_path / "log.jsonl")
    worldloop("rollout", "--world", str(out), "--seed", "1", "--actions", log, "--out", str(tmp_path / "rollout"))
    assert np.load(tmp_path / "rollout/frames.npy").shape[1:] == (64, 64, 3)


def test_whole_episodes_are_held_out(pipeline, collected):
    data, _, _ = pipeline
    held, trained = (load_episodes(sorted(data.glob(f"{kind}-*.npz"))) for kind in ("held", "train"))
    every = load_episodes(sorted(collected["npz"].glob("*.npz")))
    assert (held.starts.sum(), trained.starts.sum()) == (2, 2)
    parts = np.concatenate([held.actions, trained.actions]).reshape(EPISODES, -1)
    assert {part.tobytes() for part in parts} == {part.tobytes() for part in every.actions.reshape(EPISODES, -1)}


def test_a_world_is_not_made_into_another(pipeline, collected, capsys):
    data, out, arguments = pipeline
    before = {path: path.read_bytes() for path in data.glob("*.npz")} | {data: (data / own_world.FILE).read_bytes()}
    for changed, words in (
        (["--size", "96"], "has size 64, got 96"),
        (["--episodes", str(collected["npz"])], "has episodes"),
        (["--gym", "Acrobot-v1"], "has gym None, got 'Acrobot-v1'"),
        (["--world", "other"], "has name 'mine', got 'other'"),
    ):
        capsys.readouterr()
        assert bring(*arguments, *changed) == 2
        assert words in capsys.readouterr().err.splitlines()[-1]
    after = {path: path.read_bytes() for path in data.glob("*.npz")} | {data: (data / own_world.FILE).read_bytes()}
    assert after == before
    assert own_world.load(data).size == 64


def test_later_stages_find_the_world_by_its_data_folder(pipeline):
    data, _, _ = pipeline
    world = find_world(WORLD, data)
    assert world.frame_rate == 25 and world.source is None
    assert find_world(WORLD).actions == world.actions  # without saying where again
    with pytest.raises(TrainingError, match="expected the world 'yours', got 'mine'"):
        find_world("yours", data)
    with pytest.raises(TrainingError, match="expected a world with an environment"):
        record(Recording(WORLD, "mixed", 1, 10))


def test_episodes_are_added_to_a_world_with_an_environment(tmp_path, capsys):
    rng = np.random.default_rng(0)
    mine, data = tmp_path / "mine", tmp_path / "data"
    mine.mkdir()
    arrays = {
        "frames": rng.integers(0, 255, (30, 96, 96, 3), np.uint8),
        "actions": rng.uniform(0, 1, (30, 3)).astype(np.float32),
        "starts": np.arange(30) % 15 == 0,
    }
    write_npz(mine / "train-000000-1.npz", arrays)
    actions = find_world("car-racing").actions
    for _ in range(2):
        add_episodes(mine, data, actions, size=96, how="letterbox")
    (file,) = data.glob("train-*.npz")
    added = load_episodes([file])
    for name, array in arrays.items():
        np.testing.assert_array_equal(getattr(added, name), array)
    film = cv2.VideoWriter(str(mine / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 10, (32, 32))
    film.write(np.zeros((32, 32, 3), np.uint8))
    film.release()
    (mine / "train-000000-1.npz").rename(data / "elsewhere.npz")
    with pytest.raises(TrainingError, match="expected 25 frames a second, got 10"):
        add_episodes(mine, data, actions, size=96, how="letterbox", frame_rate=25)
    arguments = ["--world", "car-racing", "--size", "64", "--data", str(data), "--out", str(tmp_path / "out")]
    assert bring("--episodes", mine, *arguments) == 2
    assert "is a world of this project" in capsys.readouterr().err


def own(gym: str, **changes) -> OwnWorld:
    env = open_environment(gym)
    idle = changes.get("idle", 0)
    facts = {"title": "", "description": "", "environment": "", "licence": "", "frame_rate": 30.0}
    world = OwnWorld(name="gym", **facts, actions=table_of(env, gym, idle), gym=gym, **changes)
    env.close()
    return world


def test_a_discrete_environment_has_a_button_for_each_choice_but_the_idle_one():
    world = own("MountainCar-v0", idle=1, size=64)
    assert [spec["name"] for spec in world.actions] == ["choice_0", "choice_2"]
    assert [list(spec["keys"]) for spec in world.actions] == [["ArrowLeft"], ["ArrowRight"]]
    source = GymSource(world)
    done = []
    step = source.env.step
    source.env.step = lambda choice: done.append(int(choice)) or step(choice)
    source.reset(1)
    for action in ([0, 0], [1, 0], [0, 1], [0.4, 0.3], [0.6, 0.9]):
        assert source.step(np.array(action, np.float32)).shape == (64, 64, 3)
    assert done == [1, 0, 2, 1, 2]
    source.close()


def test_a_box_is_a_share_of_its_larger_bound():
    world = own("Pendulum-v1", frame_skip=3)
    (spec,) = checked_table(world.actions, "Pendulum")
    assert (spec["min"], spec["max"], spec["rest"]) == (-1, 1, 0)
    assert spec["keys"] == {"ArrowLeft": -1, "ArrowRight": 1}
    source, torques = GymSource(world), []
    step = source.env.step
    source.env.step = lambda torque: torques.append(torque) or step(torque)
    source.reset(1)
    source.step(np.array([-0.5], np.float32))
    np.testing.assert_allclose(torques, [[-1.0]] * 3)  # of 2, for three steps
    source.close()


def test_a_recording_of_a_gymnasium_world_repeats_itself(tmp_path):
    world = describe("pendulum", None, gym="Pendulum-v1", frame_skip=2, idle=0, size=64, fit="crop")
    assert world.frame_rate == 15
    own_world.save(world, tmp_path)
    assert own_world.load(tmp_path) == world
    find_world("pendulum", tmp_path)
    once, again = (record(Recording("pendulum", "mixed", 3, 40, 20), progress=False) for _ in range(2))
    for name in once:
        np.testing.assert_array_equal(once[name], again[name])
    assert once["frames"].shape == (40, 64, 64, 3) and once["starts"].sum() == 2
    assert np.abs(once["actions"]).max() <= 1 and once["actions"].std() > 0.2


class Odd(gymnasium.Env):
    """Environments that a world can't be made of."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = gymnasium.spaces.Discrete(1)

    def __init__(self, space: gymnasium.Space, render_mode: str | None = None) -> None:
        self.action_space = space
        self.render_mode = render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return 0, {}

    def step(self, action):
        return 0, 0.0, False, False, {}

    def render(self):
        return np.zeros((8, 8), np.uint8)


@pytest.mark.parametrize(
    ("gym", "words"),
    [
        ("Nowhere-v0", "expected a Gymnasium environment"),
        ("CartPole-v1", "expected an episode of 124 frames under random actions"),
        ("OddBox-v0", "expected finite bounds"),
        ("OddDict-v0", "expected an action space Box or Discrete"),
        ("OddPicture-v0", r"expected rgb_array pictures uint8 \[H, W, 3\], got uint8 \[8, 8\]"),
    ],
)
def test_an_environment_that_can_not_be_recorded_is_refused(gym, words, tmp_path, capsys):
    spaces = gymnasium.spaces
    odd = {
        "OddBox-v0": spaces.Box(-np.inf, np.inf, (2,)),
        "OddDict-v0": spaces.Dict(a=spaces.Discrete(2)),
        "OddPicture-v0": spaces.Discrete(2),
    }
    if gym in odd and gym not in gymnasium.registry:
        gymnasium.register(gym, lambda render_mode: Odd(odd[gym], render_mode))
    assert bring("--gym", gym, "--data", tmp_path / "data", "--out", tmp_path / "out") == 2
    assert re.search(words, capsys.readouterr().err.splitlines()[-1])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t[0].pop("unit"), "action 1: expected the fields"),
        (lambda t: t[1].update(rest=7), "action 2: expected numbers min <= rest <= max"),
        (lambda t: t[0].update(gamepad="wheel"), "a gamepad of leftX"),
        (lambda t: t[1].update(name="steer"), "expected each action once"),
        (lambda t: t.clear(), "expected a list of actions"),
    ],
)
def test_a_bad_action_table_is_named(change, words, tmp_path):
    specs = table()
    change(specs)
    (tmp_path / "actions.json").write_text(json.dumps(specs))
    with pytest.raises(TrainingError, match=words) as caught:
        read_about(tmp_path / "actions.json")
    assert "actions.json" in str(caught.value)


def test_pictures_are_never_stretched():
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, :40] = 200
    boxed, cropped = to_square(wide, 20, "letterbox"), to_square(wide, 20, "crop")
    assert (boxed[:5] == 0).all() and (boxed[15:] == 0).all() and (boxed[5:15, :10] == 200).all()
    assert (cropped[:, :10] == 200).all() and (cropped[:, 10:] == 0).all()
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    np.testing.assert_array_equal(to_square(noise, 20, "crop"), noise)
    big = np.repeat(np.repeat(noise, 3, 0), 3, 1)
    np.testing.assert_array_equal(to_square(big, 20, "letterbox"), noise)
