"""The learned part of the linear term: what it learns, where it is left out, and its way to scoring."""

from __future__ import annotations


import numpy as np
import pytest
import torch

from conftest import check_lists
from segue_ml import learned as module
from segue_ml.blend import fit
from segue_ml.errors import SegueError
from segue_ml.evaluate import random_holdout
from segue_ml.export import export, load
from segue_ml.ials import Settings
from segue_ml.learned import Learned, learn, worth_learning
from segue_ml.metrics import rank_all
from segue_ml.pairs import Pairs
from segue_ml.segments import segment_lists
from segue_ml.spectral import LowPass
from segue_ml.terms import Choice, add_terms, quality
from segue_ml.tune import choose_sweeps

CPU = torch.device("cpu")


def followed(listeners: int = 1500, artists: int = 60, seed: int = 0) -> Pairs:
    """Who plays an even artist often plays the next, odd one; the odd ones say nothing of each other."""
    rng = np.random.default_rng(seed)
    played = np.zeros((listeners, artists), bool)
    for row in played:
        first = 2 * rng.choice(artists // 2, 5, replace=False)
        row[first] = True
        row[first[rng.random(5) < 0.8] + 1] = True
    rows, columns = np.nonzero(played)
    return Pairs.build(rows, columns, np.ones(len(rows)), played.shape)


@pytest.fixture(scope="module")
def found() -> tuple[Pairs, Learned]:
    pairs = followed()
    return pairs, learn(pairs, CPU)


def test_it_learns_what_follows_on_what(found: tuple[Pairs, Learned]) -> None:
    _, learned = found
    weights = learned.inputs @ learned.outputs.T
    weights.fill_diagonal_(-torch.inf)
    assert (weights[::2].argmax(1) == torch.arange(1, 60, 2)).float().mean() > 0.95


def test_its_scores_deviate_as_the_data_do(found: tuple[Pairs, Learned]) -> None:
    pairs, learned = found
    whole = LowPass.nothing(60, CPU).beside(learned)
    share = pairs.count / (1500 * 60)
    assert float((whole.listeners(pairs) @ whole.outputs().T).std()) == pytest.approx((share * (1 - share)) ** 0.5, rel=0.02)


def test_a_seed_gives_the_same_and_another_other_numbers() -> None:
    pairs = followed(200, 20)
    one, same, other = learn(pairs, CPU, 3), learn(pairs, CPU, 3), learn(pairs, CPU, 4)
    assert torch.equal(one.inputs, same.inputs) and torch.equal(one.outputs, same.outputs)
    assert not torch.allclose(one.inputs, other.inputs)


def test_it_is_for_data_that_are_neither_few_nor_many(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = followed(200, 20)
    assert not worth_learning(pairs)
    monkeypatch.setattr(module, "FEWEST_LISTENERS", 200)
    assert worth_learning(pairs)
    monkeypatch.setattr(module, "MOST_CELLS", 200 * 20 - 1)
    assert not worth_learning(pairs)


def test_validation_gives_it_a_share_where_it_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    part, validation = random_holdout(followed(), 0)
    fixed = frozenset({"item_weight"})
    alone = choose_sweeps(part, validation, Settings(rank=4, sweeps=4), CPU)

    def chosen(fixed: frozenset[str]) -> Choice:
        return add_terms(part, validation, alone, CPU, fixed)

    without = chosen(fixed)
    assert without.settings.learned_weight == 0
    monkeypatch.setattr(module, "FEWEST_LISTENERS", 1000)
    best = chosen(fixed)
    assert best.settings.learned_weight > 0 and best.quality > 1.05 * without.quality
    assert chosen(fixed | {"learned_weight"}).settings == without.settings
    ranking = rank_all(fit(part, best.settings, CPU).scorer(part, CPU), validation, part, 20, CPU)
    assert quality(ranking) == pytest.approx(best.quality, rel=5e-3)


def test_listeners_of_one_artist_teach_nothing() -> None:
    pairs = Pairs.build(np.arange(6), np.arange(6) % 3, np.ones(6), (6, 3))
    assert fit(pairs, Settings(rank=2, sweeps=1, learned_weight=1.0), CPU).filter is None


@pytest.mark.parametrize("share", [0.0, 3.0])
def test_a_model_directory_holds_it_beside_the_low_pass_term_and_without(tmp_path, share: float) -> None:
    pairs = followed(300, 40)
    pairs = pairs.where(pairs.columns != 11)  # an artist without a listener is left out, and the rest renumbered
    chosen = Settings(rank=4, sweeps=4, filter_weight=share, filter_rank=8, learned_weight=0.7)
    blend, numbers, empty = fit(pairs, chosen, CPU), 100 + 3 * np.arange(40), np.full(300, "", object)
    export(tmp_path, blend, numbers, segment_lists(pairs, empty, empty), {})
    found = load(tmp_path, CPU)
    assert found.filter is not None and found.filter.learned is not None
    assert found.filter.outputs().shape == (39, (8 if share else 0) + 40)
    check_lists(found, blend, pairs, numbers, gone=11)
    np.save(tmp_path / "learned_inputs.npy", np.zeros((38, 40), np.float32))
    with pytest.raises(SegueError, match="do not belong together"):
        load(tmp_path, CPU)
