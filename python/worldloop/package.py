"""Opens a world package: reads the manifest, then the files that a session needs of those it lists, and believes none
of them before size, sha256, shapes and graphs are checked, as `src/model/package.ts` does. Making sessions of them is
`world.py`'s.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from .errors import FileMismatchError, ManifestError, MissingFileError, PathError, ShapeError, UnknownWorldError
from .manifest import parse_manifest
from .onnx_check import check_onnx
from .prompt import Words, parse_words
from .zip_files import is_plain_path, open_zip

REPOSITORY_WORLDS = Path(__file__).resolve().parents[2] / "assets" / "worlds"


@dataclass(frozen=True)
class Package:
    """A package whose every file that a session needs has been checked."""

    manifest: dict
    sha256: str  # of world.json: it holds the hashes of all other files, so it stands for the whole package
    files: dict[str, bytes]  # path: contents, of the graphs, words and starts


def find_worlds() -> dict[str, Path]:
    """Name: folder of the packages in the folder `WORLDLOOP_WORLDS` and in the repository's `assets/worlds`."""
    folders = [REPOSITORY_WORLDS]
    if os.environ.get("WORLDLOOP_WORLDS"):
        folders.append(Path(os.environ["WORLDLOOP_WORLDS"]))  # later ones win
    return {path.parent.name: path.parent for folder in folders for path in sorted(folder.glob("*/world.json"))}


def find_package(name_or_folder: str | Path) -> Path:
    """The folder or zip of a world. A name wins over a folder of the same name. Raises UnknownWorldError."""
    worlds = find_worlds()
    if str(name_or_folder) in worlds:
        return worlds[str(name_or_folder)]
    if os.path.isfile(Path(name_or_folder) / "world.json") or os.path.isfile(name_or_folder):  # False of any nonsense
        return Path(name_or_folder)
    near = difflib.get_close_matches(str(name_or_folder), worlds, n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    known = f"one of {', '.join(worlds)} or " if worlds else ""
    raise UnknownWorldError(
        f"world: expected {known}a zip or a folder with a world.json, got '{name_or_folder}'.{hint}"
    )


def open_package(folder: Path) -> Package:
    """`folder` may be a zip of one.

    Raises ManifestError, ManifestVersionError, PathError, MissingFileError, FileMismatchError, ShapeError,
    UnsafeGraphError; of a zip ArchiveError.
    """
    read = open_zip(folder) if folder.is_file() else partial(_read, folder)
    contents = read("world.json", 1 << 20)  # a manifest is a few kilobytes
    manifest = parse_manifest(contents)
    starts = manifest["starts"]
    graphs = [manifest[graph]["file"] for graph in ("tick", "batch", "encoder", "reward") if graph in manifest]
    words = [manifest["prompt"]["file"]] if "prompt" in manifest else []
    needed = [*graphs, *words, *(start[key] for start in starts for key in _start_bytes(manifest, start))]
    for path in [*manifest["files"], *needed]:
        _check_path(path)
        if path not in manifest["files"]:
            raise ManifestError(f"world.json, files: expected {path} with its size and sha256, got no such entry.")
    for start in starts:
        for key, size in _start_bytes(manifest, start).items():
            if manifest["files"][start[key]]["bytes"] != size:
                raise ShapeError(
                    f"{start[key]}: expected {size} bytes for {start['frames']} frames, "
                    f"got {manifest['files'][start[key]]['bytes']}. Export the world again."
                )
    files: dict[str, bytes] = {}
    for path, expected in ((path, manifest["files"][path]) for path in needed):
        files[path] = read(path, expected["bytes"])
        if len(files[path]) != expected["bytes"]:
            raise FileMismatchError(
                f"{path}: expected {expected['bytes']} bytes, got {len(files[path])}. "
                "Download or export the world again."
            )
        found = hashlib.sha256(files[path]).hexdigest()
        if found != expected["sha256"]:
            raise FileMismatchError(
                f"{path}: expected sha256 {expected['sha256']}, got {found}. Download or export the world again."
            )
    for path in graphs:
        check_onnx(path, files[path])
    return Package(manifest=manifest, sha256=hashlib.sha256(contents).hexdigest(), files=files)


def read_start(package: Package, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents float32 [n, 1, N, C], actions float32 [n - 1, A], the last picture uint8 [H, W, 3]; all copies."""
    manifest, start = package.manifest, package.manifest["starts"][index]
    sizes = manifest["latent"]["tokens"], manifest["latent"]["channels"]
    latents = np.frombuffer(package.files[start["latents"]], "<f4").reshape(-1, 1, *sizes)
    actions = np.frombuffer(package.files[start["actions"]], "<f4").reshape(-1, len(manifest["actions"]))
    side = manifest["picture"]["height"], manifest["picture"]["width"]
    picture = np.frombuffer(package.files[start["picture"]], np.uint8).reshape(*side, 3)
    return latents.copy(), actions.copy(), picture.copy()


def read_words(package: Package) -> Words | None:
    """None: the world takes no prompts. Raises ManifestError."""
    prompt = package.manifest.get("prompt")
    return None if prompt is None else parse_words(package.files[prompt["file"]], prompt["width"])


def _start_bytes(manifest: dict, start: dict) -> dict[str, int]:
    latent, picture = manifest["latent"], manifest["picture"]
    return {
        "latents": 4 * start["frames"] * latent["tokens"] * latent["channels"],
        "actions": 4 * (start["frames"] - 1) * len(manifest["actions"]),
        "picture": 3 * picture["width"] * picture["height"],
    }


def _check_path(path: str) -> None:
    if not is_plain_path(path):
        raise PathError(f"world.json: expected a path inside the package such as starts/0.bin, got {path!r}.")


def _read(folder: Path, path: str, limit: int) -> bytes:
    file = (folder / path).resolve()
    if not file.is_relative_to(folder.resolve()):
        raise PathError(f"{path}: expected a file inside the package, got a link that leads out of it.")
    if not file.is_file():
        raise MissingFileError(f"{path}: expected the file in {folder}, got nothing. Copy or export the world again.")
    with file.open("rb") as stream:
        contents = stream.read(limit + 1)
    if len(contents) > limit:
        raise FileMismatchError(
            f"{path}: expected at most {limit} bytes, got {file.stat().st_size}. Export the world again."
        )
    return contents
