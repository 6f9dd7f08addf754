"""Artists' words (tags, genres) as a prior of their factors: artists of the same kind begin at the same place, and their
listeners move each from there.

In the objective of ials.py the term ridge_i |y_i|² of an artist becomes ridge_i |y_i - μ_i|² with μ = F W, where F
[artists, words] holds the words and W is the ridge regression of the factors on them. Both are solved in turn. So whoever has few
listeners is drawn to its kind in place of zero (Agarwal and Chen 2009, "Regression-based latent factor models").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .errors import SegueError
from .pairs import Pairs
from .sparse import compressed, matrix_of

MOST_WORDS = 4096
STEPS, CLOSE = 40, 1e-3  # of conjugate gradients; of the first residual


def words_of(text: str) -> dict[str, float]:
    """`rock:3|indie` as weights by word: 1 + log of the count, 1 where there is none."""
    found: dict[str, float] = {}
    for part in filter(None, text.split("|")):
        word, colon, count = part.rpartition(":")
        number = float(count) if colon and count.isdecimal() else 0.0
        found[word if number else part] = 1.0 + float(np.log(number)) if number else 1.0
    return found


def read_words(path: Path, name: str, artists: int) -> list[str]:
    """A line: an artist's index, then words separated by spaces, each with a count where it has one (`rock:3`). Returns the
    text (words_of) of each of `artists`; empty where absent. Raises SegueError with the line that is wrong."""
    texts = [""] * artists
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                index, *found = line.split() or ["0"]
                if not index.isdecimal():
                    raise SegueError(f"{name}: line {number} begins with {index!r}, not with an artist's index")
                # One that no line of --train or --test has cannot be listed.
                if found and int(index) < artists:
                    texts[int(index)] = "|".join(filter(None, (texts[int(index)], *found)))
    except (OSError, UnicodeDecodeError) as error:
        raise SegueError(f"{name}: cannot read {path}: {error}") from error
    if not any(texts):
        raise SegueError(f"{name}: no words of an artist in {path}")
    return texts


class WordTable(NamedTuple):
    """Which artist has which word, by ascending artist and word, with its weight; and how many artists have each word."""

    rows: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    owners: np.ndarray
    height: int

    @classmethod
    def of(cls, features: Sequence[Sequence[str]]) -> WordTable:
        """`features` hold one text per artist and feature (words_of). The same word of two features is two words; one that
        a single artist has says nothing of others and is dropped, as is what is beyond MOST_WORDS."""
        numbers: dict[tuple[int, str], int] = {}
        rows, columns, weights = [], [], []
        for feature, texts in enumerate(features):
            for artist, text in enumerate(texts):
                for word, weight in words_of(text).items():
                    rows.append(artist)
                    columns.append(numbers.setdefault((feature, word), len(numbers)))
                    weights.append(weight)
        row, at = np.array(rows, np.int64), np.array(columns, np.int64)
        owners = np.bincount(at, minlength=len(numbers))
        kept = np.argsort(-owners, kind="stable")[:MOST_WORDS]
        kept = np.sort(kept[owners[kept] > 1])
        number = np.full(len(numbers), -1)
        number[kept] = np.arange(len(kept))
        use = np.flatnonzero(number[at] >= 0)
        use = use[np.lexsort((number[at[use]], row[use]))]
        weight = np.array(weights, np.float32)[use]
        return cls(row[use], number[at[use]], weight, owners[kept], len(features[0]) if len(features) else 0)

    @property
    def rarity(self) -> np.ndarray:
        """log of artists over those that have the word, float32 [words]."""
        return np.log(self.height / np.maximum(1, self.owners)).astype(np.float32)


@dataclass(frozen=True)
class Words:
    """Rows of length 1 with the words weighed by rarity, [artists, words], and the same with rows and columns swapped; both
    compressed."""

    of_artists: Tensor
    of_words: Tensor

    @classmethod
    def of(cls, features: Sequence[Sequence[str]], device: torch.device) -> Words | None:
        """`features` as WordTable.of takes them; None where no word says anything."""
        table = WordTable.of(features)
        values = table.weights * table.rarity[table.columns]
        length = np.sqrt(np.bincount(table.rows, values.astype(np.float64) ** 2, minlength=table.height))
        if not values.any():
            return None
        values = (values / np.maximum(1e-12, length[table.rows])).astype(np.float32)
        pairs = Pairs.build(table.rows, table.columns, values, (table.height, len(table.owners)))
        return cls(matrix_of(pairs, device), matrix_of(pairs.transpose(), device))


class Prior:
    """Where an artist's words say that its factors lie, in the axes of the factors that say so."""

    def __init__(self, words: Words, ridges: Tensor, strength: float) -> None:
        """`ridges` [artists] are the artists' in the objective, 0 for those without interactions, which say nothing. The
        ridge of the words is `strength` times their mean."""
        self._words, self._ridges = words, ridges.unsqueeze(1)
        self._ridge = strength * float(ridges.sum() / (ridges > 0).sum().clamp_min(1))
        squares = compressed(
            words.of_words.crow_indices(), words.of_words.col_indices(), words.of_words.values() ** 2, len(ridges)
        )
        self._inverse = (squares @ self._ridges + self._ridge).reciprocal()

    def means(self, factors: Tensor) -> Tensor:
        """μ [artists, k] of these factors: W minimises Σ ridge_i |y_i - F_i W|² + ridge |W|², by conjugate gradients. One
        answer for the same factors, so that a training that was stopped goes on to the same model."""
        of_artists, of_words = self._words.of_artists, self._words.of_words
        residual = of_words @ (self._ridges * factors)
        result = torch.zeros_like(residual)
        direction = self._inverse * residual
        energy = (residual * direction).sum()
        enough = CLOSE**2 * energy
        for _ in range(STEPS):
            if not bool(energy > enough):
                break
            image = of_words @ (self._ridges * (of_artists @ direction)) + self._ridge * direction
            step = energy / (direction * image).sum()
            result += step * direction
            residual -= step * image
            scaled = self._inverse * residual
            before, energy = energy, (residual * scaled).sum()
            direction = scaled + energy / before * direction
        return of_artists @ result
