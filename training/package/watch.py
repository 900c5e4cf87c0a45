"""Serves the page while a world trains: `npm start`, and its address.

The page's own server gives worlds as they lie in `assets/worlds` now, so a page that is open takes up each package that
`publish.py` writes (`src/page/new-version.ts`).
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from ..errors import TrainingError

WORLDS = Path("assets/worlds")
COMMAND = ["npm", "start", "--silent"]
ADDRESS = re.compile(r"http://[\w.:\[\]-]+/")
COLOURS = re.compile(r"\033\[[0-9;]*m")


def check_watchable(out: Path) -> None:
    """Raises TrainingError where the page couldn't show the package."""
    if out.resolve().parent != WORLDS.resolve():
        raise TrainingError(f"--watch: expected --out in '{WORLDS}', whose worlds the page shows, got '{out}'.")
    if shutil.which(COMMAND[0]) is None:
        raise TrainingError(
            "--watch: expected Node with npm, which serves the page, got none. Install it, or leave it out."
        )


@contextlib.contextmanager
def page_served(world: str) -> Iterator[str]:
    """Gives the world's address, which it prints as well; afterwards serves on until Ctrl-C.

    Raises TrainingError where the page can't be served.
    """
    print("building the page ...", file=sys.stderr, flush=True)
    environment = {**os.environ, "NO_COLOR": "1"}
    server = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, start_new_session=True
    )
    try:
        url = f"{_address_of(server)}?follow#world={world}"
        print(f"watch it, play it meanwhile: {url}", file=sys.stderr, flush=True)
        yield url
        print(f"done: {url} is served until Ctrl-C", file=sys.stderr, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _address_of(server: subprocess.Popen[str]) -> str:
    """Reads on until the server says it; what it says later is dropped."""
    assert server.stdout is not None  # it is a pipe
    said: list[str] = []
    for line in server.stdout:
        said.append(COLOURS.sub("", line).strip())
        found = ADDRESS.search(said[-1])
        if found:
            threading.Thread(target=lambda: [None for _ in server.stdout or ()], daemon=True).start()
            return found[0]
    last = next((line for line in reversed(said) if line), "nothing")
    raise TrainingError(f"--watch: expected '{' '.join(COMMAND)}' to serve the page, it ended, saying: {last}")
