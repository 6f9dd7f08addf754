"""What a job that cannot begin leaves for SageMaker to show."""

from __future__ import annotations

import signal

import pytest
import torch
from conftest import Job
from segue_ml import training


@pytest.mark.parametrize(
    ("arguments", "environment", "reason"),
    [
        (["--device", "cuda"], {}, "device: a GPU was asked for but PyTorch"),
        ([], {"SM_NUM_GPUS": "1"}, "device: a GPU was asked for but PyTorch"),
        (["--device", "tpu"], {}, "device: 'tpu' is not one of auto, cpu, cuda"),
        ([], {"SM_HOSTS": '["algo-1", "algo-2"]'}, "2 instances, and no torchrun"),
        (["--scratch", "/nowhere", "--rows-in-memory", "1"], {}, "FileNotFoundError"),
    ],
)
def test_the_reason_is_in_the_failure_file(
    job: Job, monkeypatch: pytest.MonkeyPatch, arguments: list[str], environment: dict[str, str], reason: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for name, value in {**job.environment, **environment}.items():
        monkeypatch.setenv(name, value)
    kept = signal.getsignal(signal.SIGTERM)
    try:
        assert training.main(arguments) == 1
    finally:
        signal.signal(signal.SIGTERM, kept)
    assert job.failure.read_text().startswith(reason) and "\n" not in job.failure.read_text()
    assert not job.model.exists()
