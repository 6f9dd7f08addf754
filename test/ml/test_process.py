"""Scoring as a Processing job: the same lists as the server's, file by file, and reasons where it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import Job, listener
from segue_ml import process as processing
from segue_ml.export import load
from segue_ml.score import Scorer
from segue_ml.value import release_tag

RELEASE, MADE = "20261122t035200-1a2b3c4d", "2026-11-22T03:52:00Z"
ENVIRONMENT = {"SEGUE_RELEASE": RELEASE, "SEGUE_GENERATED_AT": MADE, "SEGUE_LIST_SIZE": "10", "SEGUE_DEVICE": "cpu"}


def line(name: str, *artists: int) -> dict:
    return listener(name, list(artists))


@pytest.fixture
def folder(trained: Job, tmp_path: Path) -> Path:
    """`/opt/ml/processing` as the state machine's command leaves it to the code."""
    at = tmp_path / "processing"
    (at / "input").mkdir(parents=True)
    (tmp_path / "output").mkdir()
    (at / "unpacked").symlink_to(trained.model)
    write(at, "part-00000.jsonl", *(line(f"l{number}", number % 100 + 1, number % 7 + 101) for number in range(50)))
    write(at, "part-00001.jsonl", {"segment": "@/"}, line("fresh"))
    return at


def write(folder: Path, name: str, *records: dict) -> None:
    (folder / "input" / name).write_text("".join(json.dumps(record) + "\n" for record in records))


def run(folder: Path, **environment: str) -> int:
    return processing.main([str(folder)], {**ENVIRONMENT, **environment}, folder.parent / "output" / "message")


def test_each_file_gets_the_lines_that_the_server_would_give(
    trained: Job, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processing, "BLOCK", 300)  # many blocks in a file
    assert run(folder) == 0
    cpu = torch.device("cpu")
    scorer = Scorer(load(trained.model, cpu), release_tag(RELEASE), 1_795_319_520, 10, cpu)
    for file in sorted((folder / "input").iterdir()):
        expected = scorer.lines(file.read_bytes())
        assert (folder / "scores" / f"{file.name}.out").read_text().splitlines() == expected
    assert sorted(path.name for path in (folder / "scores").iterdir()) == ["part-00000.jsonl.out", "part-00001.jsonl.out"]


def test_an_instance_without_a_file_has_nothing_to_do(folder: Path) -> None:
    for file in (folder / "input").iterdir():
        file.unlink()
    assert run(folder) == 0


def test_a_bad_line_fails_the_job_names_it_and_leaves_no_part_of_its_file(folder: Path) -> None:
    write(folder, "part-00001.jsonl", line("good", 3), {"listenerId": "x y", "artists": [], "days": []})
    assert run(folder) == 1
    message = (folder.parent / "output" / "message").read_text()
    assert message.startswith("part-00001.jsonl, after 0 lines: line 2: listenerId:")
    assert not (folder / "scores" / "part-00001.jsonl.out").exists()


def test_a_gpu_that_is_not_there_is_said_in_the_words_that_send_the_job_elsewhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert run(folder, SEGUE_DEVICE="cuda") == 1
    assert "a GPU was asked for" in (folder.parent / "output" / "message").read_text()


def test_without_a_release_it_says_so(folder: Path) -> None:
    assert run(folder, SEGUE_RELEASE="") == 1
    assert "SEGUE_RELEASE is not set" in (folder.parent / "output" / "message").read_text()


def test_it_runs_from_the_code_that_travels_with_the_model(trained: Job, folder: Path) -> None:
    code = trained.model / "code"
    environment = {**os.environ, **ENVIRONMENT, "PYTHONPATH": ""}
    command = [sys.executable, "-m", "segue_ml.process", str(folder)]
    done = subprocess.run(command, cwd=code, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "52 lines from 2 files" in done.stdout
