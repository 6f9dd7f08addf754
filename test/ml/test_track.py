"""What `python -m segue_ml track` records, read back by MLflow's own API from a file store."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from conftest import ML, ROOT, Job, planted

LOCK = ML / "tracking" / "sagemaker.txt"
RUN = "20261122t035200-1a2b3c4d"
READ = """
import json, os, sys
os.environ["MLFLOW_ALLOW_FILE_STORE"] = os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
import mlflow
client = mlflow.MlflowClient(tracking_uri=sys.argv[1])
experiment = client.get_experiment_by_name("segue")
def files(run, path=None):
    for each in client.list_artifacts(run, path):
        yield from files(run, each.path) if each.is_dir else [each.path]
print(json.dumps([
    {"name": run.info.run_name, "status": run.info.status, "params": run.data.params, "metrics": run.data.metrics,
     "tags": run.data.tags, "files": sorted(files(run.info.run_id)), "at": run.info.run_id,
     "environment": json.load(open(client.download_artifacts(run.info.run_id, "environment.json", sys.argv[2]))),
     "plot": open(client.download_artifacts(run.info.run_id, "plots/01.svg", sys.argv[2])).read()}
    for run in client.search_runs([experiment.experiment_id])
]))
"""


@pytest.fixture(scope="session")
def mlflow() -> dict[str, str]:
    """An environment with MLflow, which nothing else of the laptop needs: installed beside it at the first time."""
    folder = ROOT / ".segue" / f"track-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        uv = str(Path(sys.executable).with_name("uv"))
        install = [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(part), "-r", str(LOCK)]
        subprocess.run(install, check=True, timeout=240)
        part.rename(folder)
    path = os.pathsep.join([str(ML), str(folder)])
    return {**os.environ, "PYTHONPATH": path}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, mlflow: dict[str, str]) -> Path:
    """The output of a job that was told to record itself in the folder `runs` beside it, packed as SageMaker packs it."""
    job = Job(tmp_path_factory.mktemp("track"))
    for name, table in planted(listeners=150, artists=60).items():
        job.write(name, table)
    options = ["--rank", "8", "--a0", "0.1", "--feedback", "given", "--threads", "1"]
    options += ["--tracking-uri", (job.folder / "runs").as_uri()]
    environment = {**job.environment, "PYTHONPATH": mlflow["PYTHONPATH"]}
    subprocess.run([sys.executable, str(ML / "train.py"), *options], check=True, env=environment, timeout=300)
    archive = job.folder / "output.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for file in job.output.iterdir():
            packed.add(file, file.name)
    return archive


def track(environment: dict[str, str], output: Path, uri: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "segue_ml", "track", "--output", str(output), "--tracking-uri", uri]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_a_training_is_recorded_once_whole(mlflow: dict[str, str], trained: Path, tmp_path: Path) -> None:
    uri = (tmp_path / "runs").as_uri()
    first = track(mlflow, trained, uri)
    assert first.returncode == 0, first.stderr
    assert f"{RUN} recorded in segue as " in first.stdout
    again = track(mlflow, trained, uri)
    assert again.returncode == 0 and f"{RUN} is recorded in segue already" in again.stdout
    read = subprocess.run([sys.executable, "-c", READ, uri, str(tmp_path)], env=mlflow, capture_output=True, text=True, timeout=300)
    assert read.returncode == 0, read.stderr
    [found] = json.loads(read.stdout)
    with tarfile.open(trained) as packed:
        evaluation = json.load(packed.extractfile("evaluation.json"))
    assert (found["name"], found["status"]) == (RUN, "FINISHED")
    assert found["params"]["rank"] == "8" and float(found["params"]["a0"]) == 0.1
    assert found["params"]["data.interactions"] == str(evaluation["data"]["interactions"])
    model = evaluation["metrics"]["model"]
    assert found["metrics"]["recall_at_20"] == pytest.approx(model["recall@20"])
    assert found["metrics"]["recall_at_20.low"] <= found["metrics"]["recall_at_20"] <= found["metrics"]["recall_at_20.high"]
    assert found["metrics"]["popularity/ndcg_at_20"] == pytest.approx(evaluation["metrics"]["popularity"]["ndcg@20"])
    assert found["metrics"]["seconds/evaluate"] > 0
    assert found["tags"]["segue.data"] == evaluation["lineage"]["data"] and found["tags"]["segue.seed"] == "0"
    assert {"evaluation.json", "model-card.md", "report.html", "plots/01.svg"} <= set(found["files"])
    assert found["plot"].startswith("<svg") and "xmlns=" in found["plot"]
    assert found["environment"]["versions"] == evaluation["versions"] and found["environment"]["device"] == "cpu"


def test_a_job_that_is_told_to_records_itself_in_a_folder(trained: Path) -> None:
    [page] = (trained.parent / "runs").glob("*/*/artifacts/report.html")
    with tarfile.open(trained) as packed:
        assert page.read_bytes() == packed.extractfile("report.html").read()
    [rank] = (trained.parent / "runs").glob("*/*/params/rank")
    assert rank.read_text() == "8" and (rank.parents[1] / "tags" / "mlflow.runName").read_text() == RUN


def test_what_cannot_be_tracked_is_named(mlflow: dict[str, str], trained: Path, tmp_path: Path) -> None:
    broken = tmp_path / "output.tar.gz"
    broken.write_bytes(b"not an archive")
    empty = tmp_path / "empty"
    empty.mkdir()
    uri = (tmp_path / "runs").as_uri()
    without = {**os.environ, "PYTHONPATH": str(ML)}
    for environment, output, address, words in (
        (mlflow, broken, uri, "--output: cannot read"),
        (mlflow, empty, uri, "--output: holds no evaluation.json"),
        (mlflow, trained, "ftp://nowhere", "--tracking-uri: "),
        (without, trained, uri, "track needs MLflow"),
    ):
        found = track(environment, output, address)
        assert found.returncode == 1 and found.stderr.startswith(f"segue_ml: {words}"), found.stderr
        assert len(found.stderr.strip().splitlines()) == 1
