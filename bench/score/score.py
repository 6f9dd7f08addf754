"""Listeners a second for the 20 best of 20 thousand, 200 thousand and 1 million artists, those played left out.

`factors` and implicit.recommend do the same: lists from the same vectors of listeners and artists. `product` is the bare
matrix product, in the blocks that suit it, with nothing sought in it. `full` is what the scoring container does from
histories with all of the model's terms: folding in, the low-pass term, item-to-item weights, the played artists, the best.
`skewed` are lists from artists whose vectors differ in length as a trained model's do, where most of a large catalogue is left out unseen.
Ratios are of processor time, which other work on the machine changes less than seconds.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable

import implicit.cpu.als
import numpy as np
import scipy.sparse
import threadpoolctl
import torch
from segue_ml.best import ARTISTS, LISTENERS, Best
from segue_ml.blend import Blend, fold_in
from segue_ml.ials import Model, Ridge, Settings, principal_axes
from segue_ml.neighbours import assemble
from segue_ml.pairs import Pairs
from segue_ml.runtime import peak_memory, set_up
from segue_ml.spectral import LowPass

CPU = torch.device("cpu")
SIZE, ROUNDS = 20, 3
HEAD, WEIGHTS, DIRECTIONS = 20_000, 64, 128  # artists with item-to-item weights, weights each; the low-pass term's rank


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def least(works: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Seconds and processor seconds of each, the least of some rounds in turns."""
    found = {name: (float("inf"), float("inf")) for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            began, used = time.perf_counter(), processor_seconds()
            work()
            took = (time.perf_counter() - began, processor_seconds() - used)
            found[name] = tuple(map(min, found[name], took))
    return found


def full_blend(model: Model, rng: np.random.Generator) -> Blend:
    artists = model.catalogue
    head = min(HEAD, artists)
    owners = np.repeat(np.arange(head), WEIGHTS)
    found = assemble(owners, rng.integers(head, size=len(owners)), rng.normal(0, 0.1, len(owners)), artists)
    axes = torch.from_numpy(rng.normal(0, 0.01, (artists, DIRECTIONS)).astype(np.float32))
    return Blend(model, found, LowPass(axes, torch.ones(artists), 0.3, 1.0))


def measure(artists: int, listeners: int, rank: int, played: int, threads: int) -> dict[str, tuple[float, float]]:
    rng = np.random.default_rng(0)
    rows = np.repeat(np.arange(listeners), played)
    columns = (artists * rng.random(len(rows)) ** 2).astype(np.int64)
    history = Pairs.build(rows, columns, np.ones(len(rows)), (listeners, artists))
    settings = Settings(rank=rank)
    known = tuple(torch.from_numpy(part.astype(np.int64)) for part in (history.rows, history.columns))

    def model_of(lengths: np.ndarray) -> Model:
        factors = (rng.normal(0, 0.1, (artists, rank)) * lengths[:, None]).astype(np.float32)
        turned, spectrum = principal_axes(torch.from_numpy(factors))
        return Model(turned, spectrum, Ridge(0.1, settings.a0, settings.nu), settings, artists)

    model, skewed = model_of(np.ones(artists)), model_of((1 + np.arange(artists)) ** -0.5)
    whole = full_blend(model, rng)
    vectors, others = fold_in(model, history, CPU), fold_in(skewed, history, CPU)
    finders = [Best(blend, SIZE) for blend in (Blend(model), Blend(skewed), whole)]

    def product() -> None:
        for first in range(0, listeners, LISTENERS):
            part = vectors[first : first + LISTENERS]
            for at in range(0, artists, ARTISTS):
                part @ model.artists[at : at + ARTISTS].T

    def implicit_of(users: torch.Tensor, items: torch.Tensor) -> Callable[[], object]:
        found = implicit.cpu.als.AlternatingLeastSquares(num_threads=threads)
        found.user_factors, found.item_factors = users.numpy(), items.numpy()
        known = scipy.sparse.csr_matrix((history.values, history.columns, history.starts), (listeners, artists))

        def recommend() -> None:
            # It cuts the work by itself, and has threads of its own.
            with threadpoolctl.threadpool_limits(1, "blas"):
                found.recommend(np.arange(listeners), known, N=SIZE, filter_already_liked_items=True)

        return recommend

    return least(
        {
            "factors": lambda: finders[0].of(vectors, history, known),
            "implicit": implicit_of(vectors, model.artists),
            "product": product,
            "skewed": lambda: finders[1].of(others, history, known),
            "implicit, skewed": implicit_of(others, skewed.artists),
            "full": lambda: finders[2].of(fold_in(model, history, CPU), history, known),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="npm run bench:score --", description=__doc__)
    parser.add_argument("--rank", type=int, default=64)
    parser.add_argument("--played", type=int, default=40, help="artists in a history")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    set_up(CPU, options.threads)
    print(f"listeners a second, lists of {SIZE}, rank {options.rank}, {options.played} played, {options.threads} threads")
    names = ("factors", "implicit", "product", "skewed", "implicit, skewed", "full")
    print(f"{'artists':>10} " + " ".join(f"{name:>{max(9, len(name))}}" for name in names))
    ratios = []
    for artists, listeners in ((20_000, 4096), (200_000, 1024), (1_000_000, 512)):
        print(f"{artists:,} artists …", file=sys.stderr)
        found = measure(artists, listeners, options.rank, options.played, options.threads)
        print(f"{artists:>10,} " + " ".join(f"{listeners / found[n][0]:>{max(9, len(n))},.0f}" for n in names))
        pairs = (("implicit", "factors"), ("product", "factors"), ("implicit, skewed", "skewed"), ("implicit", "full"))
        ratios.append((artists, [[found[a][at] / found[b][at] for at in (0, 1)] for a, b in pairs]))
    print("\ntimes as many listeners, by seconds and by processor time")
    titles = ("factors/implicit", "factors/product", "skewed/implicit", "full/implicit")
    print(f"{'artists':>10} " + " ".join(f"{title:>17}" for title in titles))
    for artists, rows in ratios:
        print(f"{artists:>10,} " + " ".join(f"{wall:>11.2f} {used:>5.2f}" for wall, used in rows))
    print(f"peak memory {peak_memory()['host']:,.0f} MiB")


if __name__ == "__main__":
    main()
