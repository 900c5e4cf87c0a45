"""Where a training process runs: on CUDA or the CPU, alone or as one of several that `torchrun` started.

    torchrun --nproc-per-node 2 -m training.stage world-model --world car-racing

Each of several processes draws rows of its own; gradients are averaged, so that all keep the same weights, and only the
first writes. All must see the same data folder. A stage's batch is what one process draws.

On CPUs two processes of one thread do nearly twice as much as one of two threads: `torchrun` is worth it there too.
Some CPUs multiply bfloat16 two to five times as fast as float32, others slower: which one is measured at the start.

CUDA is spoken of in this file alone: the device, bf16 by autocast, TF32 for what stays float32, NCCL, larger batches.
The tests run on the CPU, two processes over gloo; what is done for CUDA has not been run by them.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import math
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from ..errors import TrainingError

# Rows of a step. On a CPU more of them learn less in the same time, at least in the first thousands of steps; a GPU
# hardly notices them (`LOG.md`, sixteenth session: 64 rows of 20 frames in 28 ms).
ROWS = 64 if torch.cuda.is_available() else 6


@dataclass(frozen=True)
class Place:
    """One process: its device, and its number among all of them."""

    device: torch.device
    rank: int = 0
    ranks: int = 1
    half: bool = False  # whether to compute in bfloat16

    @property
    def first(self) -> bool:
        """The process that writes checkpoints and logs, shows progress and evaluates."""
        return self.rank == 0

    def autocast(self) -> contextlib.AbstractContextManager:
        """bfloat16 where that is faster, else nothing."""
        return torch.autocast(self.device.type, torch.bfloat16) if self.half else contextlib.nullcontext()

    def any(self, flag: bool) -> bool:
        """Whether any of the processes says so."""
        if self.ranks == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(flags)
        return flags.item() > 0

    def seed(self, seed: int, step: int) -> np.random.Generator:
        """Seeds torch for this step of this process, and gives numpy's generator for it."""
        torch.manual_seed(seed * 1_000_003 + step + self.rank * 1_000_000_007)
        return np.random.default_rng([seed, step, self.rank])

    @torch.no_grad()
    def average_gradients(self, weights: Iterable[Tensor]) -> None:
        """Gradients become their mean over the processes; all must have gradients for the same weights."""
        if self.ranks == 1:
            return
        gradients = [weight.grad for weight in weights if weight.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.ranks
        for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def wait(self) -> None:
        """Until all processes are here."""
        if self.ranks > 1:
            dist.barrier()


def find_place() -> Place:
    """CUDA where there is one, one device a process; joins the others if `torchrun` started this process."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    half = cuda or bfloat16_pays()
    if not dist.is_torchelastic_launched():
        return Place(device, half=half)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if cuda else "gloo")
        atexit.register(dist.destroy_process_group)
    return Place(device, dist.get_rank(), dist.get_world_size(), first_says(half, device))


@functools.cache
def first_says(flag: bool, device: torch.device) -> bool:
    """What the first process says; asked of all once, when each finds its place, and known from then on."""
    value = torch.tensor([float(flag)], device=device)
    dist.broadcast(value, 0)
    return bool(value.item())


@functools.cache
def bfloat16_pays() -> bool:
    """Whether this CPU multiplies bfloat16 clearly faster than float32; `WORLDLOOP_PRECISION` decides instead.

    Raises TrainingError where that is neither `bfloat16` nor `float32`.
    """
    wanted = os.environ.get("WORLDLOOP_PRECISION")
    if wanted is not None:
        if wanted not in ("bfloat16", "float32"):
            raise TrainingError(f"WORLDLOOP_PRECISION: expected bfloat16 or float32, got '{wanted}'.")
        return wanted == "bfloat16"

    def seconds(kind: torch.dtype) -> float:
        """The best of several, of a product of the trunk's size."""
        left, right = torch.ones(4096, 256, dtype=kind), torch.ones(256, 1024, dtype=kind)
        best = math.inf
        for _ in range(8):
            begin = time.perf_counter()
            torch.mm(left, right)
            best = min(best, time.perf_counter() - begin)
        return best

    return seconds(torch.float32) > 1.5 * seconds(torch.bfloat16)


def compiled(function: Callable, wanted: bool) -> Callable:
    """`function` by torch.compile if `wanted`: about a minute at the start, then faster steps on CPU and CUDA.

    Shapes are fixed: another batch or length compiles anew.
    """
    return torch.compile(function, dynamic=False) if wanted else function
