"""A package in a zip opens as its folder does, and each way of being wrong has the error of the TypeScript runtime."""

import io
import zipfile
from pathlib import Path

import pytest
from tiny_world import TINY_WORLD
from worldloop import open_package
from worldloop.errors import ArchiveError, MissingFileError, PathError

FILES = {str(path.relative_to(TINY_WORLD)): path.read_bytes() for path in TINY_WORLD.rglob("*") if path.is_file()}


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return stream.getvalue()


def under(top: str) -> dict[str, bytes]:
    return {top + path: contents for path, contents in FILES.items()}


@pytest.mark.parametrize(
    "contents",
    [
        zipped(FILES),
        zipped(FILES, method=zipfile.ZIP_STORED),
        zipped(under("My world (2)/")),
        zipped({**under("tiny/"), "__MACOSX/tiny/._world.json": b"notes"}),
    ],
)
def test_a_zip_opens_as_its_folder(tmp_path: Path, contents: bytes) -> None:
    (tmp_path / "w.zip").write_bytes(contents)
    opened = open_package(tmp_path / "w.zip")
    assert opened == open_package(TINY_WORLD)


def with_link() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, contents in FILES.items():
            archive.writestr(name, contents)
        link = zipfile.ZipInfo("starts/link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return stream.getvalue()


def changed(name: str, offset: int, value: bytes, contents: bytes) -> bytes:
    """The record of `name` in the zip's list, with other bytes at an offset."""
    at = contents.rindex(name.encode()) - 46 + offset
    return contents[:at] + value + contents[at + len(value) :]


REFUSED = {
    "no zip": (b"<!doctype html>" * 99, ArchiveError, "expected a whole zip"),
    "half a zip": (zipped(FILES)[:-40], ArchiveError, "expected a whole zip"),
    "upwards": (zipped({**FILES, "../evil": b"x"}), PathError, "'../evil'"),
    "absolute": (zipped({**FILES, "/etc/passwd": b"x"}), PathError, "'/etc/passwd'"),
    "backslash": (zipped({**FILES, "a\\b": b"x"}), PathError, "Rename it"),
    "beyond ASCII": (zipped({**FILES, "Карта.png": b"x"}), PathError, "Карта"),
    "link": (with_link(), PathError, "the link 'starts/link'"),
    "twice": (zipped({**FILES, "TICK.onnx": b"x"}), ArchiveError, "'TICK.onnx' twice"),
    "password": (changed("tick.onnx", 8, b"\x01", zipped(FILES)), ArchiveError, "encrypted 'tick.onnx'"),
    "method": (changed("tick.onnx", 10, b"\x0c", zipped(FILES)), ArchiveError, "got method 12"),
    "bomb": (
        changed("tick.onnx", 24, (15_344).to_bytes(4, "little"), zipped({**FILES, "tick.onnx": bytes(1 << 21)})),
        ArchiveError,
        "damaged",
    ),
    "shared bytes": (changed([*FILES][-1], 42, bytes(4), zipped(FILES)), ArchiveError, "damaged"),
    "no world": (zipped({"a.txt": b"x"}), MissingFileError, "expected world.json"),
    "too deep": (zipped(under("a/b/")), MissingFileError, "expected world.json"),
    "too many": (zipped({**FILES, **{f"f{i}": b"" for i in range(4100)}}), ArchiveError, "at most 4096 files"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_zip_is_refused(tmp_path: Path, name: str) -> None:
    contents, error, message = REFUSED[name]
    (tmp_path / "w.zip").write_bytes(contents)
    with pytest.raises(error, match=message):
        open_package(tmp_path / "w.zip")
