"""Records what a training job wrote with MLflow: parameters, metrics, plots and environment.

The job does so itself where the configuration says so (`tracking.mlflow`), and has a network then. Else this reads its output
afterwards, on any machine that reaches the tracking server.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from .errors import SegueError, one_line
from .runtime import say

FILES = ("evaluation.json", "model-card.md", "report.html")
RUN_TAG = "segue.runId"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", type=Path, required=True, help="a job's output.tar.gz, or a folder with its files")
    parser.add_argument("--tracking-uri", required=True, help="a folder as file:///…, an address, or a tracking server's ARN")
    parser.add_argument("--experiment", default="segue", help="default: segue")


def run(options: argparse.Namespace) -> None:
    """Raises SegueError naming what cannot be read or reached."""
    with tempfile.TemporaryDirectory(prefix="segue-track-") as scratch:
        folder = _unpacked(options.output, Path(scratch))
        evaluation = _evaluation(folder)
        name = record(evaluation, folder, options.tracking_uri, options.experiment)
    say(name)


def record(
    evaluation: dict[str, Any], folder: Path, tracking_uri: str, experiment: str, name: str | None = None
) -> str:
    """One MLflow run for one training, by its `name` (default: the run's id); what was recorded before is not recorded
    again. Says which."""
    # MLflow prefers databases to folders, and tells its makers how it is used.
    for variable in ("MLFLOW_ALLOW_FILE_STORE", "MLFLOW_DISABLE_TELEMETRY"):
        os.environ.setdefault(variable, "true")
    try:
        import mlflow
        from mlflow.entities import Metric, Param
        from mlflow.exceptions import MlflowException
    except ImportError:
        raise SegueError("track needs MLflow: pip install mlflow-skinny (sagemaker-mlflow with it, for an ARN)") from None
    run_id = name or evaluation["runId"]
    try:
        mlflow.set_tracking_uri(tracking_uri)  # SageMaker's plug-in asks for it wherever a request comes from
        client = mlflow.MlflowClient(tracking_uri=tracking_uri)
        found = client.get_experiment_by_name(experiment)
        number = found.experiment_id if found else client.create_experiment(experiment)
        before = client.search_runs([number], f"tags.`{RUN_TAG}` = '{run_id}'")
        if any(each.info.status == "FINISHED" for each in before):
            return f"{run_id} is recorded in {experiment} already"
        for left in before:
            client.delete_run(left.info.run_id)  # cut short: recorded anew
        lineage = {f"segue.{name}": str(value) for name, value in evaluation["lineage"].items()}
        started = client.create_run(number, tags={RUN_TAG: run_id, **lineage}, run_name=run_id)
        at = started.info.run_id
        now = int(time.time() * 1000)
        settings = [Param(name, str(value)) for name, value in parameters(evaluation).items()]
        client.log_batch(at, [Metric(name, value, now, 0) for name, value in metrics(evaluation).items()], settings)
        for file in FILES:
            client.log_artifact(at, str(folder / file))
        for number_, plot in enumerate(plots((folder / "report.html").read_text(encoding="utf-8")), 1):
            client.log_text(at, plot, f"plots/{number_:02d}.svg")
        client.log_dict(at, environment(evaluation), "environment.json")
        client.set_terminated(at, "FINISHED")
    except (MlflowException, OSError, *_aws_errors()) as error:
        raise SegueError(f"--tracking-uri: {one_line(error)}") from None
    return f"{run_id} recorded in {experiment} as {at}"


def _aws_errors() -> tuple[type[Exception], ...]:
    """What boto3 raises where it writes files to S3 for a server of SageMaker's."""
    try:
        from boto3.exceptions import S3UploadFailedError
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        return ()
    return BotoCoreError, ClientError, S3UploadFailedError


def record_job(evaluation: dict[str, Any], folder: Path, tracking_uri: str, experiment: str, job: str) -> None:
    """From within the job. A model is not lost because nobody wrote down how it came about: what goes wrong is said, and the
    command does it later. A tuning's trainings have one run id, and are told apart by the jobs' names."""
    name = job if "-tune" in job else None
    try:
        say(f"tracking: {record(evaluation, folder, tracking_uri, experiment, name)}")
    except Exception as error:  # whatever a client or its plug-ins raise
        say(f"tracking: not recorded: {one_line(error)}")


def parameters(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Settings of the factors, chosen weights of feedback, and the data's size and protocol."""
    return {
        **evaluation["hyperparameters"],
        **{f"feedback.{name}": value for name, value in evaluation["feedback"]["chosen"].items()},
        **{f"data.{name}": value for name, value in evaluation["data"].items()},
        **{f"protocol.{name}": evaluation["protocol"][name] for name in ("split", "cutoff", "listeners")},
    }


def metrics(evaluation: dict[str, Any]) -> dict[str, float]:
    """The model's with the ends of their intervals, the baselines', and seconds by phase. MLflow has no @ in names."""
    found = {}
    for model, values in evaluation["metrics"].items():
        prefix = "" if model == "model" else f"{model}/"
        found.update({f"{prefix}{name}": value for name, value in values.items()})
    for name, (low, high) in evaluation["intervals"]["model"].items():
        found.update({f"{name}.low": low, f"{name}.high": high})
    beside = evaluation["champion"] or {}
    for name, one in beside.get("differences", {}).items():
        found[f"champion/{name}.difference"] = one["difference"]
    second = evaluation.get("ranker") or {}
    for name, one in second.get("differences", {}).items():
        found[f"ranker/{name}.difference"] = one["difference"]
    shown = evaluation["accuracy"]
    if shown:
        low, high = shown["interval"]
        found.update({"accuracy": shown["accuracy"], "accuracy.low": low, "accuracy.high": high})
    found.update({f"seconds/{phase}": seconds for phase, seconds in evaluation["timings"].items()})
    return {name.replace("@", "_at_"): float(value) for name, value in found.items()}


def environment(evaluation: dict[str, Any]) -> dict[str, Any]:
    return {name: evaluation[name] for name in ("versions", "device", "processes", "peakMiB", "lineage")}


def plots(report: str) -> list[str]:
    """The report's figures, each an SVG of its own."""
    found = re.findall(r"<svg\b.*?</svg>", report, re.DOTALL)
    return [each if "xmlns=" in each else each.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1) for each in found]


def _unpacked(output: Path, scratch: Path) -> Path:
    if output.is_dir():
        return output
    try:
        with tarfile.open(output) as archive:
            for name in FILES:
                file = archive.extractfile(name) if name in archive.getnames() else None
                if file:
                    (scratch / name).write_bytes(file.read())
    except (OSError, tarfile.TarError) as error:
        raise SegueError(f"--output: cannot read {output}: {one_line(error)}") from None
    return scratch


def _evaluation(folder: Path) -> dict[str, Any]:
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        raise SegueError(f"--output: holds no {missing[0]}; give a finished job's output.tar.gz")
    try:
        return json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise SegueError(f"--output: evaluation.json: {one_line(error)}") from None
