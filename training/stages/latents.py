"""What the tokenizer makes of recordings, on disk beside them: `latents-NAME.npy` and `mirror-NAME.npy`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..data.corpus import Corpus, latents_of, mapped, recordings
from ..model.tokenizer import Tokenizer
from .device import find_place

STORED = np.float16


def write_latents(tokenizer: Tokenizer, corpus: Corpus, *, trained: float) -> None:
    """Latents [T, C, h, w] of every recording, where there are none that are newer than the tokenizer.

    trained: when the tokenizer was, as `st_mtime`.
    """
    wanted = [
        file
        for file in [*recordings(corpus.data, "held"), *recordings(corpus.data, "train")]
        if not all(out.exists() and out.stat().st_mtime > trained for out in latents_of(corpus, file))
    ]
    name = f"latents of {corpus.world.name}"
    for file in tqdm(wanted, unit="recording", desc=name, file=sys.stderr, disable=not wanted):
        write_latents_of(tokenizer, corpus, file)


def write_latents_of(tokenizer: Tokenizer, corpus: Corpus, file: Path) -> None:
    """Latents of one recording, each written beside its place and renamed."""
    frames, place = mapped(file)["frames"], find_place()
    for out in latents_of(corpus, file):
        seen = frames[:, :, ::-1] if out.name.startswith("mirror") else frames
        partial = out.with_name("partial-" + out.name)
        with place.autocast():
            latents = tokenizer.encode_all(seen)
        np.save(partial, latents.numpy().astype(STORED))
        os.replace(partial, out)
