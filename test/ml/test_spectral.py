"""The low-pass term against dense algebra, and its place in the model."""

from __future__ import annotations


import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import check_lists
from segue_ml.blend import fit
from segue_ml.evaluate import random_holdout
from segue_ml.export import export, load
from segue_ml.ials import Settings
from segue_ml.metrics import rank_all
from segue_ml.pairs import Pairs
from segue_ml.segments import segment_lists
from segue_ml.spectral import low_pass
from segue_ml.terms import add_terms, quality
from segue_ml.tune import choose_sweeps

CPU = torch.device("cpu")


def grouped(listeners: int, artists: int, groups: int = 6, seed: int = 0) -> Pairs:
    """Listeners of a group play its artists five times as often as others."""
    rng = np.random.default_rng(seed)
    own = rng.integers(0, groups, listeners)[:, None] == rng.integers(0, groups, artists)
    rows, columns = np.nonzero(rng.random((listeners, artists)) < np.where(own, 0.5, 0.1))
    return Pairs.build(rows, columns, np.ones(len(rows)), (listeners, artists))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_it_is_the_filter_of_the_paper(seed: int, exponent: float) -> None:
    pairs = grouped(60, 25, seed=seed)
    dense = np.zeros((60, 25))
    dense[pairs.rows, pairs.columns] = 1
    lengths, degrees = np.maximum(1, dense.sum(1)), np.maximum(1, dense.sum(0))
    axes = np.linalg.svd(dense / np.sqrt(np.outer(lengths, degrees)), full_matrices=False)[2]
    # As many directions as there are: no gap between singular values decides what is kept.
    found = low_pass(pairs, 25, CPU, seed).shaped(25, exponent, 2.0)
    expected = 2 * dense * degrees**-exponent @ axes.T @ axes * degrees**exponent
    scores = found.listeners(pairs) @ found.outputs().T
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-3)


def test_the_first_directions_carry_what_the_groups_have_in_common() -> None:
    pairs = grouped(400, 80)
    found = low_pass(pairs, 6, CPU)
    dense = np.zeros((400, 80))
    dense[pairs.rows, pairs.columns] = 1
    values, axes = np.linalg.svd(dense / np.sqrt(np.outer(dense.sum(1), dense.sum(0))), full_matrices=False)[1:]
    assert values[5] > 1.2 * values[6]
    np.testing.assert_allclose((found.axes @ found.axes.T).numpy(), axes[:6].T @ axes[:6], atol=0.02)
    again = low_pass(pairs, 6, CPU)
    assert torch.equal(again.axes, found.axes)


def test_more_directions_than_listeners_or_artists_are_not_made() -> None:
    assert low_pass(grouped(5, 30), 64, CPU).axes.shape == (30, 5)
    assert low_pass(grouped(30, 4), 64, CPU).axes.shape == (4, 4)


def test_validation_gives_it_a_share_where_it_helps_and_says_the_quality_it_found() -> None:
    part, validation = random_holdout(grouped(400, 120), 0)
    alone = choose_sweeps(part, validation, Settings(rank=2, sweeps=4), CPU)  # too few dimensions for six groups
    chosen = add_terms(part, validation, alone, CPU, frozenset({"item_weight"}))
    assert chosen.settings.filter_weight > 0 and chosen.settings.item_weight == 0
    assert chosen.quality > 1.02 * alone.quality
    ranking = rank_all(fit(part, chosen.settings, CPU).scorer(part, CPU), validation, part, 20, CPU)
    assert quality(ranking) == pytest.approx(chosen.quality, rel=5e-3)


def test_exported_scores_hold_it_within_their_bound_and_with_reasons(tmp_path) -> None:
    pairs = grouped(200, 40)
    pairs = pairs.where(pairs.columns != 11)  # an artist without a listener is left out, and the rest renumbered
    chosen = Settings(rank=4, sweeps=4, item_weight=0.5, filter_weight=3.0, filter_rank=8)
    blend = fit(pairs, chosen, CPU)
    numbers = 100 + 3 * np.arange(40)
    empty = np.full(200, "", object)
    export(tmp_path, blend, numbers, segment_lists(pairs, empty, empty), {})
    found = load(tmp_path, CPU)
    assert found.filter is not None and found.filter.axes.shape == (39, 8)
    assert all(value.scores[0] > 0.1 for value in check_lists(found, blend, pairs, numbers, gone=11))
