"""A reward head: a small network that reads off two latents what the environment paid for the step between them.

    python -m training.package.reward --world push-t --package assets/worlds/push-t

Trained on real frames whose rewards the environment itself gave; what it sees is noised, since a dream is never exact.
`reward.onnx`, its figures on seeds that training never saw (`reward.json`) and a section of the card go into the
package. A world whose environment has no `task` has no head.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm
from worldloop.errors import WorldloopError
from worldloop.package import open_package

from ..data.record import HELD_OUT_FROM
from ..errors import TrainingError
from ..model.picture import to_latent
from ..stages.fit import fit
from ..worlds.registry import find_world
from ..worlds.world import Source, Task, World
from .export import export_graph, round_weights, tensors_of
from .manifest import swap_in, write_manifest

TRAIN_SEED, TEST_SEED = 4_000_000, HELD_OUT_FROM + 5
PLAYED, ARRANGED = 60, 4  # steps of an episode as recorded, and of one that begins at a rare place
FIGURES = "reward.json"


@dataclass
class RewardTraining:
    """How much is played, how long is trained."""

    world: str  # name of the world
    package: Path  # gets the head
    steps: int = 16_000  # real ones, to train on; a quarter as many to judge by
    passes: float = 25.0  # over them
    batch: int = 128
    rate: float = 2e-3
    noise: float = 0.3  # largest standard deviation added to pictures that lie between -2 and 2


@dataclass
class Steps:
    """Steps of the real environment, n of them."""

    before: np.ndarray  # uint8 [n, H, W, 3]
    action: np.ndarray  # float32 [n, A]
    after: np.ndarray  # uint8 [n, H, W, 3]
    reward: np.ndarray  # float32 [n]
    done: np.ndarray  # bool [n]
    arranged: np.ndarray  # bool [n], whether the episode began at a rare place


class RewardHead(nn.Module):
    """Convolutions down to a sixteenth of the cells, then all of them together: where a thing lies is what counts."""

    mean: Tensor  # of the rewards trained on: the network gives multiples of `scale` about it
    scale: Tensor

    def __init__(self, cells: int, channels: int, actions: int, *, narrow: int = 32, width: int = 64) -> None:
        """cells, channels: of a picture."""
        super().__init__()
        side = math.isqrt(cells)
        self.read = nn.Conv2d(2 * channels, narrow, 1)
        self.fold = nn.Conv2d(narrow, width, 3, stride=2, padding=1)
        self.action = nn.Linear(actions, width)
        self.again = nn.Conv2d(width, width, 3, stride=2, padding=1)
        self.all = nn.Sequential(nn.Linear(width * ((side + 3) // 4) ** 2, width), nn.GELU(), nn.Linear(width, 2))
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("scale", torch.ones(()))

    def judge(self, before: Tensor, action: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """Folded pictures [B, C, g, g], actions [B, A].

        Gives rewards [B] in multiples of `scale` about `mean`, and logits [B] of an end.
        """
        x = F.gelu(self.read(torch.cat([after, after - before], 1)))
        x = F.gelu(self.fold(x) + self.action(action)[..., None, None])
        reward, end = self.all(F.gelu(self.again(x)).flatten(1)).unbind(-1)
        return reward, end

    def forward(self, latent: Tensor, action: Tensor, latent_next: Tensor) -> tuple[Tensor, Tensor]:
        """One step, as a package has it: latents [1, N, 2 C], action [1, A].

        Gives reward [1] and the probability of an end [1].
        """
        side = math.isqrt(latent.shape[1])
        before, after = (
            x[..., : x.shape[-1] // 2].transpose(1, 2).unflatten(2, (side, side)) for x in (latent, latent_next)
        )
        reward, end = self.judge(before, action, after)
        return reward * self.scale + self.mean, end.sigmoid()


def task_of(world: World) -> Task:
    """Raises TrainingError when the environment has no task: rewards are never invented."""
    if world.task is None:
        raise TrainingError(f"expected a world whose environment has a task, got '{world.name}', which has none.")
    return world.task


def play(world: World, *, steps: int, seed: int, name: str) -> Steps:
    """Steps of the real environment under the mixed policy; half of them from rare places where the task has such."""
    task = task_of(world)
    source, rows = world.live(), []
    bar = tqdm(total=steps, unit="step", desc=name, file=sys.stderr, disable=not sys.stderr.isatty())
    arranged, number = 0, 0
    while len(rows) < steps:
        rng = np.random.default_rng([seed, number])
        rare = task.arrange is not None and 2 * arranged < len(rows)
        pictures, actions, rewards = _episode(source, world, task, rng=rng, rare=rare)
        done = [task.ended(reward) for reward in rewards]
        episode = [*zip(pictures, actions, pictures[1:], rewards, done, [rare] * len(done), strict=False)]
        rows += episode[: steps - len(rows)]
        arranged += rare * len(episode)
        number += 1
        bar.update(len(rows) - bar.n)
    bar.close()
    source.close()
    return Steps(*(np.stack(column) for column in zip(*rows, strict=True)))


def _episode(source: Source, world: World, task: Task, *, rng: np.random.Generator, rare: bool) -> tuple:
    """n + 1 pictures, the n actions between them and what each step paid."""
    policy = world.policies["mixed"](rng)
    pictures, actions, rewards = [source.reset(int(rng.integers(2**31))).copy()], [], []
    if rare and task.arrange is not None:
        task.arrange(source, rng)
        pictures = [source.step(np.array([spec["rest"] for spec in world.actions], np.float32)).copy()]
    paid = task.paid(source)
    while len(actions) < (ARRANGED if rare else PLAYED) and not source.done:
        actions.append(policy(source))
        pictures.append(source.step(actions[-1]).copy())
        rewards.append(np.float32(task.paid(source) - paid * task.total))
        paid = task.paid(source)
    return pictures, actions, rewards


def train(steps: Steps, args: RewardTraining) -> RewardHead:
    """The head, its weights rounded as they are exported."""
    torch.manual_seed(0)
    tensors = [torch.from_numpy(x) for x in (steps.before, steps.action, steps.after, steps.reward)]
    done = torch.from_numpy(steps.done).float()
    channels, side, _ = to_latent(tensors[0][0]).shape
    head = RewardHead(side**2, channels, steps.action.shape[1])
    head.mean.copy_(tensors[3].mean())
    head.scale.copy_(tensors[3].std().clamp(min=1e-6))

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = rng.integers(0, len(done), args.batch)
        before, action, after, paid = (x[rows] for x in tensors)
        before, after = to_latent(before), to_latent(after)
        level = args.noise * torch.rand(len(rows), 1, 1, 1) ** 2
        noise = level * torch.randn_like(before)  # a dream keeps its error from one frame to the next
        reward, end = head.judge(before + noise, action, after + noise)
        ends = F.binary_cross_entropy_with_logits(end, done[rows])
        return F.smooth_l1_loss(reward, (paid - head.mean) / head.scale, beta=0.1) + 0.3 * ends

    updates = max(4, int(args.passes * len(done) / args.batch))
    fit(head, loss_of, steps=updates, rate=args.rate, weight_decay=0.05, name="reward head")
    round_weights(head)
    return head.eval()


@torch.no_grad()
def judge(head: RewardHead, steps: Steps) -> dict[str, Any]:
    """How far the head is off on steps that it never saw: on episodes as recorded, and on those from rare places."""
    some = [torch.from_numpy(x).split(256) for x in (steps.before, steps.action, steps.after)]
    judged = [head.judge(to_latent(before), led, to_latent(after)) for before, led, after in zip(*some, strict=True)]
    reward, end = (torch.cat(column) for column in zip(*judged, strict=True))
    read = (reward * head.scale + head.mean).numpy()
    figures: dict[str, Any] = {}
    for name, rows in (("played", ~steps.arranged), ("rare places", steps.arranged)):
        if rows.any():
            error, true = read[rows] - steps.reward[rows], steps.reward[rows]
            figures[name] = {
                "steps": int(rows.sum()),
                "mae": float(np.abs(error).mean()),
                "spread": float(true.std()),
                "r2": 1 - float((error**2).sum() / max(((true - true.mean()) ** 2).sum(), 1e-12)),
            }
    predicted, true = end.numpy() > 0, steps.done
    figures["ends"] = {
        "true": int(true.sum()),
        "precision": float(true[predicted].mean()) if predicted.any() else None,
        "recall": float(predicted[true].mean()) if true.any() else None,
    }
    return figures


def add_head(folder: Path, head: RewardHead, figures: dict) -> None:
    """Writes graph, figures, card and manifest into a copy, in place of those of an earlier head, and swaps it in."""
    manifest = json.loads((folder / "world.json").read_text())
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(folder, partial)
    tokens, channels = manifest["latent"]["tokens"], manifest["latent"]["channels"]
    latent = torch.zeros(1, tokens, channels)
    inputs = {"latent": latent, "action": torch.zeros(1, len(manifest["actions"])), "latent_next": latent.clone()}
    export_graph(head, inputs, ["reward", "done"], partial / "reward.onnx")
    (partial / FIGURES).write_text(json.dumps(figures, indent=1) + "\n")
    manifest["reward"] = {"file": "reward.onnx", **tensors_of(partial / "reward.onnx")}
    add_to_card(partial, manifest)
    write_manifest(partial, manifest)
    swap_in(partial, folder)


def add_to_card(folder: Path, manifest: dict) -> None:
    """The head's section of README.md and its figures in `manifest["metrics"]`; nothing when there is no head."""
    if not (folder / FIGURES).is_file():
        return
    figures, card = json.loads((folder / FIGURES).read_text()), folder / "README.md"
    section, played, ends = describe(task_of(find_world(manifest["name"])), figures), figures["played"], figures["ends"]
    others = re.sub(r"\n## Reward\n.*?(?=\n## |\nMade by |\Z)", "", card.read_text(), flags=re.DOTALL).rstrip("\n")
    at = others.find("\n## Limits\n")
    card.write_text(others + "\n\n" + section if at < 0 else f"{others[:at]}\n{section}{others[at:]}\n")
    manifest["metrics"] |= {"reward, R²": round(played["r2"], 3), "reward, mean error": round(played["mae"], 4)}
    if ends["precision"] is not None and ends["recall"] is not None:
        manifest["metrics"] |= {
            "end of an episode, precision": round(ends["precision"], 3),
            "end of an episode, recall": round(ends["recall"], 3),
        }


def describe(task: Task, figures: dict) -> str:
    """The card's section, in Markdown."""
    rows = [
        f"| {name} | {f['steps']:,} | {f['r2']:.3f} | {f['mae']:.4f} | {f['spread']:.3f} |"
        for name, f in figures.items()
        if name != "ends"
    ]
    ends = figures["ends"]
    if task.end is None:
        about_ends = "No end of an episode can be told from the picture: it never says one."
    elif ends["precision"] is None or ends["recall"] is None:
        about_ends = f"An episode ends when {task.end}; with {ends['true']} such steps this couldn't be judged."
    else:
        about_ends = (
            f"An episode ends when {task.end}: of the ends it tells {ends['precision']:.0%} are right, "
            f"and of {ends['true']} true ones it tells {ends['recall']:.0%}."
        )
    return (
        f"## Reward\n\nThe environment's own ({task.about}), read off the latents by a small network; on real steps of "
        "seeds that it never saw:\n\n| steps | count | R² | mean error | spread of the true rewards |\n"
        "|---|---|---|---|---|\n" + "\n".join(rows) + f"\n\n{about_ends}\n"
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", required=True)
    parser.add_argument("--package", type=Path, help="default assets/worlds/WORLD")
    parser.add_argument("--steps", type=int, default=RewardTraining.steps, help="real steps to train on")
    parser.add_argument("--passes", type=float, default=RewardTraining.passes, help="over these steps")
    args = parser.parse_args(argv)
    plan = RewardTraining(args.world, args.package or Path("assets/worlds") / args.world, args.steps, args.passes)
    try:
        if plan.steps < 4:
            raise TrainingError(f"expected --steps of at least 4, got {plan.steps}.")
        world = find_world(plan.world)
        task_of(world)
        name = open_package(plan.package).manifest["name"]
        if name != plan.world:
            raise TrainingError(f"expected a package of {plan.world}, got one of {name}.")
        head = train(play(world, steps=plan.steps, seed=TRAIN_SEED, name="steps to train on"), plan)
        unseen = play(world, steps=max(2, plan.steps // 4), seed=TEST_SEED, name="steps to judge by")
    except (TrainingError, WorldloopError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    figures = judge(head, unseen)
    add_head(plan.package, head, figures)
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
