"""The best of each row: what torch.topk finds, and lists that do not depend on how the work is cut."""

from __future__ import annotations

import torch
from conftest import Job
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import score as scoring
from segue_ml import top as module
from segue_ml.export import load
from segue_ml.score import Scorer


@given(st.integers(0, 2**31), st.integers(1, 700), st.integers(1, 9), st.sampled_from([4, 16]), st.booleans())
def test_values_are_those_of_topk_and_lie_where_it_says(seed: int, width: int, k: int, tile: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, width, generator=generator)
    if ties:
        scores = (scores * 2).round()
    scores[0, torch.rand(width, generator=generator) < 0.9] = -torch.inf  # played artists
    kept, module.TILE = module.TILE, tile
    try:
        values, indices = module.top_k(scores, k)
    finally:
        module.TILE = kept
    expected = torch.topk(scores, min(k, width), dim=1)
    assert torch.equal(values, expected.values) and torch.equal(scores.gather(1, indices), values)
    assert all(len(set(row.tolist())) == len(row) for row in indices)


def test_lists_do_not_depend_on_the_blocks(trained: Job, monkeypatch) -> None:
    cpu = torch.device("cpu")
    body = b"\n".join(b'{"listenerId":"l%d","artists":[%d,104],"weights":[2,1]}' % (n, 107 + 3 * n) for n in range(23))
    whole = Scorer(load(trained.model, cpu), 1, 1, 20, cpu).lines(body)
    monkeypatch.setattr(scoring, "SCORES_AT_ONCE", 300)
    monkeypatch.setattr(scoring, "LISTENERS_AT_ONCE", 7)
    monkeypatch.setattr(module, "TILE", 1)
    assert Scorer(load(trained.model, cpu), 1, 1, 20, cpu).lines(body) == whole
