"""Listeners and artists of whom only features are known.

Listener: every value of a feature (a country, an age group) has a share of listeners per artist, shrunk towards everybody's
share plus the value's vector: what the strongest common directions of all values' standardised deviations say of it,
itself shrunk by its listeners. Values multiply: log score = log p + Σ over features of log (p_value / p).

Artist: kernel ridge from words (tags, genres) to factors. Words meet in pairs too (the kernel's square): "french" and "hip
hop" together say more than their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .pairs import Pairs
from .words import WordTable

SUPPORT = 20.0  # listeners of a value at which its vector counts half
FLOOR = 1e-6
PRIOR, DIRECTIONS = 200.0, 10  # of Taste; others near these are as good (docs/adr/0067)
SHARES = (0.0, 0.25, 0.5, 0.75)  # of Taste beside the segments
RIDGES = (0.1, 0.3, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Taste:
    """log p of everybody [artists]; for each feature the names of its values, ascending, and log (p_value / p)
    [values, artists]."""

    everybody: np.ndarray
    names: list[np.ndarray]
    lifts: list[np.ndarray]

    @classmethod
    def of(
        cls, pairs: Pairs, features: Sequence[np.ndarray], prior: float = PRIOR, directions: int = DIRECTIONS
    ) -> Taste:
        """`features` hold a word per row of `pairs`, empty where unknown. `prior` is how many of a value's listeners have the
        taste that its vector predicts, `directions` how long that vector is."""
        active = np.flatnonzero(pairs.lengths > 0)
        share = (np.bincount(pairs.columns, minlength=pairs.width) + 0.5) / (len(active) + 1)
        spread = np.sqrt(share * (1 - share))
        names, lifts = [], []
        row, column = pairs.slots(active)
        for feature in features:
            words, at = np.unique(feature[active].astype(str), return_inverse=True)
            size = np.bincount(at, minlength=len(words)).astype(np.float64)[:, None]
            counts = np.bincount(at[row] * pairs.width + column, minlength=len(words) * pairs.width)
            counts = counts.reshape(len(words), pairs.width).astype(np.float64)
            deviation = (counts / size - share) / spread * np.sqrt(size)
            left, values, right = np.linalg.svd(deviation, full_matrices=False)
            vectors = (left * values)[:, :directions]
            common = vectors @ right[:directions] * spread / np.sqrt(size)
            expected = np.clip(share + common * size / (size + SUPPORT), FLOOR, 1.0)
            shrunk = (counts + prior * expected) / (size + prior)
            lift = np.log(shrunk + FLOOR) - np.log(share + FLOOR)
            names.append(words)
            lifts.append(np.where((words == "")[:, None], 0.0, lift))
        return cls(np.log(share + FLOOR), names, lifts)

    def scores(self, features: Sequence[np.ndarray]) -> np.ndarray:
        """log scores [listeners, artists]. A value that was not seen says nothing."""
        found = np.tile(self.everybody, (len(features[0]), 1))
        for feature, words, lift in zip(features, self.names, self.lifts, strict=True):
            own = feature.astype(str)
            at = np.minimum(np.searchsorted(words, own), len(words) - 1)
            found += np.where((words[at] == own)[:, None], lift[at], 0.0)
        return found


def beside_segments(segments: np.ndarray, features: np.ndarray, share: float) -> np.ndarray:
    """Scores [listeners, artists] from the segments' shrunk shares, up to a factor, and Taste's log scores, of which
    `share` is taken: they err differently, the segment knowing what only its combination of values plays."""
    return (1 - share) * np.log(segments + FLOOR) + share * features


@dataclass(frozen=True)
class WordKernel:
    """Artists' words as rows of length 1, plain and weighed by rarity: float32 [artists, words]."""

    plain: np.ndarray
    rare: np.ndarray

    @classmethod
    def of(cls, features: Sequence[Sequence[str]]) -> WordKernel:
        """`features` as WordTable.of takes them."""
        found = WordTable.of(features)
        table = np.zeros((found.height, len(found.owners)), np.float32)
        table[found.rows, found.columns] = found.weights
        return cls(_unit(table), _unit(table * found.rarity))

    def between(self, rows: np.ndarray, columns: np.ndarray, squared: bool = True) -> np.ndarray:
        """Likeness [rows, columns] of these artists, half of it by words weighed by rarity; words meet in pairs, too.
        Without `squared` it is the kernel of the plain ridge."""
        alike = [table[rows].astype(np.float64) @ table[columns].T.astype(np.float64) for table in (self.plain, self.rare)]
        kernel = (alike[0] + alike[1]) / 2
        return (kernel + kernel**2) / 2 if squared else kernel


def word_kernel(features: Sequence[Sequence[str]], squared: bool = True) -> np.ndarray:
    """WordKernel between all artists."""
    everyone = np.arange(len(features[0]))
    return WordKernel.of(features).between(everyone, everyone, squared)


def artist_vectors(kernel: np.ndarray, factors: np.ndarray, ridge: float) -> np.ndarray:
    """Vectors [artists, k] by their words from the factors [artists, k] of those that have any; a row of zeros has none. An
    artist unlike all others is drawn towards zero, as one without support should be."""
    old = np.flatnonzero((factors != 0).any(1))
    system = kernel[np.ix_(old, old)] + ridge * np.eye(len(old))
    return kernel[:, old] @ np.linalg.solve(system, factors[old])


def best_ridge(kernel: np.ndarray, factors: np.ndarray) -> tuple[float, np.ndarray]:
    """Of RIDGES the one by which each artist's factors [artists, k] follow best from those of all others (leave-one-out, in
    closed form: (A⁻¹Y)_i / (A⁻¹)_ii), and A⁻¹Y with it: times a likeness to these artists it is a vector."""
    values, axes = np.linalg.eigh(kernel)
    turned, best = axes.T @ factors, (np.inf, 0.0, factors)
    for ridge in RIDGES:
        shrink = 1 / (np.maximum(values, 0.0) + ridge)
        solved, own = axes @ (shrink[:, None] * turned), (axes**2) @ shrink
        error = float(((solved / own[:, None]) ** 2).sum())
        if error < best[0]:
            best = (error, ridge, solved)
    return best[1], best[2]


def _unit(table: np.ndarray) -> np.ndarray:
    return table / np.maximum(FLOOR, np.linalg.norm(table, axis=1, keepdims=True)).astype(table.dtype)
