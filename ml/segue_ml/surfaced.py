"""What a quota of newcomers costs and brings: the lists of the temporal holdout with it and without."""

from __future__ import annotations

import numpy as np
import torch

from .blend import fold_in
from .data import Dataset
from .evaluate import Holdout
from .ials import Model
from .metrics import Ranking, bootstrap, recall_and_ndcg
from .newcomers import Catalogue, Newcomers, find_newcomers
from .quota import Quota, Surfacing

LISTENERS_AT_ONCE = 2048


def judge_quota(
    model: Model,
    catalogue: Catalogue,
    quota: Quota,
    data: Dataset,
    holdout: Holdout,
    ranking: Ranking,
    seed: int,
    sample: float = 1.0,
) -> dict[str, object]:
    """Newcomers as of the cutoff, their share of catalogue and places, and recall and NDCG of the lists of `ranking` before
    and after the quota, by all that was first played after the cutoff, also of newcomers. `model` knows what was before
    it; `sample` is the share of all listeners that the data hold."""
    known = np.bincount(holdout.history.columns, minlength=holdout.history.width)
    young = quota.young(data, holdout.cutoff, sample)
    newcomers = find_newcomers(model, data.artist_numbers, known, young, catalogue)
    lists = _with_quota(model, newcomers, quota, data, holdout, ranking)
    # Positions in the data, or none for an artist that nobody ever met.
    columns = np.concatenate([np.arange(data.shape[1]), newcomers.at, [-1]])
    after = data.pairs(data.times >= holdout.cutoff)
    there = holdout.candidates.copy()
    there[newcomers.at[newcomers.at >= 0]] = True
    relevant = after.where(there[after.columns] & ~holdout.masked.has(after.rows, after.columns))
    new = np.zeros(len(columns), bool)
    new[data.shape[1] : -1] = True
    new[newcomers.at[newcomers.at >= 0]] = True
    figures, hits = [], []
    for one in (ranking.lists, lists):
        rows = np.repeat(ranking.listeners, one.shape[1])
        at = columns[one.ravel()]
        found = (relevant.has(rows, np.maximum(at, 0)) & (at >= 0)).reshape(one.shape)
        figures.append(np.stack(recall_and_ndcg(found, relevant.lengths[ranking.listeners]), 1))
        hits.append(found)
    listed, k = new[lists], ranking.k
    low, high = bootstrap(figures[1] - figures[0], seed)
    names = (f"recall@{k}", f"ndcg@{k}")
    reached = len(np.unique(columns[lists[listed]][columns[lists[listed]] >= 0]))
    reached += len(np.unique(lists[listed & (columns[lists] < 0)]))
    return {
        "share": quota.share,
        "after": quota.after,
        "listeners": quota.listeners,
        "days": quota.days,
        "artists": len(newcomers),
        "catalogue": _share(len(newcomers), len(catalogue.numbers)),
        "slots": {"without": _mean(new[ranking.lists]), "with": _mean(listed)},
        "surfaced": _share(reached, len(newcomers)),
        "played": _share(int((hits[1] & listed).sum()), int(listed.sum())),
        **{
            name: {
                "without": round(float(figures[0][:, at].mean()), 6),
                "with": round(float(figures[1][:, at].mean()), 6),
                "difference": round(float((figures[1] - figures[0])[:, at].mean()), 6),
                "interval": [round(float(low[at]), 6), round(float(high[at]), 6)],
            }
            for at, name in enumerate(names)
        },
    }


def _with_quota(
    model: Model, newcomers: Newcomers, quota: Quota, data: Dataset, holdout: Holdout, ranking: Ranking
) -> np.ndarray:
    """The lists [listeners, k] with newcomers, which follow on the data's artists; -1 behind the end."""
    device, width = model.artists.device, data.shape[1]
    surfacing = Surfacing(newcomers, quota, ranking.lists.shape[1], width)
    position = np.full(width, -1)
    trained = np.flatnonzero(newcomers.at >= 0)
    position[newcomers.at[trained]] = trained
    found = []
    for first in range(0, len(ranking.listeners), LISTENERS_AT_ONCE):
        part = slice(first, first + LISTENERS_AT_ONCE)
        rows = ranking.listeners[part]
        at, columns = holdout.masked.slots(rows)
        met = position[columns] >= 0
        played = torch.from_numpy(at[met]).to(device), torch.from_numpy(position[columns[met]]).to(device)
        lists = torch.from_numpy(ranking.lists[part].astype(np.int64)).to(device)
        scores = torch.from_numpy(ranking.scores[part]).to(device).masked_fill(lists < 0, -torch.inf)
        vectors = fold_in(model, holdout.history.among_rows(rows), device)
        mixed, kept = surfacing.into(lists.clamp_min(0), scores, vectors, data.listeners[rows].tolist(), played)
        found.append(torch.where(torch.isfinite(kept), mixed, -1).cpu().numpy())
    return np.concatenate(found)


def _mean(listed: np.ndarray) -> float:
    return round(float(listed.mean()), 6)


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
