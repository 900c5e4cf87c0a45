"""Which slot of the KV window a pass writes, and how old each slot is: the rules of `src/model/kv-window.ts`.

Slots are ordered sink | memory | window. Held together by `tests/goldens/kv-window.json`, which both sides read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def slot_of(number: int, *, sink: int, memory: int, window: int) -> int:
    """The slot that pass `number` (0, 1, 2, ...; context passes count) writes."""
    return number if number < sink else sink + memory + (number - sink) % window


def ages_of(written: Sequence[int], passes: int) -> np.ndarray:
    """int32 [S]: passes since each slot was written, at least 1; -1 for empty slots, whose `written` is -1."""
    return np.array([-1 if number < 0 else passes - number for number in written], np.int32)
