"""How a command and the processes beside it end together: by Ctrl-C, by `kill`, or because the command itself is gone.

The command clears up and ends its processes in order; they leave signals to it, and don't outlive it either way.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator

ENDINGS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


def end_with_parent() -> None:
    """To be called first in a process that was begun by `multiprocessing`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent ends this one
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """In here SIGTERM and a closed terminal are what Ctrl-C is: KeyboardInterrupt, so that all is cleared up."""
    before = [(ending, signal.signal(ending, signal.default_int_handler)) for ending in ENDINGS]
    try:
        yield
    finally:
        for ending, handler in before:
            signal.signal(ending, handler)
