"""The item-to-item term: against the regression that it claims to solve, in scores, in the export and in the choice."""

from __future__ import annotations

import base64
import json
from unittest import mock

import numpy as np
import pytest
import torch
from conftest import Job, listener
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import best as lists
from segue_ml import neighbours
from segue_ml.blend import Blend, fit
from segue_ml.evaluate import other_holdouts, random_holdout
from segue_ml.export import export, load
from segue_ml.ials import Settings
from segue_ml.metrics import rank_all
from segue_ml.neighbours import LocalRidge, Neighbours, assemble, neighbours_of
from segue_ml.pairs import Pairs
from segue_ml.score import Scorer
from segue_ml.segments import segment_lists
from segue_ml.terms import Choice, add_terms, quality
from segue_ml.tune import choose_sweeps
from segue_ml.value import decode

CPU = torch.device("cpu")


def matrix(listeners: int = 90, artists: int = 30, groups: int = 5, seed: int = 0) -> Pairs:
    """Listeners who mostly play one group's artists."""
    rng = np.random.default_rng(seed)
    near = np.arange(listeners)[:, None] % groups == np.arange(artists)[None, :] % groups
    rows, columns = np.nonzero(rng.random((listeners, artists)) < np.where(near, 0.6, 0.05))
    return Pairs.build(rows, columns, np.ones(len(rows)), (listeners, artists))


def dense(found: Neighbours) -> np.ndarray:
    result = np.zeros((found.width, found.width))
    owner = np.repeat(np.arange(found.width), found.starts.diff().numpy())
    result[owner, found.targets.numpy()] = found.weights.numpy()
    return result


def regression(pairs: Pairs, ridge: float) -> np.ndarray:
    """Each artist on all others, row by row of the definition, in float64."""
    played = np.zeros((pairs.height, pairs.width))
    played[pairs.rows, pairs.columns] = 1
    played /= np.maximum(1, pairs.lengths)[:, None] ** 0.25  # squared in the Gram matrix: one over the root
    gram = played.T @ played
    own = np.diag(gram)
    result = np.zeros_like(gram)
    for target in range(pairs.width):
        others = np.flatnonzero((gram[target] > 0) & (np.arange(pairs.width) != target))
        system = gram[np.ix_(others, others)] + np.diag(ridge * np.sqrt(own[others] * own[own > 0].mean()))
        result[others, target] = np.linalg.solve(system, gram[others, target])
    return result


@pytest.mark.parametrize("ridge", [0.1, 1.0, 10.0])
def test_with_all_artists_as_neighbours_it_is_the_regression(ridge: float) -> None:
    pairs = matrix()
    np.testing.assert_allclose(dense(LocalRidge(pairs, CPU).solve(ridge)), regression(pairs, ridge), atol=2e-5)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = matrix()
    once = LocalRidge(pairs, CPU, 7)
    whole, cosines = dense(once.solve(1.0)), dense(once.cosines())
    for at_once, kept in ((40, 10_000), (40, 0), (1 << 20, 0)):
        monkeypatch.setattr(neighbours, "AT_ONCE", at_once)
        monkeypatch.setattr(neighbours, "KEPT", kept)
        cut = LocalRidge(pairs, CPU, 7)
        np.testing.assert_allclose(dense(cut.solve(1.0)), whole, atol=1e-6)
        np.testing.assert_array_equal(dense(cut.cosines()), cosines)
    assert ((whole != 0).sum(0) <= 7).all() and not np.diag(whole).any()


def test_cosines_are_those_of_the_weighted_histories() -> None:
    pairs = matrix()
    weighted = np.zeros((pairs.height, pairs.width))
    weighted[pairs.rows, pairs.columns] = pairs.lengths[pairs.rows] ** -0.25
    weighted /= np.linalg.norm(weighted, axis=0)
    expected = weighted.T @ weighted - np.eye(pairs.width)
    np.testing.assert_allclose(dense(LocalRidge(pairs, CPU).cosines()), expected, atol=1e-5)


def test_a_large_catalogue_keeps_the_artists_with_most_listeners(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = matrix()
    monkeypatch.setattr(neighbours, "MOST_ARTISTS", 10)
    found = dense(LocalRidge(pairs, CPU).solve(1.0)) != 0
    used = np.flatnonzero(found.any(0) | found.any(1))
    heaviest = np.argsort(-np.bincount(pairs.columns), kind="stable")[:10]
    assert sorted(heaviest) == used.tolist()


def test_work_bounds_the_number_of_neighbours() -> None:
    assert [neighbours_of(count) for count in (10, 1_000, 16_384, 10**9)] == [256, 204, 80, 64]


@given(st.integers(0, 500), st.integers(1, 40), st.booleans())
def test_scores_are_the_sum_over_the_history(seed: int, at_once: int, mkl: bool) -> None:
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random((8, 8)) < 0.4, rng.normal(size=(8, 8)), 0)
    owners, targets = np.nonzero(weights)
    found = assemble(owners, targets, weights[owners, targets], 8)
    history = (rng.random((5, 8)) < 0.4).astype(float)
    rows, columns = (torch.from_numpy(part) for part in np.nonzero(history))
    scores = torch.ones(5, 8)
    kept, neighbours.AT_ONCE = neighbours.AT_ONCE, at_once
    try:
        with mock.patch("torch.backends.mkl.is_available", return_value=mkl and torch.backends.mkl.is_available()):
            found.add_to(scores, rows, columns)
    finally:
        neighbours.AT_ONCE = kept
    np.testing.assert_allclose(scores.numpy(), 1 + history @ weights, atol=1e-5)
    played, target = torch.randint(0, 9, (30,)), torch.randint(0, 8, (30,))
    padded = np.vstack([weights, np.zeros(8)])  # 8 stands for padding
    np.testing.assert_allclose(found.between(played, target).numpy(), padded[played, target], atol=1e-6)
    np.testing.assert_allclose(found.strongest().numpy(), np.abs(weights).max(1), atol=1e-6)
    use = rng.random(8) < 0.6
    np.testing.assert_allclose(dense(found.among(use)), weights[np.ix_(use, use)], atol=1e-6)


def test_what_validation_chooses_is_no_worse_than_the_factors_alone() -> None:
    part, validation = random_holdout(matrix(400, 60, 6), 0)
    settings = Settings(rank=2, sweeps=4)  # too few dimensions for six groups: the other term must help
    alone = choose_sweeps(part, validation, settings, CPU)
    chosen = add_terms(part, validation, alone, CPU)
    assert chosen.settings.item_weight > 0 and chosen.quality > alone.quality
    ranking = rank_all(fit(part, chosen.settings, CPU).scorer(part, CPU), validation, part, 20, CPU)
    assert quality(ranking) == pytest.approx(chosen.quality, abs=1e-5)


def test_of_several_splits_the_mean_chooses() -> None:
    pairs = matrix(400, 60, 6)
    splits = [random_holdout(pairs, 0), *other_holdouts(pairs, 0)]
    alone = choose_sweeps(*splits[0], Settings(rank=2, sweeps=4), CPU)
    chosen = add_terms(*splits[0], alone, CPU, more=splits[1:])

    def mean(settings: Settings) -> float:
        rankings = [rank_all(fit(part, settings, CPU).scorer(part, CPU), hidden, part, 20, CPU) for part, hidden in splits]
        return float(np.mean([quality(ranking) for ranking in rankings]))

    assert len(splits) == 3 and chosen.settings.item_weight > 0
    gain = mean(chosen.settings) / mean(alone.settings)
    assert gain > 1 and chosen.quality / alone.quality == pytest.approx(gain, abs=1e-4)
    # As good as any other share of the same shape that the climb could have come to.
    other = {weight: mean(chosen.settings.changed(item_weight=weight)) for weight in (0.0, 0.05, 4.0)}
    assert max(other.values()) <= mean(chosen.settings)


def test_a_term_that_does_not_help_is_left_out() -> None:
    rng = np.random.default_rng(1)
    rows, columns = np.nonzero(rng.random((300, 40)) < 0.2 * np.linspace(0.2, 1.8, 40))
    part, validation = random_holdout(Pairs.build(rows, columns, np.ones(len(rows)), (300, 40)), 0)
    alone = choose_sweeps(part, validation, Settings(rank=2, sweeps=2, ridge=50), CPU)
    perfect = Choice(alone.settings, 1.0, alone.fitted)
    assert add_terms(part, validation, perfect, CPU) is perfect
    fixed = add_terms(part, validation, alone, CPU, frozenset({"item_weight", "filter_weight"}))
    assert fixed is alone


def test_exported_scores_are_the_blend_and_bounded(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = matrix(200, 40)
    pairs = pairs.where(pairs.columns != 11)  # an artist without a listener is left out, and the rest renumbered
    blend = fit(pairs, Settings(rank=4, sweeps=4, item_weight=2.0, item_ridge=0.3), CPU)
    numbers = 100 + 3 * np.arange(40)
    empty = np.full(200, "", object)
    export(tmp_path, blend, numbers, segment_lists(pairs, empty, empty), {})
    found = load(tmp_path, CPU)
    assert found.neighbours is not None and 100 + 33 not in found.artist_numbers
    assert json.loads((tmp_path / "model.json").read_text())["settings"]["item_weight"] == 2.0
    monkeypatch.setattr(lists, "LISTENERS", 3)
    scorer = Scorer(found, 1, 1, 10, CPU)
    lines = []
    for row in range(30):
        played = numbers[pairs.columns[pairs.starts[row] : pairs.starts[row + 1]]].tolist()
        lines.append(json.dumps(listener(f"l{row}", played)))
    expected = blend.scorer(pairs, CPU)(torch.arange(30))
    without = Blend(blend.model).scorer(pairs, CPU)(torch.arange(30))
    differs = 0
    for row, line in enumerate(scorer.lines("\n".join(lines).encode())):
        value = decode(base64.b64decode(line.split(" ")[1]))
        masked = expected[row].clone()
        masked[pairs.columns[pairs.starts[row] : pairs.starts[row + 1]]] = -torch.inf
        masked[11] = -torch.inf
        best = masked.topk(10)
        assert value.artists == numbers[best.indices.numpy()].tolist()
        assert all(-1 <= one <= 1 for one in value.scores) and value.scores[0] > 0.1
        differs += bool((without[row] - expected[row]).abs().max() > 0.01)
    assert differs == 30


def test_the_job_can_be_told_to_use_it(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    from test_training import in_process

    assert in_process(job, monkeypatch, "--rank", "8", "--item-weight", "1", "--item-ridge", "2") == 0
    settings = json.loads((job.output / "evaluation.json").read_text())["hyperparameters"]
    assert (settings["item_weight"], settings["item_ridge"]) == (1.0, 2.0)
    assert len(np.load(job.model / "neighbour_weights.npy")) > 100
