"""`python -m segue_ml benchmark`: the public all-ranking protocol on adjacency lists."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .blend import fit
from .data import adjacency_pairs, read_adjacency
from .errors import SegueError
from .ials import SETTINGS
from .metrics import rank_all
from .runtime import Clock, at_least, choose_device, file_to_write, peak_memory, say, set_up, working
from .tune import choose_settings
from .words import Words, read_words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--train", type=Path, required=True, help="a line: listener, then artists")
    parser.add_argument("--test", type=Path, required=True, help="as --train; only read after training")
    parser.add_argument(
        "--words", type=Path,
        help="a line: artist, then its words (tags, genres), each with a count where it has one (rock:3); a prior of factors",
    )
    parser.add_argument(
        "--tune", type=at_least(0, float), nargs="?", const=300.0, metavar="SECONDS",
        help="search settings on a part of --train, for 300 seconds if none are given",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=at_least(0, int), default=0, help="CPU threads; 0 is PyTorch's choice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=file_to_write, help="also write the result here")
    for name, kind in SETTINGS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="fix this setting")


def run(options: argparse.Namespace) -> dict[str, object]:
    """Every artist is ranked for every listener with a test artist, training artists masked; Recall@20 divides by the
    number of test artists, the ideal DCG@20 has min(20, that number) hits; mean over listeners."""
    device = choose_device(options.device)
    set_up(device, options.threads, options.seed)
    clock = Clock()
    with clock.phase("read"):
        known, relevant = adjacency_pairs(
            read_adjacency(options.train, "--train"), read_adjacency(options.test, "--test")
        )
        # A pair in both files cannot be found: it is masked.
        relevant = relevant.where(~known.has(relevant.rows, relevant.columns))
        if not relevant.count:
            raise SegueError("--test: every pair is also in --train")
        words = None
        if options.word_ridge and options.words is None:
            raise SegueError(f"word_ridge: {options.word_ridge:g} without --words has nothing to weigh")
        if options.words is not None:
            words = Words.of([read_words(options.words, "--words", known.width)], device)
    with clock.phase("tune"):
        fixed = {name: value for name, _ in SETTINGS if (value := getattr(options, name)) is not None}
        settings = choose_settings(known, fixed, options.seed, device, options.tune, words).settings
    with clock.phase("train"):
        model = fit(known, settings, device, words=words)
    with clock.phase("fold in"):
        score = model.scorer(known, device)
    working(f"ranking {known.width:,} artists for {int((relevant.lengths > 0).sum()):,} listeners")
    with clock.phase("evaluate"):
        ranking = rank_all(score, relevant, known, 20, device, with_auc=False)
    metrics = ranking.means()
    metrics.pop("auc")
    result = {
        "metrics": metrics,
        "listeners": len(ranking.listeners),
        "shape": [known.height, known.width, known.count],
        "settings": settings.as_dict(),
        "seconds": clock.seconds,
        "peakMiB": peak_memory(),
        "device": str(device),
    }
    say(f"Recall@20 {metrics['recall@20']:.4f}  NDCG@20 {metrics['ndcg@20']:.4f}  ({len(ranking.listeners)} listeners)")
    say("settings: " + " ".join(f"{name}={value:g}" for name, value in settings.as_dict().items()))
    say("seconds: " + " ".join(f"{name}={value:.1f}" for name, value in clock.seconds.items()))
    say("peak MiB: " + " ".join(f"{name}={value:.0f}" for name, value in peak_memory().items()))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result
