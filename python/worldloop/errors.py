"""Every error a user can meet, by the names of `src/errors.ts`: a server sends a name, the client raises its class.

A message says what was expected, what was found, and what to do.
"""

from __future__ import annotations


class WorldloopError(Exception):
    """The base of all others."""


class ManifestError(WorldloopError):
    """The package's description can't be read: not JSON, or a field is missing or of another type."""


class ManifestVersionError(WorldloopError):
    """The package was written for another version of the schema."""


class MissingFileError(WorldloopError):
    """A file that the manifest lists isn't there."""


class FileMismatchError(WorldloopError):
    """A file's size or sha256 differs from the manifest's."""


class PathError(WorldloopError):
    """A path in the manifest is absolute, leaves the package, or is a link that does."""


class ArchiveError(WorldloopError):
    """A zip can't be read as a package: no zip, cut off, damaged, encrypted, or built to fill the memory."""


class UnsafeGraphError(WorldloopError):
    """A graph asks for weights outside itself, or for operators of an unknown domain."""


class ShapeError(WorldloopError):
    """Names, shapes or types of a graph's tensors differ from the manifest's."""


class UnknownWorldError(WorldloopError):
    """The world is unknown."""


class ActionError(WorldloopError):
    """An action has another length than the action table, or a value out of range."""


class PromptError(WorldloopError):
    """A text can't be a prompt, or the world takes none."""


class GuideError(WorldloopError):
    """A guide isn't a picture of the world's size, or the world takes none."""


class ResetError(WorldloopError):
    """`reset` was given a start, a seed or a context that the world can't take."""


class StateError(WorldloopError):
    """A call came before `reset`, after `close` or after an episode's end; or the network gave NaN or infinity."""


class CapacityError(WorldloopError):
    """The server has no room for so many worlds."""


class ServerError(WorldloopError):
    """The server can't be reached, refuses the client, or stopped answering."""


def error_named(name: str, message: str) -> WorldloopError:
    """The error that a server reports; a name of none of these classes becomes a ServerError."""
    found = globals().get(name)
    known = isinstance(found, type) and issubclass(found, WorldloopError)
    return found(message) if known else ServerError(f"{name}: {message}")
