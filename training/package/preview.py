"""Previews for the gallery: a few seconds that a world's own package dreams, beside the package.

    python -m training.package.preview                     # of every world in assets/worlds
    python -m training.package.preview assets/worlds/pong

`preview.webp` holds the frames in a grid, row by row. `preview.json` says how they were made (seed, start, driver) and
by which files: a preview of other weights than the package's is shown nowhere. Neither is part of the package, whose
manifest doesn't list them: a preview can be made again without making another version of the world.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from worldloop.errors import WorldloopError
from worldloop.manifest import is_guided
from worldloop.package import open_package
from worldloop.world import Beginning, Dream, World

from ..data.record import Recording, record
from ..errors import TrainingError, exit_status
from ..worlds.registry import WORLDS as WORLDS_HERE
from ..worlds.registry import find_world
from ..worlds.world import Player

PICTURE, FACTS = "preview.webp", "preview.json"
WORLDS = Path("assets/worlds")
SECONDS = 4.0
SEED, START = 1, 0  # as the page opens a world
MOST_BYTES = 150_000
QUALITIES = (90, 80, 65, 50, 35, 20, 5)  # of WebP: the first that fits
MOST_FRAMES_A_SECOND = 15.0
LONGEST_SIDE = 128  # px of a frame
HELD = (4, 20)  # ticks that keys are held where nobody steers by sight


def write_preview(folder: Path) -> int:
    """Dreams, then writes both files; gives the size in bytes. The same package gives the same preview on a machine.

    Raises TrainingError, WorldloopError.
    """
    package = open_package(folder)
    manifest = package.manifest
    if START >= len(manifest["starts"]):
        raise TrainingError(f"'{folder}': expected a package with a start, got none.")
    driver, player = driver_of(manifest)
    every = math.ceil(manifest["frameRate"] / MOST_FRAMES_A_SECOND)
    ticks = max(every, round(SECONDS * manifest["frameRate"]))
    dreamed = dream(World(Dream(package)), player, ticks, guides_of(manifest, ticks))
    frames = [small(frame) for number, frame in enumerate(dreamed) if number % every == 0]
    sheet, columns = in_grid(frames)
    picture = encode(sheet)
    start = manifest["starts"][START]
    made_by = [manifest["tick"]["file"], start["latents"], start["actions"], start["picture"]]
    height, width = frames[0].shape[:2]
    facts = {
        "schema": 1,
        "picture": {"file": PICTURE, "bytes": len(picture), "sha256": hashlib.sha256(picture).hexdigest()},
        "frames": len(frames),
        "columns": columns,
        "width": width,
        "height": height,
        "frameRate": manifest["frameRate"] / every,
        "seed": SEED,
        "start": START,
        "driver": driver,
        "madeBy": {path: manifest["files"][path]["sha256"] for path in made_by},
    }
    for name, contents in ((PICTURE, picture), (FACTS, (json.dumps(facts, indent=1) + "\n").encode())):
        partial = folder / f"partial-{name}"
        partial.write_bytes(contents)
        partial.replace(folder / name)
    return len(picture)


def dream(
    world: World, player: Player, ticks: int, guides: Sequence[np.ndarray | None] | None = None
) -> Iterator[np.ndarray]:
    """The frames that follow the start, uint8 [H, W, 3]; the start's own picture, which isn't dreamed, left out."""
    before = picture = world.reset(Beginning(seed=SEED, start=START))
    for guide in guides or [None] * ticks:
        action = np.asarray(player(before, picture), np.float32)
        before, picture = picture, world.step(action, guide=guide).picture
        yield picture


def guides_of(manifest: dict, ticks: int) -> list[np.ndarray] | None:
    """Those of a real episode; none where the world takes none, or isn't one of ours."""
    if not is_guided(manifest) or manifest["name"] not in WORLDS_HERE:
        return None
    world = find_world(manifest["name"])
    spec = Recording(world.name, world.start_policy, SEED, ticks)
    return list(record(spec, progress=False)["guides"])


def driver_of(manifest: dict) -> tuple[str, Player]:
    """Its name for the record, and one that steers by sight if the world has one, else random keys."""
    rng = np.random.default_rng(SEED)
    if is_guided(manifest):
        rest = np.array([spec["rest"] for spec in manifest["actions"]], np.float32)
        return "guides of a real episode", lambda before, picture: rest
    try:
        player = find_world(manifest["name"]).player
    except TrainingError:  # a package from elsewhere
        player = None
    return ("random keys", random_keys(rng, manifest["actions"])) if player is None else ("by sight", player(rng))


def random_keys(rng: np.random.Generator, actions: list[dict]) -> Player:
    """Holds a key of every action, or none, for a while. Looks at nothing."""
    choices = [[spec["rest"], *spec["keys"].values()] for spec in actions]
    held, left = np.zeros(len(actions), np.float32), 0

    def act(before: np.ndarray, picture: np.ndarray) -> np.ndarray:
        nonlocal held, left
        if left == 0:
            held = np.array([rng.choice(values) for values in choices], np.float32)
            left = int(rng.integers(*HELD))
        left -= 1
        return held

    return act


def small(frame: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3], made smaller where a side is longer than a card needs."""
    height, width = frame.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return frame
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS))


def in_grid(frames: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """One picture of all, row by row, about square; and its number of columns."""
    columns = math.ceil(math.sqrt(len(frames)))
    height, width = frames[0].shape[:2]
    sheet = np.zeros((math.ceil(len(frames) / columns) * height, columns * width, 3), np.uint8)
    for number, frame in enumerate(frames):
        row, column = divmod(number, columns)
        sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = frame
    return sheet, columns


def encode(sheet: np.ndarray) -> bytes:
    """WebP of at most `MOST_BYTES`. Raises TrainingError where even the lowest quality is larger."""
    size = 0
    for quality in QUALITIES:
        file = io.BytesIO()
        Image.fromarray(sheet).save(file, "WEBP", quality=quality, method=6)
        size = len(file.getvalue())
        if size <= MOST_BYTES:
            return file.getvalue()
    raise TrainingError(f"expected a preview of at most {MOST_BYTES:,} bytes, got {size:,} at the lowest quality.")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", type=Path, help=f"folders of packages; default: all of {WORLDS}")
    args = parser.parse_args(argv)

    def work() -> None:
        folders = args.packages or sorted(path.parent for path in WORLDS.glob("*/world.json"))
        if not folders:
            raise TrainingError(f"expected packages in '{WORLDS}', got none. Name their folders.")
        for folder in folders:
            try:
                size = write_preview(folder)
            except (WorldloopError, OSError) as error:
                raise TrainingError(f"'{folder}': {error}") from error
            print(f"{folder / PICTURE}: {size / 1000:.1f} kB", flush=True)

    return exit_status(work)


if __name__ == "__main__":
    sys.exit(main())
