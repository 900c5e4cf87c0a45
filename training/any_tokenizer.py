"""What training, export and evaluation ask of any tokenizer, and the usual answers.

Each kind overrides what it answers otherwise; nobody asks which kind it is.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from .data import Episodes
from .errors import TrainingError


class AnyTokenizer(nn.Module):
    """Pictures uint8 [B, H, W, 3] to normalised latents [B, C, h, w] by `encode`, and back by `decode`.

    A kind has a `config` and a `loss` too, `mean` and `std` [C, 1, 1] that normalise, and `optimiser` or `optimisers`.
    """

    SURFACES: tuple[str, ...] = ()  # of these the large tier has finer ones: see `train_large.py`
    CARRIES = False  # whether `encode` also takes the latent of the picture before
    STORED = np.float32  # what latents are kept as on disk

    def begin(self, episodes: Episodes) -> None:
        """Before training, with all that is trained on."""

    def beside(self, episodes: Episodes, rows: np.ndarray) -> np.ndarray:
        """What `loss` takes beside the pictures of some rows: the pictures before."""
        return episodes.frames[np.where(episodes.starts[rows], rows, rows - 1)]

    def optimisers(self, *, muon_lr: float, adam_lr: float) -> list[torch.optim.Optimizer]:
        return [self.optimiser(adam_lr)]

    @torch.no_grad()
    def finish(self, episodes: Episodes) -> None:
        """After training: sets what normalises latents."""
        self.mean.zero_()
        self.std.fill_(1)
        rows = np.linspace(0, len(episodes.frames) - 1, min(4096, len(episodes.frames))).astype(int)
        latent = self.encode_all(episodes.frames[rows])
        self.mean.copy_(latent.mean((0, 2, 3))[:, None, None])
        self.std.copy_(latent.std((0, 2, 3))[:, None, None])

    @torch.no_grad()
    def encode_all(self, frames: np.ndarray, batch: int = 128) -> Tensor:
        """uint8 [T, H, W, 3] to normalised latents float32 [T, C, h, w]."""
        parts = (torch.from_numpy(frames[i : i + batch]).to(self.mean.device) for i in range(0, len(frames), batch))
        return torch.cat([self.encode(part).cpu() for part in parts])

    def latents_of(self, episodes: Episodes, rows: np.ndarray | slice = slice(None)) -> Tensor:
        """Normalised latents of some frames, float32 [N, C, h, w]."""
        return self.encode_all(episodes.frames[rows])

    def mirrored_latents_of(self, episodes: Episodes) -> Tensor:
        """The same of all frames with left for right."""
        return self.encode_all(np.ascontiguousarray(episodes.frames[:, :, ::-1]))

    def told_whole(self, episodes: Episodes) -> np.ndarray:
        """How far latents tell all that is to be seen, float32 [T] from 0 to 1."""
        return np.ones(len(episodes.frames), np.float32)

    def laid_otherwise(self, latents: Tensor, actions: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """The same scenes turned and mirrored on a square table, as far as latents [B, T, C, h, w] can be."""
        return latents, actions

    def undisturbed(self, latents: Tensor) -> Tensor:
        """Normalised latents [B, T, C, h, w] of which only what the world model answers for changes with time."""
        return latents

    def as_seen(self, latents: Tensor) -> Tensor:
        """Normalised latents [B, T, C, h, w] as inexact as if they had been found in pictures."""
        return latents


class ToldTokenizer(AnyTokenizer):
    """Recordings say where things are (`states`): latents come from these, and `loss` takes them.

    A kind has `prepare` and `normalise`, which take states [T, S] and where episodes start [T], and `latent_of`.
    """

    CARRIES = True

    def begin(self, episodes: Episodes) -> None:
        if episodes.states is None:
            raise TrainingError("expected recordings that say where things are (states), got some without.")
        self.prepare(torch.from_numpy(episodes.states), torch.from_numpy(episodes.starts))

    def beside(self, episodes: Episodes, rows: np.ndarray) -> np.ndarray:
        return episodes.states[rows]

    def finish(self, episodes: Episodes) -> None:
        self.normalise(torch.from_numpy(episodes.states), torch.from_numpy(episodes.starts))

    @torch.no_grad()
    def latents_of(self, episodes: Episodes, rows: np.ndarray | slice = slice(None)) -> Tensor:
        if episodes.states is None:
            return super().latents_of(episodes, rows)
        states = torch.from_numpy(episodes.states[rows]).to(self.mean.device)
        return ((self.latent_of(states) - self.mean) / self.std).cpu()
