"""The pool of self-forcing: what is dreamed of a row lies before the same frames when the row comes again."""

import numpy as np
import torch

from training.data.corpus import Place, Rows
from training.stages.self_forcing import Pool

LENGTH = 5  # frames of a row that are dreamed
EPISODE = 12


class Episode:
    """One recording, whose frame t is of the grey t."""

    def place(self, rng: np.random.Generator) -> Place:
        return Place(None, 0)  # type: ignore[arg-type]

    def after(self, place: Place) -> Place | None:
        return Place(place.part, place.first + 1) if place.first + LENGTH + 2 < EPISODE else None

    def rows(self, places: list[Place]) -> Rows:
        times = torch.stack([torch.arange(place.first, place.first + LENGTH + 2) for place in places])
        frames = times.to(torch.uint8)[..., None, None, None].expand(-1, -1, 2, 2, 3)
        return Rows(
            frames,
            times[..., None].float(),
            torch.zeros(len(places), dtype=torch.int64),
            torch.zeros(len(places), dtype=torch.bool),
        )


def drawn(real: float, times: int) -> list[tuple[Rows, torch.Tensor]]:
    """Rows and histories as they come, where a dream is the real frame and 100."""
    rng, came = np.random.default_rng(0), []
    pool = Pool(Episode(), rng, batch=2, batches=1, real=real)  # type: ignore[arg-type]
    for _ in range(times):
        which, rows, history = pool.draw(rng)
        came.append((rows, history))
        pool.keep(rng, which, history, rows.frames[:, 2:] + 100)
    return came


def test_dreams_lie_before_the_frames_that_they_were_dreamed_of():
    firsts = set()
    for number, (rows, history) in enumerate(drawn(0.0, 30)):
        real, dreamed = rows.frames[:, :-1], history >= 100
        assert torch.equal(history - 100 * dreamed.to(torch.uint8), real)
        assert dreamed[:, 2:].all() if number else not dreamed.any()  # all but the first were dreamed
        firsts |= set(rows.frames[:, 0, 0, 0, 0].tolist())
    assert firsts == set(range(EPISODE - LENGTH - 1))  # rows go on until the episode ends
    assert dreamed.all()  # and what they began with is behind them


def test_fresh_rows_are_real():
    for _, history in drawn(1.0, 5):
        assert (history < 100).all()
