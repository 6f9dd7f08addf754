"""The temporal holdout: what would the model have recommended at a moment in the past, and what was then played?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

import numpy as np
import torch
from torch import Tensor

from .blend import Blend
from .data import Dataset
from .errors import SegueError
from .metrics import Ranking, ScoreRows, rank_all
from .neighbours import LocalRidge
from .pairs import Pairs

DAY = 86_400_000
ENOUGH_LISTENERS = 200
MOST_LISTENERS = 20_000
RANKED = 96 << 20  # scores of the listeners that settings are chosen by
LISTENERS_TO_SPLIT, MOST_SPLITS = 5000, 3
SHARES = (0.2, 0.3, 0.4)


@dataclass(frozen=True)
class Holdout:
    """`history`: positive pairs before `cutoff` (ms), all that the evaluated model may see. `masked`: every pair known
    before it, weight 0 too. `relevant`: positive pairs of the time after it that are new to their listener, of
    listeners with a history and artists with one. `candidates`: bool [artists]. `listeners`: rows to evaluate."""

    cutoff: int
    history: Pairs
    masked: Pairs
    relevant: Pairs
    candidates: np.ndarray
    listeners: np.ndarray

    def protocol(self, k: int) -> dict[str, object]:
        """What evaluation.json says of how the figures were made."""
        return {
            "split": "temporal",
            "cutoff": iso(self.cutoff),
            "listeners": len(self.listeners),
            "k": [k],
            "relevant": int(self.relevant.lengths[self.listeners].sum()),
            "candidates": int(self.candidates.sum()),
            "rule": "one moment for all; trained on interactions before it; relevant are artists first played after "
            "it, among those that someone had played before it; artists played before it are left out of the lists; "
            "recall divides by the number of relevant artists, the ideal DCG has min(k, that number) hits",
        }


def iso(milliseconds: int) -> str:
    """UTC, in seconds."""
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> int:
    """Milliseconds since 1970 of such a text."""
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


def temporal_holdout(data: Dataset, seed: int = 0, after: int | None = None) -> Holdout:
    """Cuts at the start of the day (UTC) that leaves about the last fifth of the interactions, or more where that
    gives too few listeners. Rows are days with the time of their last event, so a cut between days keeps every event of
    a row on its side. With `after` (ms), up to which another model has seen everything, at the first midnight behind it, if
    that is later and leaves ENOUGH_LISTENERS. Raises SegueError when no cut leaves a listener with something new to find."""
    best: Holdout | None = None
    for share in SHARES:
        found = split_at(data, _cutoff(data.times, share), seed)
        if best is None or len(found.listeners) > len(best.listeners):
            best = found
        if len(best.listeners) >= ENOUGH_LISTENERS:
            break
    if best is None or not len(best.listeners):
        raise SegueError(
            f"interactions: nothing to evaluate on: from {iso(int(data.times.min()))} to {iso(int(data.times.max()))} "
            "no listener plays a new artist after a first day; more days of interactions are needed"
        )
    later = 0 if after is None else after - after % DAY + DAY
    if best.cutoff < later <= data.times.max():
        found = split_at(data, later, seed)
        if len(found.listeners) >= ENOUGH_LISTENERS:
            return found
    return best


def _cutoff(times: np.ndarray, share: float) -> int:
    moment = int(np.quantile(times, 1 - share, method="lower"))
    midnight = moment - moment % DAY
    return midnight if midnight > times.min() else max(moment, int(times.min()) + 1)


def split_at(data: Dataset, cutoff: int, seed: int = 0) -> Holdout:
    """The holdout of one moment (ms since 1970)."""
    before = data.times < cutoff
    history = data.pairs(before)
    masked = data.pairs(before, positive=False)
    after = data.pairs(~before)
    candidates = np.bincount(history.columns, minlength=history.width) > 0
    fresh = ~masked.has(after.rows, after.columns) & candidates[after.columns] & (history.lengths > 0)[after.rows]
    relevant = after.where(fresh)
    listeners = np.flatnonzero(relevant.lengths > 0)
    if len(listeners) > MOST_LISTENERS:
        listeners = np.sort(np.random.default_rng(seed).choice(listeners, MOST_LISTENERS, replace=False))
    return Holdout(cutoff, history, masked, relevant, candidates, listeners)


def random_holdout(pairs: Pairs, seed: int, share: float = 0.2, most: int | None = None) -> tuple[Pairs, Pairs]:
    """For choosing settings: hides `share` of the pairs of up to `most` listeners with five or more, at random; by
    default of 2,000 to 8,000, as many as are soon ranked. Of 2,000 the choice among some fifty settings is worth less
    than it seems. Returns what is left to train on, and the hidden pairs."""
    most = int(np.clip(RANKED // max(1, pairs.width), 2000, 8000)) if most is None else most
    generator = np.random.default_rng(seed)
    able = np.flatnonzero(pairs.lengths >= 5)
    chosen = generator.choice(able, min(most, len(able)), replace=False) if len(able) else able
    hidden = np.zeros(pairs.count, bool)
    for row in np.sort(chosen):
        count = int(pairs.lengths[row])
        hidden[pairs.starts[row] + generator.choice(count, max(1, int(share * count)), replace=False)] = True
    # An artist whose only listeners were hidden has no vector: it could not be found by any model.
    seen = np.bincount(pairs.columns[~hidden], minlength=pairs.width) > 0
    return pairs.where(~hidden), pairs.where(hidden & seen[pairs.columns])


def other_holdouts(pairs: Pairs, seed: int) -> list[tuple[Pairs, Pairs]]:
    """Up to two further random holdouts where the listeners are few: by 2,000 alone a term of the model that is worth one
    percent is taken or left by luck."""
    able = int((pairs.lengths >= 5).sum())
    count = min(MOST_SPLITS, -(-LISTENERS_TO_SPLIT // max(1, able)))
    return [random_holdout(pairs, seed + other) for other in range(1, count)] if able else []


def compare(
    model: Blend, holdout: Holdout, device: torch.device, k: int, seed: int, champion: ScoreRows | None = None
) -> dict[str, Ranking]:
    """The model beside popularity (listeners before the cutoff), random, item-kNN (cosine) and the champion where its scores
    are given, by the same protocol."""
    popularity = torch.from_numpy(np.bincount(holdout.history.columns, minlength=holdout.history.width)).float()
    popularity = popularity.to(device)
    generator = torch.Generator().manual_seed(seed)

    def at_random(rows: Tensor) -> Tensor:
        return torch.rand(len(rows), len(popularity), generator=generator).to(device)

    contestants = {
        "model": model.scorer(holdout.history, device),
        "popularity": lambda rows: popularity.expand(len(rows), -1),
        "random": at_random,
        "item-knn": nearest(holdout.history, device),
        **({} if champion is None else {"champion": champion}),
    }
    return {
        name: rank_all(score, holdout.relevant, holdout.masked, k, device, holdout.listeners, holdout.candidates)
        for name, score in contestants.items()
    }


def nearest(history: Pairs, device: torch.device) -> ScoreRows:
    """Item-kNN: the sum of the cosines between an artist and those of the history."""
    cosines = LocalRidge(history, device).cosines()

    def score(rows: Tensor) -> Tensor:
        scores = torch.zeros(len(rows), history.width, device=device)
        at, columns = history.slots(rows.cpu().numpy())
        cosines.add_to(scores, torch.from_numpy(at).to(device), torch.from_numpy(columns).to(device))
        return scores

    return score
