"""Places of a list that are kept for newcomers, so that an artist can be met before many have met it.

A listener's newcomer is among those that score best by the listener's own vector: within half a standard deviation of
the best, listeners take turns, each beginning at another point of the same round. Which point follows from the names of
listener and release and from the artists' numbers, so it is the same on every machine and another in every release.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .data import Dataset
from .errors import SegueError
from .evaluate import DAY
from .newcomers import Newcomers

ROUND = 1 << 20
STEP = 648_055  # ROUND over the golden ratio, and odd: numbers that follow each other stand far apart in the round
TAKE_TURNS = 0.5  # standard deviations
SCORES_AT_ONCE = 6 << 20


@dataclass(frozen=True)
class Quota:
    """`share` of a list's places, rounded up, go to newcomers at the least: the first after `after` places, the others
    evenly over the rest. A newcomer has fewer than `listeners` listeners, and had the first of them at most `days` ago."""

    share: float = 0.05
    after: int = 5
    listeners: int = 5
    days: float = 14.0

    def check(self) -> Quota:
        """Raises SegueError naming the first setting that is out of range."""
        for name, value, low, high in (
            ("new-artists-share", self.share, 0, 0.5),
            ("new-artists-after", self.after, 0, 99),
            ("new-artists-listeners", self.listeners, 1, 1000),
            ("new-artists-days", self.days, 0, 3650),
        ):
            if not low <= value <= high:
                raise SegueError(f"{name}: {value} is not between {low} and {high}")
        return self

    def young(self, data: Dataset, moment: int, sample: float = 1.0) -> np.ndarray:
        """Which artists of the data (bool) are newcomers by what was before a moment (ms); `sample` is the share of all
        listeners that the data hold."""
        use = (data.weights > 0) & (data.times < moment)
        first = np.full(data.shape[1], moment)
        np.minimum.at(first, data.columns[use], data.times[use])
        listeners = np.bincount(data.pairs(use).columns, minlength=data.shape[1]) / sample
        return (listeners < self.listeners) & (first >= moment - self.days * DAY)

    def places(self, size: int) -> list[int]:
        """Places, from 0, in a list of this length."""
        count = math.ceil(self.share * size - 1e-9)
        first = min(self.after, size - count)
        return [first + at * (size - first) // count for at in range(count)]


class Surfacing:
    """Puts newcomers into lists. A list's artists are positions in the model; newcomers follow from `width` on."""

    def __init__(self, newcomers: Newcomers, quota: Quota, size: int, width: int, release_tag: int = 0) -> None:
        self.width, self._newcomers, self._places = width, newcomers, quota.places(size)
        self._seed = release_tag.to_bytes(4, "little")
        device = newcomers.vectors.device
        self._turn = (torch.from_numpy(newcomers.numbers.astype(np.int64)) * STEP).to(device)
        number = torch.full((width + 1,), -1, dtype=torch.int64)
        trained = newcomers.at >= 0
        number[newcomers.at[trained]] = torch.from_numpy(np.flatnonzero(trained))
        self._number = number.to(device)  # of each artist of the model among the newcomers; the last for an empty place

    def __bool__(self) -> bool:
        return bool(self._places) and len(self._newcomers) > 0

    def into(
        self, top: Tensor, scores: Tensor, vectors: Tensor, names: Sequence[str], played: tuple[Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Lists [listeners, size] with newcomers, and their scores. `scores` fall, and are -inf where `top` has no artist; a
        newcomer takes the score of the artist whose place it takes, so that a threshold cuts a list's end as before.
        `vectors` [listeners, k] judge the newcomers. `played`: rows, and positions among the newcomers, that must not be
        listed."""
        if not self:
            return top, scores
        listed = torch.isfinite(scores)
        own = self._number[torch.where(listed, top, self.width)]
        chosen = self._chosen(vectors, own, names, played)
        return self._placed(top, scores, chosen, (own >= 0).sum(1))

    def _chosen(
        self, vectors: Tensor, own: Tensor, names: Sequence[str], played: tuple[Tensor, Tensor]
    ) -> Tensor:
        """The newcomers for each listener, the first in turn first: [listeners, places or fewer], -1 where there is none."""
        starts = [zlib.crc32(self._seed + name.encode()) % ROUND for name in names]
        begin = torch.tensor(starts, dtype=torch.int64, device=vectors.device)
        count = len(self._newcomers)
        step, found = max(1, SCORES_AT_ONCE // count), []
        for first in range(0, len(vectors), step):
            here = slice(first, min(first + step, len(vectors)))
            scores = vectors[here] @ self._newcomers.vectors.T
            # A little more, so that they take turns also where all score the same.
            spread = scores.std(1, correction=0, keepdim=True) + 1e-3 * scores.abs().amax(1, keepdim=True)
            turn = ((begin[here, None] + self._turn) % ROUND).float() / ROUND
            scores = scores + TAKE_TURNS * spread * turn
            inside = (played[0] >= here.start) & (played[0] < here.stop)
            scores[played[0][inside] - here.start, played[1][inside]] = -torch.inf
            rows, places = (own[here] >= 0).nonzero(as_tuple=True)
            scores[rows, own[here][rows, places]] = -torch.inf
            best = torch.topk(scores, min(len(self._places), count), dim=1)
            found.append(torch.where(torch.isfinite(best.values), best.indices, -1))
        return torch.cat(found)

    def _placed(self, top: Tensor, scores: Tensor, chosen: Tensor, there: Tensor) -> tuple[Tensor, Tensor]:
        """Newcomers fill the places that those listed by their own score leave."""
        rows, size = top.shape
        wanted = chosen.shape[1]
        before = torch.tensor([place - at for at, place in enumerate(self._places[:wanted])], device=top.device)
        listed = torch.isfinite(scores)
        use = (chosen >= 0) & (torch.arange(wanted, device=top.device) < (len(self._places) - there).unsqueeze(1))
        old = torch.arange(size, device=top.device).float().expand(rows, size).masked_fill(~listed, torch.inf)
        new = (before.float() - 0.5).expand(rows, wanted).masked_fill(~use, torch.inf)
        last = (listed.sum(1, keepdim=True) - 1).clamp_min(0)
        taken = scores.gather(1, torch.minimum(before.expand(rows, wanted), last))
        taken = torch.where(torch.isfinite(taken), taken, 0.0).masked_fill(~use, -torch.inf)
        order = torch.cat([new, old], 1).sort(dim=1, stable=True).indices[:, :size]
        artists = torch.cat([self.width + chosen.clamp_min(0), top], 1).gather(1, order)
        return artists, torch.cat([taken, scores], 1).gather(1, order)
