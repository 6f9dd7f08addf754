"""Metrics against hand-computed figures and a plain reference."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import metrics
from segue_ml.metrics import rank_all
from segue_ml.pairs import Pairs

CPU = torch.device("cpu")


def sets(*rows: list[int], width: int) -> Pairs:
    listeners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    columns = np.array([column for row in rows for column in row], int)
    return Pairs.build(listeners, columns, np.ones(len(columns)), (len(rows), width))


def ranked(scores: list[list[float]], relevant: Pairs, masked: Pairs, k: int, **more):
    table = torch.tensor(scores, dtype=torch.float32)
    return rank_all(lambda rows: table[rows], relevant, masked, k, CPU, **more)


def test_by_hand() -> None:
    # Order of listener 0: 4 3 2 1 0, of which 4 is masked: 3 2 1 0. Relevant 2 and 0: a hit in second place of two.
    # Order of listener 1: 0 1 2 3 4. Relevant 0, 1, 4: hits in both places.
    found = ranked([[1, 2, 3, 4, 5], [5, 4, 3, 2, 1]], sets([2, 0], [0, 1, 4], width=5), sets([4], [], width=5), k=2)
    second = 1 / math.log2(3)
    np.testing.assert_allclose(found.recall, [1 / 2, 2 / 3])
    np.testing.assert_allclose(found.ndcg, [second / (1 + second), 1.0])
    # Listener 0: (2 over 1), not (2 over 3), not (0 over 3), not (0 over 1). Listener 1: 0 and 1 over 2 and 3; 4 not.
    np.testing.assert_allclose(found.auc, [1 / 4, 4 / 6])
    assert found.coverage == 4 / 5  # 3 and 2; 0 and 1
    assert found.means()["recall@2"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    # A hit in second place of two relevant; hits in both places of three.
    np.testing.assert_allclose(found.precision, [1 / 2 / 2, 2 / 3])
    assert found.hit.tolist() == [1.0, 1.0] and found.shown.tolist() == [1, 1, 1, 1, 0]
    # Shares 1, 1, 1/2, 1/4, of which each is listed once.
    mix = found.popularity(np.array([4, 4, 2, 1, 4]), 4)
    assert mix == pytest.approx({"novelty@2": (0 + 0 + 1 + 2) / 4, "popularity@2": (1 + 1 + 0.5 + 0.25) / 4})


@pytest.mark.parametrize("k", [5, 10])
def test_figures_agree_with_ranx(k: int) -> None:
    # ranx 0.3.21 (Bassani 2022) ranked these scores once; its figures are in the file.
    known = json.loads((Path(__file__).parent / "ranx.json").read_text())
    scores = known["scores"]
    relevant = sets(*known["relevant"], width=len(scores[0]))
    found = ranked(scores, relevant, sets(*[[]] * len(scores), width=len(scores[0])), k).means()
    expected = {name.replace("hit_rate", "hit"): value for name, value in known["expected"][str(k)].items()}
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_intervals_hold_the_mean_and_narrow_with_listeners() -> None:
    generator = torch.Generator().manual_seed(0)

    def width(listeners: int) -> float:
        table = torch.rand(listeners, 20, generator=generator)
        relevant = sets(*[[0, 1]] * listeners, width=20)
        found = rank_all(lambda rows: table[rows], relevant, sets(*[[]] * listeners, width=20), 5, CPU)
        low, high = found.intervals(1, np.ones(found.shown.shape), 10)["recall@5"]
        assert low < found.means()["recall@5"] < high
        assert found.intervals(1, np.ones(found.shown.shape), 10)["recall@5"] == [low, high]
        return high - low

    assert width(1600) == pytest.approx(width(100) / 4, rel=0.3)


def test_listeners_without_a_relevant_artist_do_not_count() -> None:
    found = ranked([[1, 2], [2, 1]], sets([], [0], width=2), sets([], [], width=2), k=1)
    assert found.listeners.tolist() == [1]
    assert found.means()["recall@1"] == 1.0


def test_artists_that_are_no_candidates_are_not_listed() -> None:
    found = ranked([[3, 2, 1]], sets([1], width=3), sets([], width=3), k=1, candidates=np.array([False, True, True]))
    assert found.recall.tolist() == [1.0]
    assert found.auc.tolist() == [1.0]
    assert found.coverage == 1 / 2


def test_a_list_longer_than_what_is_left_holds_no_masked_artist() -> None:
    found = ranked([[3, 2, 1]], sets([1], width=3), sets([0], width=3), k=3)
    assert found.coverage == 2 / 3
    assert found.ndcg.tolist() == [1.0]


def brute_force(scores: np.ndarray, relevant: list[set], masked: list[set], candidates: np.ndarray, k: int) -> dict:
    recall, ndcg, auc, shown = [], [], [], set()
    for row, wanted in enumerate(relevant):
        if not wanted:
            continue
        pool = [artist for artist in range(scores.shape[1]) if candidates[artist] and artist not in masked[row]]
        order = sorted(pool, key=lambda artist: -scores[row, artist])[:k]
        shown.update(order)
        recall.append(len(wanted & set(order)) / len(wanted))
        gain = sum(1 / math.log2(place + 2) for place, artist in enumerate(order) if artist in wanted)
        ndcg.append(gain / sum(1 / math.log2(place + 2) for place in range(min(k, len(wanted)))))
        others = [artist for artist in pool if artist not in wanted]
        right = [
            1.0 if scores[row, one] > scores[row, other] else 0.5 if scores[row, one] == scores[row, other] else 0.0
            for one in wanted
            for other in others
        ]
        auc.append(np.mean(right) if right else 0.5)
    return {"recall": recall, "ndcg": ndcg, "auc": auc, "coverage": len(shown) / candidates.sum()}


@given(data=st.data(), k=st.integers(1, 8), ties=st.booleans())
def test_against_a_plain_reference(data: st.DataObject, k: int, ties: bool) -> None:
    height, width = data.draw(st.integers(1, 6)), data.draw(st.integers(k, 12))
    seed = data.draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    scores = rng.permuted(np.tile(np.arange(width, dtype=np.float32), (height, 1)), axis=1)
    candidates = rng.random(width) < 0.8
    kind = rng.integers(4, size=(height, width))
    relevant = [{int(c) for c in np.flatnonzero((kind[row] == 1) & candidates)} for row in range(height)]
    masked = [{int(c) for c in np.flatnonzero(kind[row] == 2)} for row in range(height)]
    if not any(relevant):
        return
    if ties:  # only AUC is defined with ties
        scores = scores // 3
    found = ranked(
        scores.tolist(),
        sets(*map(sorted, relevant), width=width),
        sets(*map(sorted, masked), width=width),
        k,
        candidates=candidates,
    )
    expected = brute_force(scores, relevant, masked, candidates, k)
    np.testing.assert_allclose(found.auc, expected["auc"], atol=1e-6)
    if not ties:
        np.testing.assert_allclose(found.recall, expected["recall"])
        np.testing.assert_allclose(found.ndcg, expected["ndcg"])
        assert found.coverage == pytest.approx(expected["coverage"])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    table = torch.from_numpy(rng.random((40, 30), dtype=np.float32))
    rows, columns = np.nonzero(rng.random((40, 30)) < 0.2)
    relevant = Pairs.build(rows, columns, np.ones(len(rows)), (40, 30))
    nothing = sets(*[[]] * 40, width=30)
    whole = rank_all(lambda at: table[at], relevant, nothing, 5, CPU)
    monkeypatch.setattr(metrics, "BLOCK", 61)
    parts = rank_all(lambda at: table[at], relevant, nothing, 5, CPU)
    np.testing.assert_allclose(parts.auc, whole.auc)
    np.testing.assert_allclose(parts.ndcg, whole.ndcg)
    assert parts.coverage == whole.coverage
