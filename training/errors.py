"""Named errors of the training side, and how they end a command.

A message says what was expected, what was found, and what to do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable


class TrainingError(Exception):
    """Bad input to a training command; the command prints the message and exits with 2."""


def exit_status(work: Callable[[], object]) -> int:
    """Does a command's work: 0, or 2 after one line on stderr where its input was bad."""
    try:
        work()
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
