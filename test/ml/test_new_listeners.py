"""Lists of listeners of whom age group and place alone are known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import Job
from segue_ml.new_listeners import choose_share, lists_of
from segue_ml.pairs import Pairs
from segue_ml.segments import EVERYBODY, segment_lists, segment_of

ARTISTS = 60


def world(listeners: int, informative: bool = True, seed: int = 0) -> tuple[Pairs, np.ndarray, np.ndarray]:
    """Age says half of the taste and the country the other half, each for itself."""
    rng = np.random.default_rng(seed)
    age, country = rng.integers(0, 5, listeners), rng.integers(0, 12, listeners)
    older, home = rng.integers(0, 5, ARTISTS), rng.integers(0, 12, ARTISTS)
    odds = 0.03 * (1 + 5 * (age[:, None] == older)) * (1 + 5 * (country[:, None] == home)) if informative else 0.1
    rows, columns = np.nonzero(rng.random((listeners, ARTISTS)) < odds)
    ages = np.array([f"{10 * one}-{10 * one + 9}" for one in age], object)
    places = np.array([f"C{chr(65 + one)}" + ("-R1" if one % 2 else "") for one in country], object)
    return Pairs.build(rows, columns, np.ones(len(rows)), (listeners, ARTISTS)), ages, places


def test_features_multiply_where_segments_are_small() -> None:
    pairs, ages, places = world(1500)
    share = choose_share(pairs, ages, places)
    assert share > 0
    known = np.arange(1500) < 1000
    part = pairs.where(known[pairs.rows])
    plain, mixed = segment_lists(part, ages, places), lists_of(part, ages, places, share)
    assert plain.keys() == mixed.keys()
    hits = {"plain": 0, "mixed": 0}
    for row in range(1000, 1500):
        own = set(pairs.columns[pairs.starts[row] : pairs.starts[row + 1]].tolist())
        for name, lists in (("plain", plain), ("mixed", mixed)):
            found = lists.get(segment_of(ages[row], places[row]), lists[EVERYBODY])
            hits[name] += len(own & set(found.artists[:5].tolist()))
    assert hits["mixed"] > 1.01 * hits["plain"]


def test_everybodys_list_stays_what_is_popular_and_scores_fall_from_one() -> None:
    pairs, ages, places = world(600)
    plain, mixed = segment_lists(pairs, ages, places), lists_of(pairs, ages, places, 0.5)
    np.testing.assert_array_equal(mixed[EVERYBODY].artists, plain[EVERYBODY].artists)
    for name, found in mixed.items():
        assert found.scores[0] == 1 and (np.diff(found.scores) <= 0).all() and found.scores[-1] > 0
        assert len(set(found.artists.tolist())) == len(found.artists) and found.listeners == plain[name].listeners


def test_too_few_listeners_choose_the_segments_alone() -> None:
    pairs, ages, places = world(400)
    assert choose_share(pairs, ages, places) == 0
    plain = segment_lists(pairs, ages, places)
    for name, found in lists_of(pairs, ages, places, 0).items():
        np.testing.assert_array_equal(found.artists, plain[name].artists)


def test_the_same_seed_chooses_the_same() -> None:
    pairs, ages, places = world(1200, informative=False)
    assert choose_share(pairs, ages, places, 3) == choose_share(pairs, ages, places, 3)


def test_an_artist_that_no_known_listener_plays_is_in_no_list() -> None:
    pairs, ages, places = world(600)
    pairs = pairs.where(pairs.columns != 7)
    assert not any(7 in found.artists for found in lists_of(pairs, ages, places, 0.5).values())


def test_the_model_says_how_much_features_count(trained: Job) -> None:
    assert json.loads((trained.model / "model.json").read_text())["featuresBesideSegments"] == pytest.approx(0)  # 300 listeners


def test_the_model_says_what_likes_and_clicks_are_worth(trained: Job) -> None:
    chosen = json.loads((trained.output / "evaluation.json").read_text())["feedback"]["chosen"]
    worths = json.loads((trained.model / "model.json").read_text())["worths"]
    assert worths == {name: chosen[name] for name in ("like", "click", "skip", "half_life", "passed")}
