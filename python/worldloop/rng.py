"""The one source of randomness of a session, bit for bit the same as `src/model/rng.ts`; why and how stands there.

Vectorised over blocks. Every operation is a single IEEE +, -, *, / or sqrt in float64, in the same order as there.
"""

from __future__ import annotations

import math

import numpy as np

M0, M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
W0, W1 = 0x9E3779B9, 0xBB67AE85
LOW = np.uint64(0xFFFFFFFF)
HALF_WORD = np.uint64(32)


def philox(counter: np.ndarray, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32-10. counter uint32 [n, 4] and a key of two 32-bit words; gives uint32 [n, 4]."""
    c0, c1, c2, c3 = (counter[:, i].astype(np.uint64) for i in range(4))
    k0, k1 = key
    for _ in range(10):
        a, b = M0 * c0, M1 * c2  # 32 x 32 bits fit into 64
        c0, c1, c2, c3 = (b >> HALF_WORD) ^ c1 ^ np.uint64(k0), b & LOW, (a >> HALF_WORD) ^ c3 ^ np.uint64(k1), a & LOW
        k0, k1 = (k0 + W0) & 0xFFFFFFFF, (k1 + W1) & 0xFFFFFFFF
    return np.stack([c0, c1, c2, c3], 1).astype(np.uint32)


def normals(seed: int, tick: int, count: int) -> np.ndarray:
    """float32 [count]: the standard normals that a session draws for the step that leaves tick `tick` (0 after reset).

    `seed` is in [0, 2^53).
    """
    return normals_ahead(seed, tick, 1, count)[0]


def normals_ahead(seed: int, tick: int, ticks: int, count: int) -> np.ndarray:
    """float32 [ticks, count]: those of `tick` and the ones that follow; many at once cost hardly more than one."""
    blocks = np.zeros((ticks, -(-count // 4), 4), np.uint32)
    blocks[..., 0] = np.arange(blocks.shape[1])
    blocks[..., 1] = tick + np.arange(ticks)[:, None]
    words = philox(blocks.reshape(-1, 4), (seed & 0xFFFFFFFF, seed >> 32)).reshape(-1, 2)
    radius = np.sqrt(-2.0 * _log_fraction(words[:, 0].astype(np.float64) + 1))
    cos, sin = _turn(words[:, 1].astype(np.int64))
    return np.stack([radius * cos, radius * sin], 1).reshape(ticks, -1)[:, :count].astype(np.float32)


def _log_fraction(n: np.ndarray) -> np.ndarray:
    """ln(n / 2^32) for whole n in [1, 2^32]."""
    m, exponent = np.frexp(n)
    small = m < 0.7071067811865476
    m = np.where(small, m * 2, m)
    exponent = np.where(small, exponent - 1, exponent).astype(np.float64)
    s = (m - 1) / (m + 1)
    return (exponent - 32) * 0.6931471805599453 + 2 * (s * _horner([1 / n for n in range(21, 0, -2)], s * s))


def _turn(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine of 2 pi a / 2^32."""
    shifted = (a + 2**29) % 2**32
    quarter = shifted >> 30
    x = (shifted % 2**30 - 2**29).astype(np.float64) * (6.283185307179586 / 2**32)
    sin = x * _horner(_alternating(range(1, 18, 2)), x * x)
    cos = _horner(_alternating(range(0, 19, 2)), x * x)
    return np.choose(quarter, [cos, -sin, -cos, sin]), np.choose(quarter, [sin, cos, -sin, -cos])


def _alternating(powers: range) -> list[float]:
    return [(1 if i % 2 == 0 else -1) / math.factorial(n) for i, n in enumerate(powers)][::-1]


def _horner(coefficients: list[float], x: np.ndarray) -> np.ndarray:
    total = np.zeros_like(x)
    for c in coefficients:
        total = total * x + c
    return total
