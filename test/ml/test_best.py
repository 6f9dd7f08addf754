"""Lists found block by block: those of a sort by score and position, whatever the blocks, the terms and the ties."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import Job
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import best as module
from segue_ml import score as scoring
from segue_ml.best import Best
from segue_ml.blend import Blend, combined
from segue_ml.export import load
from segue_ml.ials import Model, Ridge, Settings
from segue_ml.neighbours import assemble
from segue_ml.pairs import Pairs
from segue_ml.score import Scorer
from segue_ml.spectral import LowPass

CPU = torch.device("cpu")
SIZES = ("LISTENERS", "ARTISTS", "TILE", "MOST_SCORES")


def blend_of(rng: np.random.Generator, artists: int, terms: bool) -> Blend:
    """Whole numbers, so that scores tie and no order of additions changes one."""
    whole = lambda *shape: torch.from_numpy(rng.integers(-2, 3, shape).astype(np.float32))  # noqa: E731
    model = Model(whole(artists, 3), torch.ones(3), Ridge(0.1, 0.1, 1.0), Settings(rank=3), artists)
    if not terms:
        return Blend(model)
    owners, targets = np.nonzero(rng.random((artists, artists)) < 0.2)
    targets = np.minimum(targets, artists // 2)  # some artists without weights, which come in later blocks
    neighbours = assemble(owners, targets, rng.integers(1, 4, len(owners)).astype(np.float32), artists)
    return Blend(model, neighbours, LowPass(whole(artists, 2), torch.ones(artists), 0.5, 1.0))


def expected(blend: Blend, listeners: torch.Tensor, history: Pairs, k: int) -> tuple[list, list]:
    scores = combined(blend, listeners, history)(torch.arange(len(listeners)))
    scores[torch.from_numpy(history.rows).long(), torch.from_numpy(history.columns).long()] = -torch.inf
    values, order = torch.sort(scores + 0.0, dim=1, descending=True, stable=True)
    values, order = values[:, :k], order[:, :k]
    return values.tolist(), order.masked_fill(values == -torch.inf, 0).tolist()


@given(
    st.integers(0, 2**31), st.integers(1, 90), st.integers(1, 12), st.booleans(),
    st.integers(1, 6), st.integers(1, 40), st.sampled_from([1, 2, 16]), st.floats(0.0, 1.0),
)  # fmt: skip
def test_lists_are_those_of_a_sort(
    seed: int, artists: int, k: int, terms: bool, at_once: int, width: int, tile: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    blend = blend_of(rng, artists, terms)
    rows, columns = np.nonzero(rng.random((5, artists)) < share)
    history = Pairs.build(rows, columns, np.ones(len(rows)), (5, artists))
    listeners = torch.from_numpy(rng.integers(-2, 3, (5, 3)).astype(np.float32))
    played = (torch.from_numpy(history.rows).long(), torch.from_numpy(history.columns).long())
    with pytest.MonkeyPatch.context() as patch:
        for name, value in zip(SIZES, (at_once, width, tile, artists * at_once), strict=True):
            patch.setattr(module, name, value)
        values, positions = Best(blend, k).of(listeners, history, played)
    assert (values.tolist(), positions.tolist()) == expected(blend, listeners, history, k)


def test_blocks_that_cannot_enter_a_list_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    factors = torch.randn(4000, 8, generator=generator) * torch.where(torch.arange(4000) % 20 == 0, 1.0, 0.01)[:, None]
    model = Model(factors, torch.ones(8), Ridge(0.1, 0.1, 1.0), Settings(rank=8), 4000)
    listeners, history = torch.randn(6, 8, generator=generator), Pairs.build(*np.zeros((3, 0), int), (6, 4000))
    monkeypatch.setattr(module, "ARTISTS", 100)
    seen: list[int] = []
    product = module._Search.product
    monkeypatch.setattr(module._Search, "product", lambda self, part: seen.append(len(part)) or product(self, part))
    none = (torch.zeros(0, dtype=torch.int64),) * 2
    values, positions = Best(Blend(model), 5).of(listeners, history, none)
    assert sum(seen) <= 600
    found = torch.topk(listeners @ factors.T, 5, dim=1)
    assert positions.tolist() == found.indices.tolist()
    torch.testing.assert_close(values, found.values)


def test_memory_does_not_grow_with_the_artists(monkeypatch: pytest.MonkeyPatch) -> None:
    widths: list[int] = []
    take = module._Search.take
    monkeypatch.setattr(
        module._Search, "take", lambda self, scores, at: widths.append(scores.numel()) or take(self, scores, at)
    )
    factors = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    model = Model(factors, torch.ones(4), Ridge(0.1, 0.1, 1.0), Settings(rank=4), len(factors))
    history = Pairs.build(*np.zeros((3, 0), int), (600, len(factors)))
    Best(Blend(model), 20).of(torch.randn(600, 4), history, (torch.zeros(0, dtype=torch.int64),) * 2)
    assert len(widths) > 1 and max(widths) <= module.LISTENERS * (module.ARTISTS + module.TILE)


def test_a_scorer_lists_the_same_whatever_the_blocks(trained: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b"\n".join(b'{"listenerId":"l%d","artists":[%d,104],"days":[0,0],"heard":[2,1]}' % (n, 107 + 3 * n) for n in range(23))
    whole = Scorer(load(trained.model, CPU), 1, 1, 20, CPU).lines(body)
    monkeypatch.setattr(scoring, "LISTENERS_AT_ONCE", 7)
    for name, value in zip(SIZES, (3, 8, 1, 300), strict=True):
        monkeypatch.setattr(module, name, value)
    assert Scorer(load(trained.model, CPU), 1, 1, 20, CPU).lines(body) == whole
