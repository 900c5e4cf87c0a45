"""Worlds that a neural network dreams, as Gymnasium environments; see python/README.md.

Importing this registers an id for each package found (`car-racing` becomes `worldloop/CarRacing-v0`), and
`worldloop/World-v0`, which takes `package=` for any other.
"""

from __future__ import annotations

import gymnasium

from .env import WorldEnv
from .package import find_worlds, open_package
from .vector import WorldVectorEnv
from .world import Beginning, Dream, World

__all__ = [
    "Beginning",
    "Dream",
    "World",
    "WorldEnv",
    "WorldVectorEnv",
    "find_worlds",
    "open_package",
    "register_worlds",
]


def register_worlds() -> None:
    """Registers again what is there now; for packages that came after the import."""
    for name, folder in find_worlds().items():
        _register("".join(part.capitalize() for part in name.split("-")), package=str(folder))


def _register(name: str, **kwargs: str) -> None:
    identity = f"worldloop/{name}-v0"
    gymnasium.registry.pop(identity, None)
    gymnasium.register(
        identity,
        entry_point="worldloop.env:WorldEnv",
        vector_entry_point="worldloop.vector:WorldVectorEnv",
        kwargs=kwargs,
    )


_register("World")
register_worlds()
