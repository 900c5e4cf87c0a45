"""`world.json`: what a package says of itself, checked once when it is opened.

Fields, types and ranges: `manifest.schema.json`, exported from the schema in `src/model/manifest.ts`. Here are the
checks that no schema can express: values that must fit each other.
"""

from __future__ import annotations

import json
import math
import reprlib
from functools import cache
from importlib.resources import files
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from .errors import ManifestError, ManifestVersionError, ShapeError

SCHEMA_VERSION = 1
MAX_NUMBERS = 2**26  # of one tensor, 256 MiB as float32: a manifest could ask for any amount of memory otherwise
MAX_BYTES = 2**30  # of a package

# JSON Schema keyword: what it expects, in words; others are spelled "keyword value".
EXPECTED = {
    "type": "{}",
    "enum": "one of {}",
    "pattern": "text of the form {}",
    "minItems": "{} or more entries",
    "minLength": "{} or more characters",
    "maxLength": "at most {} characters",
    "minimum": "{} or more",
    "exclusiveMinimum": "more than {}",
    "maximum": "{} or less",
}


def parse_manifest(contents: bytes) -> dict:
    """Raises ManifestError, ManifestVersionError, ShapeError."""
    try:
        manifest = json.loads(contents, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"world.json: expected JSON, got something else ({error}).") from error
    version = manifest.get("schema") if isinstance(manifest, dict) else None
    if version != SCHEMA_VERSION:
        raise ManifestVersionError(
            f"world.json: expected schema {SCHEMA_VERSION}, got {reprlib.repr(version)}. "
            "Export the world again, or use a matching release."
        )
    error = next(_validator().iter_errors(manifest), None)
    if error:
        raise ManifestError(f"world.json, {_describe(error)}. Export the world again.")
    _check_actions(manifest["actions"])
    if "prompt" in manifest and any(action["name"] == "prompt" for action in manifest["actions"]):
        raise ManifestError(
            'world.json, actions: expected none called "prompt" where the world takes prompts, got one.'
        )
    size = sum(file["bytes"] for file in manifest["files"].values())
    if size > MAX_BYTES:
        raise ManifestError(f"world.json, files: expected at most {MAX_BYTES} bytes in all, got {size}.")
    for graph, sides in contract_of(manifest).items():
        for side, expected in sides.items():
            where = f"world.json, {graph}.{side}"
            check_tensors(where, expected, manifest[graph][side])
            for name, (_, shape) in expected.items():
                if math.prod(shape) > MAX_NUMBERS:
                    raise ShapeError(f"{where}, {name}: expected at most {MAX_NUMBERS} numbers, got {shape}.")
    return manifest


def contract_of(manifest: dict) -> dict[str, dict[str, dict[str, tuple[str, list[int]]]]]:
    """Graph, side, name: dtype and shape that a world of these sizes must have (docs/package-format.md)."""
    kv, picture = manifest["kv"], manifest["picture"]
    latent = ("float32", [1, manifest["latent"]["tokens"], manifest["latent"]["channels"]])
    noise = manifest.get("noise", manifest["latent"])
    action = ("float32", [1, len(manifest["actions"])])
    slot = [kv["layers"], 2, kv["tokens"], kv["width"]]
    slots = kv["sink"] + kv["memory"] + kv["window"]
    side = [picture["height"], picture["width"]]
    contract = {
        "tick": {
            "inputs": {
                "noise": ("float32", [manifest["evaluations"], noise["tokens"], noise["channels"]]),
                "action": action,
                "latent": latent,
                "kv": ("float32", [slots, *slot]),
                "age": ("int32", [slots]),
                **({"prompt": ("float32", [1, manifest["prompt"]["width"]])} if "prompt" in manifest else {}),
                **({"guide": ("uint8", [*side, 3])} if is_guided(manifest) else {}),
            },
            "outputs": {"rgba": ("uint8", [*side, 4]), "latent_next": latent, "slot": ("float32", slot)},
        },
        "encoder": {
            "inputs": {name: ("uint8", [*side, 3]) for name in encoded(manifest)},
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


def is_guided(manifest: dict) -> bool:
    """Whether the tick takes a guide: a picture of the moment that it makes."""
    return "guide" in manifest["tick"]["inputs"]


def encoded(manifest: dict) -> list[str]:
    """What the encoder takes: a picture and, if it asks for it, the one before (of the first: itself)."""
    return ["picture", "before"] if "before" in manifest["encoder"]["inputs"] else ["picture"]


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


def _check_actions(actions: list[dict]) -> None:
    """Raises ManifestError."""
    names = [action["name"] for action in actions]
    for index, action in enumerate(actions):
        if not (action["min"] < action["max"] and action["min"] <= action["rest"] <= action["max"]):
            raise ManifestError(f"world.json, actions.{index}: expected min < max and rest between them.")
        if names.index(action["name"]) != index:
            raise ManifestError(f'world.json, actions: expected every name once, got "{action["name"]}" twice.')


@cache
def _validator() -> Draft202012Validator:
    schema = json.loads(files(__package__).joinpath("manifest.schema.json").read_text("utf-8"))
    return Draft202012Validator(schema)


def _describe(error: ValidationError) -> str:
    """Where, what was expected, what was found."""
    path: list[Any] = [*error.absolute_path]
    where = ".".join(map(str, path)) or "top level"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{'.'.join(map(str, [*path, missing]))}: missing"
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        return f"{where}: expected {', '.join(known)}, got {', '.join(set(error.instance) - set(known))} too"
    form = EXPECTED.get(error.validator, f"{error.validator} {{}}")
    return f"{where}: expected {form.format(error.validator_value)}, got {reprlib.repr(error.instance)}"


def _finite(text: str) -> float | int:
    """A number as JSON means it: finite, and whole when its value is, however it is written."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no number of JSON")
    return int(value) if value.is_integer() else value
