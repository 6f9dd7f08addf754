"""Item-to-item weights by local ridge regression: what playing one artist says of another.

For each artist the presence of its nearest artists (by cosine) in a listener's history is regressed on, in
closed form: w = (G_NN + Λ)⁻¹ G_N,artist, where G = Σ over listeners of x xᵀ / √|x|. With every artist a neighbour this
is the regression behind Steck, "Embarrassingly Shallow Autoencoders for Sparse Data" (2019), without its constraint's
matrix inverse over the whole catalogue; Λ grows with the root of an artist's listeners, so that much-played artists do
not crowd out the rest. A long history says less of each of its pairs, hence the division.

Memory while fitting: 4·M·k² bytes, M = min(artists, MOST_ARTISTS) and k = `neighbours_of(M)`, which is 1.5 GiB of 100,000
artists; 12 bytes a weight, at most k weights an artist. Time grows with M², as every pair of artists is looked at.
In a larger catalogue the M artists with the most listeners have neighbours; the rest live by their factors alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .ials import solve_spd
from .pairs import Pairs
from .sparse import compressed

MOST_ARTISTS = 1 << 17
MOST_WORK = 1 << 33  # artists × neighbours³
AT_ONCE = 4 << 20  # floats or pairs at a time
KEPT = 64 << 20  # floats of a Gram matrix that need not be made twice


@dataclass(frozen=True)
class Neighbours:
    """Weights by played artist: those of artist i, targets ascending, are `starts[i]:starts[i + 1]` of `targets` and
    `weights`. All are on one device: int64 [artists + 1], int64 and float32."""

    starts: Tensor
    targets: Tensor
    weights: Tensor

    @property
    def width(self) -> int:
        return len(self.starts) - 1

    def times(self, factor: float) -> Neighbours:
        return Neighbours(self.starts, self.targets, self.weights * factor)

    def towards(self, place: Tensor) -> Neighbours:
        """The same weights to be added to scores whose column `place[i]` is artist i's."""
        return Neighbours(self.starts, place[self.targets], self.weights)

    def strongest(self) -> Tensor:
        """The largest |weight| of each played artist, 0 where it has none: bounds what it adds to any score."""
        lengths = self.starts.diff()
        owner = torch.repeat_interleave(torch.arange(self.width, device=lengths.device), lengths)
        return self.weights.new_zeros(self.width).scatter_reduce_(0, owner, self.weights.abs(), "amax")

    def add_to(self, scores: Tensor, rows: Tensor, played: Tensor) -> None:
        """Adds the weights of `played[p]` (int64 [pairs]) to row `rows[p]`, ascending, of scores [rows, artists or more],
        in place."""
        if scores.device.type == "cpu" and torch.backends.mkl.is_available():  # a third of the time
            starts = torch.searchsorted(rows.contiguous(), torch.arange(len(scores) + 1))
            history = compressed(starts, played, torch.ones(len(played)), self.width)
            weights = compressed(self.starts, self.targets, self.weights, scores.shape[1])
            torch.addmm(scores, history, weights, out=scores)
            return
        flat = scores.view(-1)
        lengths = (self.starts[1:] - self.starts[:-1])[played]
        ends = lengths.cumsum(0)
        first = 0
        while first < len(played):
            before = int(ends[first - 1]) if first else 0
            last = max(first + 1, int(torch.searchsorted(ends, before + AT_ONCE, right=True)))
            own, count = lengths[first:last], int(ends[last - 1]) - before
            at = torch.arange(count, device=scores.device) - torch.repeat_interleave(own.cumsum(0) - own, own)
            at += torch.repeat_interleave(self.starts[played[first:last]], own)
            where = torch.repeat_interleave(rows[first:last] * scores.shape[1], own) + self.targets[at]
            flat.index_add_(0, where, self.weights[at])
            first = last

    def between(self, played: Tensor, targets: Tensor) -> Tensor:
        """Weights of (played, target) pairs, two int64 tensors of one shape; 0 where there is none, and for a `played`
        beyond the last artist (padding)."""
        if not len(self.weights):
            return self.weights.new_zeros(played.shape)
        owner = torch.repeat_interleave(torch.arange(self.width, device=played.device), self.starts.diff())
        keys = owner * self.width + self.targets
        wanted = played * self.width + targets
        at = torch.searchsorted(keys, wanted).clamp_max(len(keys) - 1)
        return torch.where(keys[at] == wanted, self.weights[at], 0.0)

    def among(self, kept: np.ndarray) -> Neighbours:
        """The weights between the artists where `kept` (bool [artists]) holds, renumbered."""
        owner = np.repeat(np.arange(self.width), self.starts.diff().cpu().numpy())
        targets, number = self.targets.cpu().numpy(), np.cumsum(kept) - 1
        use = kept[owner] & kept[targets]
        return assemble(number[owner[use]], number[targets[use]], self.weights.cpu().numpy()[use], int(kept.sum())).to(
            self.weights.device
        )

    def to(self, device: torch.device) -> Neighbours:
        return Neighbours(self.starts.to(device), self.targets.to(device), self.weights.to(device))


def assemble(owners: np.ndarray, targets: np.ndarray, weights: np.ndarray, width: int) -> Neighbours:
    """From triples in any order, on the CPU."""
    found = Pairs.build(owners, targets, weights, (width, width))
    columns = torch.from_numpy(found.columns.astype(np.int64))
    return Neighbours(torch.from_numpy(found.starts), columns, torch.from_numpy(found.values))


def neighbours_of(artists: int) -> int:
    """How many neighbours an artist gets: 64 to 256, as many as keep the work of the solves within MOST_WORK."""
    return int(np.clip((MOST_WORK / max(1, artists)) ** (1 / 3), 64, 256))


class LocalRidge:
    """What fitting needs whatever the ridge: each artist's nearest artists and their part of the Gram matrix. Made once,
    solved for several ridges."""

    def __init__(self, pairs: Pairs, device: torch.device, count: int | None = None) -> None:
        self._width, self._device = pairs.width, device
        listeners = np.bincount(pairs.columns, minlength=pairs.width)
        heaviest = np.argsort(-listeners, kind="stable")[: min(MOST_ARTISTS, int((listeners > 0).sum()))]
        self._artists = np.sort(heaviest)
        position = np.full(pairs.width, -1)
        position[self._artists] = np.arange(len(self._artists))
        use = position[pairs.columns] >= 0
        size = (pairs.height, len(self._artists))
        known = Pairs.build(pairs.rows[use], position[pairs.columns[use]], pairs.values[use], size)
        self._gram = _Gram(known, device)
        self._scale = self._gram.diagonal
        wanted = neighbours_of(len(self._artists)) if count is None else count
        self._nearest, self._right = self._find(min(wanted, len(self._artists) - 1))

    def _find(self, count: int) -> tuple[Tensor, Tensor]:
        """The artists of highest cosine with each [artists, count], -1 where fewer share a listener with it; and their
        entries in its row of the Gram matrix, 0 there."""
        size, root = len(self._scale), self._scale.rsqrt()
        nearest = torch.full((size, count), -1, dtype=torch.int64, device=self._device)
        right = torch.zeros(size, count, device=self._device)
        for first, last, strip in self._gram.strips():
            cosine = strip * root
            here = torch.arange(first, last, device=self._device)
            cosine[here - first, here] = 0.0
            value, at = torch.topk(cosine, count, dim=1)
            nearest[first:last] = torch.where(value > 0, at, -1)
            right[first:last] = torch.where(value > 0, strip.gather(1, at), 0.0)
        return nearest, right

    @cached_property
    def _kernels(self) -> Tensor:
        """The Gram matrix between each artist's nearest [artists, count, count], from strips of its rows: all of it may be
        far more than that."""
        size, count = self._nearest.shape
        kernels = torch.zeros(size * count, count, device=self._device)
        named = self._nearest.flatten()
        by_name = torch.argsort(named, stable=True)
        bounds = torch.searchsorted(named[by_name], torch.arange(size + 1, device=self._device)).tolist()
        columns = self._nearest.clamp_min(0)
        for first, last, strip in self._gram.strips():
            for rows in by_name[bounds[first] : bounds[last]].split(max(1, AT_ONCE // max(1, count))):
                where = (named[rows] - first).unsqueeze(1) * size + columns[rows // count]
                kernels[rows] = strip.view(-1)[where]
        return kernels.view(size, count, count)

    def solve(self, ridge: float) -> Neighbours:
        return self.solutions((ridge,))[ridge]

    def solutions(self, ridges: Sequence[float]) -> dict[float, Neighbours]:
        """The weights by ridge, which is Λ of an artist of average weight over that weight."""
        size, count = self._nearest.shape
        diagonal = (self._scale * self._scale.mean()).sqrt()
        weights = {ridge: torch.zeros(size, count, device=self._device) for ridge in ridges}
        for first, last in _slices(size, max(1, count * count)):
            near = self._nearest[first:last]
            none, at = near < 0, near.clamp_min(0)
            kernel = self._kernels[first:last].masked_fill(none.unsqueeze(1), 0.0)
            for ridge, found in weights.items():
                raised = kernel.clone()
                raised.diagonal(dim1=1, dim2=2).add_(ridge * diagonal[at] + none)
                found[first:last] = solve_spd(raised, self._right[first:last].unsqueeze(2)).squeeze(2)
        return {ridge: self._assemble(found) for ridge, found in weights.items()}

    def cosines(self) -> Neighbours:
        """The cosines themselves as weights: the item-kNN that the regression is measured against."""
        root = self._scale.rsqrt()
        return self._assemble(self._right * root[self._nearest.clamp_min(0)] * root.unsqueeze(1))

    def _assemble(self, weights: Tensor) -> Neighbours:
        near, found = self._nearest.cpu().numpy(), weights.cpu().numpy()
        target, place = np.nonzero((near >= 0) & (found != 0))
        owners, targets = self._artists[near[target, place]], self._artists[target]
        return assemble(owners, targets, found[target, place], self._width).to(self._device)


class _Gram:
    """Σ over listeners of x xᵀ / √|x|, a strip of rows at a time; the work is the sum of squared lengths. A small one is
    made once."""

    def __init__(self, pairs: Pairs, device: torch.device) -> None:
        self._histories, self._audiences, self._device = pairs, pairs.transpose(), device
        self._trust = (np.maximum(1, pairs.lengths) ** -0.5).astype(np.float32)
        own = np.bincount(pairs.columns, self._trust[pairs.rows], minlength=pairs.width)
        self.diagonal = torch.from_numpy(own.astype(np.float32)).to(device)
        self._kept = list(self._made()) if pairs.width**2 <= KEPT else None

    def strips(self) -> Iterable[tuple[int, int, Tensor]]:
        """First row, last row (exclusive) and those rows."""
        return self._made() if self._kept is None else self._kept

    def _made(self) -> Iterator[tuple[int, int, Tensor]]:
        size, audiences = self._histories.width, self._audiences
        ends = np.cumsum(self._histories.lengths[audiences.columns])
        for first, last in _slices(size, size):
            strip = torch.zeros((last - first) * size, device=self._device)
            start, end = audiences.starts[first], audiences.starts[last]
            while start < end:
                before = ends[start - 1] if start else 0
                stop = min(end, max(start + 1, int(np.searchsorted(ends, before + AT_ONCE, side="right"))))
                listeners = audiences.columns[start:stop]
                at, right = self._histories.slots(listeners)
                left = (audiences.rows[start:stop] - first).astype(np.int64)[at]
                where, value = torch.from_numpy(left * size + right), torch.from_numpy(self._trust[listeners][at])
                strip.index_add_(0, where.to(self._device), value.to(self._device))
                start = stop
            yield first, last, strip.view(last - first, size)


def _slices(count: int, floats: int) -> Iterator[tuple[int, int]]:
    """Slices of `count` rows of so many floats each, within AT_ONCE."""
    step = max(1, AT_ONCE // floats)
    for first in range(0, count, step):
        yield first, min(count, first + step)
