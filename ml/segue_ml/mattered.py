"""What mattered: artists that got positive feedback beside those that got negative feedback, feature by feature."""

from __future__ import annotations

import numpy as np

from .metrics import bootstrap

MOST_ROWS, MOST_GENRES, FEWEST = 200_000, 8, 50
RIDGE = 1.0  # of the logistic regression, on standardised features


def what_mattered(
    positive: np.ndarray,
    negative: np.ndarray,
    owners: np.ndarray,
    columns: np.ndarray,
    facts: dict[str, np.ndarray],
    seed: int = 0,
) -> dict[str, object] | None:
    """`positive`, `negative` (bool), `owners` (listener) and `columns` (artist) are of interactions; `facts` are of
    artists: numbers, and strings of which the most frequent are compared. For each feature the means on both sides, the
    difference in standard deviations with its 95 % bootstrap interval over interactions, and its weight in a logistic
    regression on all, whose AUC is of a third of the listeners that it did not see. None with fewer than FEWEST
    interactions on a side or without a feature that varies."""
    if not facts or min(positive.sum(), negative.sum()) < FEWEST:
        return None
    generator = np.random.default_rng(seed)
    rows = np.flatnonzero(positive | negative)
    if len(rows) > MOST_ROWS:
        rows = np.sort(generator.choice(rows, MOST_ROWS, replace=False))
    names, table = _features(facts)
    values, liked = table[columns[rows]], positive[rows]
    spread = values.std(0)
    use = spread > 1e-9
    if not use.any() or liked.all() or not liked.any():
        return None
    names, values, spread = [name for name, used in zip(names, use, strict=True) if used], values[:, use], spread[use]
    standard = (values - values.mean(0)) / spread
    held = np.isin(owners[rows], np.unique(owners[rows])[generator.random(len(np.unique(owners[rows]))) < 1 / 3])
    judged = logistic(standard[~held], liked[~held])
    weights = logistic(standard, liked)[1:]
    sides = [standard[liked], standard[~liked]]
    difference = sides[0].mean(0) - sides[1].mean(0)
    # Ends of the difference from those of both means, which are independent.
    reach = [np.abs(bootstrap(side, seed, 200) - side.mean(0)) for side in sides]
    low = difference - np.hypot(reach[0][0], reach[1][1])
    high = difference + np.hypot(reach[0][1], reach[1][0])
    order = np.argsort(-np.abs(difference), kind="stable")
    return {
        "positive": int(positive.sum()),
        "negative": int(negative.sum()),
        "auc": round(_auc(standard[held] @ judged[1:], liked[held]), 6),
        "features": [
            {
                "feature": names[at],
                "positive": round(float(values[liked, at].mean()), 6),
                "negative": round(float(values[~liked, at].mean()), 6),
                "difference": round(float(difference[at]), 6),
                "interval": [round(float(low[at]), 6), round(float(high[at]), 6)],
                "weight": round(float(weights[at]), 6),
            }
            for at in order
        ],
    }


def logistic(values: np.ndarray, hits: np.ndarray) -> np.ndarray:
    """Ridge logistic regression by Newton's method: intercept, then a weight a column."""
    design = np.column_stack([np.ones(len(values)), values])
    weights, ridge = np.zeros(design.shape[1]), np.diag([0.0, *np.full(values.shape[1], RIDGE)])
    for _ in range(30):
        chance = 1 / (1 + np.exp(-np.clip(design @ weights, -30, 30)))
        slope = design.T @ (hits - chance) - ridge @ weights
        bend = (design * (chance * (1 - chance) + 1e-9)[:, None]).T @ design + ridge
        step = np.linalg.solve(bend + 1e-9 * np.eye(len(bend)), slope)
        weights += step
        if np.abs(step).max() < 1e-8:
            break
    return weights


def _features(facts: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    names: list[str] = []
    columns: list[np.ndarray] = []
    for name, values in facts.items():
        if values.dtype == object:
            words, counts = np.unique(values.astype(str), return_counts=True)
            for word in words[np.argsort(-counts, kind="stable")][:MOST_GENRES]:
                names.append(f"{name} {word or 'unknown'}")
                columns.append((values == word).astype(float))
        else:
            # Counts spread over orders of magnitude; an unknown number is taken for the middle one.
            known = np.isfinite(values)
            middle = float(np.median(values[known])) if known.any() else 0.0
            names.append(name)
            columns.append(np.log1p(np.maximum(0, np.where(known, values, middle))))
    return names, np.column_stack(columns) if columns else np.zeros((0, 0))


def _auc(scores: np.ndarray, hits: np.ndarray) -> float:
    """Share of (hit, miss) pairs in the right order, ties counted half; 0.5 without a pair."""
    few = int(hits.sum())
    if not few or few == len(hits):
        return 0.5
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[hits].sum() - few * (few + 1) / 2) / (few * (len(hits) - few)))
