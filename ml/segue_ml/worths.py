"""The weight of what a listener did with an artist: one for training, for its judgement and for scoring.

An entry is a listener's day with an artist: plays by the share that was heard (`heard`), likes, clicks and skips. It weighs
heard + like · likes + click · clicks - skip · skips, at least 0, times 2^(-age / half-life); ages are whole days. A skip is
evidence against: it takes from a play of the same day, and what is left with nothing is no longer learned from, but
still not new to its listener. So is an artist that was recommended and not clicked: it takes from all that the listener
did with that artist, whatever the day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from .data import Dataset
from .evaluate import DAY
from .pairs import Pairs
from .shown import Impressions

GIVEN_LIKE, GIVEN_CLICK = 2.0, 0.1  # in known.sql
LEAST = 1e-3  # weights below it are none


@dataclass(frozen=True)
class Worths:
    """In whole plays; `half_life` in days, 0 for none. The defaults are those of known.sql: what the interactions come
    with."""

    like: float = GIVEN_LIKE
    click: float = GIVEN_CLICK
    skip: float = 0.0
    half_life: float = 0.0
    passed: float = 0.0  # that a recommendation was shown and not clicked

    def by_day(
        self, heard: np.ndarray, likes: np.ndarray, clicks: np.ndarray, skips: np.ndarray, ages: np.ndarray
    ) -> np.ndarray:
        """Weights of entries: float32."""
        weights = heard + self.like * likes + self.click * clicks - self.skip * skips
        # What single precision leaves where a skip took all is nothing, too.
        return np.where(weights < LEAST, 0.0, weights * self.fade(ages)).astype(np.float32)

    def fade(self, ages: np.ndarray) -> np.ndarray:
        """What is left at these ages (days)."""
        if not self.half_life:
            return np.ones(len(ages))
        return 2.0 ** (-np.maximum(0, ages) / self.half_life)

    def less(self, met: Pairs, passed: Pairs) -> Pairs:
        """What is left of the pairs when what was passed over, by how often it was and faded, is taken off."""
        if not self.passed:
            return met
        off = passed.where((passed.values > 0) & met.has(passed.rows, passed.columns))
        parts = ((met.rows, off.rows), (met.columns, off.columns), (met.values, -self.passed * off.values))
        left = Pairs.build(*(np.concatenate(both) for both in parts), (met.height, met.width))
        return left.where(left.values > LEAST)

    def applied(self, data: Dataset, last: int) -> Dataset:
        """The same interactions, weighed anew from the counts that came with them; `last` (ms) has age 0."""
        likes, clicks, skips = (data.counts.get(name, np.zeros(1)) for name in ("likes", "clicks", "skips"))
        heard = np.maximum(0.0, data.weights - GIVEN_LIKE * likes - GIVEN_CLICK * clicks)
        return replace(data, weights=self.by_day(heard, likes, clicks, skips, last // DAY - data.times // DAY))

    def history(self, data: Dataset, before: int | None = None, impressions: Impressions | None = None) -> Pairs:
        """Positive pairs, of entries before a moment (ms) or of all, weighed as of then with what was passed over by then
        taken off."""
        last = int(data.times.max()) if before is None else before - 1
        met = self.applied(data, last).pairs(None if before is None else data.times < before)
        if impressions is None or not self.passed:
            return met
        return self.less(met, impressions.passed(before, lambda times: self.fade(last // DAY - times // DAY)))

    def of_entries(
        self, rows: np.ndarray, columns: np.ndarray, entries: Mapping[str, np.ndarray], today: int, shape: tuple[int, int]
    ) -> Pairs:
        """The same from entries by name: `days` (since 1970), `heard`, `likes`, `clicks`, `skips` and `passed`, how often
        it was shown less how often it was clicked. `today` has age 0."""
        ages = today - entries["days"]
        weights = self.by_day(*(entries[name] for name in ("heard", "likes", "clicks", "skips")), ages)
        liked = weights > 0
        met = Pairs.build(rows[liked], columns[liked], weights[liked], shape)
        return self.less(met, Pairs.build(rows, columns, entries["passed"] * self.fade(ages), shape))
