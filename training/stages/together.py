"""One stage in several processes of this machine: one a core, or one a GPU.

On CPUs two processes of one thread each do nearly twice what one of two threads does (`LOG.md`, 2026-11-25). They share
the batch, average their gradients and end after the same step; `find_place` joins them as it joins those of `torchrun`.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.queues import SimpleQueue
from typing import Any

import torch

from ..errors import TrainingError
from ..processes import end_with_parent
from .loop import Training

MOST = 8  # processes on CPUs: beyond that gradients cost more than they bring


def processes() -> int:
    """How many are worth it here."""
    if torch.cuda.is_available():
        return torch.cuda.device_count()
    return max(1, min(MOST, len(os.sched_getaffinity(0))))


def train_together(train: Callable[..., Any], settings: Training, *shapes: Any, count: int) -> None:
    """`train(settings, *shapes)` in `count` processes, the batch shared among them.

    Raises the TrainingError that one of them met. A lone process is this one.
    """
    if count == 1:
        train(settings, *shapes)
        return
    batch = getattr(settings, "batch", None)
    if batch is not None:
        settings = replace(settings, **{"batch": max(1, batch // count)})
    context = multiprocessing.get_context("spawn")
    errors: SimpleQueue[str] = context.SimpleQueue()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = (train, settings, shapes, count, port, errors)
    workers = [context.Process(target=_work, args=(rank, *job)) for rank in range(count)]
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers) and not any(worker.exitcode for worker in workers):
            workers[0].join(timeout=1)
    finally:
        for worker in workers:
            if worker.pid is not None:
                worker.terminate()
    if not errors.empty():
        raise TrainingError(errors.get())
    if any(worker.exitcode for worker in workers):
        codes = ", ".join(str(worker.exitcode) for worker in workers)
        raise TrainingError(f"expected {count} training processes to end well, got exit codes {codes}.")


def _work(
    rank: int, train: Callable[..., Any], settings: Training, shapes: tuple, count: int, port: int, errors: SimpleQueue
) -> None:
    end_with_parent()
    ranks = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in ranks.items()}
    os.environ["TORCHELASTIC_RUN_ID"] = "together"  # by which PyTorch knows one of several
    if not torch.cuda.is_available():
        torch.set_num_threads(1)
    try:
        train(settings, *shapes)
    except TrainingError as error:
        errors.put(str(error))
        os._exit(2)  # the others wait for this one: the parent ends them
