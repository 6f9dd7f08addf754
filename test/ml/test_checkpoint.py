"""A training that is killed goes on, and ends with the same model as one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ML, Job, planted, with_genres
from segue_ml.checkpoint import Checkpoints
from segue_ml.ials import Settings

FIXED = ("--rank", "64", "--sweeps", "20", "--a0", "0.1", "--item-weight", "0", "--word-ridge", "5", "--threads", "1", "--seed", "3")
FILES = ("artist_factors.npy", "spectrum.npy", "segments.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that nothing interrupted."""
    made = made_job(tmp_path_factory.mktemp("whole"))
    assert start(made).wait(timeout=120) == 0
    return made


def made_job(folder: Path) -> Job:
    made = Job(folder)
    for name, table in with_genres(planted(listeners=1000, artists=480)).items():
        made.write(name, table)
    return made


def start(job: Job, *arguments: str, processes: int = 1) -> subprocess.Popen[str]:
    command = [str(ML / "train.py"), *FIXED, *arguments]
    if processes > 1:
        command = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--standalone", *command]
    environment = {**job.environment, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def wait_for(process: subprocess.Popen[str], ready) -> None:
    while not ready():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.005)


def sweep_of(file: Path) -> int:
    try:
        return int(np.load(file)["sweep"])
    except (OSError, ValueError, zipfile.BadZipFile):
        return 0


@pytest.mark.parametrize("stage", ["past", "everything"])
def test_a_killed_training_goes_on_to_the_same_files(whole: Job, tmp_path: Path, stage: str) -> None:
    job, kept = made_job(tmp_path / "job"), tmp_path / "kept"
    arguments = ("--checkpoint-dir", str(kept), "--checkpoint-seconds", "0")
    process = start(job, *arguments)
    wait_for(process, lambda: sweep_of(kept / f"{stage}.npz") >= 3)
    process.kill()
    process.communicate()
    done = sweep_of(kept / f"{stage}.npz")
    assert 3 <= done < 20 and not (job.output / "evaluation.json").exists()
    again = start(job, *arguments)
    printed, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert f"checkpoint: {stage} goes on after sweep {done} of 20" in printed and "settings taken" in printed
    for name in FILES:
        assert (job.model / name).read_bytes() == (whole.model / name).read_bytes()


def test_a_job_that_is_told_to_stop_writes_what_was_not_due(whole: Job, tmp_path: Path) -> None:
    job, kept = made_job(tmp_path / "job"), tmp_path / "job" / "checkpoints"
    kept.mkdir(parents=True)  # as SageMaker makes it; no argument names it
    process = start(job, "--checkpoint-seconds", "1000")
    wait_for(process, (kept / "settings.json").exists)
    time.sleep(0.3)
    process.terminate()
    assert process.wait(timeout=30) == 143
    printed = process.communicate()[0]
    if "train on the past" not in printed:
        assert 0 < sweep_of(kept / "past.npz") < 20
    assert start(job).wait(timeout=120) == 0
    for name in FILES:
        assert (job.model / name).read_bytes() == (whole.model / name).read_bytes()


def test_processes_that_are_killed_go_on_together(whole: Job, tmp_path: Path) -> None:
    job, kept = made_job(tmp_path / "job"), tmp_path / "kept"
    arguments = ("--checkpoint-dir", str(kept), "--checkpoint-seconds", "0")
    process = start(job, *arguments, processes=2)
    wait_for(process, lambda: sweep_of(kept / "everything.npz") >= 2)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    end_workers(str(kept))
    again = start(job, *arguments, processes=2)
    printed, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert "checkpoint: past goes on after sweep 20" in printed and "checkpoint: everything goes on" in printed
    mine, alone = (np.load(folder.model / "artist_factors.npy") for folder in (job, whole))
    # Twenty sweeps of small data at a high rank do not settle: what a sweep leaves undone adds up (conjugate.py).
    np.testing.assert_allclose(mine @ mine.T, alone @ alone.T, atol=0.02)


def end_workers(argument: str) -> None:
    """torchrun gives its workers sessions of their own, which a signal to it does not reach."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if argument.encode() in words:
            os.kill(int(entry.name), signal.SIGKILL)


SETTINGS = Settings(rank=2, sweeps=5)
STATE = (3, torch.ones(4, 2), torch.tensor([1.0, 2.0]))


def test_what_is_of_other_data_or_settings_is_not_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = Checkpoints(tmp_path, {"data": "a"})
    own.keep_settings(SETTINGS)
    own.store("past", SETTINGS, *STATE)
    assert own.settings() == SETTINGS and own.load("past", SETTINGS) is not None
    capsys.readouterr()
    other = Checkpoints(tmp_path, {"data": "b"})
    assert other.settings() is None and other.load("past", SETTINGS) is None
    printed = capsys.readouterr().out
    assert "settings.json is of other data, code or hyperparameters: not used" in printed and "past.npz is of" in printed
    assert own.load("past", SETTINGS.changed(rank=3)) is None


@pytest.mark.parametrize("name", ["past.npz", "settings.json"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"{}"])
def test_a_damaged_file_is_not_used(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    own = Checkpoints(tmp_path, {})
    assert own.settings() is None and own.load("past", SETTINGS) is None
    assert f"{name} cannot be read" in capsys.readouterr().out


def test_a_write_that_breaks_off_leaves_the_last_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Checkpoints(tmp_path, {})
    own.store("past", SETTINGS, *STATE)
    monkeypatch.setattr(np, "savez", _fails)
    with pytest.raises(OSError, match="disk full"):
        own.store("past", SETTINGS, 4, *STATE[1:])
    kept = own.load("past", SETTINGS)
    assert kept is not None and kept[0] == 3 and torch.equal(kept[1], STATE[1])


def _fails(out, **_: object) -> None:
    out.write(b"half")
    raise OSError("disk full")
