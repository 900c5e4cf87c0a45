"""What the evaluation leaves in a package: metrics.json, strip.png, drift.png, the card, the manifest's figures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ..data.held_out import CONTEXT
from ..package.manifest import write_manifest
from ..package.reward import add_to_card
from .curves import draw_curves
from .drift import FRECHET_LIMIT, MEASURES, MOTION_LIMIT, READER_LIMIT, STRIP

TITLES = {
    "frechet": "Fréchet distance of the action reader's features",
    "colours": "distance of colour histograms",
    "sharpness": "sharpness, ratio to real",
    "motion": "motion, ratio to real",
    "reader": "share of the actions that can be read",
}


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


def subjects(metrics: dict) -> dict[str, dict]:
    """Who was judged, in the order of the columns: the dream, its deterministic twin if it has one, copy-last-frame."""
    columns = {"dream": metrics, "deterministic twin": metrics.get("twin"), "copy-last": metrics["copy_last"]}
    return {name: values for name, values in columns.items() if values is not None}


def headlines(metrics: dict) -> dict[str, float]:
    """The figures of the manifest, name to number."""
    figures = {}
    for name, key in (("PSNR {} frames ahead, dB", "psnr"), ("copy-last-frame, {} ahead, dB", "copy")):
        figures |= {name.format(h): round(m[key][0], 2) for h, m in metrics["prediction"].items()}
    follow, drift = metrics["action_following"], metrics["drift"]
    if follow["ratio"] is not None:
        figures |= {"action following, ratio to real": round(follow["ratio"][0], 3), "lag, frames": follow["lag"]}
    figures |= {f"share alive at {m} frames": round(s[0], 3) for m, s in drift["alive"].items() if s is not None}
    for name, pose in metrics.get("pose", {}).get("poses", {}).items():
        figures[f"{name}, error {metrics['pose']['frames_ahead']} frames ahead, {pose['unit']}"] = round(
            pose["dream"][0], 2
        )
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

What each number means: `docs/evaluation.md`. All of them come from seeds that training never saw.""",
        _prediction(metrics),
        _following(metrics),
        _drift(metrics),
    ]
    parts += [_pose(metrics)] if "pose" in metrics else []
    parts += [_revisit(metrics)] if "revisit" in metrics else []
    parts += [_drive(metrics["drive"], manifest)] if "drive" in metrics else []
    asked = "".join(f" --{name} {metrics[name]}" for name in ("starts", "runs", "frames") if name in metrics)
    asked += " --twin PACKAGE" if "twin" in metrics else ""
    parts += [_limits(metrics), f"Made by `python -m training.judge.evaluate --world {manifest['name']}{asked}`."]
    return "\n\n".join(parts) + "\n"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(values: tuple[float, float, float] | None, digits: int = 2) -> str:
    if values is None:
        return ""
    return f"{values[0]:.{digits}f} ({values[1]:.{digits}f} to {values[2]:.{digits}f})"


def _prediction(metrics: dict) -> str:
    twin, ceiling = metrics.get("twin"), metrics["reconstruction"]
    best = (
        f"\nThe ceiling, real frames encoded and decoded: {_spread(ceiling['psnr'])} dB, SSIM {ceiling['ssim'][0]:.3f}."
        if ceiling
        else ""
    )
    return f"""## Prediction

{metrics["starts"]} held-out starts, {CONTEXT} real frames of history, then the same actions in the dream and in the
real environment. Medians with bootstrap 95 % interval; beside them the last real frame kept. The MSE ratio is the
median ratio of squared errors to that (below 1: the dream is nearer to the truth than a still picture).

{_predicted(metrics["prediction"], twin)}
{best}
Squared error 8 frames ahead with another start's actions, divided by that with the true ones:
{metrics["action_sensitivity_h8"]:.2f}."""


def _predicted(prediction: dict, twin: dict | None) -> str:
    head = ["frames ahead", "PSNR, dB", *["twin"] * bool(twin), "copy-last", "MSE ratio", "SSIM", "copy-last SSIM"]
    rows = [
        [str(h), _spread(m["psnr"])]
        + ([f"{twin['prediction'][h]['psnr'][0]:.2f}"] if twin else [])
        + [f"{m['copy'][0]:.2f}", f"{m['mse_to_copy']:.2f}", f"{m['ssim'][0]:.3f}", f"{m['copy_ssim'][0]:.3f}"]
        for h, m in prediction.items()
    ]
    return _table(head, rows)


def _following(metrics: dict) -> str:
    follow, columns = metrics["action_following"], subjects(metrics)
    head = ["axis", "read by", *columns, "real frames"]
    rows = [
        [axis, f["kind"], *(f"{c['action_following']['axes'][axis]['dream']:.2f}" for c in columns.values())]
        + [f"{f['real']:.2f}" + " (can't be judged)" * (f["ratio"] is None)]
        for axis, f in follow["axes"].items()
    ]
    told = (
        f"Mean ratio to real: {_spread(follow['ratio'])}. Agreement is best at a delay of {follow['lag']} extra frames."
        if follow["ratio"] is not None
        else "Not even real frames show the actions well enough to judge by."
    )
    return f"""## Action following

Random action scripts, {follow["starts"]} starts of {follow["frames"]} frames: how well a network trained on real frames
reads the actions off the dream, and off the real frames that the same actions gave.

{_table(head, rows)}

{told}"""


def _drift(metrics: dict) -> str:
    drift, columns = metrics["drift"], subjects(metrics)
    alive = [
        [f"share alive at {int(m):,} frames{of}", *(_spread(c["drift"][rule].get(m)) for c in columns.values())]
        + [_spread(drift[f"{rule}_real"].get(m))]
        for rule, of in (("alive", ""), ("alive_widest", ", by the farthest real window"))
        for m in drift[rule]
    ]
    alive += [
        ["share of windows that break the rule", *(f"{c['drift']['broken']:.3f}" for c in columns.values())]
        + [f"{drift['broken_real']:.3f}"]
    ]
    measured = [
        [TITLES[k]]
        + ["{first:.2f}, {last:.2f}, {worst:.2f}".format(**c["drift"]["measures"][k]) for c in columns.values()]
        + [f"{drift['measures'][k]['real']:.2f}"]
        for k in MEASURES
    ]
    ends: dict[str, list[int]] = {}
    for frames, why in zip(drift["frames_alive"], drift["ended_by"], strict=True):
        ends.setdefault(why, []).append(frames)
    ended = "".join(
        f"\nEnded by the {TITLES[why]}: after {', '.join(f'{n:,}' for n in sorted(frames))} frames.\n"
        for why, frames in ends.items()
        if why
    )
    return f"""## Drift

{drift["runs"]} runs, in windows of {drift["window"]} frames against real ones under the same policy
({drift["policy"]}). A run is alive until the first window with a Fréchet distance over {FRECHET_LIMIT:g} times that of
real against real, less than {MOTION_LIMIT:g} of the real motion, or actions read less than {READER_LIMIT:g} as well as
off real frames. The measures are those of the first, the last and the worst window (means over runs).

{_table(["", *columns, "real"], alive + measured)}
{ended}
![Drift](drift.png)

`strip.png`: real above dreamed, {", ".join(f"{h:,}" for h in STRIP)} frames ahead; {
        "the real and the dreamed driver each steer by what they see"
        if drift["policy"] == "steered by sight"
        else "both under the recorded actions, grey where the real episode had ended"
    }."""


def _pose(metrics: dict) -> str:
    pose, columns = metrics["pose"], subjects(metrics)
    rows = [
        [f"{name}, {p['unit']}", *(_spread(c["pose"]["poses"][name]["dream"]) for c in columns.values())]
        + [_spread(p["real"])]
        for name, p in pose["poses"].items()
    ]
    return f"""## Poses

Median error {pose["frames_ahead"]} frames ahead over {pose["starts"]} starts, read by a network trained on real frames;
the last column is that network's own error on the real frames.

{_table(["", *columns, "real frames"], rows)}"""


def _revisit(metrics: dict) -> str:
    columns = subjects(metrics)
    rows = [
        [name, f"{r['frames']}", f"{r['windows_away']:.1f}"]
        + [_spread(c["revisit"][name]["dream"], 3) for c in columns.values()]
        + [_spread(r["real"], 3)]
        for name, r in metrics["revisit"].items()
    ]
    return f"""## Coming back

Loops that lead away and back. SSIM of the return to the start, less its mean SSIM to other frames of the run, gated by
motion: above 0 is better than chance.

{_table(["loop", "frames", "windows away", *columns, "real"], rows)}"""


def _drive(d: dict, manifest: dict) -> str:
    def number(value: float | None, digits: int) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    rows = [
        ["share of frames on the road", _spread((d["on_road"], *d["on_road_interval"]), 3), f"{d['on_road_real']:.3f}"],
        ["turns per 100 frames", f"{d['turns_per_100']:.2f}", f"{d['turns_per_100_real']:.2f}"],
        ["in the last 100 frames: on the road", f"{d['on_road_last_100']:.3f}", ""],
        ["sharpness, ratio to real", f"{d['sharpness_ratio_last_100']:.2f}", "1"],
        ["motion, ratio to real", f"{d['motion_ratio_last_100']:.2f}", "1"],
        [
            "bends of the road: Wasserstein distance to real, 1/px",
            number(d["curvature_distance"], 5),
            f"{number(d['curvature_distance_real'], 5)} (halves of real)",
        ],
        [
            "two seeds from one state, mean difference after 100 frames, of 255",
            number(d["two_seeds_difference"], 1),
            f"{number(d['two_real_tracks_difference'], 1)} (two tracks)",
        ],
    ]
    return f"""## A driver that sees only the dreamed picture

{d["runs"]} drives of {d["frames"]} frames ({d["frames"] / manifest["frameRate"]:.0f} s), and the same driver on real
tracks. Both seeds stayed on the road from {d["two_seeds_both_on_road"]} of {d["runs"]} states.

{_table(["", "dream", "real"], rows)}"""


def _limits(metrics: dict) -> str:
    limits = list(metrics.get("limits", []))
    drift = metrics["drift"]
    for mark, share in drift["alive_widest"].items():
        real = drift["alive_widest_real"][mark]
        if share is not None and share[0] < (0.8 if real is None else min(0.8, real[0])):
            limits.append(f"{1 - share[0]:.0%} of the runs don't hold for {int(mark):,} frames.")
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
    if "revisit" not in metrics:
        limits.append("Whether a place looks the same when one comes back isn't measured here.")
    elif max(loop["dream"][0] for loop in metrics["revisit"].values()) <= 0:
        limits.append("It doesn't remember what went out of view: who comes back sees another place.")
    follow = metrics["action_following"]
    if follow["ratio"] is not None and follow["ratio"][0] < 0.9:
        limits.append(f"It obeys less than the real thing does: {follow['ratio'][0]:.2f} of what can be read there.")
    return "## Limits\n\n" + ("\n".join(limits) or "None of the measures above fell below what was asked of them.")
