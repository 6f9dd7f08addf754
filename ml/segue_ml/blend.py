"""The recommender: iALS factors plus two linear item-to-item terms, one score in closed form from a listener's history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .ials import Model, Rows, Settings, confidence, train
from .learned import learn
from .metrics import ScoreRows
from .neighbours import LocalRidge, Neighbours
from .pairs import Pairs
from .runtime import working
from .spectral import LowPass, low_pass
from .words import Words


@dataclass(frozen=True)
class Blend:
    """score(listener, artist) = x·s + Σ over the listener's artists of their weights towards the artist + the low-pass
    term, where x is folded in from the history. All terms estimate whether the pair is played, so they add up without
    rescaling; the last two are already multiplied by the shares that validation chose, and None where it gave none."""

    model: Model
    neighbours: Neighbours | None = None
    filter: LowPass | None = None

    def scorer(self, history: Pairs, device: torch.device) -> ScoreRows:
        """Scores of the listeners with this history, as serving computes them."""
        return combined(self, fold_in(self.model, history, device), history)


def combined(blend: Blend, listeners: Tensor, history: Pairs) -> ScoreRows:
    """The score from listeners' vectors [listeners, k] that were folded in already."""
    neighbours = blend.neighbours
    listeners, artists = inputs(blend, listeners, history), outputs(blend)

    def score(rows: Tensor) -> Tensor:
        scores = listeners.index_select(0, rows) @ artists.T
        if neighbours is not None:
            at, columns = history.slots(rows.cpu().numpy())
            neighbours.add_to(scores, torch.from_numpy(at).to(rows.device), torch.from_numpy(columns).to(rows.device))
        return scores

    return score


def inputs(blend: Blend, listeners: Tensor, history: Pairs) -> Tensor:
    """Listeners' vectors whose product with `outputs` is the score but for the item-to-item term."""
    return listeners if blend.filter is None else torch.cat([listeners, blend.filter.listeners(history)], 1)


def outputs(blend: Blend) -> Tensor:
    """The artists' side of `inputs`."""
    return blend.model.artists if blend.filter is None else torch.cat([blend.model.artists, blend.filter.outputs()], 1)


def fold_in(model: Model, history: Pairs, device: torch.device) -> Tensor:
    """Vectors of the listeners with this history, as serving computes them."""
    trust = confidence(history.values, model.settings.strength)
    return model.listeners(Rows(history, trust, model.settings.rank, device))


def fit(
    pairs: Pairs,
    settings: Settings,
    device: torch.device,
    factors: Callable[[], Model] | None = None,
    words: Words | None = None,
) -> Blend:
    """Trains all terms; without `item_weight`, `filter_weight` and `learned_weight` the factors alone. `factors` trains
    these in place of `train`, which takes the artists' `words`."""
    working(f"training factors of rank {settings.rank} on {pairs.count:,} interactions")
    model = train(pairs, settings, device, words=words) if factors is None else factors()
    if len(np.unique(pairs.columns)) < 2:
        return Blend(model)
    neighbours, low = None, None
    if settings.item_weight > 0:
        working("fitting the item-to-item term")
        neighbours = LocalRidge(pairs, device).solve(settings.item_ridge).times(settings.item_weight)
    if settings.filter_weight > 0:
        working("fitting the low-pass term")
        whole = low_pass(pairs, settings.filter_rank, device, settings.seed)
        low = whole.shaped(settings.filter_rank, settings.filter_degree, settings.filter_weight)
    if settings.learned_weight > 0 and (pairs.lengths > 1).any():
        working("fitting the learned part")
        learned = learn(pairs, device, settings.seed).times(settings.learned_weight)
        low = (low or LowPass.nothing(pairs.width, device)).beside(learned)
    return Blend(model, neighbours, low)
