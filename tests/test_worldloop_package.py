"""What the Python package opens, and what it refuses by name, as the TypeScript runtime does."""

import hashlib
import json
from pathlib import Path

import pytest
from onnx import TensorProto, helper
from tiny_world import TINY_WORLD, add_file, copy_world, copy_world_with_batch, copy_world_with_reward
from worldloop import find_worlds, open_package
from worldloop.errors import (
    FileMismatchError,
    ManifestError,
    ManifestVersionError,
    MissingFileError,
    PathError,
    ShapeError,
    UnknownWorldError,
    UnsafeGraphError,
)
from worldloop.package import find_package


def test_the_hash_of_the_manifest_stands_for_the_package() -> None:
    package = open_package(TINY_WORLD)
    assert package.sha256 == hashlib.sha256((TINY_WORLD / "world.json").read_bytes()).hexdigest()
    starts = {f"starts/{i}.{what}" for i in range(2) for what in ("latents", "actions", "picture")}
    assert {*package.files} == {"tick.onnx", "encoder.onnx", *starts}


def test_fields_that_the_schema_does_not_know_are_ignored(tmp_path: Path) -> None:
    open_package(copy_world(tmp_path / "world", set_in("large", {"file": "large.onnx"})))


def test_a_number_is_a_number_however_it_is_written(tmp_path: Path) -> None:
    folder = copy_world(tmp_path / "world")
    text = (folder / "world.json").read_text()
    (folder / "world.json").write_text(text.replace('"window": 3', '"window": 3.0'))
    assert '"window": 3.0' in (folder / "world.json").read_text()
    open_package(folder)
    (folder / "world.json").write_text(text.replace('"window": 3', '"window": NaN'))
    with pytest.raises(ManifestError, match="expected JSON"):
        open_package(folder)


def test_worlds_are_found_by_name_and_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_world(tmp_path / "mine")
    monkeypatch.setenv("WORLDLOOP_WORLDS", str(tmp_path))
    assert find_worlds()["mine"] == tmp_path / "mine"
    assert find_package("mine") == tmp_path / "mine"
    assert find_package(TINY_WORLD) == TINY_WORLD
    with pytest.raises(UnknownWorldError, match="Did you mean 'mine'"):
        find_package("mime")
    for nonsense in ("a\0b", "x" * 100_000, "", "/dev/null"):
        with pytest.raises(UnknownWorldError):
            find_package(nonsense)


def set_in(path: str, value: object):
    """An edit of the manifest: puts `value` at the dotted path, or removes what is there when it is `...`."""

    def change(manifest: dict) -> None:
        *parents, last = path.split("|")
        for parent in parents:
            manifest = manifest[int(parent) if isinstance(manifest, list) else parent]
        if value is ...:
            del manifest[last]
        else:
            manifest[last] = value

    return change


def missing_tick(manifest: dict) -> None:
    manifest["files"]["none.onnx"] = {"bytes": 1, "sha256": "0" * 64}
    manifest["tick"]["file"] = "none.onnx"


def huge_window(manifest: dict) -> None:
    """It agrees with itself, and would take 2^31 numbers or more."""
    inputs, kv = manifest["tick"]["inputs"], manifest["kv"]
    kv["window"] = 2**31
    inputs["kv"]["shape"][0] = inputs["age"]["shape"][0] = 2**31 + kv["sink"] + kv["memory"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (set_in("schema", 2), ManifestVersionError, "expected schema 1, got 2"),
        (set_in("kv", ...), ManifestError, "kv: missing"),
        (set_in("kv|layers", "2"), ManifestError, "kv.layers: expected integer, got '2'"),
        (set_in("kv|window", 0), ManifestError, "kv.window: expected more than 0, got 0"),
        (set_in("kv|depth", 1), ManifestError, "kv: expected layers, tokens, .*, got depth too"),
        (set_in("tick|inputs|kv|dtype", "float16"), ManifestError, "tick.inputs.kv.dtype: expected one of .*float32"),
        (set_in("actions|0|rest", 9), ManifestError, "actions.0: expected min < max and rest between them"),
        (set_in("actions|1|name", "steer"), ManifestError, 'expected every name once, got "steer" twice'),
        (set_in("frameRate", True), ManifestError, "frameRate: expected number, got True"),
        (set_in("starts", []), ManifestError, "starts: expected 1 or more entries"),
        (set_in("files|tick.onnx", ...), ManifestError, "expected tick.onnx with its size and sha256"),
        (set_in("evaluations", 3), ShapeError, r"tick.inputs, noise: expected float32 \[3, 4, 6\], got float32 \[2, 4"),
        (set_in("starts|0|frames", 4), ShapeError, "starts/0.latents: expected 384 bytes for 4 frames, got 288"),
        (set_in("tick|file", "../tick.onnx"), PathError, "expected a path inside the package"),
        (
            set_in("files|/etc/passwd", {"bytes": 1, "sha256": "0" * 64}),
            PathError,
            "expected a path inside the package",
        ),
        (set_in("files|big", {"bytes": 2**31, "sha256": "0" * 64}), ManifestError, "at most 1073741824 bytes in all"),
        (huge_window, ShapeError, "tick.inputs, kv: expected at most 67108864 numbers, got"),
        (missing_tick, MissingFileError, "none.onnx: expected the file"),
        (set_in("files|tick.onnx|bytes", 10), FileMismatchError, "tick.onnx: expected at most 10 bytes"),
        (set_in("files|tick.onnx|bytes", 10**6), FileMismatchError, "tick.onnx: expected 1000000 bytes"),
        (set_in("files|tick.onnx|sha256", "0" * 64), FileMismatchError, "tick.onnx: expected sha256 000"),
    ],
)
def test_a_wrong_manifest_is_refused(change, error: type, message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        open_package(copy_world(tmp_path / "world", change))


def test_what_is_no_manifest_and_a_link_out_are_refused(tmp_path: Path) -> None:
    folder = copy_world(tmp_path / "world")
    outside = tmp_path / "outside.onnx"
    outside.write_bytes((folder / "tick.onnx").read_bytes())
    (folder / "tick.onnx").unlink()
    (folder / "tick.onnx").symlink_to(outside)
    with pytest.raises(PathError, match="a link that leads out"):
        open_package(folder)
    for text in ("{", "", "[" * 100_000, '{"schema": ' + "[" * 900 + "]" * 900 + "}", '{"schema": ' + "9" * 9000 + "}"):
        (folder / "world.json").write_text(text)
        with pytest.raises((ManifestError, ManifestVersionError), match="expected (JSON|schema 1)"):
            open_package(folder)


def model(*, domain: str = "", external: bool = False) -> bytes:
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    if external:
        weights.data_location = TensorProto.EXTERNAL
        weights.external_data.add(key="location", value="/etc/passwd")
    else:
        weights.raw_data = bytes(4)
    graph = helper.make_graph([helper.make_node("Neg", ["w"], ["y"], domain=domain)], "g", [], [], [weights])
    return helper.make_model(graph).SerializeToString()


def endless() -> bytes:
    """A loop that nothing ends."""
    true = TensorProto(name="true", data_type=TensorProto.BOOL, raw_data=b"\1")
    inputs = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("n", 7), ("before", 9))]
    body = helper.make_graph(
        [helper.make_node("Identity", ["before"], ["after"])],
        "body",
        inputs,
        [helper.make_tensor_value_info("after", TensorProto.BOOL, [])],
    )
    loop = helper.make_node("Loop", ["", "true"], [], body=body)
    return helper.make_model(helper.make_graph([loop], "g", [], [], [true])).SerializeToString()


def function() -> bytes:
    identity = helper.make_node("Identity", ["x"], ["y"])
    made = helper.make_function("ai.onnx", "Twice", ["x"], ["y"], [identity], [helper.make_opsetid("", 20)])
    return helper.make_model(helper.make_graph([], "g", [], []), functions=[made]).SerializeToString()


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (model(external=True), "all weights inside the file, got external data"),
        (model(domain="evil.domain"), "got the domain 'evil.domain'"),
        (endless(), "expected one graph without control flow"),
        (function(), "expected one graph without control flow"),
        (model()[:-3], "malformed bytes"),
        (b"", "malformed bytes"),
        (b"not a graph at all", "malformed bytes"),
    ],
)
def test_graphs_that_are_more_than_data_are_refused(contents: bytes, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "world"
    copy_world(folder, lambda manifest: add_file(folder, manifest, "tick.onnx", contents))
    with pytest.raises(UnsafeGraphError, match=message):
        open_package(folder)


def test_a_reward_head_is_part_of_the_contract(tmp_path: Path) -> None:
    folder = copy_world_with_reward(tmp_path / "world")
    assert "reward.onnx" in open_package(folder).files
    manifest = json.loads((folder / "world.json").read_text())
    manifest["reward"]["outputs"]["reward"]["shape"] = [2]
    (folder / "world.json").write_text(json.dumps(manifest))
    with pytest.raises(ShapeError, match=r"reward.outputs, reward: expected float32 \[1\]"):
        open_package(folder)


def test_what_no_session_needs_is_not_read(tmp_path: Path) -> None:
    folder = copy_world(tmp_path / "world", set_in("files|card.md", {"bytes": 1, "sha256": "0" * 64}))
    assert "card.md" not in open_package(folder).files


def test_a_batch_graph_is_the_tick_of_several_worlds(tmp_path: Path) -> None:
    folder = copy_world_with_batch(tmp_path / "world", 2)
    assert "batch.onnx" in open_package(folder).files
    manifest = json.loads((folder / "world.json").read_text())
    manifest["batch"]["inputs"]["age"]["shape"] = [3, 4]
    (folder / "world.json").write_text(json.dumps(manifest))
    with pytest.raises(ShapeError, match=r"batch.inputs, age: expected int32 \[2, "):
        open_package(folder)
