"""Chooses the shares of the item-to-item and of the low-pass term on a validation split, beside factors that stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .ials import Model, Settings
from .metrics import Ranking, rank_all
from .neighbours import LocalRidge, Neighbours
from .pairs import Pairs
from .runtime import Budget, working
from .spectral import LowPass, low_pass

WEIGHTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
ITEM_RIDGES, FILTER_RANKS, FILTER_DEGREES = (0.1, 0.3, 1.0, 3.0), (64, 128, 256), (0.3, 0.5)
EARNS = 1.002  # a term must raise the quality by more than this factor: it costs memory and time
ITEMS_UNTIL = 0.85  # share of a budget after which the low-pass term's shapes are tried
MOST_SCORES = 96 << 20  # of the validation's listeners, per matrix; four are held


def quality(ranking: Ranking) -> float:
    """What settings are chosen by: the mean of recall and NDCG."""
    means = ranking.means()
    return (means[f"recall@{ranking.k}"] + means[f"ndcg@{ranking.k}"]) / 2


@dataclass(frozen=True)
class Choice:
    """Settings with the best number of sweeps, their quality on the validation part, and what was trained on the other."""

    settings: Settings
    quality: float
    fitted: tuple[Model, Tensor] | None = None


class Terms:
    """Both terms fitted to the training part in all shapes that are tried. They do not depend on the factors, so that one
    fit serves every choice beside them. `fixed` names settings that must stay."""

    def __init__(self, part: Pairs, device: torch.device, settings: Settings, fixed: frozenset[str] = frozenset()) -> None:
        self._part, self._device, self._settings, self._fixed = part, device, settings, fixed

    @cached_property
    def neighbours(self) -> dict[float, Neighbours]:
        """By ridge. The Gram matrix is gone once they are made."""
        working("fitting the item-to-item term")
        ridges = (self._settings.item_ridge,) if "item_ridge" in self._fixed else ITEM_RIDGES
        return LocalRidge(self._part, self._device).solutions(ridges)

    @cached_property
    def filter(self) -> LowPass:
        """Of the highest rank; lower ones are its first directions."""
        working("fitting the low-pass term")
        rank = self._settings.filter_rank if "filter_rank" in self._fixed else max(FILTER_RANKS)
        return low_pass(self._part, rank, self._device, self._settings.seed)

    def prepare(self) -> None:
        """Fits what a choice may ask for; the item-to-item term first, whose Gram matrix is the largest array of all."""
        if self._part.count and self._part.width > 1:
            _ = "item_weight" in self._fixed or self.neighbours
            _ = "filter_weight" in self._fixed or self.filter

    @property
    def filter_shapes(self) -> Iterator[tuple[int, float]]:
        """Ranks and exponents to try."""
        width = self.filter.axes.shape[1]
        ranks = [width] if "filter_rank" in self._fixed else [rank for rank in FILTER_RANKS if rank < width] + [width]
        degrees = (self._settings.filter_degree,) if "filter_degree" in self._fixed else FILTER_DEGREES
        return ((rank, degree) for rank in ranks for degree in degrees)


class _Trials:
    """The validation's listeners, as many as fit, with their scores as matrices, so that a share costs one sum."""

    def __init__(self, part: Pairs, validation: Pairs, device: torch.device, k: int) -> None:
        rows = np.flatnonzero(validation.lengths > 0)
        most = max(200, MOST_SCORES // max(1, part.width))
        if len(rows) > most:
            rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
        self._at = torch.full((part.height,), -1, dtype=torch.int64, device=device)
        self.rows = torch.from_numpy(rows).to(device)
        self._at[self.rows] = torch.arange(len(rows), device=device)
        self._part, self._validation, self._device, self._k = part, validation, device, k

    def quality(self, scores: Tensor) -> float:
        listeners = self.rows.cpu().numpy()
        return quality(
            rank_all(
                lambda rows: scores[self._at[rows]],
                *(self._validation, self._part, self._k, self._device, listeners),
                with_auc=False,
            )
        )

    def climb(self, rest: Tensor, term: Tensor, start: float, best: float) -> tuple[float, float]:
        """The share of `term` beside `rest`, from `start` in both directions while the quality rises: (quality, share);
        share 0 where none is better than `best`."""
        known: dict[int, float] = {}

        def at(place: int) -> float:
            if place not in known:
                known[place] = self.quality(rest + WEIGHTS[place] * term) if 0 <= place < len(WEIGHTS) else -1.0
            return known[place]

        place = min(range(len(WEIGHTS)), key=lambda one: abs(WEIGHTS[one] - start))
        for step in (1, -1):
            while at(place + step) > at(place):
                place += step
        return (at(place), WEIGHTS[place]) if at(place) > best else (best, 0.0)


def add_terms(
    part: Pairs,
    validation: Pairs,
    choice: Choice,
    device: torch.device,
    fixed: frozenset[str] = frozenset(),
    k: int = 20,
    terms: Terms | None = None,
    budget: Budget | None = None,
) -> Choice:
    """The share and the ridge of the item-to-item term beside the chosen factors, the share, rank and exponent of the
    low-pass term beside both, then the first's share again beside the second. Share 0 unless a term earns its place. `fixed`
    names settings that must stay; a term whose share is fixed is left as it is and takes no part in the choice. Shapes of a
    term that the budget has no time for are not tried."""
    if choice.fitted is None or (part.width < 2) or {"item_weight", "filter_weight"} <= fixed:
        return choice
    (model, listeners), settings = choice.fitted, choice.settings
    budget = budget or Budget()
    terms = terms or Terms(part, device, settings, fixed)
    terms.prepare()
    trials = _Trials(part, validation, device, k)
    history = part.among_rows(trials.rows.cpu().numpy())
    factors = listeners[trials.rows] @ model.artists.T
    base = best = trials.quality(factors)
    nothing = torch.zeros(1, 1, device=device)
    items, low = nothing, nothing

    working(f"choosing the terms' shares, by {len(trials.rows):,} listeners")

    def consider(
        rest: Tensor, shapes: Iterable[tuple[dict[str, float], Tensor]], name: str, kept: Tensor, start: float, share: float
    ) -> Tensor:
        nonlocal settings, best
        limit = best * EARNS if getattr(settings, name) == 0 else best
        for shape, term in shapes:
            if budget.over(share, f"shapes of {name}"):
                break
            found, weight = trials.climb(rest, term, start, limit)
            if weight:
                best = limit = found
                settings, start = settings.changed(**shape, **{name: weight}), weight
                kept = weight * term
        return kept

    def item_terms(ridges: Iterable[float]) -> Iterator[tuple[dict[str, float], Tensor]]:
        for ridge in ridges:
            term = torch.zeros_like(factors)
            at, columns = history.slots(np.arange(history.height))
            terms.neighbours[ridge].add_to(term, torch.from_numpy(at).to(device), torch.from_numpy(columns).to(device))
            yield {"item_ridge": ridge}, term

    def filter_terms() -> Iterator[tuple[dict[str, float], Tensor]]:
        for rank, degree in terms.filter_shapes:
            shaped = terms.filter.shaped(rank, degree)
            yield {"filter_rank": rank, "filter_degree": degree}, shaped.listeners(history) @ shaped.outputs().T

    if "item_weight" not in fixed:
        items = consider(factors, item_terms(terms.neighbours), "item_weight", items, 0.5, ITEMS_UNTIL)
    if "filter_weight" not in fixed:
        low = consider(factors + items, filter_terms(), "filter_weight", low, 0.35, 1.0)
        if "item_weight" not in fixed and settings.filter_weight and settings.item_weight:
            # Not the ridge: beside the filter any will do on a few listeners, and few of them on many.
            consider(factors + low, item_terms((settings.item_ridge,)), "item_weight", items, settings.item_weight, 1.0)
    return Choice(settings, choice.quality * best / max(base, 1e-12), choice.fitted) if best > base else choice
