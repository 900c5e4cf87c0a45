"""Recordings of games in layouts that bring their own action table: VPT's of Minecraft, HDF5 of CS:GO."""

import json
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from training.data import csgo_episodes, vpt_episodes
from training.data.episodes import load_episodes
from training.data.import_episodes import import_world, open_folder, read_episodes
from training.errors import TrainingError
from training.run import main as run
from training.worlds import own_world
from training.worlds.own_world import checked_table

PX = 16
FRAMES = 104


def line(**changes) -> dict:
    """A frame of VPT on which nothing happens; `changes` are those of mouse, keyboard or the whole."""
    mouse = {"x": 320.0, "y": 180.0, "dx": 0.0, "dy": 0.0, "dwheel": 0.0, "buttons": [], "newButtons": []}
    mouse.update({key: changes.pop(key) for key in tuple(changes) if key in mouse})
    keyboard = {"keys": [f"key.keyboard.{key}" for key in changes.pop("keys", [])], "newKeys": [], "chars": ""}
    return {"mouse": mouse, "keyboard": keyboard, "isGuiOpen": False, "hotbar": 0, "tick": 7, **changes}


def film(path: Path, shades: list[int], rate: int = 20) -> None:
    """A red that changes."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, (64, 36))
    for shade in shades:
        video.write(np.full((36, 64, 3), (0, 0, shade), np.uint8))  # blue, green, red
    video.release()


def vpt(folder: Path, lines: list, name: str = "a", shades: list[int] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    film(folder / f"{name}.mp4", shades or np.linspace(20, 220, len(lines)).astype(int).tolist())
    text = [entry if isinstance(entry, str) else json.dumps(entry) for entry in lines]
    (folder / f"{name}.jsonl").write_text("\n".join(text) + "\n")
    return folder


def vector(*keys: str, left: int = 0, right: int = 0, x: int = 0, y: int = 0) -> np.ndarray:
    """The 51 numbers of CS:GO; x and y are counts of the mouse."""
    held = [float(key in keys) for key in csgo_episodes.KEYS]
    bins = [
        float(count == at) for bins, at in ((csgo_episodes.MOUSE_X, x), (csgo_episodes.MOUSE_Y, y)) for count in bins
    ]
    return np.array([*held, left, right, *bins])


def csgo(path: Path, vectors: list[np.ndarray], **changes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for number, values in enumerate(vectors):
            picture = np.zeros((150, 280, 3), np.uint8)
            picture[..., 2] = 20 + number  # red comes last
            for kind, array in {"x": picture, "y": values, "xaux": np.zeros(54), "helperarr": np.zeros(2)}.items():
                name = f"frame_{number}_{kind}"
                array = changes.get(name, array)
                if array is not None:
                    file.create_dataset(name, data=array)
    return path.parent


def read(folder: Path, actions: list | None = None, how: str = "letterbox") -> list:
    """Episodes, by the layout's table or another one."""
    opened = open_folder(folder, actions)
    return read_episodes(opened, opened.actions, size=PX, how=how)


def column(episode, name: str, table: list) -> list[float]:
    return episode.actions[:, [spec["name"] for spec in table].index(name)].tolist()


def test_tables_of_the_layouts_are_tables():
    for module in (vpt_episodes, csgo_episodes):
        names = [spec["name"] for spec in checked_table(module.ACTIONS, module.__name__)]
        assert set(names) <= set(module.NAMES)
        keys = [key for spec in module.ACTIONS for key in spec["keys"]]
        assert len(set(keys)) == len(keys)
        assert len({spec["gamepad"] for spec in module.ACTIONS}) == len(names)
    assert csgo_episodes.NUMBERS == 51


def test_import_of_vpt_reads_keys_and_mouse(tmp_path):
    lines = [
        line(dx=20.0, dy=-40.0, keys=["w", "d", "space"]),
        line(dx=-500.0, keys=["s", "a", "left.shift", "left.control"]),
        line(keys=["w", "s", "q", "f3"], buttons=[0, 1], newButtons=[0, 1]),
        line(),
    ]
    (episode,) = read(vpt(tmp_path / "vpt", lines))
    table, opened = vpt_episodes.ACTIONS, open_folder(tmp_path / "vpt", None)
    assert (opened.frame_rate, opened.frames, opened.actions) == (20, 4, table)
    assert episode.frames.shape == (4, PX, PX, 3)
    for name, wanted in {
        "look_x": [0.3, -1, 0, 0],  # 20 counts are 3 degrees of 10
        "look_y": [-0.6, 0, 0, 0],
        "walk": [1, -1, 0, 0],
        "strafe": [1, -1, 0, 0],
        "jump": [1, 0, 0, 0],
        "sneak": [0, 1, 0, 0],
        "sprint": [0, 1, 0, 0],
        "attack": [0, 0, 1, 0],
        "use": [0, 0, 1, 0],
        "drop": [0, 0, 1, 0],
    }.items():
        np.testing.assert_allclose(column(episode, name, table), wanted, atol=1e-6, err_msg=name)


def test_import_of_vpt_ends_an_episode_where_a_menu_opens(tmp_path):
    lines = [line(keys=["w"] if n < 5 else [], isGuiOpen=n in (5, 6, 12, 14)) for n in range(20)]
    folder = vpt(tmp_path / "vpt", lines, shades=[20 + 10 * n for n in range(20)])
    episodes = read(folder, how="crop")
    assert [len(episode.frames) for episode in episodes] == [5, 5, 5]  # frame 13 alone is none
    assert open_folder(folder, None).frames == 15
    for episode, first in zip(episodes, (0, 7, 15), strict=True):
        red = episode.frames[..., 0].mean((1, 2))
        np.testing.assert_allclose(red, [20 + 10 * n for n in range(first, first + 5)], atol=6)
    assert column(episodes[0], "walk", vpt_episodes.ACTIONS) == [1] * 5
    assert column(episodes[1], "walk", vpt_episodes.ACTIONS) == [0] * 5


def test_import_of_vpt_mends_what_its_loader_mends(tmp_path):
    lines = [line(buttons=[0], newButtons=[0] if n in (0, 4) else [], hotbar=3 if n >= 2 else 0) for n in range(6)]
    table = [{**vpt_episodes.ACTIONS[-1], "name": name} for name in ("hotbar_4", "attack")]
    (episode,) = read(vpt(tmp_path / "vpt", lines), table)
    assert column(episode, "attack", table) == [0, 0, 0, 0, 1, 1]  # stuck until pressed anew
    assert column(episode, "hotbar_4", table) == [0, 0, 1, 0, 0, 0]  # by the wheel
    more = [line() for _ in range(41)]
    vpt(tmp_path / "more", more, shades=[100] * 40)
    assert [len(episode.frames) for episode in read(tmp_path / "more")] == [40]  # a line without a frame


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([line(), "null", line()], "line 2: expected an object with mouse"),
        ([line(), line(), '{"mouse": {"dx"'], "line 3: expected an object with mouse"),
        ([line(), {**line(), "mouse": None}], "line 2: expected an object with mouse"),
        ([line(), {**line(), "keyboard": None}], "line 2: expected an object with mouse"),
        ([line(), line(dx=float("nan"))], "line 2: expected an object with mouse"),
        ([line(), "", line()], "line 2: expected an object with mouse"),
    ],
)
def test_a_garbled_line_of_vpt_names_file_and_line(lines, words, tmp_path):
    folder = vpt(tmp_path / "vpt", lines)
    with pytest.raises(TrainingError, match=rf"a.jsonl', {words}"):
        read(folder)


def test_a_log_and_a_video_of_two_recordings_are_refused(tmp_path):
    folder = vpt(tmp_path / "vpt", [line()] * 30, shades=[100] * 20)
    with pytest.raises(TrainingError, match="a.jsonl': expected about 20 lines, one a frame of 'a.mp4', got 30"):
        read(folder)
    (folder / "a.mp4").unlink()
    with pytest.raises(TrainingError, match="a.mp4': expected a video, got nothing"):
        read(folder)


def test_names_of_a_table_choose(tmp_path):
    look = {**vpt_episodes.ACTIONS[0]}
    lines = [line(dx=10.0), line(keys=["e"])]
    folder = vpt(tmp_path / "vpt", lines)
    table = [{**look, "name": "inventory"}, look]
    (episode,) = read(folder, table)
    np.testing.assert_allclose(episode.actions, [[0, 0.15], [1, 0]], atol=1e-6)
    with pytest.raises(TrainingError, match="expected --actions with names out of look_x, .* got steer, gas"):
        read(folder, [{**look, "name": "steer"}, {**look, "name": "gas"}])


def test_import_of_csgo_reads_keys_and_mouse(tmp_path):
    vectors = [
        vector("w", "d", "space", x=-1000, y=200),
        vector("s", "a", "ctrl", "shift", x=60, y=-50),
        vector("r", "2", "w", "s", left=1, right=1),
    ]
    folder = csgo(tmp_path / "csgo/1-200/hdf5_dm_july2021_10.hdf5", vectors).parent
    csgo(tmp_path / "csgo/1-200/hdf5_dm_july2021_9.hdf5", vectors[:2])
    opened = open_folder(folder, None)
    assert (opened.frame_rate, opened.frames) == (16, 5)
    nine, ten = read(folder)
    assert (len(nine.frames), len(ten.frames)) == (2, 3)
    table = csgo_episodes.ACTIONS
    for name, wanted in {
        "look_x": [-1, 6 / 11, 0],
        "look_y": [1, -5 / 7, 0],
        "walk": [1, -1, 0],
        "strafe": [1, -1, 0],
        "jump": [1, 0, 0],
        "crouch": [0, 1, 0],
        "walk_slowly": [0, 1, 0],
        "reload": [0, 0, 1],
        "fire": [0, 0, 1],
        "scope": [0, 0, 1],
    }.items():
        np.testing.assert_allclose(column(ten, name, table), wanted, atol=1e-6, err_msg=name)
    assert ten.frames[1, 8, 8].tolist() == [21, 0, 0]  # red, though it came last
    assert (ten.frames[:, 0] == 0).all()  # letterbox
    assert read(folder, how="crop")[1].frames[1, 0, 0].tolist() == [21, 0, 0]
    (weapon,) = (episode for episode in read(folder, [{**table[-1], "name": "weapon_2"}]) if len(episode.frames) == 3)
    assert weapon.actions[:, 0].tolist() == [0, 0, 1]


BAD = {
    "a frame gone": ({"frame_2_x": None, "frame_2_y": None}, "frame_2_x is missing"),
    "an action gone": ({"frame_2_y": None}, "frame_2_y is missing"),
    "another width": ({"frame_2_y": np.zeros(50)}, "frame_2_y: expected 51 finite numbers"),
    "NaN": ({"frame_2_y": np.full(51, np.nan)}, "frame_2_y: expected 51 finite numbers"),
    "no mouse": ({"frame_2_y": np.zeros(51)}, "frame_2_y: expected one of the numbers 13 to 35"),
    "grey": ({"frame_2_x": np.zeros((150, 280), np.uint8)}, r"frame_2_x: expected a picture uint8 \[H, W, 3\]"),
    "floats": ({"frame_2_x": np.zeros((150, 280, 3))}, r"frame_2_x: expected a picture uint8 \[H, W, 3\]"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_of_csgo_is_named(name, tmp_path):
    changes, words = BAD[name]
    folder = csgo(tmp_path / "csgo/hdf5_dm_july2021_1.hdf5", [vector()] * 4, **changes)
    with pytest.raises(TrainingError, match=f"hdf5_dm_july2021_1.hdf5'.*{words}"):
        read(folder)


def test_files_that_are_no_csgo_are_named(tmp_path):
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["observations"] = np.zeros(3)
    with pytest.raises(TrainingError, match="x.hdf5': expected CS:GO recordings with frame_0_x"):
        read(tmp_path)
    (tmp_path / "x.hdf5").write_bytes(b"cut short")
    with pytest.raises(TrainingError, match="x.hdf5': expected HDF5, got something unreadable"):
        read(tmp_path)
    film(tmp_path / "y.mp4", [1, 2])
    with pytest.raises(TrainingError, match="got several kinds"):
        read(tmp_path)


@pytest.fixture
def played(tmp_path: Path) -> dict[str, Path]:
    """Three episodes in each layout."""
    for n in range(3):
        vpt(tmp_path / "vpt", [line(dx=float(n), keys=["w"])] * FRAMES, f"a{n}")
        csgo(tmp_path / f"csgo/hdf5_dm_july2021_{n}.hdf5", [vector("w", x=2)] * FRAMES)
    return {"vpt": tmp_path / "vpt", "csgo": tmp_path / "csgo"}


@pytest.mark.parametrize("layout", ["vpt", "csgo"])
def test_import_makes_a_world_without_a_table(layout, played, tmp_path):
    world = import_world("mine", None, tmp_path / "data", episodes=str(played[layout]), size=64)
    module = {"vpt": vpt_episodes, "csgo": csgo_episodes}[layout]
    assert own_world.load(tmp_path / "data") == world
    assert world.actions == module.ACTIONS and world.licence == module.LICENCE
    assert world.frame_rate == {"vpt": 20, "csgo": 16}[layout]
    held, trained = (load_episodes(sorted((tmp_path / "data").glob(f"{kind}-*.npz"))) for kind in ("held", "train"))
    assert (held.starts.sum(), trained.starts.sum()) == (2, 1)
    assert held.frames.shape == (2 * FRAMES, 64, 64, 3) and held.actions.shape == (2 * FRAMES, 10)


def test_a_bad_import_is_one_error_and_leaves_nothing(played, tmp_path, capsys):
    with (played["vpt"] / "a2.jsonl").open("a") as log:
        log.write("null\n")
    with h5py.File(played["csgo"] / "hdf5_dm_july2021_2.hdf5", "a") as file:
        del file["frame_50_y"]
        file["frame_50_y"] = np.zeros(51)
    plain = tmp_path / "plain"
    plain.mkdir()
    film(plain / "a.mp4", [10, 20])
    (plain / "a.jsonl").write_text('{"steer": 0}\n{"steer": 1}\n')
    before = sorted(tmp_path.iterdir())
    for folder, words in (
        (played["vpt"], f"a2.jsonl', line {FRAMES + 1}: expected an object with mouse"),
        (played["csgo"], "hdf5_dm_july2021_2.hdf5', frame_50_y: expected one of"),
        (plain, "expected --actions FILE beside these --episodes"),
    ):
        arguments = [
            "--world",
            "mine",
            "--tiny",
            "--episodes",
            folder,
            "--data",
            tmp_path / "d",
            "--out",
            tmp_path / "o",
        ]
        assert run(list(map(str, arguments))) == 2
        said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error:")]
        assert len(said) == 1 and words in said[0]
        assert sorted(tmp_path.iterdir()) == before
