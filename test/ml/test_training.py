"""The training job by its entry point: what it writes, what it says, and how it fails."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import DAY, ML, START, Job, planted
from segue_ml import training
from segue_ml.__main__ import main as command
from segue_ml.errors import SegueError
from segue_ml.report import Bar, bars
from segue_ml.runtime import choose_device


def run(job: Job, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ML / "train.py"), *arguments],
        env=job.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def in_process(job: Job, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    for name, value in job.environment.items():
        monkeypatch.setenv(name, value)
    kept = signal.getsignal(signal.SIGTERM)
    try:
        return training.main(list(arguments))
    finally:
        signal.signal(signal.SIGTERM, kept)


def test_evaluation_has_what_the_gate_reads(trained: Job) -> None:
    found = json.loads((trained.output / "evaluation.json").read_text())
    assert found["schemaVersion"] == 1 and found["runId"] == "20261122t035200-1a2b3c4d"
    assert found["protocol"]["split"] == "temporal" and found["protocol"]["k"] == [20]
    assert found["protocol"]["listeners"] > 100
    shares = {"recall@20", "ndcg@20", "auc", "map@20", "hit@20", "coverage@20", "popularity@20"}
    for who in ("model", "popularity", "random", "item-knn"):
        assert set(found["metrics"][who]) == {*shares, "novelty@20"}
        assert all(0 <= found["metrics"][who][name] <= 1 for name in shares)
        for name, (low, high) in found["intervals"][who].items():
            assert low <= found["metrics"][who][name] <= high
    novelty = {who: values["novelty@20"] for who, values in found["metrics"].items()}
    assert novelty["popularity"] < novelty["model"] < novelty["random"]
    assert found["metrics"]["item-knn"]["recall@20"] > 2 * found["metrics"]["random"]["recall@20"]
    assert found["metrics"]["model"]["recall@20"] > 2 * found["metrics"]["popularity"]["recall@20"]
    ages = [group for group in found["groups"] if group["by"] == "age_group"]
    assert [group["value"] for group in ages] == ["", "0-17", "18-24", "25-34"]
    assert sum(group["listeners"] for group in ages) == found["protocol"]["listeners"]
    weighted = sum(group["listeners"] * group["recall@20"] for group in ages) / found["protocol"]["listeners"]
    assert weighted == pytest.approx(found["metrics"]["model"]["recall@20"], abs=1e-4)
    assert all(group["intervals"]["ndcg@20"][0] <= group["ndcg@20"] <= group["intervals"]["ndcg@20"][1] for group in ages)
    assert all(gap["interval"][0] <= gap["gap"] <= gap["interval"][1] for gap in found["gaps"])
    lost = [found["metrics"]["model"]["ndcg@20"], *(one["ndcg@20"] for one in found["robustness"])]
    assert lost[0] > lost[3] > found["metrics"]["popularity"]["ndcg@20"]
    low, high = found["calibration"]["interval"]
    assert 0 <= low <= found["calibration"]["error"] <= high < 0.2 and len(found["calibration"]["curve"]) > 1
    assert found["mattered"] is None  # without counts there is nothing to compare
    table = planted()["interactions"]
    assert found["data"]["interactions"] == table.num_rows and found["data"]["listeners"] == 300
    assert found["data"]["first"] < found["protocol"]["cutoff"] < found["data"]["last"]
    assert found["hyperparameters"]["seed"] == 7 and found["timings"]["evaluate"] > 0


def test_metric_lines_agree_with_the_evaluation(trained: Job) -> None:
    metrics = json.loads((trained.output / "evaluation.json").read_text())["metrics"]["model"]
    lines = dict(re.findall(r"^eval (\S+)=([0-9.]+);$", (trained.folder / "stdout").read_text(), re.MULTILINE))
    # What a tuning compares by comes from before the holdout, of which the evaluation speaks.
    assert 0 < float(lines.pop("validation-quality")) < 1
    assert {name: float(value) for name, value in lines.items()} == pytest.approx(metrics)


@pytest.mark.parametrize("name", ["train", "train-2", "tune-001-1a2b3c4d", "tune-2-012-0a2b3c4d"])
def test_a_run_is_known_by_its_jobs_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINING_JOB_NAME", f"20261122t035200-1a2b3c4d-{name}")
    assert training.parse(["--_tuning_objective_metric", "validation-quality"]).run_id == "20261122t035200-1a2b3c4d"


def test_model_card_states_the_figures(trained: Job) -> None:
    card = (trained.output / "model-card.md").read_text()
    metrics = json.loads((trained.output / "evaluation.json").read_text())["metrics"]
    assert f"{metrics['model']['ndcg@20']:.4f}" in card and f"{metrics['popularity']['ndcg@20']:.4f}" in card
    for part in ("Intended use", "Data", "Evaluation", "By group", "Limits", "unknown", "0-17"):
        assert part in card


def test_report_shows_the_figures_and_runs_nothing(trained: Job) -> None:
    page = (trained.output / "report.html").read_text()
    evaluation = json.loads((trained.output / "evaluation.json").read_text())
    for who, values in evaluation["metrics"].items():
        assert who in page
        for name, value in values.items():
            low, high = evaluation["intervals"][who][name]
            assert low <= value <= high
            assert f">{value:.4f}</td>" in page and f">{low:.4f} to {high:.4f}</td>" in page
    assert page.count("<svg") >= 3 and "<script" not in page and "http" not in page.replace("http://www.w3.org", "")


def test_report_escapes_what_data_name() -> None:
    assert "&lt;b&gt;" in bars("title", [Bar("<b>", 0.5, None)])


def test_model_holds_no_listener(trained: Job) -> None:
    files = {path.relative_to(trained.model).as_posix() for path in trained.model.rglob("*") if path.is_file()}
    assert {"model.json", "artist_factors.npy", "spectrum.npy", "artist_numbers.npy", "segments.json"} <= files
    assert {"code/serve.sh", "code/segue_ml/serve.py"} <= files and not any("__pycache__" in name for name in files)
    factors = np.load(trained.model / "artist_factors.npy")
    spectrum = np.load(trained.model / "spectrum.npy")
    np.testing.assert_allclose(factors.T @ factors, np.diag(spectrum), atol=1e-3 * spectrum.max())
    for path in trained.model.glob("*"):
        if path.is_file():
            assert b"l17" not in path.read_bytes()


def test_same_seed_same_files(trained: Job, job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_process(job, monkeypatch, "--seed", "7") == 0
    names = sorted(path.name for path in trained.model.glob("*.npy"))
    assert len(names) > 8  # of all terms
    for name in (*names, "segments.json", "model.json"):
        assert (job.model / name).read_bytes() == (trained.model / name).read_bytes(), name


def test_settings_can_be_fixed_and_searched(
    job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_process(job, monkeypatch, "--rank", "12", "--sweeps", "3", "--ridge", "2.5") == 0
    found = json.loads((job.output / "evaluation.json").read_text())["hyperparameters"]
    assert (found["rank"], found["sweeps"], found["ridge"]) == (12, 3, 2.5)
    # With one setting left to search, the search ends by itself, on however slow a machine.
    left = ("--rank", "16", "--ridge", "40", "--a0", "0.1", "--nu", "1")
    assert in_process(job, monkeypatch, "--tune-seconds", "120", *left) == 0
    searched = json.loads((job.output / "evaluation.json").read_text())["hyperparameters"]
    assert (searched["rank"], searched["ridge"]) == (16, 40)
    assert capsys.readouterr().out.count("tune: quality=") > 1  # the default, and better factors than its


def replaced(name: str, values: pa.Array) -> pa.Table:
    table = planted()["interactions"]
    return table.set_column(table.schema.get_field_index(name), name, values)


def with_columns(table: pa.Table, columns: dict[str, pa.Array]) -> pa.Table:
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


def cases() -> dict:
    table = planted()["interactions"]
    weights = table["weight"].to_numpy().copy()
    weights[5] = np.nan
    one = table.filter(pa.compute.equal(table["listener_id"], "l3"))
    one_moment = pa.array(np.full(table.num_rows, START), pa.timestamp("ms", tz="UTC"))
    unknown = pa.array(np.full(table.num_rows, 7), pa.int32())
    nameless = pa.nulls(table.num_rows, pa.string())
    microseconds = pa.array(table["time"].cast(pa.int64()).to_numpy() * 1000, pa.timestamp("ms", tz="UTC"))
    counted = {count: pa.array(np.arange(table.num_rows) - 1, pa.int32()) for count in ("plays", "likes", "clicks", "skips")}
    return {
        "no rows": (table.slice(0, 0), "interactions: no rows in "),
        "no column": (table.drop_columns(["weight"]), "interactions: column 'weight' is missing in part-00000.parquet"),
        "not a number": (replaced("weight", pa.array(weights)), "interactions: column 'weight' holds nan in row 6"),
        "negative": (replaced("weight", pa.array(-weights)), "interactions: column 'weight' holds -"),
        "text": (replaced("weight", table["weight"].cast(pa.string())), "interactions: column 'weight' is string"),
        "no listener id": (replaced("listener_id", nameless), "interactions: column 'listener_id' holds"),
        "one listener": (one, "interactions: only 1 listener; training needs"),
        "all zero": (replaced("weight", pa.array(np.zeros(table.num_rows))), "interactions: nothing to evaluate on"),
        "one moment": (replaced("time", one_moment), "interactions: nothing to evaluate on"),
        "wrong unit": (replaced("time", microseconds), "interactions: column 'time' is outside the years 1970 to 9999 in row 1"),
        "below no play": (with_columns(table, counted), "interactions: column 'plays' holds -1 in row 1 (1 such rows)"),
        "unknown artist": (replaced("artist_no", unknown), "interactions: artist_no 7 is not"),
    }


@pytest.mark.parametrize("name", list(cases()))
def test_bad_data_is_named_in_the_failure_file(job: Job, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table, message = cases()[name]
    job.write("interactions", table)
    assert in_process(job, monkeypatch) == 1
    failure = job.failure.read_text()
    assert failure.startswith(message) and "\n" not in failure
    assert not (job.output / "evaluation.json").exists()


@pytest.mark.parametrize("channel", ["interactions", "listeners", "artists"])
def test_a_missing_channel_is_named(job: Job, channel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    next(job.channel(channel).glob("*.parquet")).unlink()
    assert in_process(job, monkeypatch) == 1
    assert job.failure.read_text().startswith(f"{channel}: no Parquet file in ")


def test_a_broken_file_is_named(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    (job.channel("interactions") / "part-00000.parquet").write_bytes(b"not parquet")
    assert in_process(job, monkeypatch) == 1
    assert job.failure.read_text().startswith("interactions: cannot read part-00000.parquet")


def test_hyperparameters_are_checked(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run(job, "--rank", "many")
    assert done.returncode == 1 and "hyperparameters: argument --rank" in job.failure.read_text()
    assert done.stderr.count("\n") == 1
    for arguments, message in (
        (["--colour", "red"], "--colour"),
        (["--rank", "0"], "rank: 0 is not between"),
        (["--rows-at-once", "0"], "argument --rows-at-once: 0 is not 1 or more"),
        (["--tune-seconds", "nan"], "argument --tune-seconds: nan is not 0 or more"),
    ):
        assert in_process(job, monkeypatch, *arguments) == 1
        assert message in job.failure.read_text()


def test_tiny_data_still_makes_a_model(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    times = [0, 0, 5 * DAY, 0, 6 * DAY]
    job.write(
        "interactions",
        pa.table(
            {
                "listener_id": ["a", "a", "a", "b", "b"],
                "artist_no": pa.array([1, 2, 3, 3, 1], pa.int32()),
                "weight": pa.array([1.0] * 5, pa.float32()),
                "time": pa.array(times, pa.timestamp("ms", tz="UTC")),
            }
        ),
    )
    job.write("artists", pa.table({"artist_no": pa.array([1, 2, 3, 4], pa.int32())}))
    assert in_process(job, monkeypatch) == 0, job.failure.read_text()
    assert json.loads((job.output / "evaluation.json").read_text())["protocol"]["listeners"] >= 1


def test_a_gpu_that_was_asked_for_must_be_there() -> None:
    if torch.cuda.is_available():
        assert choose_device("auto").type == "cuda"
        return
    assert choose_device("auto", gpus_promised=0).type == "cpu"
    for name, promised in (("cuda", 0), ("auto", 1)):
        with pytest.raises(SegueError, match="a GPU was asked for"):
            choose_device(name, gpus_promised=promised)
    with pytest.raises(SegueError, match="not one of"):
        choose_device("tpu")


def test_sigterm_ends_the_job_with_a_reason(job: Job) -> None:
    for name, table in planted(listeners=3000, artists=1200).items():
        job.write(name, table)
    process = subprocess.Popen(
        [sys.executable, str(ML / "train.py"), "--rank", "256", "--sweeps", "1000"],
        env=job.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("settings"):
            break
    time.sleep(0.2)
    process.terminate()
    assert process.wait(timeout=30) == 143
    process.stdout.close()
    assert job.failure.read_text().startswith("stopped: SIGTERM")


def test_benchmark_looks_first_where_it_is_to_write(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command(["benchmark", "--train", "a", "--test", "b", "--json", str(tmp_path / "no" / "out.json")])
    assert f"argument --json: there is no folder {tmp_path / 'no'} to write out.json into" in capsys.readouterr().err


def test_benchmark_prints_the_figures(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    lines: dict[str, list[str]] = {"train": [], "test": []}
    for listener in range(120):
        own = rng.permutation(15)[:10] + 15 * (listener % 4)
        lines["train"].append(" ".join(map(str, [listener, *own[:7]])))
        lines["test"].append(" ".join(map(str, [listener, *own[7:]])))
    for name, text in lines.items():
        (tmp_path / f"{name}.txt").write_text("\n".join(text) + "\n")
    files = ["--train", str(tmp_path / "train.txt"), "--test", str(tmp_path / "test.txt")]
    assert command(["benchmark", *files, "--tune", "1", "--json", str(tmp_path / "out.json")]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"Recall@20 \d\.\d{4}  NDCG@20 \d\.\d{4}  \(120 listeners\)", printed)
    assert "peak MiB: host=" in printed and "train=" in printed
    # 15 artists a group, 7 known: the other 8 fit into the list.
    assert json.loads((tmp_path / "out.json").read_text())["metrics"]["recall@20"] > 0.95
    assert command(["benchmark", "--train", str(tmp_path / "none"), "--test", files[3]]) == 1
    assert capsys.readouterr().err.startswith("segue_ml: --train: cannot read")
