"""The loop that every training stage runs in: progress, logs, checkpoints, resuming, rates, averaged weights.

    loop = Loop(STAGE, args, place, config=config.dict(), parts={"model": model, "optims": optims}, frames=args.batch)
    for step, rng in loop:
        loss, logs = model.loss(...)
        loss.backward()
        loop.update(optims, rate=min(1.0, (step + 1) / 100))
        loop.log(logs)

What a step computes is the stage's. All that a step draws comes from `rng` or from torch's generator, both seeded by
seed, step and rank: a resumed run sees the batches that it would have seen. A pool of dreams begins anew.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from ..data.corpus import Corpus, mapped, recordings
from ..errors import TrainingError
from ..worlds.world import World
from . import checkpoint
from .device import Place


@dataclass
class Training:
    """The settings that every stage has; each adds its own."""

    world: World  # whose checkpoints these are; of a base, what its worlds share
    data: Path  # folder of recordings, latents, checkpoints (STAGE.pt) and logs (logs/STAGE, for TensorBoard)
    steps: int  # in all, those before a resume included
    seed: int = 0
    log_every: int = 10  # steps
    evaluate_every: int = 250  # steps
    count: int = 24  # held-out starts of a world that are scored, where a stage scores any
    checkpoint_every: float = 60.0  # seconds
    until: float = math.inf  # on the clock `time.monotonic`: the stage ends then, however many steps it has done
    corpora: tuple[Corpus, ...] = ()  # the worlds that share the network; none: `world` alone

    @property
    def sources(self) -> tuple[Corpus, ...]:
        """What is trained on."""
        return self.corpora or (Corpus(self.world, self.data),)


class Loop:
    """Counts the steps of one stage, from its checkpoint on if there is one, and keeps it safe."""

    def __init__(
        self,
        stage: str,
        args: Training,
        place: Place,
        *,
        config: dict,
        parts: dict,
        frames: int,
        notes: dict | None = None,
        evaluate: Callable[[], dict[str, float]] | None = None,
        sheet: Callable[[], np.ndarray] | None = None,
        finish: Callable[[], None] | None = None,
    ) -> None:
        """Resumes at once: `parts` (name to module, optimiser, or list of them) take what the checkpoint holds.

        config: shapes of the network, a checkpoint of others is refused; frames: how many a process sees a step;
        notes: numbers to keep beside the weights, read and written as `loop.notes`; evaluate: scores to log, called
        now and then in the first process; sheet: a picture uint8 [H, W, 3] to look at, drawn as often, `STAGE.png`;
        finish: called in every process after the last step, before the last save.
        """
        self.stage, self.args, self.place, self.config, self.parts = stage, args, place, config, parts
        self.frames, self.notes, self.finish = frames, notes or {}, finish
        self.evaluate, self.sheet = evaluate, sheet
        self.path = args.data / f"{stage}.pt"
        self.step = self.seen = 0
        self.identity, self.made_from = checkpoint.new_identity(), checkpoint.made_from(args.data, stage)
        self.recordings: dict[str, int] = {}  # WORLD/FILE to frames, of all that were there to be trained on
        self._begin, self._hours_before = time.monotonic(), 0.0
        self._logs: dict[str, Tensor | float] = {}
        groups = [group for optim in self._optimisers() for group in optim.param_groups]
        rates = [group["lr"] for group in groups]
        if self.path.exists():
            self._resume()
        groups = [group for optim in self._optimisers() for group in optim.param_groups]  # loading made new ones
        for group, rate in zip(groups, rates, strict=True):
            group["initial_lr"] = rate
        if self.step < args.steps:
            self._note_recordings()

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        flat = [thing for part in self.parts.values() for thing in (part if isinstance(part, list) else [part])]
        return [thing for thing in flat if isinstance(thing, torch.optim.Optimizer)]

    def _note_recordings(self) -> None:
        """Fresh recordings take the place of old ones while a stage runs: what is gone stays noted."""
        for corpus in self.args.sources:
            for file in recordings(corpus.data, "train"):
                name = f"{corpus.world.name}/{file.name}"
                with contextlib.suppress(TrainingError):  # it has just made room for a fresh one
                    self.recordings[name] = self.recordings.get(name) or len(mapped(file)["starts"])

    def _resume(self) -> None:
        state = checkpoint.load(self.path, world=self.args.world.name, stage=self.stage)
        checkpoint.check_made_from(self.args.data, self.stage)
        meta = state["meta"]
        wanted = json.loads(json.dumps(self.config))
        for name, value in json.loads(json.dumps(meta["config"])).items():
            if wanted.get(name) != value:
                raise TrainingError(
                    f"'{self.path}': expected a network with {name} = {wanted.get(name)}, got {value}; "
                    "train with that, or move the file away to begin anew."
                )
        for name in self.parts.keys() & state.keys():  # weights from a package come without optimisers
            part = self.parts[name]
            pairs = zip(part, state[name], strict=True) if isinstance(part, list) else [(part, state[name])]
            for thing, saved in pairs:
                thing.load_state_dict(saved)
        self.step, self.seen, self._hours_before = meta["step"], meta.get("frames", 0), meta.get("hours", 0.0)
        self.identity = meta.get("identity", self.identity)
        self.made_from, self.recordings = meta.get("made_from", {}), meta.get("recordings", {})
        self.notes |= {name: meta[name] for name in self.notes if name in meta}

    def save(self, *, ended: bool = False) -> None:
        """Writes the checkpoint; the loop does it by the clock and when it ends."""
        state = {
            name: [thing.state_dict() for thing in part] if isinstance(part, list) else part.state_dict()
            for name, part in self.parts.items()
        }
        if not ended:
            self._note_recordings()  # the newest of all are left out: they may have come too late
        meta = {
            "world": self.args.world.name,
            "stage": self.stage,
            "identity": self.identity,
            "made_from": self.made_from,
            "recordings": self.recordings,
            "step": self.step,
            "steps": self.args.steps,
            "ended": ended,  # by its steps or its time
            "frames": self.seen,  # that all processes were shown, those before a resume included
            "hours": round(self.hours, 4),  # of all processes side by side
        }
        checkpoint.save(self.path, state, {**meta, "config": self.config, **self.notes})

    @property
    def hours(self) -> float:
        return self._hours_before + (time.monotonic() - self._begin) / 3600

    @property
    def share(self) -> float:
        """How far the stage is, from 0 to 1: by its steps or by the clock, whichever is nearer to its end."""
        by_steps, whole = self.step / self.args.steps, self.args.until - self._begin
        by_time = (time.monotonic() - self._begin) / whole if whole > 0 else 1.0
        return min(1.0, max(by_steps, by_time))

    def __iter__(self) -> Iterator[tuple[int, np.random.Generator]]:
        """Steps yet to do, each with its generator. Does nothing at all once they are done.

        It ends early, in order, when `args.until` comes first.
        """
        if self.step >= self.args.steps:
            return
        if self.place.first:
            yield from self._steps_of_the_first()
        else:
            over = False
            while not over:  # asked after each step, as the first process does: they answer together
                yield self._next()
                over = self._over()
        if self.finish:
            self.finish()
        if self.place.first:
            self.save(ended=True)
        self.place.wait()

    def _next(self) -> tuple[int, np.random.Generator]:
        """The step to do now, counted as done when the loop comes back."""
        step = self.step
        self.step += 1
        self.seen += self.frames * self.place.ranks
        return step, self.place.seed(self.args.seed, step)

    def _over(self) -> bool:
        """Whether the steps are done, or time is up for any of the processes: all stop after the same step."""
        return self.step >= self.args.steps or self.place.any(time.monotonic() > self.args.until)

    def _steps_of_the_first(self) -> Iterator[tuple[int, np.random.Generator]]:
        args, over, saved_at = self.args, False, time.monotonic()
        steps = args.steps if math.isinf(args.until) else None  # else the clock says how long
        with (
            SummaryWriter(str(args.data / "logs" / self.stage), purge_step=self.step + 1) as writer,
            tqdm(total=steps, initial=self.step, unit="step", desc=self.stage, file=sys.stderr) as bar,
        ):
            while not over:
                yield self._next()
                bar.update()
                over = self._over()
                save = time.monotonic() - saved_at > args.checkpoint_every
                if self.step % args.log_every == 0 or save or over:
                    self._report(writer, bar)
                if self.step % args.evaluate_every == 0 or over:
                    self._evaluate(writer)
                if save and not over:
                    writer.flush()  # a log that ends before its checkpoint would have a gap
                    self.save()
                    saved_at = time.monotonic()

    def _evaluate(self, writer: SummaryWriter) -> None:
        evaluate = self.evaluate
        if evaluate is None:
            return
        scores = evaluate()
        for name, value in scores.items():
            writer.add_scalar(f"{self.stage}/{name}", value, self.step)
        line = "  ".join(f"{name} {value:.2f}" for name, value in scores.items())
        self._draw(writer)
        seen = "" if self.sheet is None else f"  ({self.args.data / self.stage}.png)"
        tqdm.write(f"step {self.step}: {line}{seen}", file=sys.stderr)

    def _draw(self, writer: SummaryWriter) -> None:
        if self.sheet is None:
            return
        picture = self.sheet()
        writer.add_image(f"{self.stage}/sheet", picture, self.step, dataformats="HWC")
        Image.fromarray(picture).save(self.args.data / f"{self.stage}.png")

    def _report(self, writer: SummaryWriter, bar: tqdm) -> None:
        logs = {name: float(value) for name, value in self._logs.items()}
        if not math.isfinite(logs.get("loss", 0.0)):
            raise TrainingError(
                f"{self.stage}: expected a finite loss, got {logs['loss']} at step {self.step}; "
                "the checkpoint is older. Lower the rates, or look for what is wrong in the data."
            )
        for name, value in logs.items():
            writer.add_scalar(f"{self.stage}/{name}", value, self.step)
        rate = (bar.format_dict["rate"] or 0) * self.frames * self.place.ranks
        shown = {name: f"{value:.4g}" for name, value in logs.items()} | {"frames/s": f"{rate:.0f}"}
        if math.isfinite(self.args.until):
            shown["minutes left"] = f"{max(0.0, self.args.until - time.monotonic()) / 60:.1f}"
        bar.set_postfix(shown)

    def log(self, logs: dict[str, Tensor | float]) -> None:
        """What this step found, by name; shown and written every `log_every` steps."""
        self._logs = logs

    def update(self, optims: list[torch.optim.Optimizer], *, rate: float, clip: float = 1.0) -> None:
        """Moves the weights by their gradients and forgets these. `rate`: share of the rates they were made with."""
        weights = [weight for optim in optims for group in optim.param_groups for weight in group["params"]]
        self.place.average_gradients(weights)
        torch.nn.utils.clip_grad_norm_(weights, clip)
        for optim in optims:
            for group in optim.param_groups:
                group["lr"] = group["initial_lr"] * rate
            optim.step()
            optim.zero_grad(set_to_none=True)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, *, decay: float, step: int) -> None:
    """Moves averaged weights towards the model's; faster in the first steps, whose weights are worth little."""
    decay = min(decay, (step + 1) / (step + 10))
    for mean, weight in zip(average.parameters(), model.parameters(), strict=True):
        mean.lerp_(weight, 1 - decay)
