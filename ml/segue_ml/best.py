"""The best artists of each listener, without sorting through all of them.

Scores are products of listeners and a block of artists at a time, and only those above the listener's worst so far are
looked at: for that each block is passed once, for the maxima of its tiles. Artists come in the order of the lengths of
their vectors, so that by Cauchy and Schwarz the rest can be left out as soon as none of it can enter a list.

Memory beyond the model: the artists' vectors once more in that order, and a block of scores.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from .blend import Blend, inputs, outputs
from .pairs import Pairs

# A block of scores stays in a CPU's cache.
LISTENERS, ARTISTS = 512, 4096
GPU_LISTENERS, GPU_ARTISTS = 2048, 1 << 16
TILE = 16  # scores, at most
MOST_SCORES = 6 << 20  # of a wider first block: 24 MiB, as glibc keeps blocks below 32 MiB
MOST = 0xFFFFFFFF  # positions
NOTHING = torch.iinfo(torch.int64).min
LEAST = torch.finfo(torch.float32).min  # played artists have -inf
ROUNDING = 1e-4  # by which a computed product may exceed that of the lengths


def _keys(scores: Tensor, artists: Tensor) -> Tensor:
    """One number for both, larger where the score is higher, or equal and the artist's number lower."""
    bits = (scores + 0.0).view(torch.int32)  # no -0
    return ((bits ^ ((bits >> 31) & 0x7FFFFFFF)).long() << 32) | (MOST - artists)


def _scores(keys: Tensor) -> Tensor:
    bits = (keys >> 32).int()
    return (bits ^ ((bits >> 31) & 0x7FFFFFFF)).view(torch.float32)


def _largest(values: Tensor, k: int, ordered: bool = True) -> Tensor:
    """The k largest of each row, largest first; else the k-th largest alone [rows, 1]. NumPy's partition takes a tenth
    of the time of torch.topk on a CPU."""
    if values.device.type != "cpu":
        found = torch.topk(values, k, dim=1).values
        return found if ordered else found[:, -1:]
    last = values.shape[1] - k
    parted = np.partition(values.numpy(), last, axis=1)[:, last:]
    return torch.from_numpy(np.sort(parted, axis=1)[:, ::-1].copy() if ordered else parted[:, :1].copy())


class Best:
    """Finds lists of `k` artists by a blend's score. Equal scores go by position, the lower first, so that lists do not
    depend on how the work is cut. Artists with item-to-item weights make up the first block, as these are no product."""

    def __init__(self, blend: Blend, k: int) -> None:
        self._blend = blend
        artists = outputs(blend)
        count, device = len(artists), artists.device
        self._k = min(k, count)
        self._at_once, width = (GPU_LISTENERS, GPU_ARTISTS) if device.type == "cuda" else (LISTENERS, ARTISTS)
        lengths, first = artists.norm(dim=1), min(width, count)
        rank = lengths.clone()
        if blend.neighbours is not None:
            head = blend.neighbours.targets.unique()
            rank[head] = torch.inf
            first = max(1, len(head))
        self._order = torch.argsort(rank, descending=True, stable=True)
        self._place = torch.empty_like(self._order)  # of each artist among the ordered
        self._place[self._order] = torch.arange(count, device=device)
        self._artists, self._lengths = artists[self._order], lengths[self._order]
        self._ends = [*range(first, count, width), count]
        self._at_once = min(self._at_once, max(1, MOST_SCORES // first))
        self._neighbours = blend.neighbours and blend.neighbours.towards(self._place)

    def of(self, listeners: Tensor, history: Pairs, played: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Scores [listeners, k] and positions of the best artists, best first, for the factors' vectors [listeners, rank]
        that were folded in from the history. `played`: rows, ascending, and positions to leave out. Where fewer than k
        are left: -inf and position 0."""
        listeners = inputs(self._blend, listeners, history)
        rows, at = played[0].contiguous(), self._place[played[1]]
        found = []
        for first in range(0, len(listeners), self._at_once):
            last = min(first + self._at_once, len(listeners))
            low, high = torch.searchsorted(rows, torch.tensor([first, last], device=rows.device)).tolist()
            search = _Search(self._k, listeners[first:last])
            self._fill(search, history, first, rows[low:high] - first, at[low:high])
            found.append(search.best)
        keys = torch.cat(found)
        listed = keys != NOTHING
        return _scores(keys).masked_fill(~listed, -torch.inf), (MOST - (keys & MOST)).masked_fill(~listed, 0)

    def _fill(self, search: _Search, history: Pairs, offset: int, rows: Tensor, at: Tensor) -> None:
        """Shows all artists that can matter to the search of the listeners from `offset` on."""
        ends = torch.tensor(self._ends, device=at.device)
        block = torch.bucketize(at, ends, right=True)
        block, turn = torch.sort(block, stable=True)
        rows, at = rows[turn], at[turn]
        cuts = torch.searchsorted(block, torch.arange(len(self._ends) + 1, device=at.device)).tolist()
        reach = search.listeners.norm(dim=1) * (1 + ROUNDING)
        first = 0
        for number, last in enumerate(self._ends):
            # Asked seldom enough to cost nothing.
            if number % 4 == 1 and not bool((reach * self._lengths[first] >= search.least).any()):
                break
            scores = search.product(self._artists[first:last])
            if self._neighbours is not None and first == 0:
                own, columns = history.slots(np.arange(offset, offset + len(scores)))
                device = scores.device
                self._neighbours.add_to(scores, torch.from_numpy(own).to(device), torch.from_numpy(columns).to(device))
            here = slice(cuts[number], cuts[number + 1])
            scores.view(-1).index_fill_(0, rows[here] * scores.shape[1] + (at[here] - first), -torch.inf)
            search.take(scores, self._order[first:last])
            first = last
        search.merge()


class _Search:
    """Lists of some listeners, better with each block. `best` are keys [listeners, k]; only scores from `least` on
    [listeners] can enter them."""

    def __init__(self, k: int, listeners: Tensor) -> None:
        self.listeners, self._k, height = listeners, k, len(listeners)
        self.best = torch.full((height, k), NOTHING, device=listeners.device)
        self.least = listeners.new_full((height,), LEAST)
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._count, self._memory = 0, listeners.new_empty(0)

    def product(self, artists: Tensor) -> Tensor:
        """Scores of a block [listeners, artists or a few more that are -inf], in memory that the next block takes."""
        width = len(artists)
        self._tile = max(1, min(TILE, width // (8 * self._k)))
        padded = -(-width // self._tile) * self._tile
        if self._memory.numel() < len(self.listeners) * padded:
            self._memory = self.listeners.new_empty(len(self.listeners) * padded)
        scores = self._memory[: len(self.listeners) * padded].view(-1, padded)
        torch.mm(self.listeners, artists.T, out=scores[:, :width])
        scores[:, width:] = -torch.inf
        return scores

    def take(self, scores: Tensor, positions: Tensor) -> None:
        """Looks through a block: `positions` [artists] are those of its columns."""
        tile, width = self._tile, scores.shape[1]
        tiles = width // tile
        tiled = scores.view(-1, tile, tiles)  # a tile's scores lie apart, so that its maximum is one pass over the rows
        highest = tiled.amax(1)
        if self._count == 0 and bool((self.least == LEAST).all()) and tiles > self._k:
            # Tiles that differ each have an artist at least as good.
            self.least = torch.maximum(_largest(highest, self._k, False).squeeze(1), self.least)
        row, own = torch.nonzero(highest >= self.least.unsqueeze(1), as_tuple=True)
        steps = torch.arange(tile, device=row.device) * tiles
        found = scores.view(-1)[(row * width + own).unsqueeze(1) + steps]
        which, step = torch.nonzero(found >= self.least[row].unsqueeze(1), as_tuple=True)
        keys = _keys(found[which, step], positions[step * tiles + own[which]])
        self._waiting.append((row[which], keys))
        self._count += len(keys)
        if self._count >= len(self.best) * self._k:
            self.merge()

    def merge(self) -> None:
        if not self._count:
            return
        row, keys = (torch.cat(part) for part in zip(*self._waiting, strict=True))
        row, turn = torch.sort(row, stable=True)
        counts = torch.bincount(row, minlength=len(self.best))
        within = torch.arange(len(row), device=row.device) - (counts.cumsum(0) - counts)[row]
        wide = self._k + int(counts.max())
        found = self.best.new_full((len(self.best), wide), NOTHING)
        found[:, : self._k] = self.best
        found.view(-1)[row * wide + self._k + within] = keys[turn]
        self.best = _largest(found, self._k)
        worst = self.best[:, -1]
        self.least = torch.maximum(self.least, torch.where(worst == NOTHING, LEAST, _scores(worst)))
        self._waiting, self._count = [], 0
