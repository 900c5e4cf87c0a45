"""Does a dream become what it is told, how soon, and does everything else stay as it was?

A reader of looks, trained on real frames, says for each attribute which of its classes a picture shows. A dream goes on
from real frames, is told their look, then that one attribute is of another class: how many frames until the picture
changes at all, until the reader sees the new class, and what it reads of all attributes at the end. Then the same with
words that no caption holds. On real frames the same reader shows what can be asked for at best.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from worldloop.errors import PromptError

from ..data.episodes import Episodes
from ..data.held_out import AHEAD as FOLLOWING
from ..data.held_out import CONTEXT, LEAD_IN
from ..data.record import HELD_OUT_FROM
from ..errors import TrainingError
from ..stages import checkpoint
from ..stages.fit import fit
from ..worlds.world import Direction, World
from .following import follow
from .inverse_dynamics import ActionReader
from .measures import interval
from .onnx_world import Playable
from .side_by_side import play_each

SEED = HELD_OUT_FROM + 7  # of what is judged; what the reader learns from has `LEARN_SEED`
LEARN_SEED = 3_600_000
LEARNED, CEILING = 6_000, 1_000  # pictures that the reader learns from, and that it is judged on
APART, LOOKS = 3, 4  # every third frame is shown in four looks
EPISODE = 300  # longest, frames
TOLD = 4  # frames under the look's own words before others are said
AHEAD = 50  # frames under the other words, before the picture is read
SURE = 0.8  # of the reader's certainty on real frames, from which on an attribute is there
OBEDIENT = 0.9  # of what is read off real frames, from which on prompts are obeyed
CHANGED = 1.0  # mean change of a pixel, of 255, that other words alone have made
NOISE = 8.0  # of 255, at most, on what the reader learns from: a dream isn't as clean as reality
STAGE = "look-reader"


class LookReader(nn.Module):
    """A picture to how likely each class of each attribute is."""

    def __init__(self, direction: Direction) -> None:
        super().__init__()
        self.classes = {attribute: list(names) for attribute, names in direction.classes.items()}
        layers: list[nn.Module] = []
        for width, wider in ((3, 32), (32, 64), (64, 64), (64, 64)):
            layers += [nn.Conv2d(width, wider, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(wider), nn.ReLU()]
        self.body = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.heads = nn.ModuleDict({name: nn.Linear(256, len(classes)) for name, classes in self.classes.items()})

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Of pictures [B, 3, H, W] from 0 to 255, logits [B, classes] by attribute."""
        features = self.body((pictures / 128 - 1).contiguous(memory_format=torch.channels_last))
        return {name: head(features) for name, head in self.heads.items()}

    @torch.no_grad()
    def read(self, pictures: np.ndarray) -> dict[str, np.ndarray]:
        """uint8 [T, H, W, 3] to how likely each class is, [T, classes], by attribute."""
        return {name: logits.softmax(1).numpy() for name, logits in self(as_tensor(pictures)).items()}


def as_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 [T, H, W, 3] to float32 [T, 3, H, W]."""
    return torch.from_numpy(pictures).movedim(3, 1).float()


def dressed(world: World, direction: Direction, *, count: int, seed: int) -> tuple[np.ndarray, list[Mapping[str, str]]]:
    """Real pictures uint8 [count, H, W, 3], each in a look drawn anew, and attribute to class of each."""
    source, pictures, names, episode = world.live(), [], [], 0
    bar = tqdm(total=count, unit="picture", desc="real looks", file=sys.stderr, disable=not sys.stderr.isatty())
    while len(pictures) < count:
        rng = np.random.default_rng([seed, episode])
        policy = world.policies[world.start_policy](rng)
        source.reset(seed + episode)
        episode += 1
        for age in range(EPISODE):
            source.step(policy(source))
            if source.done or len(pictures) >= count:
                break
            for _ in range(LOOKS if age % APART == 0 else 0):
                picture, look = direction.dress(source, rng)
                pictures.append(picture.copy())
                names.append(look)
                bar.update()
    bar.close()
    source.close()
    return np.stack(pictures[:count]), names[:count]


def look_reader(world: World, data: Path, direction: Direction) -> LookReader:
    """The one in the data folder if it knows these classes, else trained on real frames now and kept."""
    model, path = LookReader(direction), data / f"{STAGE}.pt"
    if path.is_file():
        state = checkpoint.load(path, world=world.name, stage=STAGE)
        if state["meta"]["classes"] == model.classes:
            model.load_state_dict(state["model"])
            return model.eval()
    torch.manual_seed(0)
    model = LookReader(direction)
    pictures, names = dressed(world, direction, count=LEARNED, seed=LEARN_SEED)
    shown = torch.from_numpy(pictures).movedim(3, 1)
    right = {
        attribute: torch.tensor([classes.index(look[attribute]) for look in names])
        for attribute, classes in model.classes.items()
    }

    def loss_of(rng: np.random.Generator) -> Tensor:
        rows = torch.from_numpy(rng.choice(len(shown), 64))
        noisy = shown[rows].float() + NOISE * torch.rand(64, 1, 1, 1) * torch.randn(64, *shown.shape[1:])
        said = model(noisy if rng.random() < 0.5 else noisy.flip(3))
        return torch.stack([nn.functional.cross_entropy(said[name], right[name][rows]) for name in right]).sum()

    fit(model.train(), loss_of, steps=12 * LEARNED // 64, rate=2e-3, name="look reader")
    checkpoint.save(
        path, {"model": model.state_dict()}, {"world": world.name, "stage": STAGE, "classes": model.classes}
    )
    return model.eval()


@dataclass
class Told:
    """Real frames in a look that stays, and what is said about it."""

    frames: np.ndarray  # uint8 [CONTEXT, H, W, 3]
    actions: np.ndarray  # float32 [CONTEXT + TOLD + AHEAD, A]
    names: Mapping[str, str]  # attribute to class


@dataclass
class Directed:
    """What dreams are compared with: made once."""

    reader: LookReader
    ceiling: dict[str, dict[str, float]]  # attribute and class to the share of real frames in which it is read
    sure: dict[str, dict[str, float]]  # the reader's mean certainty of it on real frames
    starts: list[Told]


def direct(world: World, data: Path, direction: Direction, starts: int) -> Directed:
    """Trains the reader unless the data folder has it, records the starts."""
    reader = look_reader(world, data, direction)
    pictures, names = dressed(world, direction, count=CEILING, seed=SEED)
    read = reader.read(pictures)
    ceiling: dict[str, dict[str, float]] = {attribute: {} for attribute in reader.classes}
    sure: dict[str, dict[str, float]] = {attribute: {} for attribute in reader.classes}
    for attribute, classes in reader.classes.items():
        for number, name in enumerate(classes):
            rows = read[attribute][[look[attribute] == name for look in names]]
            ceiling[attribute][name] = float((rows.argmax(1) == number).mean())
            sure[attribute][name] = float(rows[:, number].mean())
    return Directed(reader, ceiling, sure, record_told(world, direction, starts))


def record_told(world: World, direction: Direction, starts: int) -> list[Told]:
    """`starts` real episodes of the start policy. Raises TrainingError where too few last long enough."""
    source, told, tried = world.live(), [], 0
    while len(told) < starts and tried < 4 * starts:
        rng = np.random.default_rng([SEED, tried])
        policy = world.policies[world.start_policy](rng)
        source.reset(SEED + tried)
        tried += 1
        frames, actions, names = [], [], {}
        for age in range(LEAD_IN + TOLD + AHEAD):
            action = policy(source)
            picture = source.step(action)
            if source.done:
                break
            actions.append(action)
            if age == LEAD_IN - CONTEXT - 1:
                picture, names = direction.dress(source, rng)
            if LEAD_IN - CONTEXT <= age + 1 < LEAD_IN:
                frames.append(picture.copy())
        else:
            led = np.stack(actions[LEAD_IN - CONTEXT :]).astype(np.float32)
            told.append(Told(np.stack(frames), led, names))
    source.close()
    if len(told) < starts:
        wanted = f"{starts} real episodes of {LEAD_IN + TOLD + AHEAD} frames"
        raise TrainingError(f"expected {wanted}, got {len(told)} of {tried}: the others ended before.")
    return told


@dataclass
class Switch:
    """One attribute, from what it is to another class."""

    start: int
    attribute: str
    wanted: str
    text: str


def switches(direction: Direction, starts: list[Told]) -> list[Switch]:
    """One for each start, each class of each attribute as often as the others."""
    every = [(attribute, name) for attribute, names in direction.classes.items() for name in names]
    rng, made = np.random.default_rng(SEED), []
    for number, start in enumerate(starts):
        attribute, wanted = every[number % len(every)]
        if start.names[attribute] == wanted:  # it is what it should become: another start's turn will come
            others = [name for name in direction.classes[attribute] if name != wanted]
            wanted = str(rng.choice(others))
        made.append(Switch(number, attribute, wanted, direction.say(rng, {attribute: wanted})))
    return made


def dream(world: Playable, start: Told, number: int, texts: tuple[str, str]) -> np.ndarray:
    """Pictures uint8 [TOLD + AHEAD, H, W, 3]: the first TOLD under the first text, the others under the second."""
    world.reset(seed=number, frames=start.frames, actions=start.actions[: CONTEXT - 1])
    actions = start.actions[CONTEXT - 1 : CONTEXT - 1 + TOLD + AHEAD]
    return np.stack([world.step(action, texts[age >= TOLD]) for age, action in enumerate(actions)])


def directed(make: Callable[[], Playable], direction: Direction, real: Directed, *, bar: tqdm | None = None) -> dict:
    """What prompts do. Medians or means over the switches, (value, low, high), the bootstrap 95 % interval."""
    reader = real.reader
    rng = np.random.default_rng(SEED)
    own = [direction.say(rng, start.names) for start in real.starts]
    plan = switches(direction, real.starts)
    unseen = [
        Switch(number, attribute, wanted, word)
        for round_ in range(2)
        for number, (word, (attribute, wanted)) in enumerate(direction.unseen.items(), round_ * len(direction.unseen))
    ]

    def play(world: Playable, number: int) -> dict:
        switch = plan[number]
        start = real.starts[switch.start]
        shown = dream(world, start, number, (own[switch.start], switch.text))
        kept = dream(world, start, number, (own[switch.start], own[switch.start]))
        return read_switch(switch, start, shown, kept, real)

    def play_unseen(world: Playable, number: int) -> bool:
        switch = unseen[number]
        which = switch.start % len(real.starts)
        try:
            shown = dream(world, real.starts[which], number, (own[which], switch.text))
        except PromptError:  # a word that means nothing here
            return False
        likely = reader.read(shown[-1:])[switch.attribute][0]
        return reader.classes[switch.attribute][int(likely.argmax())] == switch.wanted

    rows = play_each(make, play, range(len(plan)), bar=bar)
    near = play_each(make, play_unseen, range(len(unseen)), bar=bar)
    by_attribute = {}
    for attribute in direction.classes:
        here = [row for row, switch in zip(rows, plan, strict=True) if switch.attribute == attribute]
        by_attribute[attribute] = {
            "switches": len(here),
            "right": interval([row["right"] for row in here], np.mean) if here else None,
            "frames": interval([row["frames"] for row in here]) if here else None,
            "kept": float(np.mean([row["kept"][attribute] for row in rows if attribute in row["kept"]])),
            "real": float(np.mean(list(real.ceiling[attribute].values()))),
        }
    words = {switch.text: [] for switch in unseen}
    for switch, right in zip(unseen, near, strict=True):
        words[switch.text].append(right)
    return {
        "switches": len(rows),
        "ahead": AHEAD,
        "sure": SURE,
        "begins": interval([row["begins"] for row in rows]),
        "frames": interval([row["frames"] for row in rows]),
        "right": interval([row["right"] for row in rows], np.mean),
        "right_of_ceiling": float(np.mean([row["right"] / max(row["ceiling"], 1e-6) for row in rows])),
        "kept": interval([float(np.mean(list(row["kept"].values()))) for row in rows], np.mean),
        "jump": interval([row["jump"] for row in rows]),
        "unseen": interval(near, np.mean),
        "words": {word: float(np.mean(rights)) for word, rights in words.items()},
        "attributes": by_attribute,
    }


def read_switch(switch: Switch, start: Told, shown: np.ndarray, kept: np.ndarray, real: Directed) -> dict:
    """What a dream made of one switch; `kept`: the same dream without it."""
    reader, attribute = real.reader, switch.attribute
    number = reader.classes[attribute].index(switch.wanted)
    after, before = shown[TOLD:].astype(np.int16), kept[TOLD:].astype(np.int16)
    differs = np.abs(after - before).mean((1, 2, 3)) >= CHANGED
    read = reader.read(shown[TOLD:])
    there = read[attribute][:, number] >= SURE * real.sure[attribute][switch.wanted]
    changes = np.abs(np.diff(shown.astype(np.int16), axis=0)).mean((1, 2, 3))
    usual = np.abs(np.diff(kept.astype(np.int16), axis=0)).mean()
    return {
        "begins": first(differs),
        "frames": first(there),
        "right": bool(read[attribute][-1].argmax() == number),
        "ceiling": real.ceiling[attribute][switch.wanted],
        "kept": {
            name: bool(read[name][-1].argmax() == reader.classes[name].index(right))
            for name, right in start.names.items()
            if name != attribute
        },
        "jump": float(changes[TOLD - 1] / max(usual, 1e-6)),
    }


class Interrupted:
    """A `Playable` that is told something in the middle of a run; each run something else."""

    def __init__(self, world: Playable, texts: list[str]) -> None:
        self.world, self.texts = world, texts

    def reset(self, *, seed: int, frames: np.ndarray, actions: np.ndarray) -> np.ndarray:
        self.age, self.text = 0, self.texts[seed % len(self.texts)]
        return self.world.reset(seed=seed, frames=frames, actions=actions)

    def step(self, action: np.ndarray, told: str = "", guide: np.ndarray | None = None) -> np.ndarray:
        self.age += 1
        return self.world.step(action, self.text if self.age == FOLLOWING // 2 else told, guide)


def follow_told(
    make: Callable[[], Playable],
    direction: Direction,
    reader: ActionReader,
    episodes: Episodes,
    names: list[str],
    *,
    starts: int,
    bar: tqdm | None = None,
) -> dict:
    """`follow` of dreams that are told another class of one attribute in their middle."""
    rng = np.random.default_rng(SEED)
    every = [{attribute: name} for attribute, classes in direction.classes.items() for name in classes]
    texts = [direction.say(rng, wanted) for wanted in every]
    return follow(lambda: Interrupted(make(), texts), reader, episodes, names, starts=starts, ahead=FOLLOWING, bar=bar)


def first(there: np.ndarray) -> int:
    """Which frame is the first, counted from 1; one more than there are where none is."""
    return int(there.argmax()) + 1 if there.any() else len(there) + 1
