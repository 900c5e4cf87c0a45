"""What `worldloop collect` writes, read by what people use: pyarrow, and training's own loader."""

import hashlib
import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from training.data.episodes import load_episodes

ROOT = Path(__file__).parent.parent
EPISODES, FRAMES = 3, 7
NAMES = ["steer", "gas"]


def worldloop(*arguments: str) -> None:
    subprocess.run(["node", "--import", "tsx", "src/cli/main.ts", *arguments], cwd=ROOT, check=True)


@pytest.fixture(scope="module", params=["lerobot", "npz"])
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("datasets") / request.param
    what = ["--world", "tests/goldens/tiny-world", "--episodes", str(EPISODES), "--frames", str(FRAMES), "--seed", "3"]
    worldloop("collect", *what, "--workers", "1", "--format", request.param, "--out", str(folder))
    return folder


def rollouts_of(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "rollouts").glob("*.json"))]


def actions_of(rollout: dict) -> np.ndarray:
    """float32 [frames, A]"""
    named = [*rollout["actions"], rollout["episode"]["lastAction"]]
    return np.array([[action[name] for name in NAMES] for action in named], np.float32)


def hashes(frames: np.ndarray) -> list[str]:
    return [hashlib.sha256(frame.tobytes()).hexdigest() for frame in frames]


def test_every_frame_action_and_boundary_is_what_was_recorded(dataset: Path) -> None:
    rollouts = rollouts_of(dataset)
    assert [rollout["episode"]["number"] for rollout in rollouts] == list(range(EPISODES))
    for number, rollout in enumerate(rollouts):
        frames, actions = (npz_episode if dataset.name == "npz" else lerobot_episode)(dataset, number)
        assert frames.shape == (FRAMES, 16, 16, 3)
        assert hashes(frames[1:]) == rollout["frameHashes"]
        start = (ROOT / f"tests/goldens/tiny-world/starts/{rollout['start']}.picture").read_bytes()
        assert frames[0].tobytes() == start
        np.testing.assert_array_equal(actions, actions_of(rollout))


def npz_episode(folder: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    episodes = load_episodes([next(folder.glob(f"train-{number:06d}-*.npz"))])
    assert episodes.starts.tolist() == [True] + [False] * (FRAMES - 1)
    return episodes.frames, episodes.actions


def lerobot_episode(folder: Path, number: int) -> tuple[np.ndarray, np.ndarray]:
    table = pq.read_table(folder / "data/chunk-000/file-000.parquet")
    rows = table.slice(number * FRAMES, FRAMES).to_pydict()
    assert rows["episode_index"] == [number] * FRAMES
    assert rows["frame_index"] == list(range(FRAMES))
    assert rows["index"] == [number * FRAMES + frame for frame in range(FRAMES)]
    assert rows["task_index"] == [0] * FRAMES
    timestamps = np.array(rows["timestamp"], np.float32)
    np.testing.assert_array_equal(timestamps, (np.arange(FRAMES) / 25).astype(np.float32))
    pictures = [np.asarray(Image.open(io.BytesIO(image["bytes"]))) for image in rows["observation.image"]]
    return np.stack(pictures), np.array(rows["action"], np.float32)


@pytest.mark.parametrize("dataset", ["lerobot"], indirect=True)
def test_lerobot_metadata_finds_episodes_and_tasks(dataset: Path) -> None:
    types = {field.name: str(field.type) for field in pq.read_schema(dataset / "data/chunk-000/file-000.parquet")}
    assert types["timestamp"] == "float"
    assert {types[name] for name in ("frame_index", "episode_index", "index", "task_index")} == {"int64"}
    assert types["observation.image"] == "struct<bytes: binary, path: string>"

    tasks = pq.read_table(dataset / "meta/tasks.parquet")
    assert json.loads(tasks.schema.metadata[b"pandas"])["index_columns"] == ["task"]
    assert tasks.to_pydict() == {"task_index": [0], "task": [rollouts_of(dataset)[0]["episode"]["task"]]}

    episodes = pq.read_table(dataset / "meta/episodes/chunk-000/file-000.parquet").to_pydict()
    assert episodes["dataset_from_index"] == [0, FRAMES, 2 * FRAMES]
    assert episodes["dataset_to_index"] == [FRAMES, 2 * FRAMES, 3 * FRAMES]
    assert episodes["length"] == [FRAMES] * EPISODES
    info = json.loads((dataset / "meta/info.json").read_text())
    assert (info["codebase_version"], info["fps"], info["total_frames"]) == ("v3.0", 25, EPISODES * FRAMES)

    actions = np.concatenate([actions_of(rollout) for rollout in rollouts_of(dataset)]).astype(np.float64)
    pictures = np.concatenate([lerobot_episode(dataset, number)[0] for number in range(EPISODES)]) / 255
    stats = json.loads((dataset / "meta/stats.json").read_text())
    for name, of in {"min": np.min, "max": np.max, "mean": np.mean, "std": np.std}.items():
        np.testing.assert_allclose(stats["action"][name], of(actions, axis=0), atol=1e-9)
        np.testing.assert_allclose(np.ravel(stats["observation.image"][name]), of(pictures, axis=(0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(stats["action"]["q90"], np.quantile(actions, 0.9, axis=0), atol=1e-9)
    np.testing.assert_allclose(episodes["stats/action/mean"][1], actions[FRAMES : 2 * FRAMES].mean(0), atol=1e-9)
