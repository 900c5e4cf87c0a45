"""Does a dream hold? Long runs, window by window against real ones, and how long each run counts as alive.

A window is 100 frames. It is compared with real windows under the same policy: the Fréchet distance of the action
reader's features, the distance of colour histograms, sharpness, motion, and how well actions can still be read. Real
windows are scored the same way, each against the real runs it isn't part of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from tqdm import tqdm

from ..data.episodes import Episodes
from ..data.held_out import CONTEXT, WINDOW, spread, steered
from ..data.record import HELD_OUT_FROM
from ..errors import TrainingError
from ..worlds.world import Player, World
from .following import READABLE
from .inverse_dynamics import BEFORE, ActionReader
from .measures import colours, frechet, interval, motion, sharpness, total_variation
from .onnx_world import Playable
from .side_by_side import WORKERS, play_each

LONG_RUN_SEED = HELD_OUT_FROM + 100_000
MakePlayer = Callable[[np.random.Generator], Player]
Watch = Callable[[int, int, np.ndarray], None]  # is shown a run's number, its frames so far, the pictures that follow
MEASURES = ("frechet", "colours", "sharpness", "motion", "reader")
FRECHET_LIMIT, MOTION_LIMIT, READER_LIMIT = 3.0, 0.25, 0.5  # of real against real, of real motion, of the ceiling
MARKS = (1_000, 10_000)  # frames at which the share alive is told
ALLOWED = (1.5, 0.01)  # times as many windows as of reality may break the rule, and so many more
LOST = 5  # windows in a row that break it: then nothing comes back
STRIP = (1, 10, 30, 100, 300, 1_000)  # frames ahead that the strip shows
STRIP_RUNS = 4
SPAN = 5  # windows over which reading is averaged for the rule: in one, real frames too read badly by chance
STILL = 1e-4  # variance under which an axis hardly moved
PLAIN = 0.5  # R² from which on an axis can be judged by a single window; if none reaches it, the best one is


@dataclass
class Window:
    """What is kept of 100 frames."""

    features: np.ndarray  # [T - 5, F] of the action reader
    colours: np.ndarray  # [512], adds up to 1
    sharpness: float  # of 255
    motion: float  # of 255
    error: np.ndarray  # [A], mean squared error of the actions read

    @staticmethod
    def of(frames: np.ndarray, actions: np.ndarray, reader: ActionReader) -> Window:
        read, features = reader.read(frames)
        error = np.square(read - actions[BEFORE:][: len(read)]).mean(0)
        return Window(features, colours(frames), float(sharpness(frames).mean()), float(motion(frames).mean()), error)


class Reference:
    """Real windows, run by run, to compare others with."""

    def __init__(self, runs: list[list[Window]], actions: np.ndarray) -> None:
        self.runs = runs
        every = [w for run in runs for w in run]
        self.variance = actions.var(0) + 1e-8  # [A]
        self.error = np.mean([w.error for w in every], 0)
        ceiling = np.where(self.variance > STILL, 1 - self.error / self.variance, 0.0)
        # In 100 frames an axis that is hard to read reads badly by chance, on real frames too: only plain ones count.
        self.readable = (ceiling >= min(PLAIN, ceiling.max())) & (ceiling >= READABLE)
        self.sharpness = np.mean([w.sharpness for w in every])
        self.motion = max(np.mean([w.motion for w in every]), 1e-6)
        rows = [[self.score(w, without=number) for w in run] for number, run in enumerate(runs)]
        self.scores = {m: [[row[m] for row in run] for run in rows] for m in MEASURES}
        self.middle = {m: float(np.median(np.concatenate(v))) for m, v in self.scores.items()}
        self.widest = max(map(max, self.scores["frechet"]))
        self.middle["reader"] = float(np.mean(np.concatenate(self.scores["reader"])))  # means of windows are held to it

    def score(self, window: Window, *, without: int | None = None) -> dict[str, float]:
        """The five measures of a window; `without` leaves a real run out of what it is compared with."""
        others = [w for number, run in enumerate(self.runs) if number != without or len(self.runs) == 1 for w in run]
        unexplained = (window.error / self.variance)[self.readable]
        return {
            "frechet": frechet(window.features, np.concatenate([w.features for w in others])),
            "colours": total_variation(window.colours, np.mean([w.colours for w in others], 0)),
            "sharpness": float(window.sharpness / self.sharpness),
            "motion": float(window.motion / self.motion),
            "reader": float(max(0.0, 1 - unexplained.mean())) if len(unexplained) else 1.0,
        }

    def runs_scored(self) -> list[dict[str, list[float]]]:
        """The scores of each real run, measure to a value a window."""
        return [{m: self.scores[m][number] for m in MEASURES} for number in range(len(self.runs))]

    def first_breach(self, scores: dict[str, list[float]], *, widest: bool = False) -> tuple[int, str]:
        """Windows of a run before the first that breaks a rule, and the measure that broke it; "" where none did."""
        reasons = self.breaches(scores, widest=widest)
        return next(((number, reason) for number, reason in enumerate(reasons) if reason), (len(reasons), ""))

    def breaches(self, scores: dict[str, list[float]], *, widest: bool = False) -> list[str]:
        """For each window of a run the measure by which it breaks a rule, "" where it breaks none.

        With `widest` a window may be as far from real ones as the farthest real window is from the other real runs.
        """
        limit = self.widest if widest else FRECHET_LIMIT * self.middle["frechet"]
        reads, reasons = scores["reader"], []
        for number, (far, moving) in enumerate(zip(scores["frechet"], scores["motion"], strict=True)):
            lately = reads[max(0, number + 1 - SPAN) : number + 1]
            deaf = np.mean(lately) < READER_LIMIT * self.middle["reader"] and len(lately) == min(SPAN, len(reads))
            broken = far > limit, moving < MOTION_LIMIT, deaf
            reasons.append(("frechet", "motion", "reader")[broken.index(True)] if any(broken) else "")
        return reasons


def lost_after(reasons: list[str]) -> int | None:
    """Windows of a run before `LOST` in a row that break a rule, as `Reference.breaches` gives them; None: never."""
    for number in range(len(reasons) - LOST + 1):
        if all(reasons[number : number + LOST]):
            return number
    return None


def real_windows(episodes: Episodes, reader: ActionReader, window: int) -> Reference:
    """Cuts each real episode into windows; what is left over at its end isn't used."""
    edges = np.append(np.flatnonzero(episodes.starts), len(episodes.starts))
    runs = [
        [
            Window.of(episodes.frames[t : t + window], episodes.actions[t : t + window], reader)
            for t in range(first, end - window + 1, window)
        ]
        for first, end in zip(edges[:-1], edges[1:], strict=True)
    ]
    return Reference([run for run in runs if run], episodes.actions)


def long_real_runs(
    world: World, reader: ActionReader, reference: Reference, *, runs: int, frames: int, bar: tqdm | None = None
) -> list[dict[str, list[float]]]:
    """Scores of real runs as long as dreamed ones, steered by sight, of seeds that `reference` isn't made of.

    An episode that ends is followed by the next, and no window is cut from two.
    """
    if world.player is None:
        raise TrainingError(f"expected a world with a player that steers by sight, got '{world.name}'.")
    source, seeds, courses = world.live(), count(LONG_RUN_SEED), []
    for run in range(runs):
        act = world.player(np.random.default_rng([LONG_RUN_SEED, run]))
        scores: dict[str, list[float]] = {m: [] for m in MEASURES}
        for picture, action, begins in steered(source, act, seeds):
            if begins:
                pictures, actions = [], []
            pictures.append(picture)
            actions.append(action)
            if len(pictures) < WINDOW:
                continue
            for name, value in reference.score(Window.of(np.stack(pictures), np.stack(actions), reader)).items():
                scores[name].append(value)
            pictures, actions = [], []
            if bar is not None:
                bar.update(WINDOW)
            if len(scores["frechet"]) == frames // WINDOW:
                break
        courses.append(scores)
    source.close()
    return courses


def run_starts(episodes: Episodes, runs: int) -> np.ndarray:
    """First rows of the histories that dreamed runs go on from, int64 [runs].

    From the first frames of each real run, which leaves real pictures beside the dream, then from anywhere.
    """
    begins = np.intersect1d(np.flatnonzero(episodes.starts), episodes.windows(CONTEXT))
    return np.concatenate([begins, spread(episodes, CONTEXT, runs)])[:runs]


def player_of(make: MakePlayer | None, episodes: Episodes, first: int, run: int) -> Player:
    """Steers a run: the world's `player`, which sees the picture, or else what was recorded, one episode after another.

    Recorded actions leave a road that isn't the one they were driven on; where a world has a player, use that.
    """
    if make is not None:
        return make(np.random.default_rng([run, 1]))
    rows = iter(range(first + CONTEXT - 1, 1 << 62))
    return lambda before, picture: episodes.actions[next(rows) % len(episodes.actions)]


def dream_windows(
    world: Playable,
    policy: Player,
    context: tuple[np.ndarray, np.ndarray],
    *,
    run: int,
    frames: int,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Dreams on from real frames; gives pictures [100, H, W, 3] and the action that leads on from each [100, A]."""
    pictures, actions = [], []
    before, picture = context[0][-2], world.reset(seed=run, frames=context[0], actions=context[1])
    picture = world.step(policy(before, picture))
    before = context[0][-1]
    for _ in range(frames):
        action = policy(before, picture)
        pictures.append(picture)
        actions.append(action)
        before, picture = picture, world.step(action)
        if len(pictures) == min(WINDOW, frames):
            yield np.stack(pictures), np.stack(actions)
            pictures, actions = [], []


def drift(
    make_world: Callable[[], Playable],
    player: MakePlayer | None,
    reader: ActionReader,
    episodes: Episodes,
    reference: Reference,
    *,
    lengths: list[int],
    real: list[dict[str, list[float]]] | None = None,
    watch: Watch | None = None,
    workers: int = WORKERS,
    bar: tqdm | None = None,
) -> tuple[dict, np.ndarray]:
    """Runs of the given lengths in frames; gives the figures and the strip, real above dreamed pictures at `STRIP`.

    `workers` runs go at a time: threads, since networks compute outside Python's lock. `player` is the world's
    `player`; without one, recorded actions are played. `real`, what `long_real_runs` gives, stands beside the dreamed
    runs. `watch` sees all pictures, from any of the threads.
    """
    firsts = run_starts(episodes, len(lengths))

    def run(world: Playable, number: int) -> tuple[dict[str, list[float]], list[np.ndarray]]:
        rows = slice(firsts[number], firsts[number] + CONTEXT)
        context = episodes.frames[rows], episodes.actions[rows][:-1]
        policy = player_of(player, episodes, firsts[number], number)
        scores: dict[str, list[float]] = {m: [] for m in MEASURES}
        shown = []
        for index, (frames, actions) in enumerate(
            dream_windows(world, policy, context, run=number, frames=lengths[number])
        ):
            for name, value in reference.score(Window.of(frames, actions, reader)).items():
                scores[name].append(value)
            if watch is not None:
                watch(number, index * WINDOW, frames)
            shown += [
                frames[h - 1 - index * WINDOW] for h in STRIP if index * WINDOW < h <= index * WINDOW + len(frames)
            ]
            if bar is not None:
                bar.update(len(frames))
        return scores, shown

    runs = play_each(make_world, run, range(len(lengths)), workers=workers)
    rows = [strip_rows(episodes, first, shown) for first, (_, shown) in zip(firsts, runs[:STRIP_RUNS], strict=False)]
    return summary([scores for scores, _ in runs], reference, lengths, real or []), np.concatenate(rows)


def strip_rows(episodes: Episodes, first: int, dreamed: list[np.ndarray]) -> np.ndarray:
    """Two rows of the strip: what really followed, grey where the episode had ended, above what was dreamed."""
    pairs = []
    for h, picture in zip(STRIP, dreamed, strict=False):
        row = first + CONTEXT - 1 + h
        within = row < len(episodes.starts) and not episodes.starts[first + 1 : row + 1].any()
        pairs.append(np.concatenate([episodes.frames[row] if within else np.full_like(picture, 128), picture]))
    return np.concatenate(pairs, 1)


def summary(
    runs: list[dict[str, list[float]]],
    reference: Reference,
    lengths: list[int],
    long_real: list[dict[str, list[float]]],
) -> dict:
    """Share alive (mean, low, high), and for each measure its mean course over windows, first, last and worst.

    `broken` is the share of windows that break the rule, `broken_limit` what reality's own allows. `lost` is the share
    of runs with five such windows in a row before a mark; None where no run goes so far, or the mark is less than that.
    """
    window = min(WINDOW, *lengths)
    measures = {}
    for name in MEASURES:
        count = max(len(run[name]) for run in runs)
        course = [float(np.mean([run[name][i] for run in runs if len(run[name]) > i])) for i in range(count)]
        worst = int(np.argmax(course) if name in ("frechet", "colours") else np.argmin(course))
        measures[name] = {
            "real": reference.middle[name],
            "first": course[0],
            "last": course[-1],
            "worst": course[worst],
            "worst_window": worst,
            "course": course,
        }
    real = reference.runs_scored() + long_real

    def shares(of: list[dict[str, list[float]]], **rule: bool) -> dict[str, tuple[float, float, float] | None]:
        alive = {}
        for mark in marks:
            long = [run for run in of if len(run["frechet"]) * window >= mark]
            reached = [reference.first_breach(run, **rule)[0] * window >= mark for run in long]
            alive[str(mark)] = interval(reached, np.mean) if long else None
        return alive

    def lost(of: list[dict[str, list[float]]]) -> dict[str, tuple[float, float, float] | None]:
        ends = [lost_after(reference.breaches(run)) for run in of]
        shares: dict[str, tuple[float, float, float] | None] = {}
        for mark in marks:
            windows = mark // window
            long = [end for end, run in zip(ends, of, strict=True) if len(run["frechet"]) >= windows]
            gone = [end is not None and end + LOST <= windows for end in long]
            shares[str(mark)] = interval(gone, np.mean) if long and windows >= LOST else None
        return shares

    def broken(of: list[dict[str, list[float]]]) -> float:
        return float(np.mean([reason != "" for run in of for reason in reference.breaches(run)]))

    ends = [reference.first_breach(run) for run in runs]
    longest = max(lengths)
    marks = [m for m in MARKS if m <= longest] or [longest // window * window]  # whole windows are judged
    return {
        "runs": len(lengths),
        "window": window,
        "alive": shares(runs),
        "alive_real": shares(real),
        "broken": broken(runs),
        "broken_real": broken(real),
        "broken_limit": ALLOWED[0] * broken(real) + ALLOWED[1],
        "lost": lost(runs),
        "lost_real": lost(real),
        "widest": reference.widest,
        "alive_widest": shares(runs, widest=True),
        "alive_widest_real": shares(real, widest=True),
        "frames_alive": [windows * window for windows, _ in ends],
        "ended_by": [reason for _, reason in ends],
        "measures": measures,
    }
