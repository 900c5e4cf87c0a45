"""The files of a package in a zip, with the refusals of `src/model/zip-directory.ts`: no links, no passwords, no names
that lead elsewhere, nothing twice, and no more bytes than were promised.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from .errors import ArchiveError, FileMismatchError, MissingFileError, PathError

MAX_BYTES = 1 << 30  # of a package, unpacked
MAX_ENTRIES = 4096  # a package has some thirty files
NOT_OURS = "__MACOSX/"  # notes about the files, by macOS
ENCRYPTED = 0x2041
KINDS = (0, 4, 8)  # of Unix: unknown, folder, file; not links or devices
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def is_plain_path(path: str) -> bool:
    """Letters, digits, ".", "_" and "-" between single slashes: no absolute path, "..", backslash or scheme."""
    return all(re.fullmatch(r"[A-Za-z0-9._-]+", part) and part not in (".", "..") for part in path.split("/"))


def open_zip(file: Path) -> Callable[[str, int], bytes]:
    """Gives what reads a path of the package, up to a limit of bytes; the file may not change meanwhile.

    Raises ArchiveError, PathError, MissingFileError when there is no world.json.
    """
    where = file.name
    with file.open("rb") as stream:
        contents = stream.read(MAX_BYTES + (1 << 22) + 1)
    if len(contents) > MAX_BYTES + (1 << 22):
        raise ArchiveError(f"{where}: expected at most {MAX_BYTES} bytes, got {file.stat().st_size}.")
    archive = _archive(file)
    entries = _entries(archive, where)

    def read(path: str, limit: int) -> bytes:
        entry = entries.get(path)
        if entry is None:
            raise MissingFileError(f"{path}: expected the file in {where}, got nothing. Pack the world again.")
        if entry.file_size > limit:
            raise FileMismatchError(f"{path}: expected at most {limit} bytes, got {entry.file_size}. Pack it again.")
        return _unpack(contents, entry, where)

    return read


def _archive(file: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise ArchiveError(f"{file.name}: expected a whole zip, got something else ({error}).") from error


def _entries(archive: zipfile.ZipFile, where: str) -> dict[str, zipfile.ZipInfo]:
    """Path in the package: its entry; the one top folder is taken off."""
    with archive:
        entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise ArchiveError(f"{where}: expected at most {MAX_ENTRIES} files, got {len(entries)}.")
    for entry in entries:
        _check(entry, where)
    entries = [e for e in entries if not e.filename.endswith("/") and not e.filename.startswith(NOT_OURS)]
    size = sum(entry.file_size for entry in entries)
    if size > MAX_BYTES:
        raise ArchiveError(f"{where}: expected at most {MAX_BYTES} bytes when unpacked, got {size}.")
    names = [entry.filename for entry in entries]
    top = "" if "world.json" in names or not names else names[0].split("/", 1)[0] + "/"
    if f"{top}world.json" not in names or not all(name.startswith(top) for name in names):
        raise MissingFileError(f"{where}: expected world.json at its top or in its one folder, got none.")
    found: dict[str, zipfile.ZipInfo] = {}
    taken: set[str] = set()
    for entry in entries:
        path = entry.filename.removeprefix(top)
        if not is_plain_path(path):
            raise _misnamed(entry, where)
        if path.lower() in taken:
            raise ArchiveError(f"{where}: expected every name once, got {entry.filename!r} twice.")
        taken.add(path.lower())
        found[path] = entry
    _check_overlaps(entries, where)
    return found


def _check(entry: zipfile.ZipInfo, where: str) -> None:
    name = entry.orig_filename  # before zipfile has changed what it thinks is unsafe
    parts = name.removesuffix("/").split("/")
    if re.search(r"[\\:\0]", name) or any(part in ("", ".", "..") for part in parts):
        raise _misnamed(entry, where)
    if entry.flag_bits & ENCRYPTED:
        raise ArchiveError(f"{where}: expected no password, got an encrypted {name!r}. Zip it without one.")
    if (entry.external_attr >> 28) & 0xF not in KINDS:
        raise PathError(f"{where}: expected files and folders, got the link {name!r}. Zip what it leads to.")
    if entry.compress_type not in METHODS and not name.endswith("/"):
        raise ArchiveError(f"{where}: expected files stored or deflated, got method {entry.compress_type}.")


def _check_overlaps(entries: list[zipfile.ZipInfo], where: str) -> None:
    """Files may not share bytes: that is how a small zip unpacks to a huge one."""
    order = sorted(entries, key=lambda entry: entry.header_offset)
    for entry, following in zip(order, order[1:], strict=False):
        if entry.header_offset + 30 + entry.compress_size > following.header_offset:
            raise _damaged(where)


def _unpack(contents: bytes, entry: zipfile.ZipInfo, where: str) -> bytes:
    header = contents[entry.header_offset : entry.header_offset + 30]
    if len(header) < 30 or header[:4] != b"PK\x03\x04":
        raise _damaged(where)
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    begin = entry.header_offset + 30 + name_length + extra_length
    packed = contents[begin : begin + entry.compress_size]
    name = contents[entry.header_offset + 30 :][:name_length].decode("utf-8", "replace")
    if len(packed) != entry.compress_size or name != entry.orig_filename:
        raise _damaged(where)
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-15)
        try:
            packed = inflate.decompress(packed, entry.file_size + 1)  # never more than one byte too many
        except zlib.error as error:
            raise _damaged(where) from error
    if len(packed) != entry.file_size or zlib.crc32(packed) != entry.CRC:
        raise _damaged(where)
    return packed


def _misnamed(entry: zipfile.ZipInfo, where: str) -> PathError:
    return PathError(
        f'{where}: expected names of A-Z, a-z, 0-9, ".", "_", "-" such as starts/0.bin, '
        f"got {entry.orig_filename!r}. Rename it."
    )


def _damaged(where: str) -> ArchiveError:
    return ArchiveError(f"{where}: expected a sound zip, got a damaged one. Download it again.")
