"""Artists that few listeners know yet, with a vector each: what their words say, plus what the few listeners do.

The first part is the kernel ridge of cold_start.py, from genre and followers to the factors of artists that are known; the
second is the artist's own factors, which iALS draws towards zero where there is little to learn from. So an artist
begins as one of its kind and becomes itself with its listeners. Where training has drawn factors to their words already
(words.py), the first part is only of those that nobody has played.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .cold_start import WordKernel, best_ridge
from .data import read_catalogue, read_facts
from .ials import Model

BASIS = 2048  # known artists that words are learned from: those with the most listeners
MOST = 8192  # newcomers with a vector: those last added to the catalogue
AT_ONCE = 1024


@dataclass(frozen=True)
class Catalogue:
    """All artists, by ascending number, and their words: one text per feature and artist (cold_start.words_of)."""

    numbers: np.ndarray
    words: list[np.ndarray]

    @classmethod
    def read(cls, artists: Path) -> Catalogue:
        """From the channel `artists`. Followers count in steps of √10; what an artist has of plays and likes is left out, as a
        new one has none, and as it would tell of the time after the moment that a model is judged at."""
        numbers = read_catalogue(artists)
        facts = read_facts(artists, numbers)
        words = [facts["genre"]] if "genre" in facts else []
        if "followers" in facts:
            words.append(np.array([_step(value) for value in facts["followers"]], object))
        return cls(numbers.astype(np.int32), words)


def _step(followers: float) -> str:
    return f"{int(2 * np.log10(followers))}" if followers >= 1 else ""


@dataclass(frozen=True)
class Newcomers:
    """Artist numbers, ascending, int32 [n]; vectors [n, k]; where each is among the model's artists, -1 where it is not,
    int64 [n]."""

    numbers: np.ndarray
    vectors: Tensor
    at: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)


def positions(numbers: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where each artist number is among these, which ascend; -1 where it is not. int64."""
    at = np.minimum(np.searchsorted(numbers, wanted), len(numbers) - 1)
    return np.where(numbers[at] == wanted, at, -1)


def find_newcomers(
    model: Model, numbers: np.ndarray, listeners: np.ndarray, young: np.ndarray, catalogue: Catalogue
) -> Newcomers:
    """Those of the model's artists that are `young` (bool), and all of the catalogue that it does not know. `numbers`
    (ascending) and `listeners`, how many each has, are of the model's artists. One of whom neither words nor listeners say
    anything is left out."""
    at = positions(numbers, catalogue.numbers)
    factors = model.artists.cpu().numpy().astype(np.float64)
    trained = (at >= 0) & (factors[at] != 0).any(1)
    new = (at < 0) | young[at]
    known = np.flatnonzero(trained & ~new)
    known = np.sort(known[np.argsort(-listeners[at[known]], kind="stable")[:BASIS]])
    new = np.flatnonzero(new)[-MOST:]
    vectors = np.where(trained[new, None], factors[at[new]], 0.0)
    if catalogue.words and len(known) and len(new):
        kernel = WordKernel.of([list(words[np.concatenate([known, new])]) for words in catalogue.words])
        basis = np.arange(len(known))
        _, solved = best_ridge(kernel.between(basis, basis), factors[at[known]])
        for first in range(0, len(new), AT_ONCE):
            part = np.arange(first, min(first + AT_ONCE, len(new)))
            by_words = kernel.between(len(known) + part, basis) @ solved
            if model.settings.word_ridge > 0:
                by_words[trained[new[part]]] = 0.0
            vectors[part] += by_words
    said = (vectors != 0).any(1)
    found = torch.from_numpy(vectors[said].astype(np.float32)).to(model.artists.device)
    return Newcomers(catalogue.numbers[new[said]], found, at[new[said]])
