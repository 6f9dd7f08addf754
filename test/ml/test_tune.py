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
    """Every training takes ten seconds, of a rank above 16 thirty, nothing else any."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.ranks, real = 0.0, [], tune.choose_sweeps

        def counted(part, validation, settings, *arguments, **named):
            self.now += 10 if settings.rank <= 16 else 30
            self.ranks.append(settings.rank)
            return real(part, validation, settings, *arguments, **named)

        monkeypatch.setattr(tune, "choose_sweeps", counted)
        monkeypatch.setattr(tune.time, "perf_counter", lambda: self.now)


def test_without_time_for_a_trial_the_default_is_the_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    part, validation = halves()
    monkeypatch.setattr(tune, "TRIAL_RANK", 16)
    start = default_settings(part).changed(sweeps=4)
    default = choose(part, validation, start, CPU)
    clock = Clock(monkeypatch)
    found = search(part, validation, start, CPU, 80.0)
    assert found.settings == default.settings and found.quality == pytest.approx(default.quality)
    assert clock.ranks == [16] * len(tune.TRIAL_A0) + [32]
    assert "left out" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "ranks", "missing"),
    [
        (0.0, [32], "trials of a0, sweeps at rank 32, shapes of item_weight, shapes of filter_weight"),
        (39.0, [16, 32], "trials of a0, sweeps at rank 32, shapes of item_weight, shapes of filter_weight"),
        (47.0, [16, 16, 32], "trials of a0, sweeps at rank 32, shapes of item_weight, shapes of filter_weight"),
        (59.0, [16, 16, 32], "trials of a0, sweeps at rank 32"),
    ],
)
def test_a_budget_too_short_for_the_default_leaves_out_what_it_must_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, seconds: float, ranks: list[int], missing: str
) -> None:
    part, validation = halves()
    monkeypatch.setattr(tune, "TRIAL_RANK", 16)
    clock = Clock(monkeypatch)
    found = search(part, validation, default_settings(part).changed(sweeps=4), CPU, seconds)
    assert clock.ranks == ranks and found.settings.sweeps == 1 and found.quality > 0
    assert f"{seconds:g} s are too few even for the default; left out after {clock.now:.0f} s: {missing}\n" in capsys.readouterr().out


def test_no_trial_is_begun_that_would_outlast_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    part, validation = halves()
    clock = Clock(monkeypatch)
    fixed = NO_TERMS | {"a0", "rank"}  # then every trial takes as long as the default's training
    search(part, validation, Settings(rank=8, sweeps=3), CPU, 45.0, fixed)
    assert (clock.now, len(clock.ranks)) == (40.0, 4)


def test_what_is_found_is_never_below_the_default_and_can_be_above(monkeypatch: pytest.MonkeyPatch) -> None:
    part, validation = halves()
    start = Settings(rank=4, sweeps=3)
    default = choose(part, validation, start, CPU, NO_TERMS)
    Clock(monkeypatch)
    found = search(part, validation, start, CPU, 120.0, NO_TERMS)
    assert found.quality > default.quality * tune.BEATS
    # Nor by little: the best of many trials is that by chance.
    monkeypatch.setattr(tune, "BEATS", found.quality / default.quality + 1e-6)
    assert search(part, validation, start, CPU, 120.0, NO_TERMS).settings == default.settings
    monkeypatch.setattr(tune, "BEATS", 1.01)
    # Nor where the terms make good what the trials gain.
    monkeypatch.setattr(tune, "add_terms", lambda *given: Choice(given[2].settings, 1.0 / given[2].quality))
    kept = search(part, validation, start, CPU, 120.0, NO_TERMS)
    assert kept.settings == default.settings
