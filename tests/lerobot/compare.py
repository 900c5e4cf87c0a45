"""Loads exports of `worldloop collect` with the real `lerobot` package and compares all of it with what was recorded.

    python compare.py FOLDER...

What was recorded: `rollouts/*.json` (actions, the hash of every frame, the task). Pictures of an export as mp4 aren't
exact: there brightness must be near that of the exact ones (of the first folder). The last line is JSON.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

MOST_DIFFERENCE = (
    8.0  # of 255; the tiny world is noise, which video takes badly: two frames in a row differ by about 10
)


def picture_of(row: dict) -> np.ndarray:
    """float32 [3, H, W] in [0, 1] to uint8 [H, W, 3]."""
    return np.round(row["observation.image"].numpy().transpose(1, 2, 0) * 255).astype(np.uint8)


def grey(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] to float64 [H, W]: a video keeps brightness at full resolution, colour at half."""
    return picture @ np.array([0.299, 0.587, 0.114])


def compare(folder: Path, exact: LeRobotDataset | None) -> LeRobotDataset:
    info = json.loads((folder / "meta/info.json").read_text())
    names = info["features"]["action"]["names"]
    video = info["features"]["observation.image"]["dtype"] == "video"
    rollouts = [json.loads(path.read_text()) for path in sorted((folder / "rollouts").glob("*.json"))]
    dataset = LeRobotDataset(f"local/{folder.name}", root=folder)
    lengths = [len(rollout["actions"]) + 1 for rollout in rollouts]
    assert dataset.num_episodes == len(rollouts) and len(dataset) == sum(lengths), "counts"
    assert dataset.meta.total_tasks == len({rollout["episode"]["task"] for rollout in rollouts}), "tasks"

    index = 0
    for number, (rollout, length) in enumerate(zip(rollouts, lengths, strict=True)):
        entry = dataset.meta.episodes[number]
        assert (entry["dataset_from_index"], entry["dataset_to_index"]) == (index, index + length), "boundary"
        assert (entry["length"], entry["tasks"]) == (length, [rollout["episode"]["task"]]), "length and tasks"
        actions = [*rollout["actions"], rollout["episode"]["lastAction"]]
        for frame in range(length):
            row = dataset[index]
            where = f"episode {number}, frame {frame}"
            wanted = np.array([actions[frame][name] for name in names], np.float32)
            assert np.array_equal(row["action"].numpy().reshape(-1), wanted), f"{where}: action"
            numbers = [int(row[key]) for key in ("episode_index", "frame_index", "index")]
            assert numbers == [number, frame, index], f"{where}: {numbers}"
            assert np.float32(row["timestamp"]) == np.float32(frame / info["fps"]), f"{where}: timestamp"
            assert row["task"] == rollout["episode"]["task"], f"{where}: task {row['task']}"
            picture = picture_of(row)
            if not video and frame > 0:
                found = hashlib.sha256(picture.tobytes()).hexdigest()
                assert found == rollout["frameHashes"][frame - 1], f"{where}: picture"
            if video and exact is not None:
                difference = np.abs(grey(picture) - grey(picture_of(exact[index]))).mean()
                assert difference < MOST_DIFFERENCE, f"{where}: picture differs by {difference} of 255 on average"
            index += 1
    check_stats(dataset, video)
    return dataset


def check_stats(dataset: LeRobotDataset, video: bool) -> None:
    actions = np.stack([np.asarray(row, np.float64).reshape(-1) for row in dataset.hf_dataset["action"]])
    stats = dataset.meta.stats
    np.testing.assert_allclose(np.ravel(stats["action"]["mean"]), actions.mean(0), atol=1e-6)
    np.testing.assert_allclose(np.ravel(stats["action"]["std"]), actions.std(0), atol=1e-6)
    if video:
        return
    pictures = np.stack([picture_of(dataset[index]) for index in range(len(dataset))]) / 255
    for name, value in (("mean", pictures.mean((0, 1, 2))), ("std", pictures.std((0, 1, 2)))):
        found = np.asarray(stats["observation.image"][name])
        assert found.shape == (3, 1, 1), f"stats of pictures: shape {found.shape}"
        np.testing.assert_allclose(found.reshape(-1), value, atol=1e-6)


def main() -> int:
    folders = [Path(argument) for argument in sys.argv[1:]]
    datasets: list[LeRobotDataset] = []
    for folder in folders:
        datasets.append(compare(folder, datasets[0] if datasets else None))
        print(f"{folder}: {datasets[-1].num_episodes} episodes, {len(datasets[-1])} frames are the same")
    print(json.dumps({str(folder): len(dataset) for folder, dataset in zip(folders, datasets, strict=True)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
