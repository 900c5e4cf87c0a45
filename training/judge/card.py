"""What the evaluation leaves in a package: metrics.json, strip.png, drift.png, the card, the manifest's figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ..package.manifest import write_manifest
from ..package.reward import add_to_card
from .before import before_section
from .curves import draw_curves
from .direction import OBEDIENT
from .drift import MEASURES
from .sections import (
    TITLES,
    direction_section,
    drift_section,
    drive_section,
    following_section,
    pose_section,
    prediction_section,
    rest_section,
    revisit_section,
    sampling_section,
    small_things_section,
    spectrum_section,
    subjects,
)


def write_card(folder: Path, metrics: dict, strip: np.ndarray) -> None:
    """Writes all five. Raises nothing of its own; the package is one that `OnnxWorld` has opened."""
    manifest = json.loads((folder / "world.json").read_text())
    columns = subjects(metrics)
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    Image.fromarray(strip).save(folder / "strip.png", optimize=True)
    measures = {name: m["drift"]["measures"] for name, m in columns.items()}
    panels = {TITLES[k]: {name: m[k]["course"] for name, m in measures.items()} for k in MEASURES}
    levels = {TITLES[k]: measures["dream"][k]["real"] for k in MEASURES}
    draw_curves(panels, levels=levels, step=metrics["drift"]["window"]).save(folder / "drift.png", optimize=True)
    (folder / "README.md").write_text(card(manifest, metrics))
    manifest["metrics"] = headlines(metrics)
    add_to_card(folder, manifest)  # a reward head's figures stay
    write_manifest(folder, manifest)


def headlines(metrics: dict) -> dict[str, float]:
    """The figures of the manifest, name to number."""
    figures = {}
    for name, key in (("PSNR {} frames ahead, dB", "psnr"), ("copy-last-frame, {} ahead, dB", "copy")):
        figures |= {name.format(h): round(m[key][0], 2) for h, m in metrics["prediction"].items()}
    follow, drift = metrics["action_following"], metrics["drift"]
    if follow["ratio"] is not None:
        figures |= {"action following, ratio to real": round(follow["ratio"][0], 3), "lag, frames": follow["lag"]}
    figures |= {f"share alive at {m} frames": round(s[0], 3) for m, s in drift["alive"].items() if s is not None}
    figures["share of windows that break the drift rule"] = round(drift["broken"], 3)
    figures["share of windows that break the drift rule, real"] = round(drift["broken_real"], 3)
    for h, s in metrics["spectrum"]["ahead"].items():
        figures[f"power spectrum {h} frames ahead, worst octave, factor off real"] = round(s["factor"], 2)
    figures["spread over error, 8 frames ahead"] = round(metrics["spread"]["horizons"]["8"]["ratio"][0], 2)
    for name, thing in metrics.get("small_things", {}).get("things", {}).items():
        found = thing["ahead"]["16"]["found"]
        if found is not None:
            figures[f"{name} found 16 frames ahead, share"] = round(found[0], 3)
    if metrics.get("rest") is not None:
        figures["creeping at rest, % of the width in 100 frames"] = round(metrics["rest"]["things"]["dream"][0], 2)
    for name, pose in metrics.get("pose", {}).get("poses", {}).items():
        figures[f"{name}, error {metrics['pose']['frames_ahead']} frames ahead, {pose['unit']}"] = round(
            pose["dream"][0], 2
        )
    if "direction" in metrics:
        told = metrics["direction"]
        figures["prompts: frames until it is there, median"] = round(told["frames"][0], 1)
        figures[f"prompts: right after {told['ahead']} frames"] = round(told["right"][0], 3)
        figures["prompts: words unseen in training, right"] = round(told["unseen"][0], 3)
    if "drive" in metrics:
        d = metrics["drive"]
        figures[f"on the road over {d['frames']} frames, picture driver"] = round(d["on_road"], 3)
        figures["turns per 100 frames"] = round(d["turns_per_100"], 2)
        figures["turns per 100 frames, real"] = round(d["turns_per_100_real"], 2)
    return figures


def card(manifest: dict, metrics: dict) -> str:
    """The card in Markdown."""
    facts = manifest["recordedFrom"]
    parts = [
        f"""# {manifest["title"]}

{manifest["description"]}

Every picture is dreamed by a neural network; no engine runs. Trained on {facts["frames"]:,} frames recorded from
{facts["environment"]} ({facts["licence"]}). {manifest["evaluations"]} function evaluation(s) per frame.

What each number means: `docs/evaluation.md`. All of them come from seeds that training never saw.{_short(metrics)}""",
        prediction_section(metrics),
        sampling_section(metrics),
        following_section(metrics),
        drift_section(metrics),
        spectrum_section(metrics),
    ]
    parts += [small_things_section(metrics)] if "small_things" in metrics else []
    parts += [rest_section(metrics)] if metrics.get("rest") is not None else []
    parts += [pose_section(metrics)] if "pose" in metrics else []
    parts += [revisit_section(metrics)] if "revisit" in metrics else []
    parts += [direction_section(metrics)] if "direction" in metrics else []
    parts += [drive_section(metrics["drive"], manifest)] if "drive" in metrics else []
    parts += [before_section(metrics["before"])] if "before" in metrics else []
    asked = "".join(f" --{name} {metrics[name]}" for name in ("starts", "runs", "frames") if name in metrics)
    asked += " --twin PACKAGE" if "twin" in metrics else ""
    asked += " --before PACKAGE" if "before" in metrics else ""
    asked += " --quick" if metrics.get("short") else ""
    parts += [_limits(metrics), f"Made by `python -m training.judge.evaluate --world {manifest['name']}{asked}`."]
    return "\n\n".join(parts) + "\n"


def _short(metrics: dict) -> str:
    if not metrics.get("short"):
        return ""
    return f"""

**A short evaluation**: {metrics["starts"]} starts, runs of {metrics["frames"]:,} frames. Its figures are rougher than
those of a full one, and poses, loops and drives are missing."""


def _limits(metrics: dict) -> str:
    limits = list(metrics.get("limits", []))
    drift = metrics["drift"]
    for mark, share in drift["alive_widest"].items():
        real = drift["alive_widest_real"][mark]
        if share is not None and share[0] < (0.8 if real is None else min(0.8, real[0])):
            limits.append(f"{1 - share[0]:.0%} of the runs don't hold for {int(mark):,} frames.")
    if drift["broken"] > drift["broken_limit"]:
        limits.append(
            f"{drift['broken']:.1%} of all windows of {drift['window']} frames are unlike real ones, in reality "
            f"{drift['broken_real']:.1%}."
        )
    for h, spectrum in metrics["spectrum"]["ahead"].items():
        if spectrum["factor"] > metrics["spectrum"]["goal"]:
            limits.append(
                f"Textures {int(h):,} ahead aren't the real ones: an octave is off {spectrum['factor']:.1f} times."
            )
    for name, thing in metrics.get("small_things", {}).get("things", {}).items():
        found = thing["ahead"]["16"]["found"]
        if found is not None and found[0] < 0.8:
            limits.append(f"After 16 frames the {name} is there in {found[0]:.0%} of the pictures that should show it.")
    told = metrics.get("direction")
    if told is not None and told["right_of_ceiling"] < OBEDIENT:
        limits.append(f"{told['ahead']} frames after a prompt {told['right'][0]:.0%} of what was asked for is there.")
    rest = metrics.get("rest")
    if rest is not None and rest["things"]["dream"][0] > rest["goal"]:
        limits.append(f"What nobody touches creeps: {rest['things']['dream'][0]:.1f} % of the width in 100 frames.")
    if "drive" in metrics:
        d = metrics["drive"]
        if d["on_road_last_100"] < 0.5:
            limits.append("The road ahead dissolves as one drives: what comes next is grass and scraps of road.")
        elif d["turns_per_100"] < 0.7 * d["turns_per_100_real"]:
            limits.append("Few bends are invented: past those that it was shown, the road goes straight on.")
    sharp = drift["measures"]["sharpness"]
    if sharp["first"] < 0.7 * sharp["real"]:
        limits.append(f"Textures and small things fade: {sharp['first'] / sharp['real']:.2f} of the real sharpness.")
    for name, pose in metrics.get("pose", {}).get("poses", {}).items():
        if pose["dream"][0] > 3 * pose["real"][0]:
            limits.append(
                f"After {metrics['pose']['frames_ahead']} frames, {name}: {pose['dream'][0]:.0f} {pose['unit']} off."
            )
    if "revisit" not in metrics and not metrics.get("short"):
        limits.append("Whether a place looks the same when one comes back isn't measured here.")
    elif "revisit" in metrics and max(loop["dream"][0] for loop in metrics["revisit"].values()) <= 0:
        limits.append("It doesn't remember what went out of view: who comes back sees another place.")
    follow = metrics["action_following"]
    if follow["ratio"] is not None and follow["ratio"][0] < 0.9:
        limits.append(f"It obeys less than the real thing does: {follow['ratio'][0]:.2f} of what can be read there.")
    return "## Limits\n\n" + ("\n".join(limits) or "None of the measures above fell below what was asked of them.")
