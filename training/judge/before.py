"""A package beside the one whose place it took, on the same starts of held-out episodes: did the training pay?

The old one is kept in the data folder's `before` while a run trains, and stays there until the next run has ended.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm
from worldloop.errors import WorldloopError
from worldloop.package import open_package

from ..data.held_out import held_out_episodes
from ..package.manifest import swap_in
from ..worlds.world import World
from .measures import interval
from .onnx_world import OnnxWorld
from .prediction import Predicted, predict_each

FOLDER = "before"
COMPARED = "compared"  # an empty file in it: the run that kept it has ended
HORIZONS = (1, 16, 64)  # frames ahead
STARTS = 16


def keep_package(out: Path, data: Path) -> Path | None:
    """Copies what is about to be trained on, unless a run that was stopped has done so; None where nothing is there.

    What can't be opened is nothing to compare with either.
    """
    kept = data / FOLDER
    if not (out / "world.json").is_file():
        return None
    try:
        open_package(out)
    except WorldloopError as error:
        print(f"'{out}' isn't compared with what comes: {error}", file=sys.stderr)
        return None
    if not (kept / "world.json").is_file() or (kept / COMPARED).exists():
        partial = data / f"{FOLDER}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(out, partial)
        (partial / COMPARED).unlink(missing_ok=True)
        swap_in(partial, kept)
    return kept


def compare(before: Path, now: Path, world: World, data: Path, bar: tqdm | None = None) -> dict:
    """Per horizon `psnr`, (before, now) in dB, and `gain`, (median, low, high) of the differences start by start.

    `sharpness` is (before, now), of the real picture's, as far ahead as is compared; `obeys` the squared error under
    another start's actions over that under the true ones. Empty where the two have other actions or pictures.
    """
    old, new = (json.loads((folder / "world.json").read_text()) for folder in (before, now))
    if any(old[field] != new[field] for field in ("actions", "picture")):
        return {}
    held = held_out_episodes(world, data)
    packages = [
        predict_each(lambda folder=folder: OnnxWorld(folder), held, STARTS, horizons=HORIZONS, bar=bar)
        for folder in (before, now)
    ]
    far = HORIZONS[-1]
    ahead = {}
    for horizon in HORIZONS:
        scores = [_scores(starts, horizon, "psnr") for starts in packages]
        ahead[horizon] = {"psnr": [float(np.median(s)) for s in scores], "gain": interval(scores[1] - scores[0])}
    return {
        "starts": STARTS,
        "ahead": ahead,
        "sharpness": [float(np.median(_scores(starts, far, "sharpness"))) for starts in packages],
        "obeys": [float(np.median([start.sensitivity for start in starts])) for starts in packages],
    }


def _scores(starts: list[Predicted], horizon: int, name: str) -> np.ndarray:
    return np.array([start.scores[horizon][name] for start in starts])


def before_section(compared: dict) -> str:
    """For the card, in Markdown."""
    if not compared:
        return "## Beside the package before\n\nIt has other actions or pictures: there is nothing to compare."
    rows = [
        f"| PSNR {h} ahead, dB | {psnr[0]:.2f} | {psnr[1]:.2f} | {gain[0]:+.2f} ({gain[1]:+.2f} to {gain[2]:+.2f}) |"
        for h, (psnr, gain) in ((h, (m["psnr"], m["gain"])) for h, m in compared["ahead"].items())
    ]
    for title, name in ((f"sharpness {HORIZONS[-1]} ahead, of the real one", "sharpness"), ("obeys actions", "obeys")):
        old, new = compared[name]
        rows.append(f"| {title} | {old:.2f} | {new:.2f} | {new - old:+.2f} |")
    return f"""## Beside the package before

The package that was here when this training began, from the same {compared["starts"]} starts of held-out episodes.
{verdict(compared)}

| | before | now | difference (95 %) |
|---|---|---|---|
""" + "\n".join(rows)


def verdict(compared: dict) -> str:
    """One sentence. What one picture and another differ by isn't all: look at them, too."""
    gains = compared["ahead"].items()
    worse = [str(h) for h, m in gains if m["gain"][2] < 0]
    better = [str(h) for h, m in gains if m["gain"][1] > 0]
    found = (("worse", worse), ("better", better))
    words = [f"{word} {', '.join(which)} frames ahead" for word, which in found if which]
    return f"It predicts {' and '.join(words)}." if words else "No difference that these starts could show."


def told(before: Path, now: Path) -> str:
    """The end of a run, for a terminal: the card's comparison, and the way back. The next run keeps anew."""
    compared = json.loads((now / "metrics.json").read_text()).get("before", {})
    (before / COMPARED).touch()
    back = f"To go back: rm -r {now} && cp -r {before} {now}"
    return f"{before_section(compared)}\n\n{back}"
