"""The training job: reads the channels, judges a model on the past, trains the one to serve, exports it."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import shutil
import signal
import sys
import tempfile
import traceback
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

import numpy as np
import pyarrow
import torch

from . import __version__
from .blend import Blend, fit
from .card import model_card
from .champion import against, contestant, read_champion
from .checkpoint import Checkpoints, code_digest, data_digests, together
from .data import count_rows, read_dataset
from .errors import SegueError, one_line
from .evaluate import compare, iso, temporal_holdout
from .export import export
from .feedback import Feedback, learn
from .group import Group, join
from .honest import by_group, calibration, gaps, robustness
from .ials import SETTINGS, Model, Settings, train
from .manifest import check_snapshot
from .mattered import what_mattered
from .new_listeners import choose_share, lists_of
from .newcomers import Catalogue, find_newcomers
from .pairs import Pairs
from .quota import Quota
from .report import report
from .runtime import Clock, at_least, choose_device, peak_memory, rows_that_fit, say, set_up
from .second_stage import CHOICES, SecondStage
from .sharded import train_packed
from .shards import PAIRS, Spill, sampled
from .shown import accuracy, read_impressions, sides
from .surfaced import judge_quota
from .track import record_job
from .tune import choose_settings
from .words import Words
from .worths import Worths

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
    shown = environment.get("SM_CHANNEL_IMPRESSIONS") or "/opt/ml/input/data/impressions"
    parser.add_argument("--impressions", type=Path, default=Path(shown), help="folder of this channel, which may be missing")
    listed = environment.get("SM_CHANNEL_MANIFEST") or "/opt/ml/input/data/manifest"
    parser.add_argument("--manifest", type=Path, default=Path(listed), help="folder of this channel, which may be missing: what the features wrote")
    parser.add_argument("--model-dir", type=Path, default=Path(environment.get("SM_MODEL_DIR") or "/opt/ml/model"))
    served = environment.get("SM_CHANNEL_CHAMPION") or "/opt/ml/input/data/champion"
    parser.add_argument("--champion", type=Path, default=Path(served), help="folder of this channel, which may be missing: the model that serves")
    data_dir = environment.get("SM_OUTPUT_DATA_DIR") or "/opt/ml/output/data"
    parser.add_argument("--output-data-dir", type=Path, default=Path(data_dir))
    run_id = re.sub(r"-(train|tune)(-[0-9a-f-]+)?$", "", environment.get("TRAINING_JOB_NAME", ""))
    parser.add_argument("--run-id", default=run_id, help="default: the job's name without -train, -tune and what follows")
    # SageMaker tells trainings of a tuning so what they are compared by.
    parser.add_argument("--_tuning_objective_metric", help=argparse.SUPPRESS)
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--threads", type=at_least(0, int), default=0, help="CPU threads; 0 is PyTorch's choice")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-dir", type=Path, help="default: checkpoints beside the output folder, if it is there")
    parser.add_argument("--checkpoint-seconds", type=at_least(0, float), default=20.0, help="between two writes of the factors")
    parser.add_argument("--rows-in-memory", type=at_least(0, int), default=0, help="above it rows go by disk; 0: by the memory there is")
    parser.add_argument("--rows-at-once", type=at_least(1, int), default=PAIRS, help="rows from disk that are handled together")
    parser.add_argument("--scratch", type=Path, help="folder for rows that go by disk; default: the system's")
    parser.add_argument("--feedback", choices=("learn", "given"), default="learn", help="weights of likes, clicks and skips, and their decay")
    quota = Quota()
    parser.add_argument("--new-artists-share", type=float, default=quota.share, help="of a list's places, for new artists")
    parser.add_argument("--new-artists-after", type=int, default=quota.after, help="places before the first new artist")
    parser.add_argument("--new-artists-listeners", type=int, default=quota.listeners, help="an artist is new with fewer")
    parser.add_argument("--new-artists-days", type=float, default=quota.days, help="an artist is new from its first listener on")
    parser.add_argument("--ranker", choices=CHOICES, default="off", help="a second stage that puts the best candidates in order")
    parser.add_argument("--tracking-uri", default="", help="where MLflow records the training; default: nowhere")
    parser.add_argument("--tracking-experiment", default="segue", help="default: segue")
    parser.add_argument("--tune-seconds", type=at_least(0, float), default=0.0, help="time to search settings; 0 takes the defaults")
    for name, kind in SETTINGS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help="fix this setting; default: by the size of the data")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace) -> dict[str, object]:
    """Runs the whole job, by all its processes, and returns the evaluation that the first wrote."""
    device = choose_device(options.device)
    set_up(device, options.threads, options.seed)
    group = join(device)
    job = _Job(options, device, group)
    try:
        return job.run()
    except Stopped:
        job.checkpoints.flush()
        raise
    finally:
        group.leave()
        job.close()


class _Job:
    """The job's steps. Factors are trained by all processes together, or by one over rows on disk where they do not fit
    into memory; the rest is the first process' work, on all interactions or, of too many, on a sample of listeners."""

    def __init__(self, options: argparse.Namespace, device: torch.device, group: Group) -> None:
        self.options, self.device, self.group = options, device, group
        self.clock = Clock(quiet=not group.first)
        self.spill: Spill | None = None
        self.scratch: Path | None = None
        self.checkpoints = Checkpoints(None, {})
        self.words: Words | None = None

    def close(self) -> None:
        if self.scratch:
            shutil.rmtree(self.scratch, ignore_errors=True)

    def run(self) -> dict[str, object]:
        options, group, clock = self.options, self.group, self.clock
        with clock.phase("read"):
            rows = count_rows(options.interactions)
            limit = options.rows_in_memory or rows_that_fit()
            if group.size > 1 or rows > limit:
                self.scratch = Path(tempfile.mkdtemp(prefix="segue-", dir=options.scratch))
                self.spill = Spill(options.interactions, options.artists, self.scratch, group, options.rows_at_once)
            group.decided(lambda: self._read(min(1.0, limit / max(1, rows))))
        settings, cutoff, earlier = group.decided(self._prepare)
        with clock.phase("train on the past"):
            past = self._sharded("past", settings, cutoff)
            group.decided(lambda: self._fit_past(settings, past))
        if earlier is not None:
            with clock.phase("train the ranker"):
                model = self._sharded("earlier", settings, earlier)
                group.decided(lambda: self._learn_ranker(settings, model))
        with clock.phase("evaluate"):
            group.decided(self._judge)
        with clock.phase("train on everything"):
            model = self._sharded("everything", settings, None)
            group.decided(lambda: self._fit_everything(settings, model))
        return group.decided(lambda: self._write(settings))

    def _read(self, share: float) -> None:
        options = self.options
        folders = {"interactions": options.interactions, "listeners": options.listeners, "artists": options.artists}
        artists, self.share = self.spill.artist_numbers if self.spill else None, share
        keep = (lambda table: sampled(table, share)) if share < 1 else None
        self.data = read_dataset(**folders, keep=keep, artist_numbers=artists)
        self.impressions = read_impressions(options.impressions, self.data, keep)
        if self.impressions is not None:
            folders["impressions"] = options.impressions
        height, width = self.data.shape
        part = f" ({share:.1%} of the listeners, to judge by)" if share < 1 else ""
        say(f"{len(self.data.rows):,} interactions of {height:,} listeners with {width:,} artists{part}, on {self.device}")
        if self.spill:
            say(f"factors by {self.group.size} processes, {self.spill.total:,} interactions on disk")
        self.catalogue = Catalogue.read(options.artists)
        # Not followers: how many there are tells of the time after the moment that the model is judged at.
        self.words = Words.of([facts for name, facts in self.data.facts.items() if name == "genre"], self.device)
        self.second = SecondStage(options.ranker, self.data, self.device, options.seed)
        self.quota = Quota(
            options.new_artists_share, options.new_artists_after, options.new_artists_listeners, options.new_artists_days
        ).check()
        digests = data_digests(folders)
        check_snapshot(options.manifest, folders, digests)
        self.lineage = {"data": together(digests), "code": code_digest(), "seed": options.seed}
        fixed = {name: getattr(options, name) for name, _ in SETTINGS}
        identity = {**self.lineage, "fixed": fixed, "tune": options.tune_seconds, "share": share, "feedback": options.feedback}
        folder = options.checkpoint_dir
        if folder is None:
            folder = Path(os.environ.get("SM_OUTPUT_DIR") or "/opt/ml/output").parent / "checkpoints"
            folder = folder if folder.is_dir() else None  # SageMaker makes it where the job has checkpoints
        self.checkpoints = Checkpoints(folder, identity, options.checkpoint_seconds)

    def _prepare(self) -> tuple[Settings, int, int | None]:
        with self.clock.phase("split"):
            self.champion = read_champion(self.options.champion, self.device)
            until = self.champion.until if self.champion and self.champion.exported else None
            self.holdout = temporal_holdout(self.data, self.options.seed, until)
        with self.clock.phase("learn feedback"):
            self._learn()
        with self.clock.phase("choose settings"):
            settings = self.checkpoints.settings()
            if settings is None:
                # For the training before the cutoff; the one on everything keeps them.
                fixed = {name: value for name, _ in SETTINGS if (value := getattr(self.options, name)) is not None}
                seed, seconds = self.options.seed, self.options.tune_seconds or None
                choice = choose_settings(self.holdout.history, fixed, seed, self.device, seconds, self.words)
                settings = choice.settings
                if not math.isnan(choice.quality):
                    say(f"eval validation-quality={choice.quality:.6f};")
                self.checkpoints.keep_settings(settings)
        say("settings: " + " ".join(f"{name}={value:g}" for name, value in settings.as_dict().items()))
        return settings, self.holdout.cutoff, self.second.begin(self.holdout.cutoff, self._history)

    def _learn(self) -> None:
        """Weighs the interactions by what the past says. Rows that went by disk keep the weights that they came with, as
        do those of several processes."""
        feedback, trials = Feedback(), []
        if self.options.feedback == "learn" and self.spill is None:
            feedback, trials = learn(self.data, self.holdout.cutoff, self.device, self.options.seed, self.impressions)
        self.feedback = {"chosen": asdict(feedback), "trials": trials}
        self.learned = feedback if trials else None
        self.everything = self._history(None)
        if not trials:
            return
        # What counts as played after the cutoff stays what came.
        self.holdout = replace(self.holdout, history=self._history(self.holdout.cutoff))
        if self.options.strength is None:
            self.options.strength = feedback.strength

    def _history(self, before: int | None) -> Pairs:
        """Positive pairs before a moment (ms), or all, as training weighs them."""
        if self.learned is None:
            return self.data.pairs(None if before is None else self.data.times < before)
        return self.learned.history(self.data, before, self.impressions)

    def _sharded(self, name: str, settings: Settings, before: int | None) -> Model | None:
        """Factors trained by all processes; None where one trains them in its memory."""
        if self.spill is None:
            return None
        packed = self.spill.pack(settings, self.device, before)
        try:
            self.counts = {"interactions": self.spill.total, "listeners": packed.listeners, "artists": packed.artists}
            progress = self.checkpoints.sweeps(name, settings)
            return train_packed(packed, settings, self.device, self.group, progress, self.words)
        finally:
            packed.close()

    def _fit(self, name: str, pairs: Pairs, settings: Settings, model: Model | None) -> Blend:
        def factors() -> Model:
            progress = self.checkpoints.sweeps(name, settings)
            return model or train(pairs, settings, self.device, progress=progress, words=self.words)

        return fit(pairs, settings, self.device, factors)

    def _fit_past(self, settings: Settings, model: Model | None) -> None:
        self.past = self._fit("past", self.holdout.history, settings, model)

    def _learn_ranker(self, settings: Settings, model: Model | None) -> None:
        self.second.learn(self._fit("earlier", self.second.history, settings, model))

    def _fit_everything(self, settings: Settings, model: Model | None) -> None:
        self.model = self._fit("everything", self.everything, settings, model)

    def _judge(self) -> None:
        holdout, seed = self.holdout, self.options.seed
        self.champion, scores = contestant(self.champion, self.data, holdout.cutoff, self.device, self.impressions)
        self.rankings = compare(self.past, holdout, self.device, K, seed, scores)
        served, self.rankings["model"] = self.second.judge(self.past, holdout, self.rankings["model"])
        played = np.bincount(holdout.history.columns, minlength=holdout.history.width)
        everybody = int((holdout.history.lengths > 0).sum())
        self.metrics = {
            name: _rounded({**ranking.means(), **ranking.popularity(played, everybody)})
            for name, ranking in self.rankings.items()
        }
        self.intervals = {
            name: _ends(ranking.intervals(seed, played, everybody))
            for name, ranking in self.rankings.items()
        }
        self.robustness = robustness(served, holdout, self.device, K, seed)
        self.surfaced = judge_quota(
            self.past.model, self.catalogue, self.quota, self.data, holdout, self.rankings["model"], seed, self.share
        )
        for name, value in self.metrics["model"].items():
            say(f"eval {name}={value:.6f};")
        for name in (name for name in self.rankings if name != "model"):
            say(f"baseline {name}: " + " ".join(f"{metric} {value:.4f}" for metric, value in self.metrics[name].items()))

    def _write(self, settings: Settings) -> dict[str, object]:
        """Exports the model and writes what is known of it."""
        options, data, holdout = self.options, self.data, self.holdout
        facts = self._facts()
        with self.clock.phase("export"):
            profiles = self.everything, data.age_groups, data.places
            beside = choose_share(*profiles, options.seed)
            lists = lists_of(*profiles, beside)
            about = {"runId": options.run_id, "trainedOn": facts, "segments": len(lists), "lineage": self.lineage}
            about["featuresBesideSegments"] = beside
            young = self.quota.young(data, int(data.times.max()) + 1, self.share)
            listeners = np.bincount(self.everything.columns, minlength=data.shape[1])
            newcomers = find_newcomers(self.model.model, data.artist_numbers, listeners, young, self.catalogue)
            kept = (newcomers, self.quota, self._worths(), self.second.serving(self.past, holdout))
            export(options.model_dir, self.model, data.artist_numbers, lists, about, *kept)
        countries = np.array([place.partition("-")[0] for place in data.places], object)
        ranking = self.rankings["model"]
        attributes = {"age_group": data.age_groups, "country": countries}
        evaluation = {
            "schemaVersion": 1,
            "runId": options.run_id,
            "protocol": holdout.protocol(K),
            "metrics": self.metrics,
            "intervals": self.intervals,
            "groups": [group for named in attributes.items() for group in by_group(ranking, *named, options.seed)],
            "gaps": [gap for named in attributes.items() for gap in gaps(ranking, *named, options.seed)],
            "champion": against(self.champion, self.rankings, options.seed),
            "calibration": calibration(ranking, options.seed),
            "robustness": self.robustness,
            "accuracy": accuracy(self.impressions, options.seed),
            "newArtists": self.surfaced,
            "ranker": self.second.told,
            "mattered": self._mattered(),
            "feedback": self.feedback,
            "hyperparameters": settings.as_dict(),
            "data": facts,
            "lineage": self.lineage,
            "timings": self.clock.seconds,
            "peakMiB": peak_memory(),
            "processes": self.group.size,
            "device": torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu",
            "versions": {
                "segue_ml": __version__,
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
                "pyarrow": pyarrow.__version__,
            },
        }
        folder = options.output_data_dir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "evaluation.json").write_text(json.dumps(evaluation, indent=2) + "\n", encoding="utf-8")
        (folder / "model-card.md").write_text(model_card(evaluation), encoding="utf-8")
        (folder / "report.html").write_text(report(evaluation), encoding="utf-8")
        if options.tracking_uri:
            job = os.environ.get("TRAINING_JOB_NAME", "")
            record_job(evaluation, folder, options.tracking_uri, options.tracking_experiment, job)
        return evaluation

    def _worths(self) -> Worths:
        chosen = self.feedback["chosen"]
        return Worths(**{name: chosen[name] for name in asdict(Worths())})

    def _mattered(self) -> dict[str, object] | None:
        """None where the channel has no counts, or too few artists were skipped or shown in vain."""
        return what_mattered(*sides(self.data, self.impressions), self.data.facts, self.options.seed)

    def _facts(self) -> dict[str, object]:
        data, spill = self.data, self.spill
        counts = {"interactions": len(data.rows), "listeners": data.shape[0], "artists": data.shape[1]}
        first, last = (spill.first, spill.last) if spill else (int(data.times.min()), int(data.times.max()))
        return {**(self.counts if spill else counts), "first": iso(first), "last": iso(last)}


def _ends(intervals: dict[str, list[float]]) -> dict[str, list[float]]:
    return {metric: [round(end, 6) for end in ends] for metric, ends in intervals.items()}


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
