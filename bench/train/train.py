"""Seconds of training until the NDCG@20 that implicit's ALS reaches at its best settings, and how a sweep's time grows.

Both are tuned on the same validation part, then trained on all of the training part with the test part unseen; time spent
on tuning and on judging is not counted, packing the data is. Data are listeners of mixed tastes with long-tailed
popularity, or adjacency lists given as --train and --test, without the second.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import implicit.als
import numpy as np
import scipy.sparse
import threadpoolctl
import torch
from segue_ml.data import adjacency_pairs, read_adjacency
from segue_ml.errors import SegueError
from segue_ml.evaluate import random_holdout
from segue_ml.ials import Settings, default_settings, train
from segue_ml.metrics import rank_all
from segue_ml.pairs import Pairs
from segue_ml.runtime import set_up
from segue_ml.tune import choose_sweeps

CPU = torch.device("cpu")
CLOSE = 0.999  # of the best NDCG counts as reached: the last thousandth takes implicit many sweeps
TUNED_ON = 2000  # listeners whose validation pairs judge a setting: enough to tell settings apart, and soon done
RUNS = 3  # of each, in turns, of which the median counts: other work on the machine meets both


def planted(listeners: int, artists: int, pairs: int, seed: int = 0) -> Pairs:
    """Listeners mix three of 40 tastes; a taste is a tenth of the artists with a long tail, and shares most of them with
    the next. One pair in seven is of what everybody hears."""
    rng = np.random.default_rng(seed)
    tastes = rng.integers(40, size=(listeners, 3))
    size, found = max(20, artists // 10), None
    while found is None or found.count < pairs:  # what is met twice counts once: draw until there are enough
        count = 2 * pairs
        rows = rng.integers(listeners, size=count)
        taste = tastes[rows, rng.choice(3, count, p=[0.6, 0.25, 0.15])]
        inside = (taste * artists // 40 + (size * rng.random(count) ** 2).astype(np.int64)) % artists
        common = (artists * rng.random(count) ** 3).astype(np.int64) * 7919 % artists
        columns = np.where(rng.random(count) < 1 / 7, common, inside)
        if found is not None:
            rows, columns = np.concatenate([found.rows, rows]), np.concatenate([found.columns, columns])
        found = Pairs.build(rows, columns, np.ones(len(rows)), (listeners, artists))
    return found.where(rng.permutation(found.count) < pairs)


def ndcg(score, relevant: Pairs, known: Pairs) -> float:
    return rank_all(score, relevant, known, 20, CPU, with_auc=False).means()["ndcg@20"]


def matrix(pairs: Pairs, alpha: float) -> scipy.sparse.csr_matrix:
    data = np.full(pairs.count, alpha, np.float32)
    return scipy.sparse.csr_matrix((data, pairs.columns, pairs.starts), (pairs.height, pairs.width))


def now() -> np.ndarray:
    """Seconds, and processor seconds, which other work on the machine changes less."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return np.array([time.perf_counter(), used.ru_utime + used.ru_stime])


def run_implicit(known: Pairs, relevant: Pairs, setting: dict, sweeps: int, threads: int) -> list[tuple[np.ndarray, float]]:
    """(seconds and processor seconds so far, NDCG) after each of its iterations."""
    began = now()
    data = matrix(known, setting["alpha"])
    model = implicit.als.AlternatingLeastSquares(
        setting["factors"], setting["regularization"], alpha=1.0, iterations=sweeps, num_threads=threads, random_state=0
    )
    path: list[tuple[np.ndarray, float]] = []
    judging = np.zeros(2)

    def after(_iteration: int, _seconds: float, _loss: object = None) -> None:
        nonlocal judging
        paused = now()
        users, items = (torch.from_numpy(np.asarray(each)) for each in (model.user_factors, model.item_factors))
        path.append((paused - began - judging, ndcg(lambda rows: users[rows] @ items.T, relevant, known)))
        judging = judging + now() - paused

    with threadpoolctl.threadpool_limits(1, "blas"):  # as implicit asks: it has threads of its own
        model.fit(data, show_progress=False, callback=after)
    return path


def run_segue(known: Pairs, relevant: Pairs, settings: Settings) -> list[tuple[np.ndarray, float]]:
    began, judging = now(), np.zeros(2)
    path: list[tuple[np.ndarray, float]] = []

    def after(_sweep: int, model, listeners) -> bool:
        nonlocal judging
        paused = now()
        path.append((paused - began - judging, ndcg(lambda rows: listeners[rows] @ model.artists.T, relevant, known)))
        judging = judging + now() - paused
        return False

    train(known, settings, CPU, after)
    return path


def tune_implicit(part: Pairs, validation: Pairs, rank: int, threads: int) -> tuple[dict, int]:
    best: tuple[float, dict, int] = (-1.0, {}, 0)

    def attempt(factors: int, alpha: float, regularization: float) -> None:
        nonlocal best
        setting = {"factors": factors, "alpha": alpha, "regularization": regularization}
        print(f"tuning implicit: {setting} …", file=sys.stderr)
        path = run_implicit(part, validation, setting, 10, threads)
        at = max(range(len(path)), key=lambda index: path[index][1])
        if path[at][1] > best[0]:
            best = (path[at][1], setting, at + 1)

    for alpha in (1.0, 4.0, 16.0):
        for regularization in (0.01, 1.0, 10.0):
            attempt(64, alpha, regularization)
    if rank != 64:  # the rank that our defaults take, at the best of these
        attempt(rank, best[1]["alpha"], best[1]["regularization"])
    return best[1], best[2]


def tune_segue(part: Pairs, validation: Pairs, start: Settings) -> Settings:
    """As implicit is tuned: the weight of what is missing and the ridge at rank 64, then the rank of our defaults."""
    trials = []

    def attempt(**values: float) -> None:
        settings = max(trials, key=lambda trial: trial.quality).settings if trials else start
        trials.append(choose_sweeps(part, validation, settings.changed(**values, sweeps=12), CPU))

    for a0 in (0.1, 0.3, 1.0):
        attempt(rank=64, a0=a0)
    for ridge in (start.ridge / 3, start.ridge * 3):
        attempt(ridge=ridge)
    if start.rank != 64:
        attempt(rank=start.rank)
    return max(trials, key=lambda trial: trial.quality).settings


def compare(known: Pairs, relevant: Pairs, threads: int) -> None:
    part, validation = random_holdout(known, 0)
    some = np.random.default_rng(2).permutation(known.height)[:TUNED_ON]
    validation = validation.where(np.isin(validation.rows, some))
    start = default_settings(known)
    setting, sweeps = tune_implicit(part, validation, start.rank, threads)
    print("tuning segue …", file=sys.stderr)
    chosen = tune_segue(part, validation, start)
    their_times, our_times = [], []
    for turn in range(RUNS):
        print(f"training both, {turn + 1} of {RUNS} …", file=sys.stderr)
        theirs = run_implicit(known, relevant, setting, sweeps, threads)
        goal = CLOSE * max(quality for _, quality in theirs)
        their_times.append(next(seconds for seconds, quality in theirs if quality >= goal))
        ours = run_segue(known, relevant, chosen)
        our_times.append(next((seconds for seconds, quality in ours if quality >= goal), None))
    reached = all(each is not None for each in our_times)
    their_seconds, their_used = np.median(their_times, axis=0)
    our_seconds, our_used = np.median(our_times, axis=0) if reached else (np.nan, np.nan)
    print(f"{known.height:,} listeners, {known.width:,} artists, {known.count:,} pairs, {threads} threads")
    print(f"implicit: {setting}, NDCG@20 {max(q for _, q in theirs):.4f}, reached after {their_seconds:.2f} s")
    text = f"rank {chosen.rank}, a0 {chosen.a0:g}, ridge {chosen.ridge:g}"
    print(f"segue:    {text}, NDCG@20 {max(q for _, q in ours):.4f} at its best, after {ours[-1][0][0]:.2f} s in all")
    if not reached:
        print("segue does not reach implicit's NDCG")
    else:
        print(
            f"segue reaches implicit's NDCG after {our_seconds:.2f} s: {our_seconds / their_seconds:.2f} of its time, "
            f"{our_used / their_used:.2f} of its processor time"
        )


def sweep_seconds(listeners: int, artists: int, pairs: int, rank: int) -> float:
    """Seconds of one sweep: the least of four, after the first."""
    data = planted(listeners, artists, pairs)
    moments: list[float] = []
    train(data, Settings(rank=rank, sweeps=5), CPU, lambda *_: moments.append(time.perf_counter()) or False)
    return float(np.min(np.diff(moments)))


def growth(scale: float) -> None:
    base = {"listeners": 6_000, "artists": 2_400, "pairs": 240_000, "rank": 64}
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
    if bool(options.train) != bool(options.test):
        parser.error("--train and --test go together")
    set_up(CPU, options.threads)
    if options.train:
        known, relevant = adjacency_pairs(
            read_adjacency(options.train, "--train"), read_adjacency(options.test, "--test")
        )
        relevant = relevant.where(~known.has(relevant.rows, relevant.columns))
    else:
        whole = planted(int(6_000 * options.scale), int(3_000 * options.scale), int(300_000 * options.scale))
        hidden = np.random.default_rng(1).random(whole.count) < 0.2
        known, relevant = whole.where(~hidden), whole.where(hidden)
    compare(known, relevant, options.threads)
    if not options.train:
        growth(options.scale)


if __name__ == "__main__":
    try:
        main()
    except SegueError as error:
        sys.exit(f"bench:train: {error}")
