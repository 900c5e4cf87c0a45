"""What `training.run` may be told beside the name of a world: which episodes or which environment to learn from.

The first run writes it down (`own_world.py`); later ones need none of it, and may not contradict it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import TrainingError
from ..worlds import gym_world, own_world
from ..worlds.own_world import SIZES
from ..worlds.pictures import FITS
from ..worlds.registry import WORLDS, find_world
from .import_episodes import add_episodes, import_world
from .replay import add_sessions
from .sessions import sessions_in

FLAGS = ("gym", "frame_skip", "idle", "size", "fit")  # named as the fields of `OwnWorld`


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("a world of your own (docs/own-world.md)")
    group.add_argument(
        "--episodes",
        type=Path,
        help="folder of episodes: .npz, a LeRobot v3 dataset, .mp4 and .jsonl (VPT's too), or CS:GO's .hdf5; or a "
        "session or an action log that the page saved, or a folder of them: played again in the real environment",
    )
    group.add_argument(
        "--actions",
        type=Path,
        help="the action table as JSON, or the world.json of a package; VPT and CS:GO bring one",
    )
    group.add_argument("--camera", help="of a LeRobot dataset with several: the feature with the pictures")
    group.add_argument("--gym", metavar="ID", help="a Gymnasium environment, such as Acrobot-v1 or module:Name-v0")
    group.add_argument("--frame-skip", type=int, help="environment steps per frame; default 1")
    group.add_argument("--idle", type=int, help="discrete actions: the choice when nothing is pressed; default 0")
    group.add_argument("--size", type=int, choices=SIZES, help="side of the square picture, px; default 96")
    group.add_argument("--fit", choices=FITS, help="how other pictures become square; default letterbox")


def bring(args: argparse.Namespace, data: Path) -> None:
    """Makes the world if it is new; adds the episodes to one that has an environment.

    `args` are those of `add_arguments`, and `world`. Raises TrainingError; no recording is written then.
    """
    wishes = {key: getattr(args, key) for key in FLAGS if getattr(args, key) is not None}
    about = own_world.read_about(args.actions) if args.actions else None
    folder = str(args.episodes.resolve()) if args.episodes else None
    sessions = sessions_in(args.episodes) if args.episodes else []
    if args.world in WORLDS:
        if wishes or about:
            raise TrainingError(
                f"'{args.world}' is a world of this project: expected none of these flags but --episodes."
            )
    elif (there := own_world.load(data)) is not None:
        imported = {"episodes": None if sessions else folder, "camera": args.camera} if there.gym is None else {}
        table = {"actions": about.actions} if about else {}
        own_world.check_same(there, data, {"name": args.world, **wishes, **table, **imported})
    elif args.gym:
        if data.is_dir() and any(data.glob("*.npz")):
            raise TrainingError(f"'{data}': expected no recordings in the folder of a new world, got some.")
        own_world.save(gym_world.describe(args.world, about, **wishes), data)
    elif sessions:
        raise TrainingError(
            f"world '{args.world}' is new: expected --gym ID beside the session '{sessions[0]}', whose actions are "
            "played again in that environment, or a folder of episodes with real pictures."
        )
    elif folder:
        if {"frame_skip", "idle"} & wishes.keys():
            raise TrainingError("expected neither --frame-skip nor --idle beside --episodes: they are for --gym.")
        import_world(args.world, about, data, episodes=folder, camera=args.camera, **wishes)
    elif wishes or about:
        raise TrainingError(f"world '{args.world}' is new: expected --episodes FOLDER or --gym ID beside these flags.")
    if folder:
        world = find_world(args.world, data)
        if sessions:
            add_sessions(sessions, world, data)
        elif world.source is not None:
            look: dict[str, Any] = {"size": world.size, "how": world.fit, "frame_rate": world.frame_rate}
            add_episodes(args.episodes, data, world.actions, camera=args.camera, **look)
