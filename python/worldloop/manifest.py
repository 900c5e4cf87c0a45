"""`world.json`: the fields this runtime reads, and what they say about the tensors of the graphs.

`src/model/manifest.ts` is the schema, and refuses unknown fields too; here they are ignored.
"""

from __future__ import annotations

import json
from typing import Any

from .errors import ManifestError, ManifestVersionError, ShapeError

SCHEMA_VERSION = 1

NUMBER = (int, float)
TENSORS = {"*": {"dtype": str, "shape": [int]}}
GRAPH = {"file": str, "inputs": TENSORS, "outputs": TENSORS}
FIELDS = {
    "name": str,
    "title": str,
    "picture": {"width": int, "height": int},
    "frameRate": NUMBER,
    "actions": [{"name": str, "min": NUMBER, "max": NUMBER, "rest": NUMBER}],
    "latent": {"tokens": int, "channels": int},
    "kv": dict.fromkeys(("layers", "tokens", "width", "sink", "memory", "window"), int),
    "evaluations": int,
    "tick": GRAPH,
    "encoder": GRAPH,
    "starts": [{"title": str, "frames": int, "latents": str, "actions": str, "picture": str}],
    "files": {"*": {"bytes": int, "sha256": str}},
}


def parse_manifest(contents: bytes) -> dict:
    """Raises ManifestError, ManifestVersionError, ShapeError."""
    try:
        manifest = json.loads(contents)
    except ValueError as error:
        raise ManifestError(f"world.json: expected JSON, got something else ({error}).") from error
    version = manifest.get("schema") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise ManifestVersionError(
            f"world.json: expected schema {SCHEMA_VERSION}, got {json.dumps(version)}. "
            "Export the world again, or use a matching release."
        )
    _check(manifest, FIELDS, "")
    for graph in ("batch", "reward"):
        if graph in manifest:
            _check(manifest[graph], GRAPH, graph)
    for key in ("actions", "starts"):
        if not manifest[key]:
            raise ManifestError(f"world.json, {key}: expected one or more, got none.")
    contract = contract_of(manifest)
    for graph, sides in contract.items():
        for side, expected in sides.items():
            check_tensors(f"world.json, {graph}.{side}", expected, manifest[graph][side])
    return manifest


def contract_of(manifest: dict) -> dict[str, dict[str, dict[str, tuple[str, list[int]]]]]:
    """Graph, side, name: dtype and shape that a world of these sizes must have (docs/package-format.md)."""
    kv, picture = manifest["kv"], manifest["picture"]
    latent = ("float32", [1, manifest["latent"]["tokens"], manifest["latent"]["channels"]])
    action = ("float32", [1, len(manifest["actions"])])
    slot = [kv["layers"], 2, kv["tokens"], kv["width"]]
    slots = kv["sink"] + kv["memory"] + kv["window"]
    side = [picture["height"], picture["width"]]
    contract = {
        "tick": {
            "inputs": {
                "noise": ("float32", [manifest["evaluations"], *latent[1][1:]]),
                "action": action,
                "latent": latent,
                "kv": ("float32", [slots, *slot]),
                "age": ("int32", [slots]),
            },
            "outputs": {"rgba": ("uint8", [*side, 4]), "latent_next": latent, "slot": ("float32", slot)},
        },
        "encoder": {
            "inputs": {
                "picture": ("uint8", [*side, 3]),
                **({"before": latent} if "before" in manifest["encoder"]["inputs"] else {}),
            },
            "outputs": {"latent": latent},
        },
    }
    if "batch" in manifest:
        first = next(iter(manifest["batch"]["inputs"].values()), {"shape": []})["shape"]
        contract["batch"] = {
            side: {name: (dtype, [*first[:1], *shape]) for name, (dtype, shape) in tensors.items()}
            for side, tensors in contract["tick"].items()
        }
    if "reward" in manifest:
        contract["reward"] = {
            "inputs": {"latent": latent, "action": action, "latent_next": latent},
            "outputs": {"reward": ("float32", [1]), "done": ("float32", [1])},
        }
    return contract


def check_tensors(where: str, expected: dict[str, tuple[str, list[int]]], got: dict[str, dict]) -> None:
    """`got` has the manifest's form. Raises ShapeError when names, types or shapes differ."""
    if sorted(expected) != sorted(got):
        raise ShapeError(
            f"{where}: expected {', '.join(sorted(expected))}, got {', '.join(sorted(got))}. Export the world again."
        )
    for name, (dtype, shape) in expected.items():
        if [got[name]["dtype"], got[name]["shape"]] != [dtype, shape]:
            raise ShapeError(
                f"{where}, {name}: expected {dtype} {shape}, got {got[name]['dtype']} {got[name]['shape']}. "
                "Export the world again."
            )


def _check(value: Any, expected: Any, where: str) -> None:
    """`expected` is a type, a list of one form, or a dict of named forms ("*": any name)."""
    kind = dict if isinstance(expected, dict) else list if isinstance(expected, list) else expected
    if not isinstance(value, kind) or isinstance(value, bool) or (kind is int and value < 0):
        wanted = " or ".join(k.__name__ for k in (kind if isinstance(kind, tuple) else (kind,)))
        raise ManifestError(f"world.json, {where}: expected {wanted}, got {value!r}.")
    if isinstance(expected, list):
        for number, item in enumerate(value):
            _check(item, expected[0], f"{where}.{number}")
    elif isinstance(expected, dict):
        for name, form in ({key: expected["*"] for key in value} if "*" in expected else expected).items():
            path = f"{where}.{name}".lstrip(".")
            if name not in value:
                raise ManifestError(f"world.json, {path}: missing.")
            _check(value[name], form, path)
