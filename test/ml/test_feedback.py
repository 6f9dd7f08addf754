"""What feedback is worth, on data in which the answer was planted."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from conftest import DAY, ROOT, START
from segue_ml import feedback
from segue_ml.data import Dataset
from segue_ml.feedback import Feedback, learn
from segue_ml.worths import GIVEN_CLICK, GIVEN_LIKE

CPU = torch.device("cpu")


def dataset(rows, columns, weights, days, **counts) -> Dataset:
    rows, columns = np.array(rows, np.int32), np.array(columns, np.int32)
    listeners, artists = rows.max() + 1, columns.max() + 1
    empty = np.full(listeners, "", object)
    times = START + np.array(days, np.int64) * DAY
    return Dataset(
        *(np.arange(listeners).astype(object), np.arange(artists, dtype=np.int32), rows, columns),
        *(np.array(weights, np.float32), times, empty, empty),
        {name: np.array(values, np.int32) for name, values in counts.items()},
    )


def test_the_weights_that_came_are_those_of_the_features() -> None:
    known = (ROOT / "lambdas" / "features" / "sql" / "known.sql").read_text()
    millionths = dict(re.findall(r"WHEN type = '(like|click)' THEN (\d+)", known))
    assert {name: int(value) / 1e6 for name, value in millionths.items()} == {"like": GIVEN_LIKE, "click": GIVEN_CLICK}
    scoring = (ROOT / "lambdas" / "features" / "sql" / "scoring.sql").read_text()
    assert f" - {GIVEN_LIKE:g} * likes - {GIVEN_CLICK:g} * clicks)" in scoring


def test_weights_are_made_anew_from_what_was_heard_and_the_counts() -> None:
    # heard 1.5 and a like; a click; a skip; 0.4 heard and a skip.
    data = dataset([0, 0, 1, 1], [0, 1, 0, 1], [3.5, 0.1, 0, 0.4], [0, 10, 10, 10],
                   likes=[1, 0, 0, 0], clicks=[0, 1, 0, 0], skips=[0, 0, 1, 1])  # fmt: skip
    last = int(data.times.max())
    np.testing.assert_allclose(Feedback().applied(data, last).weights, data.weights, atol=1e-6)
    other = Feedback(like=5, click=0.5, skip=0.3, half_life=5).applied(data, last)
    np.testing.assert_allclose(other.weights, [6.5 / 4, 0.5, 0, 0.1], atol=1e-6)
    assert (other.times == data.times).all() and other.counts is data.counts
    against = Feedback(skip=2).applied(data, last)
    assert against.pairs().count == 2 and against.pairs(positive=False).count == 4


def planted(seed: int = 0) -> tuple[Dataset, int]:
    """Listeners of four groups like their group's artists. Half of what they start is of the next group and is skipped
    the same day after a little was heard: counting it as liked misleads."""
    rng = np.random.default_rng(seed)
    rows, columns, weights, days, skips = [], [], [], [], []
    for listener in range(160):
        for day in range(40):
            own = rng.random() < 0.5
            group = listener % 4 if own else (listener + 1) % 4
            rows.append(listener)
            columns.append(group * 25 + int(rng.integers(25)))
            wrong = group != listener % 4
            weights.append(0.3 if wrong else 1.0)
            skips.append(int(wrong))
            days.append(day)
    # What is skipped is not what the listener will play: the last days hold the group's own alone.
    keep = np.array([day < 28 or not skip for day, skip in zip(days, skips, strict=True)])
    none = np.zeros(int(keep.sum()), int)
    parts = [np.array(part)[keep] for part in (rows, columns, weights, days)]
    return dataset(*parts, likes=none, clicks=none, skips=np.array(skips)[keep]), START + 36 * DAY


def test_skips_are_learned_to_count_against_and_the_trials_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "TRIALS", (("half_life", (7.0,)), ("skip", (0.5, 1.0))))
    data, cutoff = planted()
    chosen, trials = learn(data, cutoff, CPU)
    assert chosen.skip > 0
    first = trials[0]["quality"]
    best = max(trials, key=lambda trial: trial["quality"])
    assert best["skip"] > 0 and best["quality"] > first * feedback.EARNS


def test_nothing_from_the_cutoff_on_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "TRIALS", (("skip", (1.0,)),))
    data, cutoff = planted()
    after = data.times >= cutoff
    assert after.any()
    changed = data.weights.copy()
    changed[after] = 99
    other = Dataset(*(changed if name == "weights" else getattr(data, name) for name in data.__dataclass_fields__))
    assert learn(other, cutoff, CPU) == learn(data, cutoff, CPU)


def test_without_counts_or_with_too_few_listeners_the_usual_worths_stay() -> None:
    data, cutoff = planted()
    bare = Dataset(*(getattr(data, name) for name in ("listeners", "artist_numbers", "rows", "columns", "weights",
                                                      "times", "age_groups", "places")))  # fmt: skip
    assert learn(bare, cutoff, CPU) == (Feedback(), [])
    assert learn(data, int(data.times.min()), CPU) == (Feedback(), [])
