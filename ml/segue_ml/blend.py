"""The recommender: iALS factors plus item-to-item weights, one score in closed form from a listener's history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .ials import Model, Rows, Settings, confidence, train
from .metrics import ScoreRows
from .neighbours import LocalRidge, Neighbours
from .pairs import Pairs


@dataclass(frozen=True)
class Blend:
    """score(listener, artist) = x·s + Σ over the listener's artists of their weights towards the artist, where x is
    folded in from the history. Both terms estimate whether the pair is played, so they add up without rescaling;
    `neighbours` is already multiplied by the share that validation chose, and None where validation gave it none."""

    model: Model
    neighbours: Neighbours | None = None

    def scorer(self, history: Pairs, device: torch.device) -> ScoreRows:
        """Scores of the listeners with this history, as serving computes them."""
        return combined(self.model, fold_in(self.model, history, device), self.neighbours, history)


def combined(model: Model, listeners: Tensor, neighbours: Neighbours | None, history: Pairs) -> ScoreRows:
    """The score from listeners' vectors [listeners, k] that were folded in already."""

    def score(rows: Tensor) -> Tensor:
        scores = listeners.index_select(0, rows) @ model.artists.T
        if neighbours is not None:
            at, columns = history.slots(rows.cpu().numpy())
            neighbours.add_to(scores, torch.from_numpy(at).to(rows.device), torch.from_numpy(columns).to(rows.device))
        return scores

    return score


def fold_in(model: Model, history: Pairs, device: torch.device) -> Tensor:
    """Vectors of the listeners with this history, as serving computes them."""
    trust = confidence(history.values, model.settings.strength)
    return model.listeners(Rows(history, trust, model.settings.rank, device))


def fit(
    pairs: Pairs, settings: Settings, device: torch.device, factors: Callable[[], Model] | None = None
) -> Blend:
    """Trains both terms; without `item_weight` the factors alone. `factors` trains them in place of this process' own
    sweeps over `pairs`."""
    model = factors() if factors else train(pairs, settings, device)
    if settings.item_weight <= 0 or len(np.unique(pairs.columns)) < 2:
        return Blend(model)
    return Blend(model, LocalRidge(pairs, device).solve(settings.item_ridge).times(settings.item_weight))
