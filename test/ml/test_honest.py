"""Calibration, groups, and what mattered, on data of which the answer is known."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import Job, planted
from segue_ml.data import read_dataset
from segue_ml.honest import by_group, calibration, gaps, isotonic
from segue_ml.mattered import FEWEST, logistic, what_mattered
from segue_ml.metrics import Ranking


def ranking(scores: np.ndarray, hits: np.ndarray, recall: np.ndarray | None = None) -> Ranking:
    listeners, k = scores.shape
    one = np.zeros(listeners) if recall is None else recall
    lists = np.tile(np.arange(k, dtype=np.int32), (listeners, 1))
    shown = np.full(k, listeners)
    return Ranking(np.arange(listeners), one, one, one, 1.0, k, one, one, shown, lists, scores, hits)


def test_scores_that_mean_the_same_for_everybody_are_calibrated_and_few_listeners_cannot_tell() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random((2000, 20)).astype(np.float32)
    fair = calibration(ranking(scores, rng.random(scores.shape) < scores))
    assert fair is not None and fair["error"] < 0.02
    assert all(abs(one["predicted"] - one["observed"]) < 0.03 for one in fair["curve"])
    # A score that says nothing is met by a prediction that says nothing, which is true.
    said = calibration(ranking(scores, rng.random(scores.shape) < 0.3))
    assert said is not None and said["error"] < 0.02
    few = calibration(ranking(scores[:40], rng.random((40, 20)) < 0.5))
    assert few is not None and few["error"] > fair["error"]
    # By luck nearer to what is predicted than its resamples are, which have their own chance beside.
    luck = np.random.default_rng(26)
    low_scores = luck.random((400, 20)).astype(np.float32) * 0.3
    lucky = calibration(ranking(low_scores, luck.random(low_scores.shape) < low_scores))
    for found in (fair, said, few, lucky):
        low, high = found["interval"]
        assert 0 <= low <= found["error"] <= high
    assert np.diff(few["interval"]) > np.diff(fair["interval"])
    assert calibration(ranking(scores[:19], scores[:19] > 0.5)) is None


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=40))
def test_isotonic_steps_rise_and_keep_the_total(pairs: list[tuple[int, bool]]) -> None:
    scores, hits = np.array([pair[0] for pair in pairs], float), np.array([pair[1] for pair in pairs])
    edges, rates = isotonic(scores, hits)
    assert (np.diff(edges) > 0).all() and (np.diff(rates) >= 0).all()
    fitted = rates[np.searchsorted(edges, scores, "right") - 1]
    assert fitted.sum() == pytest.approx(hits.sum())


def test_groups_and_their_gap_have_intervals() -> None:
    rng = np.random.default_rng(0)
    recall = np.concatenate([rng.random(200) * 0.2, 0.5 + rng.random(200) * 0.2, np.ones(5)])
    found = ranking(np.zeros((405, 2), np.float32), np.zeros((405, 2), bool), recall)
    names = np.array(["a"] * 200 + ["b"] * 200 + ["few"] * 5, object)
    groups = {group["value"]: group for group in by_group(found, "age_group", names)}
    low, high = groups["a"]["intervals"]["recall@2"]
    assert low < groups["a"]["recall@2"] < high < 0.12 and groups["few"]["listeners"] == 5
    gap = gaps(found, "age_group", names)[0]  # the group of five takes no part
    assert (gap["lowest"], gap["highest"]) == ("a", "b")
    assert gap["gap"] == pytest.approx(0.5, abs=0.03) and gap["interval"][0] < gap["gap"] < gap["interval"][1]
    assert gaps(found, "age_group", np.full(405, "", object)) == []


def test_what_mattered_names_the_features_that_differ() -> None:
    rng = np.random.default_rng(0)
    followers = rng.integers(1, 10_000, 60).astype(float)
    followers[3] = np.nan
    genre = np.array(["rock", "jazz", ""] * 20, object)
    columns, owners = rng.integers(0, 60, 4000), rng.integers(0, 200, 4000)
    chance = np.where(genre[columns] == "rock", 0.8, 0.3)
    positive = rng.random(4000) < chance
    found = what_mattered(positive, ~positive, owners, columns, {"genre": genre, "followers": followers})
    assert found is not None
    assert found["positive"] == positive.sum() and 0.65 < found["auc"] < 0.8
    first = found["features"][0]
    assert first["feature"] == "genre rock" and first["interval"][0] > 0.5 and first["weight"] > 0
    assert first["positive"] == pytest.approx(positive[genre[columns] == "rock"].sum() / positive.sum(), abs=1e-5)
    other = next(one for one in found["features"] if one["feature"] == "followers")
    assert other["interval"][0] < 0.05 and other["interval"][1] > -0.05
    assert "genre unknown" in [one["feature"] for one in found["features"]]
    few = np.arange(4000) < FEWEST - 1
    assert what_mattered(few, ~few, owners, columns, {"genre": genre}) is None
    assert what_mattered(positive, ~positive, owners, columns, {}) is None


def test_the_logistic_regression_finds_the_weights() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(20_000, 2))
    hits = rng.random(20_000) < 1 / (1 + np.exp(-(0.5 + values @ [1.5, -0.7])))
    np.testing.assert_allclose(logistic(values, hits), [0.5, 1.5, -0.7], atol=0.06)
    apart = logistic(np.array([[-1.0], [1.0]] * 50), np.array([False, True] * 50))
    assert np.isfinite(apart).all() and apart[1] > 1


def test_counts_and_facts_are_read_where_they_are(job: Job) -> None:
    tables = planted()
    rows, numbers = tables["interactions"].num_rows, tables["artists"]["artist_no"].to_numpy()
    skips = np.arange(rows, dtype=np.int32) % 3
    job.write("interactions", tables["interactions"].append_column("skips", pa.array(skips)))
    followers = [None, *range(1, len(numbers))]
    facts = tables["artists"].append_column("followers", pa.array(followers, pa.int32()))
    job.write("artists", facts.append_column("genre", pa.array([None, *["rock"] * (len(numbers) - 1)])))
    found = read_dataset(*(job.channel(name) for name in ("interactions", "listeners", "artists")))
    assert set(found.counts) == {"skips"} and found.counts["skips"].tolist() == skips.tolist()
    at = np.searchsorted(numbers, found.artist_numbers)
    expected = np.array([np.nan, *range(1, len(numbers))])[at]
    np.testing.assert_array_equal(found.facts["followers"], expected)
    assert found.facts["genre"].tolist() == ["" if one == 0 else "rock" for one in at]
