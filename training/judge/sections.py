"""The card's sections, a table each, and a sentence that says what its numbers mean."""

from __future__ import annotations

from ..data.held_out import CONTEXT
from .drift import ALLOWED, FRECHET_LIMIT, LOST, MEASURES, MOTION_LIMIT, READER_LIMIT, STRIP

TITLES = {
    "frechet": "Fréchet distance of the action reader's features",
    "colours": "distance of colour histograms",
    "sharpness": "sharpness, ratio to real",
    "motion": "motion, ratio to real",
    "reader": "share of the actions that can be read",
}


def subjects(metrics: dict) -> dict[str, dict]:
    """Who was judged, in the order of the columns: the dream, its deterministic twin if it has one, copy-last-frame."""
    columns = {"dream": metrics, "deterministic twin": metrics.get("twin"), "copy-last": metrics["copy_last"]}
    return {name: values for name, values in columns.items() if values is not None}


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _spread(values: tuple[float, float, float] | None, digits: int = 2) -> str:
    if values is None:
        return ""
    return f"{values[0]:.{digits}f} ({values[1]:.{digits}f} to {values[2]:.{digits}f})"


def prediction_section(metrics: dict) -> str:
    return f"""## Prediction

{metrics["starts"]} held-out starts, {CONTEXT} real frames of history, then the same actions in the dream and in the
real environment. Medians with bootstrap 95 % interval; beside them the last real frame kept. The MSE ratio is the
median ratio of squared errors to that (below 1: the dream is nearer to the truth than a still picture).

{_predicted(metrics["prediction"], metrics.get("twin"))}

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


def sampling_section(metrics: dict) -> str:
    spread, twin = metrics["spread"], metrics.get("twin")
    samples = spread["samples"]
    head = ["frames ahead", "starts", "PSNR of one, dB", f"of the mean of {samples}", "copy-last", "spread / error"]
    head += ["twin's spread / error"] * bool(twin) + ["ranks: distance from flat", "by chance below"]
    rows = [
        [h, f"{m['starts']}", *(_spread(m[key]) for key in ("psnr_one", "psnr_mean")), f"{m['copy'][0]:.2f}"]
        + [_spread(m["ratio"])]
        + ([_spread(twin["spread"]["horizons"][h]["ratio"])] if twin else [])
        + [f"{m['distance']:.2f}", f"{m['distance_chance']:.2f}"]
        for h, m in spread["horizons"].items()
    ]
    return f"""## Sampling

{samples} samples from each start, under the same actions. Spread over error is near 1 when samples differ by as much as
they miss the truth; below 1 one future is told as if it were certain. The truth's rank among the samples, cell by cell,
should be any with equal chance: the distance from that is the share of ranks that would have to change.

{_table(head, rows)}"""


def spectrum_section(metrics: dict) -> str:
    spectrum, twin = metrics["spectrum"], metrics.get("twin")
    columns = {"dream": spectrum} | ({"twin": twin["spectrum"]} if twin else {})
    rows = []
    for h, m in spectrum["ahead"].items():
        for name, column in columns.items():
            if h in column["ahead"]:
                ratios = [_spread(r) for r in column["ahead"][h]["ratio"]]
                rows.append([f"{int(h):,} ahead, {name}", f"{column['ahead'][h]['runs']}", *ratios])
        rows.append(
            [f"{int(h):,} ahead, real by chance", "", *(f"{low:.2f} to {high:.2f}" for low, high in m["chance"])]
        )
    return f"""## Power spectrum

Power of the luminance in each octave of wavelengths, over that of real frames. Each should be between
{1 / spectrum["goal"]:.2f} and {spectrum["goal"]:g}: below is blur, above is texture that isn't there, such as a
checkerboard in the last octave.

{_table(["", "runs", *spectrum["octaves"]], rows)}"""


def small_things_section(metrics: dict) -> str:
    small, columns = metrics["small_things"], subjects(metrics)

    def share(value: float | None) -> str:
        return "never absent" if value is None else f"{value:.3f}"

    rows = []
    for name, thing in small["things"].items():
        for h, m in thing["ahead"].items():
            for key, where in (("found", "anywhere"), ("near", f"within {small['tolerance_px']:g} px")):
                dreamed = [c["small_things"]["things"][name]["ahead"][h][key] for c in columns.values()]
                cells = [*map(_spread, dreamed), _spread(m[f"real_{key}"])]
                rows.append([f"{name}, {h} ahead, {where}", f"{m['there']}", *cells])
        absent = [share(c["small_things"]["things"][name]["false"]) for c in columns.values()]
        rows.append([f"{name}, found where it isn't there", "", *absent, share(thing["real_false"])])
    return f"""## Small things

Share of the frames with the thing in which a detector finds it in the dream, anywhere or where it really is under the
same actions; the last column is the same detector on the real frames.

{_table(["", "frames", *columns, "real frames"], rows)}"""


def rest_section(metrics: dict) -> str:
    rest, columns = metrics["rest"], subjects(metrics)
    told = {
        "things": "things, % of the width",
        "whole": "the whole picture, % of the width",
        "change": "mean change of a pixel, of 255",
    }
    rows = [
        [title, *(_spread(c["rest"][key]["dream"]) for c in columns.values()), _spread(rest[key]["real"])]
        for key, title in told.items()
    ]
    return f"""## At rest

How far what nobody touches goes in {rest["frames"]} frames without an action, after 50 in which everything settles;
{rest["starts"]} starts, in the {rest["cells"]} cells of the picture that hold something and that rest in reality. At
most {rest["goal"]:g} % of the width is asked for.

{_table(["", *columns, "real"], rows)}"""


def following_section(metrics: dict) -> str:
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


def drift_section(metrics: dict) -> str:
    drift, columns = metrics["drift"], subjects(metrics)
    alive = [
        [f"share alive at {int(m):,} frames{of}", *(_spread(c["drift"][rule].get(m)) for c in columns.values())]
        + [_spread(drift[f"{rule}_real"].get(m))]
        for rule, of in (("alive", ""), ("alive_widest", ", by the farthest real window"))
        for m in drift[rule]
    ]
    alive += [
        ["share of windows that break the rule", *(f"{c['drift']['broken']:.3f}" for c in columns.values())]
        + [f"{drift['broken_real']:.3f}"],
        ["at most asked for", f"{drift['broken_limit']:.3f}", *[""] * len(columns)],
    ]
    alive += [
        [f"share lost at {int(m):,} frames", *(_spread(c["drift"]["lost"].get(m)) for c in columns.values())]
        + [_spread(drift["lost_real"][m])]
        for m, lost in drift["lost"].items()
        if lost is not None
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
off real frames. Reality breaks that rule too: asked for is {ALLOWED[0]:g} times its share of such windows and
{ALLOWED[1]:.0%} more. A run is lost when {
        LOST
    } windows in a row break it. The measures are those of the first, the last
and the worst window (means over runs).

{_table(["", *columns, "real"], alive + measured)}
{ended}
![Drift](drift.png)

`strip.png`: real above dreamed, {", ".join(f"{h:,}" for h in STRIP)} frames ahead; {
        "the real and the dreamed driver each steer by what they see"
        if drift["policy"] == "steered by sight"
        else "both under the recorded actions, grey where the real episode had ended"
    }."""


def pose_section(metrics: dict) -> str:
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


def revisit_section(metrics: dict) -> str:
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


def direction_section(metrics: dict) -> str:
    told, follow = metrics["direction"], metrics["action_following"]
    rows = [
        [name, f"{a['switches']}"]
        + [_spread(a["frames"], 0), _spread(a["right"]), f"{a['kept']:.2f}", f"{a['real']:.2f}"]
        for name, a in told["attributes"].items()
    ]
    rows.append(
        ["all", f"{told['switches']}", _spread(told["frames"], 0), _spread(told["right"]), _spread(told["kept"]), ""]
    )
    words = ", ".join(f"{word} {right:.1f}" for word, right in told["words"].items())
    head = ["", "switches", "frames until it is there", "right after them", "others kept", "read off real frames"]
    across = ""
    if told["following"]["ratio"] is not None:
        across = f"Action following, ratio to real, across a prompt: {_spread(told['following']['ratio'])}; " + (
            f"without one {_spread(follow['ratio'])}."
        )
    return f"""## Prompts

{told["switches"]} dreams from real frames whose look is said, then in plain words that one attribute is of another
class. A network trained on real frames reads which class a picture shows: when it is as sure of the new one as
{told["sure"]:.0%} of its certainty on real frames (one more than {told["ahead"]} where it never is), what it reads
after {told["ahead"]} frames, and whether attributes that nothing was said of stayed. Medians and means with bootstrap
95 % interval. The picture begins to change, against the same dream without the prompt, after
{_spread(told["begins"], 0)} frames; the frame of the switch changes {_spread(told["jump"], 1)} times as much as one
usually does.

{_table(head, rows)}

Words that were in no caption, chosen before training: right after {told["ahead"]} frames {_spread(told["unseen"])}
({words}). {across}"""


def drive_section(d: dict, manifest: dict) -> str:
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
