"""What a world is to the pipeline: one typed description, which every environment's module exports as `WORLD`.

The recorder plays `source` by `policies`. The stages read the action table, `mirror` and `player`. The judge also reads
`pose`, `objects`, `loops`, `road` and `task`: truth about the environment that no network of a world is ever shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np

from ..errors import TrainingError

Picture = np.ndarray  # uint8 [H, W, 3]
Action = np.ndarray  # float32 [A], in the order, range and unit of the action table
Policy = Callable[[Any], Action]  # looks at a source, with all that it knows, and says what to do
Player = Callable[[Picture, Picture], Action]  # looks at two consecutive pictures only, so it steers dreams as well


class ActionSpec(TypedDict):
    """One action of the table; fields as in `src/model/manifest.ts`."""

    name: str
    min: float
    max: float
    rest: float  # what it is when nothing is pressed
    unit: str  # in words, the direction included
    keys: dict[str, float]  # key code to value
    gamepad: str  # the control


class Source(Protocol):
    """A live environment, one action per recorded frame. Episodes depend on their seed only."""

    @property
    def done(self) -> bool:
        """Whether the episode is over; the next call is `reset` then."""
        ...

    def reset(self, seed: int) -> Picture:
        """Begins an episode; gives its first picture."""
        ...

    def step(self, action: Action) -> Picture:
        """The picture that the action leads to. The array may be used again by the next call: copy what you keep."""
        ...

    def close(self) -> None: ...


class PosedSource(Source, Protocol):
    """A source that knows where things are; `World.pose` says in which order. For the judge."""

    def pose(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Task:
    """What an environment pays, and for what: the reward head of a package learns it."""

    about: str  # the reward in words, for the card
    end: str | None  # what ends an episode, in words; None: nothing that a picture shows
    paid: Callable[[Any], float]  # of a source: the sum of all rewards so far, or the reward of this very moment
    total: bool  # whether `paid` is that sum
    ended: Callable[[float], bool]  # the reward of a step: whether that step ended the episode
    arrange: Callable[[Any, np.random.Generator], None] | None = None  # puts a source into a rare, well-paid place


@dataclass(frozen=True)
class Road:
    """How to see, in a picture, whether one drives on a road: for worlds that have one."""

    driver: Callable[[], Callable[[Picture], Action]]  # makes a driver that steers by the picture alone
    on_road: Callable[[Picture], bool]  # whether the vehicle is on the road
    curvature: Callable[[Picture], float | None]  # of the road ahead, 1/px, right is positive; None: can't be followed
    steering: int = 0  # which action steers


@dataclass(frozen=True)
class Direction:
    """What a world can be told in words, and how to know whether it obeyed: for the judge."""

    classes: Mapping[str, tuple[str, ...]]  # attribute to the classes that a prompt may ask for
    say: Callable[[np.random.Generator, Mapping[str, str]], str]  # attribute to class, in words
    dress: Callable[[Any, np.random.Generator], tuple[Picture, Mapping[str, str]]]
    """Of a source: draws a look that stays; gives the picture of the moment in it, and attribute to class."""
    unseen: Mapping[str, tuple[str, str]]  # word that no caption holds to attribute and class


@dataclass(frozen=True, kw_only=True)
class World:
    """An environment, or a folder of episodes, as something to learn from.

    It goes to other processes: functions in it have names, no lambdas.
    """

    name: str  # as in the address of the page: small letters, digits, dashes
    title: str
    description: str
    environment: str  # what the pictures are of, for the card
    licence: str  # of the pictures
    actions: list[ActionSpec]  # the action table of the package's manifest
    frame_rate: float  # recorded frames per second
    size: int = 96  # side of the picture, px
    fit: str = "letterbox"  # how imported pictures of other shapes become square: see `pictures.to_square`
    words: Path | None = None
    """Words that the world is told, with their vectors (`worldloop.prompt`); its `source` has `caption`: what is said
    about the step to come, or None. None: it takes no words."""
    guided: bool = False
    """Whether each frame is painted after a guide: its `source` has `guide` then, uint8 [H, W, 3]: a picture of the
    same moment that an environment or a camera could show. The first action is `strength`, in [0, 1]: how much of it is
    followed."""
    limits: tuple[str, ...] = ()  # what no measure of the judge can see, for the card

    source: Callable[[], Source] | None = None  # makes a live environment; None: the world is a folder of episodes
    policies: Mapping[str, Callable[[np.random.Generator], Policy]] = field(default_factory=dict)
    """Who plays for the recorder, by name: `mixed` makes the training data, `sticky-random` random scripts."""
    start_policy: str = "mixed"  # of `policies`: who plays up to the package's starts
    starts: tuple[tuple[str, int], ...] = ()
    """The package's starts: title, and frame in the recording of `record.START_SEED`. None: held-out episodes."""
    player: Callable[[np.random.Generator], Player] | None = None  # makes one that steers by sight
    mirror: tuple[float, ...] | None = None
    """What the actions are multiplied by when a picture is mirrored left to right; None: it would be another world."""

    pose: Mapping[str, float | str] | None = None
    """What `source().pose()` holds, in order: a name and how many units make the picture's width (two numbers, x and
    y), or a name and `"radians"` or `"degrees"` (one number). For the judge."""
    objects: Callable[[Picture], Mapping[str, tuple[float, float] | None]] | None = None
    """What a picture shows: name to its middle, x and y in pixels, or None where it can't be seen. `source().objects()`
    says the same of what is true. For the judge."""
    loops: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name to actions float32 [T, A] after which the view is the first one again. For the judge."""
    road: Road | None = None  # for the judge
    direction: Direction | None = None  # for the judge; only where there are `words`
    task: Task | None = None  # for the reward head

    def __post_init__(self) -> None:
        """Raises TrainingError for a guided world without a strength."""
        if self.guided and self.actions[0]["name"] != "strength":
            got = self.actions[0]["name"]
            raise TrainingError(
                f"'{self.name}': expected 'strength' as the first action of a guided world, got '{got}'."
            )

    def live(self) -> Source:
        """A new live environment; its owner closes it. Raises TrainingError for a folder of episodes."""
        if self.source is None:
            raise TrainingError(f"expected a world with an environment, got '{self.name}', which came from a folder.")
        return self.source()
