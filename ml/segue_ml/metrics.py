"""Ranking metrics over all artists, per listener."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .pairs import Pairs

BLOCK = 8 << 20  # scores at a time

# Scores [rows, artists] of the listeners at these positions (int64 [rows]).
ScoreRows = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Ranking:
    """Metrics of each evaluated listener (float64 [listeners]) and of the lists as a whole. `shown` counts the lists that
    hold each artist."""

    listeners: np.ndarray
    recall: np.ndarray
    ndcg: np.ndarray
    auc: np.ndarray
    coverage: float
    k: int
    precision: np.ndarray  # average precision at k
    hit: np.ndarray  # 1.0 where the list holds a relevant artist
    shown: np.ndarray
    lists: np.ndarray  # int32 [listeners, k]: artists, best first; -1 behind the end
    scores: np.ndarray  # float32 [listeners, k], of the lists
    hits: np.ndarray  # bool [listeners, k]: relevant

    def means(self) -> dict[str, float]:
        return {
            f"recall@{self.k}": float(self.recall.mean()),
            f"ndcg@{self.k}": float(self.ndcg.mean()),
            "auc": float(self.auc.mean()),
            f"map@{self.k}": float(self.precision.mean()),
            f"hit@{self.k}": float(self.hit.mean()),
            f"coverage@{self.k}": self.coverage,
        }

    def intervals(self, seed: int, played: np.ndarray, everybody: int, resamples: int = 1000) -> dict[str, list[float]]:
        """95 % bootstrap intervals over listeners [low, high] of all that `means` and `popularity` say."""
        share, listed = np.maximum(played, 1) / max(1, everybody), self.lists >= 0
        own = np.where(listed, share[self.lists], 1.0)
        length = np.maximum(1, listed.sum(1))
        surprise, popular = -np.log2(own).sum(1) / length, np.where(listed, own, 0.0).sum(1) / length
        values = np.stack([self.recall, self.ndcg, self.auc, self.precision, self.hit, surprise, popular], 1)
        names = [f"recall@{self.k}", f"ndcg@{self.k}", "auc", f"map@{self.k}", f"hit@{self.k}"]
        names += [f"novelty@{self.k}", f"popularity@{self.k}"]
        low, high = bootstrap(values, seed, resamples).tolist()
        found = {name: [low[at], high[at]] for at, name in enumerate(names)}
        return {**found, f"coverage@{self.k}": self._coverage(seed)}

    def _coverage(self, seed: int, resamples: int = 200) -> list[float]:
        """The figure ± half the width of the resamples' interval: a resample holds fewer different listeners, so that its
        own coverage is always too low."""
        generator = np.random.default_rng(seed)
        reached, width = int((self.shown > 0).sum()), len(self.shown)
        counts = np.empty(resamples)
        for at in range(resamples):
            lists = self.lists[generator.integers(len(self.lists), size=len(self.lists))]
            counts[at] = np.count_nonzero(np.bincount(lists[lists >= 0], minlength=width))
        low, high = np.quantile(counts, (0.025, 0.975))
        half = (high - low) / 2 * self.coverage / max(1, reached)
        return [max(0.0, self.coverage - half), min(1.0, self.coverage + half)]

    def popularity(self, listeners: np.ndarray, everybody: int) -> dict[str, float]:
        """How popular the listed artists are, by the listeners of each artist and the number of all listeners. Novelty is
        the mean surprise, -log2 of the share of listeners who played the artist (Zhou et al. 2010); popularity the mean
        share itself."""
        share = np.maximum(listeners, 1) / max(1, everybody)
        total = max(1, int(self.shown.sum()))
        return {
            f"novelty@{self.k}": float(-(self.shown * np.log2(share)).sum() / total),
            f"popularity@{self.k}": float((self.shown * share).sum() / total),
        }


def bootstrap(values: np.ndarray, seed: int, resamples: int = 1000) -> np.ndarray:
    """95 % interval of the mean of each column of values [listeners, columns]: [2, columns] (Efron's percentiles)."""
    generator = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    for at in range(resamples):
        means[at] = values[generator.integers(len(values), size=len(values))].mean(0)
    return np.quantile(means, (0.025, 0.975), axis=0)


def recall_and_ndcg(hits: np.ndarray, relevant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of each list of hits (bool [lists, k]): hits over the number of relevant artists, and NDCG whose ideal has min(k, that
    number) hits."""
    k = hits.shape[1]
    discount = 1.0 / torch.log2(torch.arange(2, k + 2, dtype=torch.float64)).numpy()
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(relevant, k)]
    return hits.sum(1) / relevant, hits @ discount / ideal


def rank_all(
    score_rows: ScoreRows,
    relevant: Pairs,
    masked: Pairs,
    k: int,
    device: torch.device,
    listeners: np.ndarray | None = None,
    candidates: np.ndarray | None = None,
    with_auc: bool = True,
) -> Ranking:
    """Ranks every candidate artist for every listener who has a relevant one.

    `masked` pairs are left out of the ranking; `relevant` must not share a pair with it. Recall@k divides by the number
    of relevant artists, as does average precision; the ideal DCG has min(k, that number) hits. AUC is the share of (relevant, other candidate)
    pairs in the right order, ties counted half. Coverage is the share of candidates in at least one list.
    `listeners` limits the rows, `candidates` (bool [artists]) the artists.
    """
    rows = np.flatnonzero(relevant.lengths > 0) if listeners is None else listeners
    allowed = np.ones(relevant.width, bool) if candidates is None else candidates
    banned = torch.from_numpy(np.flatnonzero(~allowed)).to(device)
    k_used = min(k, relevant.width)
    recall, ndcg, auc, precision, hit = (np.zeros(len(rows)) for _ in range(5))
    place = np.arange(1, k_used + 1)
    shown = np.zeros(relevant.width, np.int64)
    lists, values = np.full((len(rows), k_used), -1, np.int32), np.zeros((len(rows), k_used), np.float32)
    found = np.zeros((len(rows), k_used), bool)
    step = max(1, BLOCK // max(1, relevant.width))
    for first in range(0, len(rows), step):
        part = rows[first : first + step]
        here = slice(first, first + len(part))
        scores = score_rows(torch.from_numpy(part.astype(np.int64)).to(device)).clone()
        scores[:, banned] = -torch.inf
        mask_row, mask_column = masked.slots(part)
        scores[torch.from_numpy(mask_row).to(device), torch.from_numpy(mask_column).to(device)] = -torch.inf
        best, top = torch.topk(scores, k_used, dim=1)
        chosen, listed = top.cpu().numpy(), torch.isfinite(best).cpu().numpy()
        hits = relevant.has(np.repeat(part, k_used), chosen.ravel()).reshape(chosen.shape) & listed
        lists[here][listed], values[here][listed] = chosen[listed], best.cpu().numpy()[listed]
        found[here] = hits
        count = relevant.lengths[part]
        recall[here], ndcg[here] = recall_and_ndcg(hits, count)
        precision[here] = (hits * hits.cumsum(1) / place).sum(1) / count
        hit[here] = hits.any(1)
        shown += np.bincount(chosen[listed], minlength=relevant.width)
        if with_auc:
            auc[here] = _auc(scores, relevant, part, device)
    coverage = float((shown > 0).sum() / max(1, allowed.sum()))
    return Ranking(rows, recall, ndcg, auc, coverage, k, precision, hit, shown, lists, values, found)


def _auc(scores: Tensor, relevant: Pairs, rows: np.ndarray, device: torch.device) -> np.ndarray:
    """Counts, for every relevant artist, the candidates below it and beside it; masked ones are below everything and
    are taken off, as are the other relevant ones."""
    row, column = relevant.slots(rows)
    at = torch.from_numpy(row).to(device)
    value = scores[at, torch.from_numpy(column).to(device)]
    below, beside = torch.empty_like(value), torch.empty_like(value)
    step = max(1, BLOCK // scores.shape[1])
    for first in range(0, len(row), step):
        own = scores.index_select(0, at[first : first + step])
        edge = value[first : first + step].unsqueeze(1)
        below[first : first + step] = (own < edge).sum(1)
        beside[first : first + step] = (own == edge).sum(1)
    out = torch.isinf(scores).sum(1).cpu().numpy()
    points = (below + 0.5 * beside).double().cpu().numpy() - out[row]
    count = relevant.lengths[rows]
    # Among the relevant themselves, pairs and the artist with itself come to count² / 2 points.
    total = np.bincount(row, points, minlength=len(rows)) - count * count / 2
    others = scores.shape[1] - out - count
    return np.where(others > 0, total / np.maximum(1, count * others), 0.5)
