"""`python -m segue_ml cold-start`: how well listeners and artists are served that were held out entirely, from CSV files."""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .blend import Blend, fit, fold_in
from .cold_start import RIDGES, artist_vectors, word_kernel
from .errors import SegueError
from .ials import Model, Settings, default_settings, train
from .metrics import Ranking, bootstrap, rank_all
from .new_listeners import choose_share, lists_of
from .pairs import Pairs
from .runtime import at_least, file_to_write, say, set_up, working
from .segments import EVERYBODY, SegmentList, fallback, segment_lists, segment_of
from .terms import quality
from .tune import choose_settings
from .vectors import as_bytes

CPU, K = torch.device("cpu"), 20
SWEEPS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--interactions", type=Path, required=True, help="CSV: listener, artist; a header")
    parser.add_argument("--listeners", type=Path, required=True, help="CSV: listener, then two features, as sex and country")
    parser.add_argument("--artists", type=Path, required=True, help="CSV: artist, then columns of words")
    parser.add_argument("--words", default="tags,genres", help="columns of --artists, `rock:3|indie` (default tags,genres)")
    parser.add_argument("--share", type=float, default=0.1, help="of the listeners, and of the artists, to hold out")
    parser.add_argument("--threads", type=at_least(0, int), default=0, help="CPU threads; 0 is PyTorch's choice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=file_to_write, help="also write the result here")


def run(options: argparse.Namespace) -> dict[str, dict[str, dict[str, object]]]:
    """Everything that is chosen is chosen by listeners and artists held out of the training part likewise. Recall@20 and
    NDCG@20 with 95 % bootstrap intervals; new artists are ranked among each other."""
    if not 0 < options.share <= 0.4:
        raise SegueError(f"--share: {options.share} is not above 0 and at most 0.4")
    set_up(CPU, options.threads, options.seed)
    pairs, features, words = _read(options)
    found = {
        "new listeners": _listeners(pairs, features, options.share, options.seed),
        "new artists": _artists(pairs, words, options.share, options.seed),
        "folded in": _folded(pairs, options.share, options.seed),
    }
    result: dict[str, dict[str, dict[str, object]]] = {}
    for name, rankings in found.items():
        say(f"{name} ({len(next(iter(rankings.values())).listeners)} listeners)")
        result[name] = {method: _row(ranking, options.seed) for method, ranking in rankings.items()}
        for method, row in result[name].items():
            recall, ndcg = row["recall@20"], row["ndcg@20"]
            ends = "  ".join(f"[{low:.4f}, {high:.4f}]" for low, high in row["intervals"])  # type: ignore[union-attr]
            say(f"  {method:<28} Recall@20 {recall:.4f}  NDCG@20 {ndcg:.4f}  {ends}")
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def _row(ranking: Ranking, seed: int) -> dict[str, object]:
    means = ranking.means()
    ends = bootstrap(np.stack([ranking.recall, ranking.ndcg], 1), seed).T.tolist()
    return {"recall@20": means["recall@20"], "ndcg@20": means["ndcg@20"], "intervals": ends}


def _listeners(pairs: Pairs, features: list[np.ndarray], share: float, seed: int) -> dict[str, Ranking]:
    working("new listeners")
    rest, test = _held(np.flatnonzero(pairs.lengths > 0), share, seed)
    known = pairs.where(np.isin(pairs.rows, rest))
    own = pairs.where(np.isin(pairs.rows, test))

    def judge(lists: dict[str, SegmentList]) -> Ranking:
        names = list(lists)
        table = torch.zeros(len(names), pairs.width)
        for at, name in enumerate(names):
            table[at, torch.from_numpy(lists[name].artists.astype(np.int64))] = torch.from_numpy(lists[name].scores)
        at = np.zeros(pairs.height, np.int64)
        at[test] = [names.index(fallback(segment_of(features[0][row], features[1][row]), lists)) for row in test]
        return rank_all(lambda rows: table[at[rows.numpy()]], own, _none(pairs), K, CPU, test, with_auc=False)

    beside = choose_share(known, features[0], features[1], seed + 1)
    working(f"new listeners: features {beside:g}")
    by_segment = segment_lists(known, features[0], features[1])
    return {
        "popularity": judge({EVERYBODY: by_segment[EVERYBODY]}),
        "segments, shrunk": judge(by_segment),
        "segments and features": judge(lists_of(known, features[0], features[1], beside)),
    }


def _artists(pairs: Pairs, words: list[list[str]], share: float, seed: int) -> dict[str, Ranking]:
    working("new artists")
    rest, test = _held(np.flatnonzero(np.bincount(pairs.columns, minlength=pairs.width)), share, seed)
    inner, tried = _held(rest, share, seed + 1)
    kernels = {"ridge from words": word_kernel(words, squared=False), "words and their pairs": word_kernel(words)}

    def among(new: np.ndarray, score: Tensor, listeners: Tensor) -> Ranking:
        own = pairs.where(np.isin(pairs.columns, new))
        allowed = np.zeros(pairs.width, bool)
        allowed[new] = True
        return rank_all(
            lambda rows: listeners[rows] @ score.T, own, _none(pairs), K, CPU, candidates=allowed, with_auc=False
        )

    def vectors(kernel: np.ndarray, model: Model, ridge: float) -> Tensor:
        return torch.from_numpy(artist_vectors(kernel, model.artists.double().numpy(), ridge)).float()

    part, whole = (pairs.where(np.isin(pairs.columns, known)) for known in (inner, rest))
    trial, model = (train(one, _settings(one, seed), CPU) for one in (part, whole))
    tried_on, listeners = fold_in(trial, part, CPU), fold_in(model, whole, CPU)
    generator = torch.Generator().manual_seed(seed)
    chance = torch.rand(pairs.width, model.artists.shape[1], generator=generator)
    found = {"random": among(test, chance, torch.randn(listeners.shape, generator=generator))}
    for name, kernel in kernels.items():
        ridge = max(RIDGES, key=lambda ridge: quality(among(tried, vectors(kernel, trial, ridge), tried_on)))  # noqa: B023
        found[name] = among(test, vectors(kernel, model, ridge), listeners)
    return found


def _folded(pairs: Pairs, share: float, seed: int) -> dict[str, Ranking]:
    """A fifth of each held-out listener's pairs is to be found by the rest of them, with all terms of a model that was
    trained with them or without; and by what serving has of the one without (vectors.py)."""
    working("folding in")
    rest, test = _held(np.flatnonzero(pairs.lengths >= 5), share, seed)
    generator = np.random.default_rng(seed)
    hidden = np.zeros(pairs.count, bool)
    for row in test:
        first, count = int(pairs.starts[row]), int(pairs.lengths[row])
        hidden[first + generator.choice(count, count // 5, replace=False)] = True
    history, relevant = pairs.where(~hidden), pairs.where(hidden)
    without = history.where(~np.isin(history.rows, test))
    settings = choose_settings(without, {}, seed, CPU).settings
    folded = fit(without, settings, CPU)

    def judge(blend: Blend) -> Ranking:
        return rank_all(blend.scorer(history, CPU), relevant, history, K, CPU, test, with_auc=False)

    return {
        "trained on": judge(fit(history, settings, CPU)),
        "folded in": judge(folded),
        "folded in, in bytes": judge(as_bytes(folded)),
        "folded in, factors alone": judge(Blend(folded.model)),
    }


def _settings(pairs: Pairs, seed: int) -> Settings:
    return default_settings(pairs, seed).changed(sweeps=SWEEPS)


def _held(positions: np.ndarray, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions to keep and to hold out, ascending."""
    mixed = np.random.default_rng(seed).permutation(positions)
    count = max(1, int(share * len(mixed)))
    return np.sort(mixed[count:]), np.sort(mixed[:count])


def _none(pairs: Pairs) -> Pairs:
    return pairs.where(np.zeros(pairs.count, bool))


def _read(options: argparse.Namespace) -> tuple[Pairs, list[np.ndarray], list[list[str]]]:
    listeners, artists = _table(options.listeners, "--listeners"), _table(options.artists, "--artists")
    if len(listeners[0]) < 3:
        raise SegueError("--listeners: needs a column of ids and two of features")
    wanted = options.words.split(",")
    for name in wanted:
        if name not in artists[0]:
            raise SegueError(f"--words: --artists has no column {name!r}; it has {', '.join(artists[0])}")
    numbers = [{row[0]: at for at, row in enumerate(table[1:])} for table in (listeners, artists)]
    known = _table(options.interactions, "--interactions")[1:]
    try:
        places = np.array([(numbers[0][row[0]], numbers[1][row[1]]) for row in known], np.int64).reshape(-1, 2)
    except (KeyError, IndexError) as error:
        raise SegueError(f"--interactions: {error} is in neither --listeners nor --artists") from None
    if len(places) == 0 or min(len(listeners), len(artists)) < 21:
        raise SegueError("--interactions: too few listeners or artists to hold some out; 20 of each are the least")
    shape = (len(listeners) - 1, len(artists) - 1)
    pairs = Pairs.build(places[:, 0], places[:, 1], np.ones(len(places)), shape)
    pairs = Pairs(pairs.starts, pairs.columns, np.ones_like(pairs.values), pairs.width)
    features = [np.array([row[at] for row in listeners[1:]], object) for at in (1, 2)]
    return pairs, features, [[row[artists[0].index(name)] for row in artists[1:]] for name in wanted]


def _table(path: Path, option: str) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SegueError(f"{option}: cannot read {path}: {error}") from error
    if len(rows) < 2 or any(len(row) != len(rows[0]) for row in rows):
        raise SegueError(f"{option}: {path} needs a header and rows as long as it")
    return rows
