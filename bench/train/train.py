"""Seconds of training until the NDCG@20 that implicit's ALS reaches at its best settings, and how a sweep's time grows.

Both are tuned on the same validation part, then trained on all of the training part with the test part unseen; time spent
on tuning and on judging is not counted, packing the data is. Data are listeners of mixed tastes with long-tailed
popularity, or adjacency lists given as --train and --test.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import implicit.als
import numpy as np
import scipy.sparse
import threadpoolctl
import torch
from segue_ml.data import adjacency_pairs, read_adjacency
from segue_ml.evaluate import random_holdout
from segue_ml.ials import Settings, default_settings, train
from segue_ml.metrics import rank_all
from segue_ml.pairs import Pairs
from segue_ml.runtime import set_up
from segue_ml.tune import choose_sweeps

CPU = torch.device("cpu")
CLOSE = 0.999  # of the best NDCG counts as reached: the last thousandth takes implicit many sweeps


def planted(listeners: int, artists: int, pairs: int, seed: int = 0) -> Pairs:
    """Listeners mix three of 40 tastes; a taste's artists have a long tail."""
    rng = np.random.default_rng(seed)
    tastes = np.stack([rng.choice(40, listeners) for _ in range(3)], 1)
    rows = rng.integers(listeners, size=int(1.35 * pairs))
    taste = tastes[rows, rng.choice(3, len(rows), p=[0.6, 0.25, 0.15])]
    place = (artists * rng.random(len(rows)) ** 2.2).astype(np.int64)
    columns = (place * 7919 + taste * 104729 * (place % 5 > 0)) % artists
    found = Pairs.build(rows, columns, np.ones(len(rows)), (listeners, artists))
    keep = rng.permutation(found.count) < pairs
    return found.where(keep)


def ndcg(score, relevant: Pairs, known: Pairs) -> float:
    return rank_all(score, relevant, known, 20, CPU, with_auc=False).means()["ndcg@20"]


def matrix(pairs: Pairs, alpha: float) -> scipy.sparse.csr_matrix:
    data = np.full(pairs.count, alpha, np.float32)
    return scipy.sparse.csr_matrix((data, pairs.columns, pairs.starts), (pairs.height, pairs.width))


def run_implicit(known: Pairs, relevant: Pairs, setting: dict, sweeps: int, threads: int) -> list[tuple[float, float]]:
    """(seconds so far, NDCG) after each of its iterations."""
    began = time.perf_counter()
    data = matrix(known, setting["alpha"])
    model = implicit.als.AlternatingLeastSquares(
        setting["factors"], setting["regularization"], alpha=1.0, iterations=sweeps, num_threads=threads, random_state=0
    )
    path: list[tuple[float, float]] = []
    judging = 0.0

    def after(_iteration: int, _seconds: float, _loss: object = None) -> None:
        nonlocal judging
        now = time.perf_counter()
        users, items = (torch.from_numpy(np.asarray(each)) for each in (model.user_factors, model.item_factors))
        path.append((now - began - judging, ndcg(lambda rows: users[rows] @ items.T, relevant, known)))
        judging += time.perf_counter() - now

    with threadpoolctl.threadpool_limits(1, "blas"):  # as implicit asks: it has threads of its own
        model.fit(data, show_progress=False, callback=after)
    return path


def run_segue(known: Pairs, relevant: Pairs, settings: Settings) -> list[tuple[float, float]]:
    began, judging = time.perf_counter(), 0.0
    path: list[tuple[float, float]] = []

    def after(_sweep: int, model, listeners) -> bool:
        nonlocal judging
        now = time.perf_counter()
        path.append((now - began - judging, ndcg(lambda rows: listeners[rows] @ model.artists.T, relevant, known)))
        judging += time.perf_counter() - now
        return False

    train(known, settings, CPU, after)
    return path


def tune_implicit(part: Pairs, validation: Pairs, rank: int, threads: int) -> tuple[dict, int]:
    best: tuple[float, dict, int] = (-1.0, {}, 0)
    for factors in (64, rank) if rank != 64 else (64,):
        for alpha in (1.0, 4.0, 16.0):
            for regularization in (0.01, 1.0, 10.0):
                setting = {"factors": factors, "alpha": alpha, "regularization": regularization}
                print(f"tuning implicit: {setting} …", file=sys.stderr)
                path = run_implicit(part, validation, setting, 10, threads)
                at = max(range(len(path)), key=lambda index: path[index][1])
                if path[at][1] > best[0]:
                    best = (path[at][1], setting, at + 1)
    return best[1], best[2]


def compare(known: Pairs, relevant: Pairs, threads: int) -> None:
    part, validation = random_holdout(known, 0)
    start = default_settings(known)
    setting, sweeps = tune_implicit(part, validation, start.rank, threads)
    trials = [
        choose_sweeps(part, validation, start.changed(a0=a0, rank=rank, sweeps=12), CPU)
        for a0 in (0.03, 0.1, 0.3)
        for rank in {64, start.rank}
    ]
    chosen = max(trials, key=lambda trial: trial.quality).settings
    theirs = run_implicit(known, relevant, setting, sweeps, threads)
    goal = CLOSE * max(quality for _, quality in theirs)
    their_seconds = next(seconds for seconds, quality in theirs if quality >= goal)
    ours = run_segue(known, relevant, chosen)
    our_seconds = next((seconds for seconds, quality in ours if quality >= goal), None)
    print(f"{known.height:,} listeners, {known.width:,} artists, {known.count:,} pairs, {threads} threads")
    print(f"implicit: {setting}, NDCG@20 {max(q for _, q in theirs):.4f}, reached after {their_seconds:.2f} s")
    text = f"rank {chosen.rank}, a0 {chosen.a0:g}, ridge {chosen.ridge:g}"
    print(f"segue:    {text}, NDCG@20 {max(q for _, q in ours):.4f} at its best, after {ours[-1][0]:.2f} s in all")
    if our_seconds is None:
        print("segue does not reach implicit's NDCG")
    else:
        print(f"segue reaches implicit's NDCG after {our_seconds:.2f} s: {our_seconds / their_seconds:.2f} of its time")


def sweep_seconds(listeners: int, artists: int, pairs: int, rank: int) -> float:
    """Seconds of one sweep: the median of four, after the first."""
    data = planted(listeners, artists, pairs)
    moments: list[float] = []
    train(data, Settings(rank=rank, sweeps=5), CPU, lambda *_: moments.append(time.perf_counter()) or False)
    return float(np.median(np.diff(moments)))


def growth(scale: float) -> None:
    base = {"listeners": 10_000, "artists": 4_000, "pairs": 400_000, "rank": 64}
    base = {name: value if name == "rank" else int(value * scale) for name, value in base.items()}
    print("\nseconds of a sweep, from " + ", ".join(f"{value:,} {name}" for name, value in base.items()))
    print(f"{'growing':<10} {'×1':>8} {'×2':>8} {'×4':>8}  exponent")
    for name in base:
        print(f"growing {name} …", file=sys.stderr)
        seconds = [sweep_seconds(**{**base, name: base[name] * times}) for times in (1, 2, 4)]
        exponent = np.polyfit(np.log([1, 2, 4]), np.log(seconds), 1)[0]
        print(f"{name:<10} " + " ".join(f"{each:>8.3f}" for each in seconds) + f"  {exponent:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="npm run bench:train --", description=__doc__)
    parser.add_argument("--train", type=Path, help="adjacency lists in place of made-up data")
    parser.add_argument("--test", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="size of made-up data")
    options = parser.parse_args()
    set_up(CPU, options.threads)
    if options.train and options.test:
        known, relevant = adjacency_pairs(
            read_adjacency(options.train, "--train"), read_adjacency(options.test, "--test")
        )
        relevant = relevant.where(~known.has(relevant.rows, relevant.columns))
    else:
        whole = planted(int(15_000 * options.scale), int(5_000 * options.scale), int(700_000 * options.scale))
        hidden = np.random.default_rng(1).random(whole.count) < 0.2
        known, relevant = whole.where(~hidden), whole.where(hidden)
    compare(known, relevant, options.threads)
    growth(options.scale)


if __name__ == "__main__":
    main()
