"""PushT-v0 (gym-pusht) as a source of episodes, and pushers that move the block to every pose.

The environment is untouched: its own 96x96 picture, its own physics, its own 10 Hz. Only the action differs. PushT
takes the place in the arena that the pusher shall go to; a world takes the *way to go from where the pusher is*, in
[-1, 1] per axis, as keys and sticks say it: nothing pressed means stay. That needs no memory beside the picture,
whereas a target that keys move about would be hidden state, and it loses nothing: a policy that wants a place p
commands (p - pusher) / REACH, clipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import shapely
from gym_pusht.envs import PushTEnv
from pymunk import Vec2d

from .picture_pusher import MIDDLE, UNITS, found
from .picture_pusher import objects as seen
from .sticky import StickyRandom
from .world import Action, ActionSpec, Player, Policy, Task, World

ARENA = 512.0  # units on a side; a picture has 96 pixels
REACH = 60.0  # units that full deflection aims ahead of the pusher: 24 units (5 pixels) a frame once under way
WALL = 3.0  # units from the picture's edge: deeper in the walls than this the block never is by itself
RADIUS = 15.0  # of the pusher, units
EDGE = 24.0  # units that the target keeps from the picture's edge: the pusher, unlike the block, goes through walls
POSE = {"pusher": ARENA, "block": ARENA, "angle": "radians"}  # what `Source.pose` holds: see `World.pose`

# The block's corners in its own coordinates, in order around it, units: a bar with a stem below its middle.
CORNERS = np.array([(-60, 0), (60, 0), (60, 30), (15, 30), (15, 120), (-15, 120), (-15, 30), (-60, 30)], float)

# The action table: x (right is positive), y (down is positive), both [-1, 1].
ACTIONS: list[ActionSpec] = [
    {
        "name": "x",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "where to go from here, right is positive; 1 is 60 of the arena's 512 units",
        "keys": {"ArrowLeft": -1.0, "ArrowRight": 1.0, "KeyA": -1.0, "KeyD": 1.0},
        "gamepad": "leftX",
    },
    {
        "name": "y",
        "min": -1.0,
        "max": 1.0,
        "rest": 0.0,
        "unit": "where to go from here, down is positive; 1 is 60 of the arena's 512 units",
        "keys": {"ArrowUp": -1.0, "ArrowDown": 1.0, "KeyW": -1.0, "KeyS": 1.0},
        "gamepad": "leftY",
    },
]


class Source:
    """The environment behind `reset` and `step`, one action per recorded frame.

    Frames are uint8 [96, 96, 3]. `done` is true when the block was squeezed through a wall; reaching the goal ends
    nothing. `reward` is the environment's own: the share of the goal that the block covers, 1 from 95 % on.
    """

    def __init__(self) -> None:
        self.env = PushTEnv(obs_type="pixels", observation_width=96, observation_height=96)
        self.done = False
        self.reward = 0.0

    def reset(self, seed: int) -> np.ndarray:
        self.done, self.reward = False, 0.0
        return np.asarray(self.env.reset(seed=seed)[0])

    def step(self, action: Action) -> np.ndarray:
        target = np.array(self.env.agent.position) + REACH * np.clip(action.astype(np.float64), -1, 1)
        picture, reward, *_ = self.env.step(np.clip(target, EDGE, ARENA - EDGE))
        self.reward = float(reward)
        corners = self.outline()
        self.done = bool(corners.min() < WALL or corners.max() > ARENA - WALL)
        return np.asarray(picture)

    def close(self) -> None:
        self.env.close()

    # What scripted pushers and those who judge a dream may look at; the world model never does.

    def pose(self) -> np.ndarray:
        """Pusher x, y, block x, y (units of the arena) and the block's angle (radians). float64 [5]."""
        block = self.env.block
        return np.array([*self.env.agent.position, *block.position, block.angle])

    def objects(self) -> dict[str, tuple[float, float] | None]:
        """For the judge: the middles of pusher and block, x and y in pixels."""
        x, y, block_x, block_y, angle = self.pose()
        middle = block_x - MIDDLE * math.sin(angle), block_y + MIDDLE * math.cos(angle)
        return {"pusher": (x / UNITS, y / UNITS), "block": (middle[0] / UNITS, middle[1] / UNITS)}

    def lay(self, pose: np.ndarray) -> None:
        """Puts pusher and block where `pose` says, the block at rest."""
        block = self.env.block
        block.velocity, block.angular_velocity = (0, 0), 0
        block.angle = float(pose[4])  # before the place: it turns about the block's middle
        block.position, self.env.agent.position = pose[2:4].tolist(), pose[:2].tolist()

    def outline(self) -> np.ndarray:
        """The block's eight corners in order around it, units of the arena. float64 [8, 2]."""
        body = self.env.block
        cos, sin = math.cos(body.angle), math.sin(body.angle)
        return np.array(body.position) + CORNERS @ np.array([[cos, sin], [-sin, cos]])


class Pusher:
    """Goes behind the block, pushes it, and begins anew from another side.

    Where on the block and how hard is drawn at random; of several places the one is taken that brings the block nearest
    to where this pusher wants it, which is the goal or any other pose. Quasi-static rules of thumb, no planning.
    """

    def __init__(self, rng: np.random.Generator, *, noise: float, digital: bool) -> None:
        self.rng = rng
        self.noise, self.digital = noise, digital
        self.drift = np.zeros(2)  # correlated noise
        self.plan: Iterator[np.ndarray] = iter(())
        self.wanted = np.zeros(3)  # x, y, angle that the block shall have
        self.plans_left = 0

    def __call__(self, source: Source) -> Action:
        wish = next(self.plan, None)
        while wish is None:  # a push against the wall ends before it begins
            self.plan = self._rest() if self.rng.random() < 0.08 else self._push(source)
            wish = next(self.plan, None)
        self.drift += -0.15 * self.drift + self.noise * self.rng.normal(size=2)
        action = np.clip(wish + self.drift, -1, 1)
        if self.digital:
            # A keyboard: full or nothing, with the shares kept on average.
            action = np.sign(action) * (self.rng.random(2) < np.abs(action) * 1.2)
        return action.astype(np.float32)

    def _rest(self) -> Iterator[np.ndarray]:
        for _ in range(self.rng.integers(3, 15)):
            yield np.zeros(2)

    def _push(self, source: Source) -> Iterator[np.ndarray]:
        """Ways to go: around the block to a place beside it, then straight on."""
        local, inward = self._choose(source)
        pace = self.rng.uniform(0.35, 1.0)
        before = np.zeros(2)
        for _ in range(60):
            body, shape = source.env.block, shapely.Polygon(source.outline())
            contact = np.array(body.local_to_world(local.tolist()))
            direction = np.array(inward.rotated(body.angle))
            here = source.pose()[:2]
            behind = contact - (RADIUS + 12) * direction
            if np.linalg.norm(behind - here) < 12 or np.abs(here - before).max() < 1:  # there, or stuck
                break
            before = here
            way = shapely.LineString([here, behind])
            if shape.distance(way) < RADIUS + 3:
                behind = _around(np.array(body.local_to_world(body.center_of_gravity)), here, behind)
            yield np.clip((behind - here) / REACH, -1, 1)
        turn = self.rng.normal(0, 0.25)  # not always at right angles
        for _ in range(self.rng.integers(6, 30)):
            direction = np.array(inward.rotated(source.env.block.angle + turn))
            ahead = source.pose()[:2] + 30 * direction
            if not EDGE < ahead.min() <= ahead.max() < ARENA - EDGE:
                break
            block_ahead = source.outline() + 20 * direction
            if not 0 < block_ahead.min() <= block_ahead.max() < ARENA and self.rng.random() < 0.7:
                break  # it leans on the wall: pushing on would squeeze it through
            yield pace * direction

    def _choose(self, source: Source) -> tuple[np.ndarray, Vec2d]:
        """A place on the block's edge and the direction into it, both in the block's own coordinates."""
        body = source.env.block
        if self.plans_left == 0:
            self.plans_left = int(self.rng.integers(3, 10))
            at_goal = self.rng.random() < 0.5
            anywhere = (*self.rng.uniform(130, ARENA - 130, 2), self.rng.uniform(-math.pi, math.pi))
            self.wanted = source.env.goal_pose if at_goal else np.array(anywhere)
        self.plans_left -= 1
        best, best_score = None, -math.inf
        for _ in range(6):
            number = int(self.rng.integers(len(CORNERS)))
            a, b = Vec2d(*CORNERS[number]), Vec2d(*CORNERS[(number + 1) % len(CORNERS)])
            local = a + (b - a) * self.rng.uniform(0.15, 0.85)
            inward = (b - a).perpendicular_normal()
            push = np.array(inward.rotated(body.angle))
            start = np.array(body.local_to_world(local)) - (RADIUS + 12) * push
            if not EDGE < start.min() <= start.max() < ARENA - EDGE:
                continue  # no room between block and wall
            error = _wrap(self.wanted[2] - body.angle)
            twist = (local - body.center_of_gravity).cross(inward)  # of the push about the block's middle
            score = push @ (self.wanted[:2] - np.array(body.position)) + 0.8 * error * twist
            if score > best_score:
                best, best_score = (np.array(local), inward), score
        if best is None:  # cornered: lean on the block's middle, from wherever the pusher is
            middle = Vec2d(*body.center_of_gravity)
            return np.array(middle), (middle - body.world_to_local(source.env.agent.position)).normalized()
        return best


def random_action(rng: np.random.Generator) -> Action:
    """Half of the time what a keyboard can say, half of the time anything between."""
    keys = rng.random() < 0.5
    drawn = rng.integers(-1, 2, 2) if keys else np.clip(rng.normal(0, 0.6, 2), -1, 1)
    return drawn.astype(np.float32)


def scripted(rng: np.random.Generator) -> Policy:
    return Pusher(rng, noise=float(rng.uniform(0.0, 0.05)), digital=bool(rng.random() < 0.3))


def sticky_random(rng: np.random.Generator) -> Policy:
    return StickyRandom(rng, lambda _: random_action(rng), least=1, most=15)


def mixed(rng: np.random.Generator) -> Policy:
    """Half plain pushing, a third pushing with a shaking hand, a tenth nonsense: that rarely meets the block."""
    kind = rng.random()
    if kind < 0.55:
        return scripted(rng)
    if kind < 0.9:
        return Pusher(rng, noise=0.2, digital=bool(rng.random() < 0.4))
    return sticky_random(rng)


POLICIES = {"sticky-random": sticky_random, "scripted": scripted, "mixed": mixed}


def player(rng: np.random.Generator) -> Player:
    """Pushes as `mixed` does, by what a picture shows: dreams and the real table alike."""
    driver, table = mixed(rng), Source()
    table.reset(0)

    def act(before: np.ndarray, picture: np.ndarray) -> Action:
        table.lay(found(picture, table.pose()))
        return driver(table)

    return act


def near_the_goal(source: Source, rng: np.random.Generator) -> None:
    """The block lies about on the goal, from a hair's breadth off it to half beside it; the pusher anywhere."""
    off = math.exp(rng.uniform(math.log(0.5), math.log(60)))
    block = source.env.goal_pose + rng.normal(size=3) * [off, off, off / 80]
    source.lay(np.concatenate([rng.uniform(30, 482, 2), block]))


def paid(source: Source) -> float:
    """The reward of this moment."""
    return source.reward


def covered(reward: float) -> bool:
    """Whether the block is where it should be."""
    return reward >= 1


TASK = Task(
    about="share of the goal that the block covers, 1 from 95 % on",
    end="the block covers 95 % of the goal",
    paid=paid,
    total=False,
    ended=covered,
    arrange=near_the_goal,
)

WORLD = World(
    name="push-t",
    title="Push T",
    description="A blue pusher and a grey block shaped like a T on a table, seen from above. Push the block onto "
    "its green outline, or wherever you like.",
    environment="gym-pusht PushT-v0, with the pusher's target given relative to the pusher",
    licence="Apache-2.0 (gym-pusht)",
    frame_rate=10.0,
    actions=ACTIONS,
    source=Source,
    mirror=None,  # the goal's angle is fixed: no mirrored picture could be one of this world
    policies=POLICIES,
    start_policy="scripted",
    # Title and frame in the recording that `record.START_SEED` gives.
    starts=(
        ("Close to the goal", 348),
        ("Above the goal", 718),
        ("Upside down", 128),
        ("Against the wall", 448),
        ("At the upper edge", 498),
    ),
    player=player,
    pose=POSE,
    objects=seen,
    task=TASK,
)


def _around(middle: np.ndarray, here: np.ndarray, target: np.ndarray) -> np.ndarray:
    """A place on a circle about the block, a step nearer to the target; the target itself once on its side."""
    angle, wanted = (math.atan2(*(p - middle)[::-1]) for p in (here, target))
    left = _wrap(wanted - angle)
    if abs(left) < 0.5:
        return target
    angle += np.clip(left, -0.9, 0.9)
    via = np.clip(middle + 125 * np.array([math.cos(angle), math.sin(angle)]), EDGE, ARENA - EDGE)
    return via if np.linalg.norm(via - here) > 15 else target  # beside a wall there may be no way around


def _wrap(angle: float) -> float:
    return (angle + math.pi) % (2 * math.pi) - math.pi
