"""What a like, a click, a skip and being passed over are worth beside a whole play, and how fast that fades: learned on
the past.

The interactions come with weights that known.sql gave them, plays by the share that was heard. Where the counts of the
day came with them, the weights are made anew (worths.py).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np
import torch

from .blend import Blend, combined, fold_in
from .data import Dataset
from .evaluate import DAY, Holdout, split_at
from .ials import default_settings, train
from .metrics import rank_all
from .runtime import say
from .shown import Impressions
from .terms import quality
from .worths import Worths

TRIALS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("strength", (1.0, 3.0, 10.0)),
    ("half_life", (7.0, 30.0, 90.0, 365.0)),
    ("skip", (0.5, 1.0, 2.0)),
    ("like", (0.5, 5.0, 10.0)),
    ("click", (0.0, 0.5, 1.0)),
    ("passed", (0.1, 0.3, 1.0)),
)
EARNS = 1.005  # what a change must raise the quality by, as a factor: below is noise
RANK, SWEEPS, MOST_LISTENERS = 32, 4, 5000


@dataclass(frozen=True)
class Feedback(Worths):
    """Worths, and `strength`: α in the confidence 1 + α log(1 + weight)."""

    strength: float = 0.3


def learn(
    data: Dataset, cutoff: int, device: torch.device, seed: int = 0, impressions: Impressions | None = None
) -> tuple[Feedback, list[dict[str, object]]]:
    """The worths that predict best what was first played in the last fifth of the time before `cutoff`, one after the
    other from those given, by small factor models; and the trials. Nothing at or after `cutoff` is looked at. What
    counts as played there is judged by the weights that came, so that it is the same for all."""
    usual = Feedback()
    if not {"likes", "clicks", "skips"} <= set(data.counts):
        return usual, []
    past = _before(data, cutoff, seed)
    inner = int(past.times.min() + 0.8 * (cutoff - past.times.min())) if len(past.times) else 0
    inner -= inner % DAY
    holdout = split_at(past, inner, seed) if len(past.times) else None
    if holdout is None or len(holdout.listeners) < 100:
        return usual, []
    judge = partial(_judged, past=past, impressions=impressions, holdout=holdout, device=device, seed=seed)
    best, chosen, trials = judge(usual), usual, []
    trials.append({**asdict(usual), "quality": round(best, 6)})
    for name, values in TRIALS:
        if name == "passed" and impressions is None:
            continue
        for value in values:
            trial = replace(chosen, **{name: value})
            found = judge(trial)
            trials.append({**asdict(trial), "quality": round(found, 6)})
            if found > best * EARNS:
                best, chosen = found, trial
    say("feedback: " + " ".join(f"{name}={value:g}" for name, value in asdict(chosen).items()))
    return chosen, trials


def _before(data: Dataset, cutoff: int, seed: int) -> Dataset:
    keep = data.times < cutoff
    active = np.unique(data.rows[keep])
    if len(active) > MOST_LISTENERS:
        chosen = np.zeros(data.shape[0], bool)
        chosen[np.random.default_rng(seed).choice(active, MOST_LISTENERS, replace=False)] = True
        keep &= chosen[data.rows]
    return data.where(keep)


def _judged(
    feedback: Feedback,
    past: Dataset,
    impressions: Impressions | None,
    holdout: Holdout,
    device: torch.device,
    seed: int,
) -> float:
    history = feedback.history(past, holdout.cutoff, impressions)
    if not history.count:
        return 0.0
    settings = default_settings(history, seed)
    settings = settings.changed(rank=min(RANK, settings.rank), sweeps=SWEEPS, strength=feedback.strength)
    model = train(history, settings, device)
    score = combined(Blend(model), fold_in(model, history, device), history)
    parts = (holdout.relevant, holdout.masked, 20, device, holdout.listeners, holdout.candidates)
    return quality(rank_all(score, *parts, with_auc=False))
