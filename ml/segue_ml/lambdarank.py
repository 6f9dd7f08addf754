"""Learns the ranker's forest with LightGBM."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import torch  # before LightGBM: brings the libgomp.so.1 that its library asks for, where the system has none

from .blend import Blend
from .candidates import FEATURES, about_at, facts_at, features
from .data import Dataset
from .errors import SegueError, one_line
from .evaluate import Holdout, temporal_holdout
from .forest import LEAVES, Forest
from .ranker import CANDIDATES, Candidates, Ranker

MOST_LISTENERS, FEWEST = 4_000, 100
MOST_TREES, PATIENCE = 300, 40
SETTINGS = {
    "objective": "lambdarank",
    "metric": "ndcg",
    "eval_at": [20],
    "lambdarank_truncation_level": 30,
    "num_leaves": LEAVES,
    "learning_rate": 0.05,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.8,
    "lambda_l2": 1.0,
    "use_missing": False,
    # The same forest from the same data on any number of cores.
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}


def library() -> ModuleType:
    """LightGBM, of which only a training with a ranker has need. Raises SegueError saying how to get it."""
    try:
        import lightgbm
    except ImportError as error:
        raise SegueError(f"--ranker needs LightGBM ({one_line(error)}): pip install -r ml/ranker/requirements.txt") from None
    except OSError as error:
        raise SegueError(
            f"--ranker: LightGBM's library cannot be loaded ({one_line(error)}): it needs an OpenMP runtime, libgomp.so.1 "
            "on Linux (package libgomp1), libomp.dylib on macOS"
        ) from None
    return lightgbm


class TooLittle(SegueError):
    """There is too little to learn a ranker from; the message says of what."""


@dataclass(frozen=True)
class Learned:
    """A ranker, the listeners that it was learned from and those that said when to stop, and the features' gains."""

    ranker: Ranker
    listeners: int
    stopped_by: int
    gains: dict[str, float]


def holdout_before(data: Dataset, cutoff: int, seed: int) -> Holdout:
    """A temporal holdout in what came before a moment (ms), to learn from: its answers lie before the moment too. Raises
    TooLittle."""
    past = data.times < cutoff
    if not past.any():
        raise TooLittle("before the holdout nothing happened")
    try:
        return temporal_holdout(data.where(past), seed)
    except SegueError as error:
        raise TooLittle(f"before the holdout there is none to learn from: {one_line(error)}") from None


def learn(blend: Blend, data: Dataset, holdout: Holdout, device: torch.device, seed: int) -> Learned:
    """A ranker from what listeners first played after the holdout's moment, among the candidates of a model, `blend`, that
    saw only what came before it. Raises TooLittle where fewer than FEWEST listeners found one of theirs."""
    lightgbm = library()
    rows = holdout.listeners
    if len(rows) > MOST_LISTENERS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_LISTENERS, replace=False))
    facts = facts_at(data, holdout.cutoff).to(device)
    about = about_at(data, facts, holdout.cutoff)
    depth = min(CANDIDATES, data.shape[1])
    pick = Candidates(blend, holdout.history, about, holdout.masked, holdout.candidates, depth, device)
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for first in range(0, len(rows), 512):
        own = rows[first : first + 512]
        seen, top, scores, _ = pick.of(torch.from_numpy(own.astype(np.int64)).to(device))
        found = holdout.relevant.has(np.repeat(own, depth), top.cpu().numpy().ravel()).reshape(top.shape)
        found &= torch.isfinite(scores).cpu().numpy()
        use = found.any(1)  # others say nothing about an order
        known = features(blend, facts, seen, top, scores).cpu().numpy()
        parts.append((known[use], found[use]))
    known, found = (np.concatenate(part) for part in zip(*parts, strict=True))
    if len(found) < FEWEST:
        raise TooLittle(f"{len(found)} listeners have a later find among their candidates; at least {FEWEST} are needed")
    order = np.random.default_rng(seed).permutation(len(found))
    stop, teach = np.sort(order[: len(order) // 5]), np.sort(order[len(order) // 5 :])

    def table(which: np.ndarray, like: Any = None) -> Any:
        return lightgbm.Dataset(
            known[which].reshape(-1, len(FEATURES)),
            found[which].ravel().astype(np.int32),
            group=np.full(len(which), depth),
            feature_name=list(FEATURES),
            reference=like,
        )

    taught = table(teach)
    booster = lightgbm.train(
        {**SETTINGS, "seed": seed},
        taught,
        MOST_TREES,
        [table(stop, taught)],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    text = booster.model_to_string(num_iteration=booster.best_iteration)
    gains = booster.feature_importance("gain", iteration=booster.best_iteration)
    ranker = Ranker(Forest.read(text).to(device), facts, depth).check()
    return Learned(ranker, len(teach), len(stop), dict(zip(FEATURES, (float(gain) for gain in gains), strict=True)))
