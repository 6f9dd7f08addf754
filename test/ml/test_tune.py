"""The search for settings: its budget, and that it never ends below the default."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from segue_ml import tune
from segue_ml.evaluate import random_holdout
from segue_ml.ials import Settings, default_settings
from segue_ml.pairs import Pairs
from segue_ml.terms import Choice
from segue_ml.tune import choose, search

CPU = torch.device("cpu")
NO_TERMS = frozenset({"item_weight", "filter_weight"})


def halves() -> tuple[Pairs, Pairs]:
    rng = np.random.default_rng(0)
    own = rng.integers(0, 6, 200)[:, None] == rng.integers(0, 6, 50)
    rows, columns = np.nonzero(rng.random((200, 50)) < np.where(own, 0.5, 0.1))
    return random_holdout(Pairs.build(rows, columns, np.ones(len(rows)), (200, 50)), 0)


class Clock:
    """Every training takes ten seconds, nothing else any."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.trained, real = 0.0, 0, tune.choose_sweeps

        def counted(*arguments):
            self.now, self.trained = self.now + 10, self.trained + 1
            return real(*arguments)

        monkeypatch.setattr(tune, "choose_sweeps", counted)
        monkeypatch.setattr(tune.time, "perf_counter", lambda: self.now)


def test_without_time_for_a_trial_the_default_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    part, validation = halves()
    start = default_settings(part).changed(sweeps=4)
    default = choose(part, validation, start, CPU)
    clock = Clock(monkeypatch)
    found = search(part, validation, start, CPU, 0.0)
    assert found.settings == default.settings and found.quality == pytest.approx(default.quality)
    assert clock.trained == len(tune.TRIAL_A0) + 1


def test_no_trial_is_begun_that_would_outlast_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    part, validation = halves()
    clock = Clock(monkeypatch)
    fixed = NO_TERMS | {"a0", "rank"}  # then every trial takes as long as the default's training
    search(part, validation, Settings(rank=8, sweeps=3), CPU, 45.0, fixed)
    assert (clock.now, clock.trained) == (40.0, 4)


def test_what_is_found_is_never_below_the_default_and_can_be_above(monkeypatch: pytest.MonkeyPatch) -> None:
    part, validation = halves()
    start = Settings(rank=4, sweeps=3)
    default = choose(part, validation, start, CPU, NO_TERMS)
    Clock(monkeypatch)
    found = search(part, validation, start, CPU, 120.0, NO_TERMS)
    assert found.quality > default.quality
    # Nor where the terms make good what the trials gain.
    monkeypatch.setattr(tune, "add_terms", lambda *given: Choice(given[2].settings, 1.0 / given[2].quality))
    kept = search(part, validation, start, CPU, 120.0, NO_TERMS)
    assert kept.settings == default.settings
