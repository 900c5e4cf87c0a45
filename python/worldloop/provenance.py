"""The record of where dreamed pictures came from, as `src/model/provenance.ts` has it; see docs/provenance.md.

Whoever records episodes of an environment here puts this beside them: frames of a network ought to say that they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

# What IPTC calls media that a trained network made: cv.iptc.org/newscodes/digitalsourcetype.
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
GENERATOR = "Worldloop 0.1.0"


def actions_sha256(actions: ArrayLike, told: Sequence[tuple[int, str]] = (), guides_sha256: str | None = None) -> str:
    """Hash of actions [T, A], taken as float32; -0 counts as 0. Bit for bit that of TypeScript's `actionsSha256`.

    `told`: each prompt with the tick that the first step under it makes. With any, the hash is that of the actions'
    own hash, a line break, and the prompts as JSON. `guides_sha256`: of the guides, uint8 [T, H, W, 3], which follows
    in the same way.
    """
    values = np.asarray(actions, "<f4") + np.float32(0)
    sha256 = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    prompts = json.dumps([[tick, text] for tick, text in told], separators=(",", ":")) if told else None
    for further in (prompts, guides_sha256):
        if further is not None:
            sha256 = hashlib.sha256(f"{sha256}\n{further}".encode()).hexdigest()
    return sha256


def record(
    world: str,
    package_sha256: str,
    *,
    seed: int,
    start: int,
    actions: ArrayLike,
    engine: str = "cpu",
    told: Sequence[tuple[int, str]] = (),
    guides: np.ndarray | None = None,
) -> dict[str, Any]:
    """The record of one episode: the pictures of ticks 0 to T after `actions` [T, A], as JSON has it.

    `world` and `package_sha256` are the folder's name and `Package.sha256`; `engine` names what ran the network;
    `told`: its prompts, as `actions_sha256` has them; `guides`: uint8 [T, H, W, 3], one a step.
    """
    guided = None if guides is None else hashlib.sha256(np.asarray(guides, np.uint8).tobytes()).hexdigest()
    shot = {
        "seed": seed,
        "start": start,
        "from": 0,
        "to": len(np.asarray(actions)),
        **({} if guided is None else {"guidesSha256": guided}),
        "actionsSha256": actions_sha256(actions, told, guided),
    }
    return {
        "schema": 1,
        "kind": "rollout",
        "generator": GENERATOR,
        "digitalSourceType": GENERATED,
        "world": world,
        "packageSha256": package_sha256,
        "engine": {"name": engine, "threads": 1},
        "shots": [shot],
    }
