"""Chooses the shares of the linear terms on a validation split, beside factors that stay."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from .blend import fold_in
from .ials import Model, Settings, train
from .learned import Learned, learn, worth_learning
from .metrics import Ranking, rank_all
from .neighbours import LocalRidge, Neighbours
from .pairs import Pairs
from .runtime import Budget, working
from .spectral import LowPass, low_pass
from .words import Words

WEIGHTS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)
ITEM_RIDGES, FILTER_RANKS, FILTER_DEGREES = (0.1, 0.3, 1.0, 3.0), (64, 128, 256, 512), (0.3, 0.5)
EARNS = 1.002  # a term must raise the quality by more than this factor: it costs memory and time
ITEMS_UNTIL = 0.85  # share of a budget after which the low-pass term's shapes are tried
MOST_SCORES = 96 << 20  # of the validation's listeners, per matrix; five are held

Split = tuple[Pairs, Pairs]  # what is trained on, and the hidden pairs that judge


def quality(ranking: Ranking) -> float:
    """What settings are chosen by: the mean of recall and NDCG."""
    means = ranking.means()
    return (means[f"recall@{ranking.k}"] + means[f"ndcg@{ranking.k}"]) / 2


@dataclass(frozen=True)
class Choice:
    """Settings with the best number of sweeps, their quality on the validation part, what was trained on the other, and
    the factors' quality for each of the validation's listeners."""

    settings: Settings
    quality: float
    fitted: tuple[Model, Tensor] | None = None
    each: np.ndarray | None = None


class Terms:
    """All terms fitted to the training part in all shapes that are tried. They do not depend on the factors, so that one
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
        """Of the highest rank, a third of the smaller side at most; lower ones are its first directions."""
        working("fitting the low-pass term")
        smaller = min(self._part.height, self._part.width)
        most = max((rank for rank in FILTER_RANKS if 3 * rank <= smaller), default=min(FILTER_RANKS))
        rank = self._settings.filter_rank if "filter_rank" in self._fixed else most
        return low_pass(self._part, rank, self._device, self._settings.seed)

    @cached_property
    def learned(self) -> Learned:
        """Of no share yet."""
        working("fitting the learned part")
        return learn(self._part, self._device, self._settings.seed)

    @property
    def learns(self) -> bool:
        return "learned_weight" not in self._fixed and worth_learning(self._part)

    def prepare(self) -> None:
        """Fits what a choice may ask for; the item-to-item term first, whose Gram matrix is the largest array of all."""
        if self._part.count and self._part.width > 1:
            _ = "item_weight" in self._fixed or self.neighbours
            _ = "filter_weight" in self._fixed or self.filter
            _ = self.learns and self.learned

    @property
    def filter_shapes(self) -> Iterator[tuple[int, float]]:
        """Ranks and exponents to try."""
        width = self.filter.axes.shape[1]
        ranks = [width] if "filter_rank" in self._fixed else [rank for rank in FILTER_RANKS if rank < width] + [width]
        degrees = (self._settings.filter_degree,) if "filter_degree" in self._fixed else FILTER_DEGREES
        return ((rank, degree) for rank in ranks for degree in degrees)


class _Side:
    """One split: the validation's listeners, as many as fit, with their scores as matrices, so that a share costs one sum."""

    def __init__(
        self, split: Split, fitted: tuple[Model, Tensor], terms: Terms, device: torch.device, k: int, most: int
    ) -> None:
        part, validation = split
        rows = np.flatnonzero(validation.lengths > 0)
        most = max(200, most // max(1, part.width))
        if len(rows) > most:
            rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
        self.rows, self._device, self._k, self._terms = rows, device, k, terms
        self._at = torch.full((part.height,), -1, dtype=torch.int64, device=device)
        self._at[torch.from_numpy(rows).to(device)] = torch.arange(len(rows), device=device)
        self._part, self._validation, self._history = part, validation, part.among_rows(rows)
        model, listeners = fitted
        self.factors = listeners[torch.from_numpy(rows).to(device)] @ model.artists.T

    def quality(self, scores: Tensor) -> float:
        return quality(
            rank_all(
                lambda rows: scores[self._at[rows]],
                *(self._validation, self._part, self._k, self._device, self.rows),
                with_auc=False,
            )
        )

    def items(self, ridge: float) -> Tensor:
        term = torch.zeros_like(self.factors)
        slots = self._history.slots(np.arange(self._history.height))
        at, columns = (torch.from_numpy(found).to(self._device) for found in slots)
        self._terms.neighbours[ridge].add_to(term, at, columns)
        return term

    def filtered(self, rank: int, degree: float) -> Tensor:
        shaped = self._terms.filter.shaped(rank, degree)
        return shaped.listeners(self._history) @ shaped.outputs().T

    def learned(self) -> Tensor:
        whole = LowPass.nothing(self._part.width, self._device).beside(self._terms.learned)
        return whole.listeners(self._history) @ whole.outputs().T


Scores = list[Tensor]  # of each side


def _plus(rest: Scores, term: Scores, share: float) -> Scores:
    return [one + share * other for one, other in zip(rest, term, strict=True)]


class _Trials:
    """The splits side by side. Quality is the mean of theirs."""

    def __init__(self, sides: Sequence[_Side]) -> None:
        self.sides = sides

    def quality(self, scores: Scores) -> float:
        return float(np.mean([side.quality(own) for side, own in zip(self.sides, scores, strict=True)]))

    def climb(self, rest: Scores, term: Scores, start: float, best: float) -> tuple[float, float]:
        """The share of `term` beside `rest`, from `start` in both directions while the quality rises: (quality, share);
        share 0 where none is better than `best`."""
        known: dict[int, float] = {}

        def at(place: int) -> float:
            if place not in known:
                known[place] = self.quality(_plus(rest, term, WEIGHTS[place])) if 0 <= place < len(WEIGHTS) else -1.0
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
    more: Sequence[Split] = (),
    words: Words | None = None,
) -> Choice:
    """The share and the ridge of the item-to-item term beside the chosen factors, the share, rank and exponent of the
    low-pass term beside both, then the first's share again beside the second, then the learned part's beside all. Share 0
    unless a term earns its place. `fixed` names settings that must stay; a term whose share is fixed is left as it is and
    takes no part in the choice. Shapes of a term that the budget has no time for are not tried. With `more` splits the
    choice is by the mean over all."""
    if choice.fitted is None or (part.width < 2) or {"item_weight", "filter_weight"} <= fixed:
        return choice
    settings = choice.settings
    budget = budget or Budget()
    terms = terms or Terms(part, device, settings, fixed)
    terms.prepare()
    most = MOST_SCORES // (1 + len(more))
    sides = [_Side((part, validation), choice.fitted, terms, device, k, most)]
    for other in more:
        if budget.over(ITEMS_UNTIL, "other hidden parts"):
            break
        own = Terms(other[0], device, settings, fixed)
        own.prepare()
        model = train(other[0], settings, device, words=words)
        sides.append(_Side(other, (model, fold_in(model, other[0], device)), own, device, k, most))
    trials = _Trials(sides)
    factors = [side.factors for side in sides]
    base = best = trials.quality(factors)
    items = low = [torch.zeros(1, 1, device=device) for _ in sides]

    working(f"choosing the terms' shares, by {sum(len(side.rows) for side in sides):,} listeners")

    def consider(
        rest: Scores, shapes: Iterable[tuple[dict[str, float], Scores]], name: str, kept: Scores, start: float, share: float
    ) -> Scores:
        nonlocal settings, best
        limit = best * EARNS if getattr(settings, name) == 0 else best
        for shape, term in shapes:
            if budget.over(share, f"shapes of {name}"):
                break
            found, weight = trials.climb(rest, term, start, limit)
            if weight:
                best = limit = found
                settings, start = settings.changed(**shape, **{name: weight}), weight
                kept = [weight * own for own in term]
        return kept

    def item_terms(ridges: Iterable[float]) -> Iterator[tuple[dict[str, float], Scores]]:
        for ridge in ridges:
            yield {"item_ridge": ridge}, [side.items(ridge) for side in sides]

    def filter_terms() -> Iterator[tuple[dict[str, float], Scores]]:
        for rank, degree in terms.filter_shapes:
            shape = {"filter_rank": rank, "filter_degree": degree}
            yield shape, [side.filtered(rank, degree) for side in sides]

    if "item_weight" not in fixed:
        items = consider(factors, item_terms(terms.neighbours), "item_weight", items, 0.5, ITEMS_UNTIL)
    if "filter_weight" not in fixed:
        low = consider(_plus(factors, items, 1.0), filter_terms(), "filter_weight", low, 0.35, 1.0)
        if "item_weight" not in fixed and settings.filter_weight and settings.item_weight:
            # Not the ridge: beside the filter any will do on a few listeners, and few of them on many.
            beside, again = _plus(factors, low, 1.0), item_terms((settings.item_ridge,))
            items = consider(beside, again, "item_weight", items, settings.item_weight, 1.0)
    if terms.learns:
        beside, last = _plus(_plus(factors, items, 1.0), low, 1.0), [side.learned() for side in sides]
        consider(beside, [({}, last)], "learned_weight", low, 1.0, 1.0)
    return Choice(settings, choice.quality * best / max(base, 1e-12), choice.fitted) if best > base else choice
