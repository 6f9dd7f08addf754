"""The training job: reads the channels, judges a model on the past, trains the one to serve, exports it."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import traceback
from pathlib import Path
from types import FrameType
from typing import NoReturn

import numpy as np
import pyarrow
import torch

from . import __version__
from .blend import fit
from .card import model_card
from .data import Dataset, read_dataset
from .errors import SegueError, one_line
from .evaluate import by_group, compare, gaps, iso, random_holdout, temporal_holdout
from .export import export
from .ials import SETTINGS, Settings, default_settings
from .pairs import Pairs
from .report import report
from .runtime import Clock, choose_device, peak_memory, say, set_up
from .segments import segment_lists
from .tune import MOST_SWEEPS, choose, search

K = 20


class Stopped(SegueError):
    """The job was told to stop (SIGTERM): a spot interruption or StopTrainingJob."""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SegueError(f"hyperparameters: {message}")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Hyperparameters as `--name value`; folders from the environment that SageMaker sets."""
    environment = os.environ
    parser = Parser(prog="train.py", description="Segue's training job.", allow_abbrev=False)
    for channel in ("interactions", "listeners", "artists"):
        default = environment.get(f"SM_CHANNEL_{channel.upper()}") or f"/opt/ml/input/data/{channel}"
        parser.add_argument(f"--{channel}", type=Path, default=Path(default), help="folder of this channel")
    parser.add_argument("--model-dir", type=Path, default=Path(environment.get("SM_MODEL_DIR") or "/opt/ml/model"))
    data_dir = environment.get("SM_OUTPUT_DATA_DIR") or "/opt/ml/output/data"
    parser.add_argument("--output-data-dir", type=Path, default=Path(data_dir))
    run_id = environment.get("TRAINING_JOB_NAME", "").removesuffix("-train")
    parser.add_argument("--run-id", default=run_id, help="default: the job's name without -train")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0 is PyTorch's choice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tune-seconds", type=float, default=0.0, help="time to search settings; 0 takes the defaults")
    for name, kind in SETTINGS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="fix this setting; default: by the size of the data")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, object]:
    """Runs the whole job and returns the evaluation that it wrote."""
    device = choose_device(options.device)
    set_up(device, options.threads, options.seed)
    clock = Clock()
    with clock.phase("read"):
        data = read_dataset(options.interactions, options.listeners, options.artists)
    height, width = data.shape
    say(f"{len(data.rows):,} interactions of {height:,} listeners with {width:,} artists, on {device}")
    with clock.phase("split"):
        holdout = temporal_holdout(data, options.seed)
    with clock.phase("choose settings"):
        settings = _choose(options, holdout.history, device)
    say("settings: " + " ".join(f"{name}={value:g}" for name, value in settings.as_dict().items()))
    with clock.phase("train on the past"):
        past = fit(holdout.history, settings, device)
    with clock.phase("evaluate"):
        rankings = compare(past, holdout, device, K, options.seed)
        played = np.bincount(holdout.history.columns, minlength=holdout.history.width)
        everybody = int((holdout.history.lengths > 0).sum())
        metrics = {
            name: _rounded({**ranking.means(), **ranking.popularity(played, everybody)})
            for name, ranking in rankings.items()
        }
        intervals = {
            name: {metric: [round(end, 6) for end in ends] for metric, ends in ranking.intervals(options.seed).items()}
            for name, ranking in rankings.items()
        }
    for name, value in metrics["model"].items():
        say(f"eval {name}={value:.6f};")
    for name in ("popularity", "random", "item-knn"):
        say(f"baseline {name}: " + " ".join(f"{metric} {value:.4f}" for metric, value in metrics[name].items()))
    with clock.phase("train on everything"):
        everything = data.pairs()
        model = fit(everything, settings, device)
    with clock.phase("export"):
        lists = segment_lists(everything, data.age_groups, data.places)
        facts = {"runId": options.run_id, "trainedOn": _facts(data), "segments": len(lists)}
        export(options.model_dir, model, data.artist_numbers, lists, facts)
    countries = np.array([place.partition("-")[0] for place in data.places], object)
    ranking = rankings["model"]
    groups = by_group(ranking, "age_group", data.age_groups) + by_group(ranking, "country", countries)
    evaluation = {
        "schemaVersion": 1,
        "runId": options.run_id,
        "protocol": holdout.protocol(K),
        "metrics": metrics,
        "intervals": intervals,
        "groups": groups,
        "gaps": gaps(groups, f"recall@{K}") + gaps(groups, f"ndcg@{K}"),
        "hyperparameters": settings.as_dict(),
        "data": _facts(data),
        "timings": clock.seconds,
        "peakMiB": peak_memory(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "versions": {
            "segue_ml": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "pyarrow": pyarrow.__version__,
        },
    }
    options.output_data_dir.mkdir(parents=True, exist_ok=True)
    (options.output_data_dir / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
    (options.output_data_dir / "model-card.md").write_text(model_card(evaluation), encoding="utf-8")
    (options.output_data_dir / "report.html").write_text(report(evaluation), encoding="utf-8")
    return evaluation


def _choose(options: argparse.Namespace, history: Pairs, device: torch.device) -> Settings:
    """Settings for the training before the cutoff, chosen on a random part of it; the training on everything keeps
    them."""
    fixed = {name: getattr(options, name) for name, _ in SETTINGS if getattr(options, name) is not None}
    start = default_settings(history, options.seed).changed(sweeps=MOST_SWEEPS).changed(**fixed).check()
    part, validation = random_holdout(history, options.seed)
    if not part.count:
        return start
    if options.tune_seconds > 0:
        return search(part, validation, start, device, options.tune_seconds, frozenset(fixed)).settings
    return choose(part, validation, start, device, frozenset(fixed)).settings


def _facts(data: Dataset) -> dict[str, object]:
    return {
        "interactions": len(data.rows),
        "listeners": data.shape[0],
        "artists": data.shape[1],
        "first": iso(int(data.times.min())),
        "last": iso(int(data.times.max())),
    }


def _rounded(metrics: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in metrics.items()}


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise Stopped("stopped: SIGTERM received (a spot interruption, or the job was stopped)")


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 (143 when stopped) with the reason on stderr and in the job's failure file, whose text
    SageMaker shows as FailureReason."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        run(parse(arguments))
    except Exception as error:
        if not isinstance(error, SegueError):
            traceback.print_exc()
        reason = one_line(error)
        print(f"train.py: {reason}", file=sys.stderr, flush=True)
        failure = Path(os.environ.get("SM_OUTPUT_DIR") or "/opt/ml/output") / "failure"
        try:
            failure.parent.mkdir(parents=True, exist_ok=True)
            failure.write_text(reason[:1024], encoding="utf-8")
        except OSError as problem:
            print(f"train.py: cannot write {failure}: {problem}", file=sys.stderr)
        return 143 if isinstance(error, Stopped) else 1
    return 0
