"""Listeners a second for the 20 best of 20 thousand, 200 thousand and 1 million artists, those played left out.

Beside implicit.recommend with the same factors, and the bare matrix product of listeners and artists with nothing sought
in it. Ours is what the scoring container does from histories: folding in, the product, the played artists, the best;
`vectors` begins from vectors, as implicit does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import implicit.cpu.als
import numpy as np
import scipy.sparse
import threadpoolctl
import torch
from segue_ml.blend import Blend, fold_in
from segue_ml.ials import Model, Ridge, Settings, principal_axes
from segue_ml.pairs import Pairs
from segue_ml.runtime import peak_memory, set_up
from segue_ml.score import SCORES_AT_ONCE
from segue_ml.top import top_k

CPU = torch.device("cpu")


def fastest(work: Callable[[], object], times: int = 3) -> float:
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - began)
    return best


def blocks(listeners: int, artists: int):
    step = max(1, SCORES_AT_ONCE // artists)
    return [(first, min(first + step, listeners)) for first in range(0, listeners, step)]


def measure(artists: int, listeners: int, rank: int, played: int, threads: int) -> list[float]:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(listeners), played)
    history = Pairs.build(rows, rng.integers(artists, size=len(rows)), np.ones(len(rows)), (listeners, artists))
    factors, spectrum = principal_axes(torch.from_numpy(rng.normal(0, 0.1, (artists, rank)).astype(np.float32)))
    settings = Settings(rank=rank)
    model = Model(factors, spectrum, Ridge(0.1, settings.a0, settings.nu), settings, artists)
    vectors = fold_in(model, history, CPU)

    def product() -> None:
        for first, last in blocks(listeners, artists):
            vectors[first:last] @ factors.T

    def listed(found: torch.Tensor, score: Callable[[torch.Tensor], torch.Tensor]) -> None:
        for first, last in blocks(len(found), artists):
            scores = score(torch.arange(first, last))
            at, columns = history.slots(np.arange(first, last))
            scores[torch.from_numpy(at), torch.from_numpy(columns)] = -torch.inf
            top_k(scores, 20)

    def from_vectors() -> None:
        listed(vectors, lambda rows: vectors[rows] @ factors.T)

    def from_histories() -> None:
        listed(vectors, Blend(model).scorer(history, CPU))

    other = implicit.cpu.als.AlternatingLeastSquares(num_threads=threads)
    other.user_factors, other.item_factors = vectors.numpy(), factors.numpy()
    shape = (listeners, artists)
    known = scipy.sparse.csr_matrix((history.values, history.columns, history.starts), shape)
    users = np.arange(listeners)

    def recommend() -> None:
        # It cuts the work by itself, and has threads of its own.
        with threadpoolctl.threadpool_limits(1, "blas"):
            other.recommend(users, known, N=20, filter_already_liked_items=True)

    return [listeners / fastest(work) for work in (from_histories, from_vectors, recommend, product)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="npm run bench:score --", description=__doc__)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--played", type=int, default=40, help="artists in a history")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_up(CPU, options.threads)
    print(f"listeners a second, lists of 20, rank {options.rank}, {options.played} played, {options.threads} threads")
    print(f"{'artists':>10} {'segue':>9} {'vectors':>9} {'implicit':>9} {'product':>9}  segue/implicit  vectors/product")
    for artists, listeners in ((20_000, 4096), (200_000, 1024), (1_000_000, 256)):
        ours, vectors, theirs, bare = measure(artists, listeners, options.rank, options.played, options.threads)
        figures = " ".join(f"{each:>9,.0f}" for each in (ours, vectors, theirs, bare))
        print(f"{artists:>10,} {figures}  {ours / theirs:>14.2f}  {vectors / bare:>15.2f}")
    print(f"peak memory {peak_memory()['host']:,.0f} MiB")


if __name__ == "__main__":
    main()
