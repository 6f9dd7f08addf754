"""One weight: training, its judgement, scoring lines and serving. `python test/ml/test_worths.py` writes the vectors that the
Lambda is tested with, too."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "ml"))

from conftest import DAY, listener  # noqa: E402
from segue_ml.champion import scorer  # noqa: E402
from segue_ml.data import Dataset  # noqa: E402
from segue_ml.lines import parse  # noqa: E402
from segue_ml.pairs import Pairs  # noqa: E402
from segue_ml.score import Scorer  # noqa: E402
from segue_ml.shown import Impressions  # noqa: E402
from segue_ml.worths import Worths  # noqa: E402
from test_similar import small  # noqa: E402

CPU = torch.device("cpu")
VECTORS = ROOT / "test" / "vectors" / "weights-v1.json"
TODAY = 20_779
KINDS = ("heard", "likes", "clicks", "skips", "passed")
LEARNED = Worths(like=5.0, click=0.5, skip=0.5, half_life=30.0, passed=0.3)
# (artist, age in days, heard, likes, clicks, skips, passed); first what serving can know, too: one event an artist.
SINGLE = [(1, 0, 0.8, 0, 0, 0, 0), (2, 30, 1, 0, 0, 0, 0), (3, 7, 0, 1, 0, 0, 0), (4, 90, 0, 0, 1, 0, 0), (5, 0, 0, 0, 1, 0, 0)]
MANY = [
    *((1, 0, 3.25, 1, 2, 1, 0), (1, 1, 0, 0, 0, 3, 0), (1, 60, 2, 0, 0, 0, 0)),
    *((2, 4, 0.4, 0, 0, 1, 0), (3, 4, 0, 0, 0, 2, 0), (4, 2, 1, 0, 0, 0, 2), (4, 9, 0, 0, 0, 0, 1), (5, 2, 1, 0, 0, 0, 5), (5, 0, 0, 0, 0, 0, -4)),
    *((6, 12, 0.5, 0, 0, 0, 9), (7, 400, 0.9, 0, 1, 0, 0), (8, 1, 0.7, 0, 0, 0, -1)),
]  # fmt: skip
CASES = [(worths, entries) for worths in (Worths(), replace(LEARNED, passed=0.0), LEARNED) for entries in (SINGLE, MANY)]


def line_of(entries: list[tuple]) -> dict:
    artists, ages, *counts = (list(part) for part in zip(*entries, strict=True))
    told = {name: part for name, part in zip(KINDS, counts, strict=True) if any(part)}
    return {"listenerId": "l", "ageGroup": "", "place": "", "artists": artists, "days": [TODAY - age for age in ages], **told}


def as_training_has_it(worths: Worths, entries: list[tuple]) -> dict[int, float]:
    """From the tables interactions and impressions; weights as known.sql makes them."""
    artists, ages, heard, likes, clicks, skips, passed = np.array(entries).T
    met = (heard + likes + clicks + skips) > 0
    times = ((TODAY - ages) * DAY + 9_000_000).astype(np.int64)
    weights = (heard + 2 * likes + 0.1 * clicks).astype(np.float32)
    counts = {"likes": likes[met], "clicks": clicks[met], "skips": skips[met]}
    # Another listener's play of this very day: the moment that ages are counted from.
    rows, columns = np.append(np.zeros(met.sum(), int), 1), np.append(artists[met], 0).astype(int)
    data = Dataset(*(np.arange(2), np.arange(10), rows, columns), np.append(weights[met], 1).astype(np.float32),
                   np.append(times[met], TODAY * DAY), *(np.full(2, "", object),) * 2,
                   {name: np.append(part, 0) for name, part in counts.items()})  # fmt: skip
    shown = passed != 0
    owners = np.zeros(shown.sum(), int)
    impressions = Impressions(owners, artists[shown].astype(int), owners, times[shown], np.maximum(passed[shown], 0),
                              np.maximum(-passed[shown], 0), np.full(shown.sum(), "R/champion"), data.shape)  # fmt: skip
    return of_first(worths.history(data, None, impressions))


def of_first(history: Pairs) -> dict[int, float]:
    own = slice(int(history.starts[0]), int(history.starts[1]))
    return dict(zip(history.columns[own].tolist(), history.values[own].tolist(), strict=True))


def as_scoring_has_it(worths: Worths, line: dict) -> dict[int, float]:
    exported = replace(small(terms=False), worths=worths, today=TODAY)
    request = parse(json.dumps(line).encode(), 1)
    found = of_first(Scorer(exported, 1, 1, 10, CPU)._history([request]))
    return {exported.artist_numbers[at].item(): weight for at, weight in found.items()}


def vectors() -> list[dict]:
    return [
        {
            "worths": asdict(worths),
            "today": TODAY,
            "line": line_of(entries),
            "weights": [[artist, round(weight, 6)] for artist, weight in as_training_has_it(worths, entries).items()],
        }
        for worths, entries in CASES
    ]


def test_the_lambda_is_tested_with_what_this_code_makes() -> None:
    assert json.loads(VECTORS.read_text(encoding="utf-8")) == vectors()


@pytest.mark.parametrize("case", range(len(CASES)))
def test_scoring_lines_give_the_weights_of_training(case: int) -> None:
    kept = json.loads(VECTORS.read_text(encoding="utf-8"))[case]
    found = as_scoring_has_it(CASES[case][0], kept["line"])
    assert sorted(found) == [artist for artist, _ in kept["weights"]]
    assert found == pytest.approx(dict(kept["weights"]), abs=2e-6)


entry = st.tuples(st.integers(1, 9), st.integers(0, 400), st.sampled_from((0, 0, 0.2, 1, 7.5)), *(st.integers(0, 3),) * 3, st.integers(-2, 5))


@given(
    st.lists(entry, min_size=1, max_size=30, unique_by=lambda one: one[:2]),
    st.builds(Worths, *(st.sampled_from(values) for values in ((0.5, 2, 10), (0, 0.1, 1), (0, 0.5, 2), (0, 7, 90), (0, 0.1, 1)))),
)
def test_whatever_was_done_both_have_one_weight(entries: list[tuple], worths: Worths) -> None:
    # An artist that was only ever shown is in no line.
    met = {one[0] for one in entries if sum(one[2:6]) > 0}
    entries = [one for one in entries if one[0] in met]
    if not entries:
        return
    trained = as_training_has_it(worths, entries)
    # What would be left with nothing counts in a list as it came.
    expected = trained or as_training_has_it(Worths(), entries)
    assert as_scoring_has_it(worths, line_of(entries)) == pytest.approx(expected, abs=1e-4)


def test_what_single_precision_leaves_where_skips_took_a_whole_play_is_nothing() -> None:
    entries = [(1, 0, 1, 0, 1, 2, 0), (2, 0, 1, 0, 0, 0, 0)]
    worths = Worths(click=0.0, skip=0.5)
    assert as_training_has_it(worths, entries) == as_scoring_has_it(worths, line_of(entries)) == {2: 1.0}


def test_the_champion_is_judged_by_the_weights_that_it_learned() -> None:
    exported = replace(small(terms=False), worths=LEARNED)
    data = Dataset(*(np.arange(2), exported.artist_numbers, np.array([0, 0, 1]), np.array([2, 3, 5])),
                   np.array([1, 1, 1], np.float32), (np.array([TODAY - 90, TODAY, TODAY]) * DAY), *(np.full(2, "", object),) * 2,
                   {name: np.zeros(3, int) for name in ("likes", "clicks", "skips")})  # fmt: skip
    before = (TODAY + 1) * DAY
    row = torch.tensor([0])
    faded = scorer(exported, data, before, CPU)(row)
    plain = scorer(replace(exported, worths=Worths()), data, before, CPU)(row)
    # An eighth is left of the first artist.
    eighth = scorer(replace(exported, worths=Worths()), replace(data, weights=np.array([1 / 8, 1, 1], np.float32)), before, CPU)(row)
    torch.testing.assert_close(faded, eighth)
    assert not torch.allclose(faded, plain)


def test_a_listener_with_clicks_alone_has_a_list_where_clicks_are_worth_nothing() -> None:
    worthless = replace(LEARNED, click=0.0)
    line = {**listener("l", [1, 2]), "heard": [0, 0], "clicks": [1, 1]}
    assert as_scoring_has_it(worthless, line) == pytest.approx({1: 0.1, 2: 0.1})
    beside = {**listener("l", [1, 2]), "heard": [1, 0], "clicks": [0, 1], "days": [TODAY, TODAY]}
    assert as_scoring_has_it(worthless, beside) == {1: 1.0}


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(vectors(), indent=1) + "\n", encoding="utf-8")
