"""What a mean over all listeners hides: groups, the meaning of a score, and events that never arrived."""

from __future__ import annotations

import numpy as np
import torch

from .blend import Blend
from .evaluate import Holdout
from .metrics import Ranking, bootstrap, rank_all

BINS = 10
DROPPED = (0.1, 0.3, 0.5)


def by_group(ranking: Ranking, name: str, values: np.ndarray, seed: int = 0) -> list[dict[str, object]]:
    """Metrics of each value of a listener attribute (object [all listeners]) with their 95 % bootstrap intervals; the
    empty value is the unknown one."""
    own = values[ranking.listeners].astype(str)
    metrics = [f"recall@{ranking.k}", f"ndcg@{ranking.k}"]
    figures = np.stack([ranking.recall, ranking.ndcg], 1)
    groups = []
    for value in np.unique(own):
        part = figures[own == value]
        ends = bootstrap(part, seed).T
        means = {metric: round(float(mean), 6) for metric, mean in zip(metrics, part.mean(0), strict=True)}
        intervals = {metric: _rounded(pair) for metric, pair in zip(metrics, ends, strict=True)}
        groups.append({"by": name, "value": str(value), "listeners": len(part), **means, "intervals": intervals})
    return groups


def gaps(
    ranking: Ranking, name: str, values: np.ndarray, seed: int = 0, smallest: int = 30
) -> list[dict[str, object]]:
    """The largest difference of each metric between the attribute's groups of `smallest` listeners or more, with the
    95 % bootstrap interval of the difference between these two groups."""
    own = values[ranking.listeners].astype(str)
    names, counts = np.unique(own, return_counts=True)
    large = [str(value) for value in names[counts >= smallest]]
    found = []
    for metric, figures in ((f"recall@{ranking.k}", ranking.recall), (f"ndcg@{ranking.k}", ranking.ndcg)):
        means = {value: float(figures[own == value].mean()) for value in large}
        if len(means) < 2:
            continue
        low, high = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
        generator = np.random.default_rng(seed)
        better, worse = figures[own == high], figures[own == low]
        differences = [
            generator.choice(better, len(better)).mean() - generator.choice(worse, len(worse)).mean()
            for _ in range(1000)
        ]
        gap, ends = round(means[high] - means[low], 6), np.quantile(differences, (0.025, 0.975))
        line = {"by": name, "metric": metric, "gap": gap, "lowest": low, "highest": high, "interval": _rounded(ends)}
        found.append(line)
    return found


def calibration(ranking: Ranking, seed: int = 0) -> dict[str, object] | None:
    """Does a score mean the same for everybody? Half of the listeners teach what share of the listed artists with a score
    was played (isotonic regression); of the other half, artists of like prediction are compared with what was played.
    `error` is the mean absolute difference over the artists (expected calibration error). None below 20 listeners."""
    listeners = len(ranking.listeners)
    if listeners < 20:
        return None
    teach = np.zeros(listeners, bool)
    teach[np.random.default_rng(seed).permutation(listeners)[: listeners // 2]] = True
    listed = ranking.lists >= 0
    edges, rates = isotonic(ranking.scores[teach][listed[teach]], ranking.hits[teach][listed[teach]])
    rest = np.flatnonzero(~teach)
    owner = np.repeat(rest, listed[rest].sum(1))
    predicted = rates[np.clip(np.searchsorted(edges, ranking.scores[rest][listed[rest]], "right") - 1, 0, None)]
    hits = ranking.hits[rest][listed[rest]].astype(float)
    cuts = np.unique(np.quantile(predicted, np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(cuts, predicted, "right")
    # Sums by listener and bin, so that listeners are what is drawn.
    size = (int(owner.max()) + 1, len(cuts) + 1)
    at = owner * size[1] + bins
    sums = [np.bincount(at, part, size[0] * size[1]).reshape(size)[rest] for part in (None, predicted, hits)]

    def error(chosen: np.ndarray) -> float:
        items, said, was = (part[chosen].sum(0) for part in sums)
        return float(np.abs(said - was).sum() / items.sum())

    generator = np.random.default_rng(seed)
    draws = [error(generator.integers(len(rest), size=len(rest))) for _ in range(500)]
    items, said, was = (part.sum(0) for part in sums)
    curve = [
        {"predicted": round(said[one] / items[one], 6), "observed": round(was[one] / items[one], 6), "items": int(items[one])}
        for one in np.flatnonzero(items)
    ]
    everyone = error(np.arange(len(rest)))
    # A resample's chance adds to its error, by as much as the mean of all lies above the figure.
    ends = (np.quantile(draws, (0.025, 0.975)) - (np.mean(draws) - everyone)).clip(0.0)
    return {"error": round(everyone, 6), "interval": _rounded(ends), "listeners": len(rest), "curve": curve}


def isotonic(scores: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rising step function nearest to the hits (pool adjacent violators): first score and rate of each step."""
    order = np.argsort(scores, kind="stable")
    levels, first, inverse = np.unique(scores[order], return_index=True, return_inverse=True)
    weight = np.bincount(inverse).astype(float)
    total = np.bincount(inverse, hits[order].astype(float))
    steps: list[list[float]] = []  # first score, sum, weight
    for start, own, count in zip(levels, total, weight, strict=True):
        steps.append([float(start), own, count])
        while len(steps) > 1 and steps[-2][1] * steps[-1][2] >= steps[-1][1] * steps[-2][2]:
            _, own, count = steps.pop()
            steps[-1][1] += own
            steps[-1][2] += count
    return np.array([step[0] for step in steps]), np.array([step[1] / step[2] for step in steps])


def robustness(blend: Blend, holdout: Holdout, device: torch.device, k: int, seed: int) -> list[dict[str, object]]:
    """Metrics when a share of each listener's pairs never arrived: the model stays, what is folded in is thinned."""
    generator = np.random.default_rng(seed)
    found = []
    for share in DROPPED:
        thinned = holdout.history.where(generator.random(holdout.history.count) >= share)
        score = blend.scorer(thinned, device)
        ranking = rank_all(
            score, holdout.relevant, holdout.masked, k, device, holdout.listeners, holdout.candidates, with_auc=False
        )
        figures = np.stack([ranking.recall, ranking.ndcg], 1)
        ends = bootstrap(figures, seed).T
        names = [f"recall@{k}", f"ndcg@{k}"]
        means = {name: round(float(mean), 6) for name, mean in zip(names, figures.mean(0), strict=True)}
        intervals = {name: _rounded(pair) for name, pair in zip(names, ends, strict=True)}
        found.append({"dropped": share, **means, "intervals": intervals})
    return found


def _rounded(pair: np.ndarray) -> list[float]:
    return [round(float(end), 6) for end in pair]
