"""What a training does with `--ranker`: `off`, `on`, or `when-better`, which keeps the ranker only where it wins.

The ranker that is judged learns from an earlier holdout, which ends where the one that judges begins: from a model of what came
before the one what was played until the other. The ranker that serves is learned the same way one step later, from the model of
the past and what was played since, as the model that serves is trained on everything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch

from .blend import Blend
from .candidates import about_at, facts_at
from .champion import difference
from .data import Dataset
from .evaluate import Holdout
from .lambdarank import Learned, TooLittle, holdout_before, learn, library
from .metrics import Ranking, rank_all
from .pairs import Pairs
from .ranker import Ranked, Ranker
from .runtime import say

CHOICES = ("off", "when-better", "on")


class SecondStage:
    """The steps, in the order of the methods. Where there is too little to learn from, the first stage stands alone and
    `told` says why."""

    def __init__(self, setting: str, data: Dataset, device: torch.device, seed: int) -> None:
        self._setting, self._data, self._device, self._seed = setting, data, device, seed
        self._holdout: Holdout | None = None
        self._learned: Learned | None = None
        self._told: dict[str, object] = {"setting": setting, "used": False}
        if setting != "off":
            library()

    def begin(self, cutoff: int, history: Callable[[int], Pairs]) -> int | None:
        """The moment (ms) of the earlier holdout, before which a model is to be trained on `history` of it; None without."""
        if self._setting == "off":
            return None
        try:
            found = holdout_before(self._data, cutoff, self._seed)
        except TooLittle as problem:
            self._refuse(problem)
            return None
        self._holdout = replace(found, history=history(found.cutoff))
        return found.cutoff

    @property
    def history(self) -> Pairs:
        """What the model of the earlier holdout is trained on."""
        assert self._holdout is not None
        return self._holdout.history

    def learn(self, earlier: Blend) -> None:
        """From the model of the earlier holdout."""
        assert self._holdout is not None
        try:
            self._learned = learn(earlier, self._data, self._holdout, self._device, self._seed)
        except TooLittle as problem:
            self._refuse(problem)

    def judge(self, past: Blend, holdout: Holdout, first: Ranking) -> tuple[Blend | Ranked, Ranking]:
        """What serves as the evaluation sees it, and its figures: with the ranker where the setting or the figures say so.
        `first` are those of the first stage alone."""
        if self._learned is None:
            return past, first
        ranker = self._as_of(self._learned, holdout.cutoff)
        about = about_at(self._data, ranker.facts, holdout.cutoff)
        ranked = Ranked(past, ranker, about, holdout.masked, holdout.candidates)
        found = rank_all(
            ranked.scorer(holdout.history, self._device),
            *(holdout.relevant, holdout.masked, first.k, self._device, holdout.listeners, holdout.candidates),
        )
        differences = difference(found, first, self._seed)
        better = wins(differences, first.k)
        used = better or self._setting == "on"
        self._told = {
            "setting": self._setting,
            "used": used,
            "better": better,
            "candidates": ranker.depth,
            "trees": len(ranker.forest.trees),
            "listeners": self._learned.listeners,
            "stoppedBy": self._learned.stopped_by,
            "differences": differences,
            "features": [
                {"feature": name, "gain": round(gain, 3)}
                for name, gain in sorted(self._learned.gains.items(), key=lambda one: -one[1])
            ],
        }
        said = " ".join(f"{name} {one['difference']:+.4f} {one['interval']}" for name, one in differences.items())
        say(f"ranker: {said}; {'used' if used else 'not used'}")
        return (ranked, found) if used else (past, first)

    def serving(self, past: Blend, holdout: Holdout) -> Ranker | None:
        """The ranker to serve with, learned from what was played after the holdout's moment; where that is too little, the
        one that was judged. None where it is not used."""
        if not self._told["used"] or self._learned is None:
            return None
        try:
            learned = learn(past, self._data, holdout, self._device, self._seed)
        except TooLittle:
            learned = self._learned
        return self._as_of(learned, int(self._data.times.max()) + 1)

    @property
    def told(self) -> dict[str, object] | None:
        """What evaluation.json says; None where it is off."""
        return None if self._setting == "off" else self._told

    def _as_of(self, learned: Learned, moment: int) -> Ranker:
        return replace(learned.ranker, facts=facts_at(self._data, moment).to(self._device))

    def _refuse(self, problem: TooLittle) -> None:
        say(f"ranker: not used: {problem}")
        self._told = {"setting": self._setting, "used": False, "reason": str(problem)}


def wins(differences: dict[str, dict[str, object]], k: int) -> bool:
    """Whether the interval of NDCG's difference lies wholly above 0 and that of recall's not wholly below."""
    ndcg, recall = (np.array(differences[f"{name}@{k}"]["interval"]) for name in ("ndcg", "recall"))
    return bool(ndcg[0] > 0 and recall[1] >= 0)
