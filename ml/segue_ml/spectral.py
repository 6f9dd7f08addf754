"""The low-pass term: what remains of a history when only the strongest directions of the whole data are kept.

The ideal low-pass filter of Shen et al., "How Powerful is Graph Convolution for Recommendation?" (2021, GF-CF): with
R the listener × artist matrix divided by the roots of both sides' numbers of interactions and V its first right
singular vectors, a history r scores  r D^-β V Vᵀ D^β,  D being the artists' numbers of listeners. β is ½ there and a
setting here. A learned part (learned.py) has its directions beside these. The factors estimate the same pairs with a ridge on every direction; this term keeps the first ones as
they are, and the two err differently.

Memory: 4·q bytes an artist and, while fitting, 8·q a listener and 24·q an artist.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .learned import Learned
from .pairs import Pairs
from .sparse import matrix_of

ROUNDS = 4  # of subspace iteration, with twice the directions wanted, as singular values lie close (Halko et al. 2011)


@dataclass(frozen=True)
class LowPass:
    """`axes` V [artists, q], columns by descending singular value; `degrees` [artists], 1 where there is no listener;
    `exponent` β. Scores are multiplied by `weight`. `learned` has further directions, multiplied by its share already."""

    axes: Tensor
    degrees: Tensor
    exponent: float = 0.5
    weight: float = 1.0
    learned: Learned | None = None

    @classmethod
    def nothing(cls, artists: int, device: torch.device) -> LowPass:
        """A term without directions."""
        return cls(torch.zeros(artists, 0, device=device), torch.ones(artists, device=device), 0.0, 0.0)

    def beside(self, learned: Learned) -> LowPass:
        """With a learned part, whose vectors get the mean length of these on the scored side, as serving rounds both together."""
        own, other = float(self.outputs().norm()), float(learned.outputs.norm())
        scale = own / other if own > 0 and other > 0 else 1.0
        return replace(self, learned=Learned(learned.inputs / scale, learned.outputs * scale))

    def shaped(self, rank: int, exponent: float, weight: float = 1.0) -> LowPass:
        """The first `rank` directions with another exponent and weight."""
        return LowPass(self.axes[:, :rank], self.degrees, exponent, weight)

    def inputs(self, columns: Tensor | None = None) -> Tensor:
        """What playing each artist adds to a listener's vector: [artists, q], or [..., q] of these positions."""
        axes, degrees = self._at(columns)
        own = axes * (degrees**-self.exponent).unsqueeze(-1)
        return own if self.learned is None else torch.cat([own, self.learned.at(columns).inputs], -1)

    def outputs(self, columns: Tensor | None = None) -> Tensor:
        """The artists' vectors, whose product with a listener's is the score."""
        axes, degrees = self._at(columns)
        own = axes * (self.weight * degrees**self.exponent).unsqueeze(-1)
        return own if self.learned is None else torch.cat([own, self.learned.at(columns).outputs], -1)

    def _at(self, columns: Tensor | None) -> tuple[Tensor, Tensor]:
        return (self.axes, self.degrees) if columns is None else (self.axes[columns], self.degrees[columns])

    def listeners(self, history: Pairs) -> Tensor:
        """Vectors [listeners, q] of these histories."""
        ones = np.ones(history.count, np.float32)
        return matrix_of(history, self.axes.device, ones) @ self.inputs()

    def among(self, kept: np.ndarray) -> LowPass:
        """The artists where `kept` (bool [artists]) holds."""
        at = torch.from_numpy(np.flatnonzero(kept)).to(self.axes.device)
        learned = None if self.learned is None else self.learned.at(at)
        return LowPass(self.axes[at], self.degrees[at], self.exponent, self.weight, learned)


def low_pass(pairs: Pairs, rank: int, device: torch.device, seed: int = 0) -> LowPass:
    """The first `rank` right singular vectors of the normalised matrix, at most as many as the smaller side has rows,
    by subspace iteration from a random start."""
    degrees = np.maximum(1, np.bincount(pairs.columns, minlength=pairs.width)).astype(np.float32)
    lengths = np.maximum(1, pairs.lengths).astype(np.float32)
    values = (lengths[pairs.rows] * degrees[pairs.columns]) ** -0.5
    forward = matrix_of(pairs, device, values)
    flipped = Pairs.build(pairs.columns, pairs.rows, values, (pairs.width, pairs.height))
    back = matrix_of(flipped, device)
    most = min(pairs.height, pairs.width)
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(pairs.width, min(most, 2 * rank), generator=generator)
    basis = torch.linalg.qr(start.to(device)).Q
    for _ in range(ROUNDS):
        basis = torch.linalg.qr(back @ (forward @ basis)).Q
    image = forward @ basis
    _, turn = torch.linalg.eigh(image.T @ image)  # ascending
    axes = (basis @ turn.flip(1))[:, : min(most, rank)].contiguous()
    return LowPass(axes, torch.from_numpy(degrees).to(device))
