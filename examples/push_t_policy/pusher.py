"""A scripted pusher that needs nothing but the pose that it sees now, so that it can be cloned and can steer dreams.

It looks at many places on the block's edge, asks of each how near the goal a straight push there would bring the block,
and takes the best, less what the way there costs. A push moves the block as in the environment's physics, where it
stops at once when it isn't pushed: straight on and about its middle, in the shares that its mass and inertia say.
"""

from __future__ import annotations

import math

import numpy as np
import shapely

from training.worlds.push_t import ARENA, CORNERS, EDGE, RADIUS, REACH

GOAL = np.array([256.0, 256.0, math.pi / 4])  # x, y (units of the arena), angle: where the environment draws it
MIDDLE = np.array([0.0, 45.0])  # of the block's mass, in its own coordinates, units
INERTIA = 3000.0  # of the block about its middle, per mass, units^2
ADVANCES = np.array([2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 110.0])  # of a push, units
TOUCH = RADIUS + 1.0  # from the pusher's middle to the edge that it pushes, units
BEHIND = TOUCH + 8.0  # from the edge to where a push begins, units
BESIDE = 8.0  # how far beside the line of its push the pusher may be when it starts pushing, units
CIRCLE = 108.0  # radius of the way around the block, units: its farthest corner is 77 from its middle
STRIDE = 18.0  # units that full deflection pushes in one frame
LEAST = 0.3  # nearer than that no push is worth it, units
WAY = 0.05  # what a unit of way costs, in units that the corners get nearer to the goal


def _edge_places() -> tuple[np.ndarray, np.ndarray]:
    """Places on the block's edge that the pusher can get at, and the directions into it, [K, 2] each, in the block's
    coordinates.
    """
    places, inwards, outline = [], [], shapely.Polygon(CORNERS)
    for a, b in zip(CORNERS, np.roll(CORNERS, -1, axis=0), strict=True):
        along = (b - a) / np.linalg.norm(b - a)
        for share in (0.12, 0.3, 0.5, 0.7, 0.88):
            place, inward = a + share * (b - a), np.array([-along[1], along[0]])
            if outline.distance(shapely.Point(place - BEHIND * inward)) > RADIUS + 4:  # not in a corner
                places.append(place)
                inwards.append(inward)
    return np.array(places), np.array(inwards)


PLACES, INWARDS = _edge_places()


def push(pose: np.ndarray) -> np.ndarray:
    """Pusher x, y, block x, y (units of the arena), angle (radians), [5], to an action float32 [2]."""
    here, angle = pose[:2], pose[4]
    turn = _rotation(angle)
    middle = pose[2:4] + turn @ MIDDLE
    places, inwards = pose[2:4] + PLACES @ turn.T, INWARDS @ turn.T
    gains, advances = _gains(pose, middle, places, inwards)
    behind = places - BEHIND * inwards
    along = ((places - here) * inwards).sum(1)  # how far the edge is ahead of the pusher
    beside = np.linalg.norm(places - here - along[:, None] * inwards, axis=1)
    ready = (along > RADIUS - 6) & (along < TOUCH + 30) & (beside < BESIDE)
    way = np.where(ready, 0.0, _ways(middle, here, behind) + 20)
    room = ((behind > EDGE) & (behind < ARENA - EDGE)).all(1)
    worth = np.where((room | ready) & (gains > LEAST), gains - WAY * way, -np.inf)
    best = int(np.argmax(worth))
    if worth[best] == -np.inf:
        return np.zeros(2, np.float32)  # no push makes it better
    if ready[best]:
        line = places[best] - along[best] * inwards[best] - here  # back onto the line of the push
        gap = max(0.0, along[best] - TOUCH)
        wish = inwards[best] * min(1.0, max(0.12, (gap + advances[best]) / STRIDE)) + line / REACH
        return np.clip(wish, -1, 1).astype(np.float32)
    outline = shapely.Polygon(pose[2:4] + CORNERS @ turn.T)
    target = behind[best]
    if outline.distance(shapely.LineString([here, target])) < RADIUS + 2:
        target = _around(middle, here, target)
    return np.clip((target - here) / 30, -1, 1).astype(np.float32)


def distance(pose: np.ndarray) -> float:
    """Mean distance of the block's corners from where they are at the goal, units."""
    corners = pose[2:4] + CORNERS @ _rotation(pose[4]).T
    return float(np.linalg.norm(corners - _goal_corners(), axis=1).mean())


def _gains(
    pose: np.ndarray, middle: np.ndarray, places: np.ndarray, inwards: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of each place: units that the best push there brings the corners nearer, and how long that push is. [K] each."""
    lever = places - middle
    twist = lever[:, 0] * inwards[:, 1] - lever[:, 1] * inwards[:, 0]  # [K]
    share = 1 / (1 + twist**2 / INERTIA)
    shift = (share[:, None] * ADVANCES)[..., None] * inwards[:, None]  # [K, S, 2]
    turned = (share * twist / INERTIA)[:, None] * ADVANCES  # [K, S]
    cos, sin = np.cos(pose[4] + turned), np.sin(pose[4] + turned)
    arm = CORNERS - MIDDLE  # [8, 2]
    x = cos[..., None] * arm[:, 0] - sin[..., None] * arm[:, 1]
    y = sin[..., None] * arm[:, 0] + cos[..., None] * arm[:, 1]
    corners = np.stack([x, y], -1) + middle + shift[:, :, None]  # [K, S, 8, 2]
    gains = distance(pose) - np.linalg.norm(corners - _goal_corners(), axis=-1).mean(-1)  # [K, S]
    best = gains.argmax(1)
    return gains[np.arange(len(best)), best], ADVANCES[best]


def _goal_corners() -> np.ndarray:
    return GOAL[:2] + CORNERS @ _rotation(GOAL[2]).T


def _rotation(angle: float) -> np.ndarray:
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])


def _ways(middle: np.ndarray, here: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """About how far each of `targets` [K, 2] is, units: on a circle about the block where that lies between."""
    step = targets - here
    share = np.clip(((middle - here) * step).sum(1) / np.maximum((step**2).sum(1), 1e-9), 0, 1)
    clear = np.linalg.norm(here + share[:, None] * step - middle, axis=1) > 60
    a, b = np.arctan2(*(targets - middle).T[::-1]), math.atan2(*(here - middle)[::-1])
    turn = np.abs((a - b + math.pi) % (2 * math.pi) - math.pi)
    return np.maximum(np.linalg.norm(step, axis=1), np.where(clear, 0, CIRCLE * turn))


def _around(middle: np.ndarray, here: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The next place of a way on a circle about the block, on the shorter side."""
    angle, wanted = (math.atan2(*(p - middle)[::-1]) for p in (here, target))
    left = (wanted - angle + math.pi) % (2 * math.pi) - math.pi
    angle += float(np.clip(left, -0.5, 0.5))
    return np.clip(middle + CIRCLE * np.array([math.cos(angle), math.sin(angle)]), EDGE, ARENA - EDGE)
