"""The second stage without LightGBM: what is known of candidates, the forest, and the order that it makes."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from conftest import DAY, START
from hypothesis import given, settings
from hypothesis import strategies as st
from segue_ml.blend import Blend, fit, fold_in
from segue_ml.candidates import FEATURES, OLDEST, PRIOR, About, Facts, Seen, about_at, facts_at, features
from segue_ml.data import Dataset
from segue_ml.errors import SegueError
from segue_ml.forest import Forest
from segue_ml.ials import default_settings
from segue_ml.pairs import Pairs
from segue_ml.ranker import Candidates, Ranked, Ranker

CPU = torch.device("cpu")


def text(*trees: tuple[int, float, float, float], names: tuple[str, ...] = FEATURES) -> str:
    """A forest of stumps: feature, threshold, value up to it and above it."""
    parts = [
        f"Tree={at}\nnum_leaves=2\nnum_cat=0\nsplit_feature={feature}\nthreshold={threshold!r}\ndecision_type=2\n"
        f"left_child=-1\nright_child=-2\nleaf_value={below} {above}\n"
        for at, (feature, threshold, below, above) in enumerate(trees)
    ]
    return f"tree\nversion=v4\nfeature_names={' '.join(names)}\n\n" + "\n".join(parts) + "\nend of trees\n"


def dataset(rows: list[tuple[int, int, float, float]], listeners: int, artists: int) -> Dataset:
    """Rows (listener, artist, weight, day)."""
    listener, artist, weight, day = (np.array(part) for part in zip(*rows, strict=True))
    ages = np.array(["25-34" if number % 2 else "18-24" for number in range(listeners)], object)
    where = np.array(["SE" if number < listeners // 2 else "US-CA" for number in range(listeners)], object)
    genre = np.array(["rock|pop" if number % 2 else "jazz" for number in range(artists)], object)
    ids = np.array([f"l{number}" for number in range(listeners)], object)
    numbers = np.arange(1, artists + 1, dtype=np.int32)
    times = START + (day * DAY).astype(np.int64)
    columns, weights = artist.astype(np.int32), weight.astype(np.float32)
    return Dataset(ids, numbers, listener, columns, weights, times, ages, where, {}, {"genre": genre})


TWENTY = [(listener, 0, 1.0, 1.0) for listener in range(20)] + [(listener, 1, 1.0, 28.5) for listener in range(1, 20, 2)]


def test_facts_by_hand() -> None:
    data = dataset([*TWENTY, (0, 1, 0.0, 3.0)], 20, 3)
    found = facts_at(data, START + 30 * DAY)
    # Twenty listeners met artist 0, ten of them artist 1, in the last fortnight, nobody artist 2.
    assert found.known.tolist() == pytest.approx([math.log(20.5 / 20), math.log(10.5 / 20), math.log(0.5 / 20)], abs=2e-3)
    shares = np.array([20.5, 10.5, 0.5]) / 31.5
    trend = np.log((np.array([0, 10, 0]) + PRIOR * shares) / (10 + PRIOR) / shares)
    assert found.trend.tolist() == pytest.approx(trend.tolist(), abs=2e-3) and trend[1] > 0 > trend[0]
    assert found.age.tolist() == pytest.approx([math.log1p(29), math.log1p(27), 0.0], abs=2e-3)
    assert found.groups == {"age 18-24": 0, "age 25-34": 1, "country SE": 2, "country US": 3}
    own = np.log((np.array([10, 10, 0]) + PRIOR * shares) / (20 + PRIOR) / shares)
    assert found.lifts[1].tolist() == pytest.approx(own.tolist(), abs=2e-3)
    assert found.lifts[4].tolist() == [0, 0, 0]
    assert found.rows(["25-34", "65+"], ["US-CA", ""]).tolist() == [[1, 3], [4, 4]]
    assert sorted(found.genres.sum(1).tolist()) == [1, 1, 2]


def test_groups_of_fewer_than_ten_are_not_told() -> None:
    data = dataset([(listener, 0, 1.0, 1.0) for listener in range(19)] + [(0, 1, 1.0, 1.0)], 19, 2)
    assert list(facts_at(data, START + 30 * DAY).groups) == ["age 18-24", "country US"]


def test_about_listeners_by_hand() -> None:
    data = dataset(TWENTY, 20, 3)
    found = about_at(data, facts_at(data, START + 30 * DAY), START + 30 * DAY)
    # The last day that is known is 29.
    assert found.idle[:2].tolist() == [28, 1]
    assert found.recent.lengths[:4].tolist() == [0, 1, 0, 1] and set(found.recent.columns) == {1}
    nobody = about_at(data, facts_at(data, START), START)
    assert set(nobody.idle.tolist()) == {OLDEST} and nobody.recent.count == 0


def test_features_by_hand() -> None:
    data = dataset(TWENTY, 20, 3)
    history = data.pairs()
    blend = fit(history, default_settings(history).changed(rank=2, sweeps=2), CPU)
    facts = facts_at(data, START + 30 * DAY)
    own = history.among_rows(np.array([1]))
    about = about_at(data, facts, START + 30 * DAY).among(np.array([1]))
    vectors = fold_in(blend.model, own, CPU)
    top, scores = torch.tensor([[0, 1, 2]]), torch.tensor([[0.8, 0.4, -torch.inf]])
    found = features(blend, facts, Seen.of(vectors, own, about), top, scores)
    assert found.shape == (1, 3, len(FEATURES)) and torch.isfinite(found).all()
    one = {name: found[0, :, at].tolist() for at, name in enumerate(FEATURES)}
    assert one["score"] == pytest.approx([1, 0.5, 0]) and one["standing"][:2] == pytest.approx([1, -1])
    assert one["place"] == pytest.approx([1, math.log2(3), 2])
    factors = (blend.model.artists @ vectors[0]).tolist()
    assert one["factors"] == pytest.approx([value / 0.8 for value in factors], abs=1e-5)
    rest = [one["score"][at] - one["factors"][at] - one["filter"][at] for at in range(3)]
    assert one["neighbours"] == pytest.approx(rest, abs=1e-5)
    # Of the listener's artists one is jazz and one rock and pop, which is the one of the last days.
    assert one["genre"] == [0.5, 0.5, 0.5] and one["recent_genre"] == [0, 1, 0]
    assert one["known"] == facts.known.float().tolist() and one["trend"] == facts.trend.float().tolist()
    assert one["age_group"] == facts.lifts[1].float().tolist() and one["country"] == facts.lifts[2].float().tolist()
    assert one["history"] == pytest.approx([math.log(3)] * 3) and one["idle"] == pytest.approx([math.log(2)] * 3)


ROWS = st.tuples(st.integers(0, 11), st.integers(0, 7), st.floats(0, 4, width=32), st.floats(0, 40, width=32))


@given(st.lists(ROWS, min_size=5, max_size=60), st.lists(ROWS, max_size=30), st.integers(1, 40))
def test_no_feature_sees_the_future(rows: list, other: list, day: int) -> None:
    """Whatever happens from the moment on, what was known at it is the same."""
    before = START + day * DAY
    past = [row for row in rows if row[3] < day]
    first = dataset([*past, (0, 0, 1.0, 0.0)], 12, 8)
    later = dataset([*past, (0, 0, 1.0, 0.0), *(row for row in other if row[3] >= day)], 12, 8)
    one, two = facts_at(first, before), facts_at(later, before)
    assert one.groups == two.groups
    for name in ("known", "trend", "age", "genres", "lifts"):
        assert torch.equal(getattr(one, name), getattr(two, name)), name
    mine, theirs = about_at(first, one, before), about_at(later, two, before)
    assert torch.equal(mine.groups, theirs.groups) and torch.equal(mine.idle, theirs.idle)
    assert np.array_equal(mine.recent.keys, theirs.recent.keys)


def test_a_forest_adds_its_trees_up_and_compares_in_double_precision() -> None:
    # Between two neighbouring numbers of single precision: rounded up, the threshold would take the upper one too.
    upper = float(np.nextafter(np.float32(0.1), np.float32(1)))
    edge = (float(np.float32(0.1)) + 3 * upper) / 4
    forest = Forest.read(text((0, edge, 1.0, 2.0), (1, 0.0, -5.0, 7.0), names=("a", "b")))
    rows = torch.tensor([[0.1, 0.0], [upper, 1e-30], [0.0, -1.0]], dtype=torch.float32)
    assert forest.score(rows).tolist() == [1 - 5, 2 + 7, 1 - 5]
    assert forest.names == ("a", "b") and forest.score(rows[:0]).tolist() == []


@pytest.mark.parametrize(
    ("damaged", "message"),
    [
        (text((0, 0.5, 1, 2)).replace("end of trees", ""), "cut short"),
        ("{}", "not a forest"),
        (text((0, 0.5, 1, 2)).replace("threshold=0.5\n", ""), "cannot be read"),
        (text((99, 0.5, 1, 2)), "a split by feature 99 of"),
        (text((0, 0.5, 1, 2)).replace("decision_type=2", "decision_type=1"), "numerical splits"),
        (text((0, 0.5, 1, 2)).replace("num_leaves=2", "num_leaves=9"), "trees of 8 leaves"),
    ],
)
def test_a_forest_that_cannot_be_read_is_refused(damaged: str, message: str) -> None:
    with pytest.raises(SegueError, match=message):
        Forest.read(damaged)


def test_a_forest_of_other_features_is_refused() -> None:
    facts = facts_at(dataset(TWENTY, 20, 3), START)
    with pytest.raises(SegueError, match="its features are a b; this code makes score"):
        Ranker(Forest.read(text((0, 0.5, 1, 2), names=("a", "b"))), facts).check()


@cache
def world(seed: int, listeners: int = 30, artists: int = 25) -> tuple[Blend, Dataset, Facts]:
    rng = np.random.default_rng(seed)
    rows = [(int(rng.integers(listeners)), int(artists * rng.random() ** 2), 1.0, float(rng.integers(30))) for _ in range(300)]
    data = dataset(rows, listeners, artists)
    history = data.pairs()
    return fit(history, default_settings(history).changed(rank=4, sweeps=2), CPU), data, facts_at(data, START + 30 * DAY)


@settings(max_examples=12)
@given(
    st.integers(0, 2),
    st.lists(st.tuples(st.integers(0, len(FEATURES) - 1), st.floats(-2, 2), st.floats(-1, 1), st.floats(-1, 1)), max_size=6),
    st.integers(1, 30),
    st.integers(1, 30),
)
def test_a_new_order_is_of_the_same_candidates_with_falling_scores(seed: int, trees: list, depth: int, size: int) -> None:
    blend, data, facts = world(seed)
    history, rows = data.pairs(), torch.arange(30)
    about = about_at(data, facts, START + 30 * DAY)
    allowed = np.random.default_rng(seed).random(25) < 0.8
    seen, top, scores, _ = Candidates(blend, history, about, history, allowed, depth, CPU).of(rows)
    ranker = Ranker(Forest.read(text(*trees)), facts, depth)
    artists, kept = ranker.reorder(blend, seen, top, scores, size)
    for row in range(30):
        own, listed = scores[row][torch.isfinite(scores[row])], torch.isfinite(kept[row])
        chosen = artists[row][listed].tolist()
        first = top[row][: len(own)].tolist()
        assert len(chosen) == min(size, len(own)) == len(set(chosen)) and set(chosen) <= set(first)
        assert not history.has(np.full(len(chosen), row), np.array(chosen, np.int64)).any()
        assert allowed[chosen].all()
        # The scores are those of the listed artists themselves, in falling order.
        assert kept[row][listed].tolist() == sorted((own[first.index(artist)].item() for artist in chosen), reverse=True)
        if not trees:
            assert chosen == first[:size]
    # In the evaluation the other artists' scores stay as they are.
    whole = blend.scorer(history, CPU)(rows)
    score = Ranked(blend, ranker, about, history, allowed).scorer(history, CPU)(rows)
    untouched = torch.ones_like(whole, dtype=torch.bool)
    listed = torch.isfinite(scores)
    untouched[rows.unsqueeze(1).expand_as(top)[listed], top[listed]] = False
    assert torch.equal(score[untouched], whole[untouched])
    assert torch.equal(score.sort(1).values, whole.sort(1).values)


def test_the_forest_decides_and_what_is_equal_stays_in_order() -> None:
    blend, data, facts = world(1)
    history = data.pairs()
    about = about_at(data, facts, START + 30 * DAY)
    seen, top, scores, _ = Candidates(blend, history, about, history, np.ones(25, bool), 8, CPU).of(torch.arange(30))
    middle = float(facts.known.float().median())
    forest = Forest.read(text((FEATURES.index("known"), middle, 1.0, 0.0)))
    artists, _ = Ranker(forest, facts, 8).reorder(blend, seen, top, scores, 8)
    for row in range(30):
        own = top[row][torch.isfinite(scores[row])].tolist()
        rare = [artist for artist in own if facts.known[artist] <= middle]
        assert artists[row].tolist()[: len(own)] == rare + [artist for artist in own if artist not in rare]


def test_facts_among_some_artists_fit_them_alone() -> None:
    _, _, facts = world(2)
    keep = np.arange(25) % 3 > 0
    found = facts.among(keep)
    assert found.fits(int(keep.sum())) and not found.fits(25) and facts.fits(25)
    assert not replace(facts, lifts=facts.lifts[1:]).fits(25)
    assert torch.equal(found.lifts, facts.lifts[:, torch.from_numpy(keep)])


def test_recent_pairs_that_the_history_lacks_are_not_counted() -> None:
    history = Pairs.build(np.array([0]), np.array([2]), np.ones(1), (1, 4))
    recent = Pairs.build(np.array([0, 0]), np.array([1, 2]), np.ones(2), (1, 4))
    about = About(torch.zeros(1, 2, dtype=torch.int64), recent, torch.zeros(1))
    assert Seen.of(torch.zeros(1, 2), history, about).about.recent.columns.tolist() == [2]
