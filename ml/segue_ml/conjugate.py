"""Rows solved by preconditioned conjugate gradients, as Takács, Pilászy and Tikk, "Applications of the Conjugate Gradient
Method for Implicit Feedback Collaborative Filtering" (2011): a step costs as much as reading a row's factors twice, while
an exact solve grows with the square of the row's length or of the rank.

In the principal axes of the other side (ials.py) the average row's matrix is diagonal, so that dividing by that of an
average row of the same weight leaves little to do: two to five steps are enough. Both products with a block of rows are
sparse ones, for which no factors are gathered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .pairs import Pairs
from .sparse import compressed

FLOATS, PAIRS = 1 << 18, 1 << 20  # of a block: its vectors stay in the cache
CLOSE = 1e-3  # of the first residual: nearer, and neither lists nor the number of sweeps change
MOST_STEPS = 40


class Side(Protocol):
    """The other side as ials.Model has it."""

    spectrum: Tensor
    catalogue: int

    def diagonal(self, counts: Tensor) -> Tensor: ...

    def start(self, counts: Tensor, means: Tensor) -> Tensor: ...


class NearRows:
    """The rows of a matrix packed for sweeps on a CPU: what `ials.Rows` solves exactly, as nearly as a sweep needs it."""

    def __init__(self, pairs: Pairs, confidence: np.ndarray, rank: int) -> None:
        self.height = pairs.height
        order = np.argsort(pairs.lengths, kind="stable")  # rows of a block are to take the same steps
        order = order[np.searchsorted(pairs.lengths[order], 1) :]
        self.blocks = list(_blocks(pairs, confidence, order, max(1, FLOATS // rank)))

    def solve(self, other: Tensor, side: Side, means: Tensor | None = None) -> Tensor:
        """As ials.Rows.solve."""
        result = other.new_zeros(self.height, other.shape[1])
        usual = side.spectrum / side.catalogue  # the mean square of the other side's factors
        for block in self.blocks:
            start = None if means is None else side.start(block.counts, means[block.rows])
            result.index_copy_(0, block.rows, block.solve(other, side.diagonal(block.counts), usual, start))
        return result


@dataclass(frozen=True)
class Block:
    """Rows of about one length: their positions, compressed columns (int32) and confidences, lengths, and the sums of
    their confidences."""

    rows: Tensor
    starts: Tensor
    columns: Tensor
    confidence: Tensor
    counts: Tensor
    weight: Tensor

    def solve(self, other: Tensor, diagonal: Tensor, usual: Tensor, start: Tensor | None = None) -> Tensor:
        """Minimisers x of (D + Pᵀ C P) x = Pᵀ C 1 + D x0 (ials.solve_rows), nearly: [rows, k]. `other` [width, k] holds P's
        rows, `usual` [k] their mean squares; diagonal D and start x0, zero without one: [rows, k]."""
        # x - x0 is solved: what x0 explains of the pairs is no more to be explained.
        trust = self.confidence if start is None else self.confidence - self._products(start, other)
        right = self._matrix(trust, other) @ other
        inverse = torch.addcmul(diagonal, self.weight.unsqueeze(1), usual).reciprocal_()
        result, residual = torch.zeros_like(right), right
        direction = residual * inverse
        energy = (residual * direction).sum(1, keepdim=True)
        enough = CLOSE**2 * energy
        for _ in range(MOST_STEPS):
            image = self._matrix(self._products(direction, other), other) @ other
            image.addcmul_(diagonal, direction)
            step = energy / (direction * image).sum(1, keepdim=True).clamp_min(1e-30)
            step.masked_fill_(energy <= enough, 0.0)  # each row by itself, so that no block changes it
            result.addcmul_(direction, step)
            residual.addcmul_(image, step, value=-1)
            scaled = torch.mul(residual, inverse, out=image)
            before, energy = energy, (residual * scaled).sum(1, keepdim=True)
            if bool((energy <= enough).all()):
                break
            direction.mul_(energy / before.clamp_min(1e-30)).add_(scaled)
        return result if start is None else result.add_(start)

    def _matrix(self, values: Tensor, other: Tensor) -> Tensor:
        return compressed(self.starts, self.columns, values, len(other))

    def _products(self, direction: Tensor, other: Tensor) -> Tensor:
        """C P x of every row x, at the pairs."""
        found = torch.sparse.sampled_addmm(self._matrix(self.confidence, other), direction, other.T, beta=0.0)
        return found.values().mul_(self.confidence)


def _blocks(pairs: Pairs, confidence: np.ndarray, rows: np.ndarray, most: int) -> Iterator[Block]:
    ends, first, before = np.cumsum(pairs.lengths[rows]), 0, 0
    while first < len(rows):
        last = min(first + most, int(np.searchsorted(ends, before + PAIRS, side="right")))
        part = rows[first : max(first + 1, last)]
        lengths = pairs.lengths[part]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(pairs.starts[part] - starts[:-1], lengths) + np.arange(starts[-1])
        trust = confidence[at]
        weight = np.add.reduceat(trust, starts[:-1])
        arrays = (part, starts.astype(np.int32), pairs.columns[at], trust, lengths.astype(np.float32), weight)
        yield Block(*(torch.from_numpy(array) for array in arrays))
        first += len(part)
        before = int(ends[first - 1])
