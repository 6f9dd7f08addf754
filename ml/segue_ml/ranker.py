"""The second stage: puts the first stage's best candidates into another order by a forest over what is known of them
(candidates.py), learned by LambdaRank (Burges 2010; lambdarank.py)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .blend import Blend, combined, fold_in
from .candidates import FEATURES, About, Facts, Seen, features
from .errors import SegueError
from .forest import Forest
from .metrics import ScoreRows
from .pairs import Pairs

CANDIDATES = 200
AT_ONCE = 512  # listeners whose candidates' features are held together


@dataclass(frozen=True)
class Ranker:
    """`depth` candidates of each listener are put into the forest's order."""

    forest: Forest
    facts: Facts
    depth: int = CANDIDATES

    def check(self) -> Ranker:
        """Raises SegueError where the forest is of other features."""
        if self.forest.names != FEATURES:
            raise SegueError(f"ranker: its features are {' '.join(self.forest.names)}; this code makes {' '.join(FEATURES)}")
        return self

    def reorder(self, blend: Blend, seen: Seen, top: Tensor, scores: Tensor, size: int) -> tuple[Tensor, Tensor]:
        """The best `size` of the candidates at positions `top` [listeners, depth] with the first stage's `scores`, which
        fall and are -inf where there is none. What is listed keeps the first stage's scores, handed out in falling order
        along the new one: a threshold still cuts a list's end, and no score is one that no listed artist has. Candidates
        that are equal stay in the first stage's order."""
        artists, kept = top[:, :size].clone(), scores[:, :size].clone()
        for first in range(0, len(top), AT_ONCE):
            here = slice(first, min(first + AT_ONCE, len(top)))
            part = seen.among(np.arange(here.start, here.stop))
            found = features(blend, self.facts, part, top[here], scores[here])
            keys = self.forest.score(found.view(-1, len(FEATURES))).view(found.shape[:2])
            keys.masked_fill_(~torch.isfinite(scores[here]), -torch.inf)
            order = torch.sort(keys, dim=1, descending=True, stable=True).indices[:, :size]
            artists[here] = top[here].gather(1, order)
            kept[here] = scores[here].gather(1, order).sort(dim=1, descending=True).values
        return artists, kept


@dataclass(frozen=True)
class Ranked:
    """A model whose lists a ranker orders, for the evaluation. `about` is of all listeners; `masked` pairs, and artists that
    are no `candidates` (bool [artists]), take no candidate's place."""

    blend: Blend
    ranker: Ranker
    about: About
    masked: Pairs
    candidates: np.ndarray

    def scorer(self, history: Pairs, device: torch.device) -> ScoreRows:
        """The first stage's scores of all artists, those of the candidates exchanged among them."""
        pick = Candidates(self.blend, history, self.about, self.masked, self.candidates, self.ranker.depth, device)

        def score(rows: Tensor) -> Tensor:
            seen, top, scores, whole = pick.of(rows)
            artists, kept = self.ranker.reorder(self.blend, seen, top, scores, top.shape[1])
            # Where none is listed there is nothing to exchange.
            listed = torch.isfinite(kept)
            at = torch.arange(len(rows), device=rows.device).unsqueeze(1).expand_as(artists)
            whole[at[listed], artists[listed]] = kept[listed]
            return whole

        return score


class Candidates:
    """The first stage's best artists of each listener with this history."""

    def __init__(
        self,
        blend: Blend,
        history: Pairs,
        about: About,
        masked: Pairs,
        candidates: np.ndarray,
        depth: int,
        device: torch.device,
    ) -> None:
        vectors = fold_in(blend.model, history, device)
        self._score = combined(blend, vectors, history)
        self._seen, self._masked = Seen.of(vectors, history, about), masked
        self._depth = min(depth, history.width)
        self._banned = torch.from_numpy(np.flatnonzero(~candidates)).to(device)

    def of(self, rows: Tensor) -> tuple[Seen, Tensor, Tensor, Tensor]:
        """For listeners at these positions: what is known of them, positions and scores [listeners, depth], best first,
        and the scores of all artists."""
        own = rows.cpu().numpy()
        whole = self._score(rows).clone()
        left = whole.clone()
        left[:, self._banned] = -torch.inf
        at, columns = (torch.from_numpy(part).to(rows.device) for part in self._masked.slots(own))
        left[at, columns] = -torch.inf
        scores, top = torch.topk(left, self._depth, dim=1)
        top = torch.where(torch.isfinite(scores), top, 0)
        return self._seen.among(own), top, scores, whole
