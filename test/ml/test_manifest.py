"""A training reads what the features' manifest promises, or says which file is another."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
from conftest import CHANNELS, Job
from segue_ml import training
from segue_ml.checkpoint import data_digests, digests_of, together
from segue_ml.errors import SegueError
from segue_ml.manifest import check_snapshot


def channels(job: Job) -> dict:
    return {name: job.channel(name) for name in CHANNELS}


def manifest_of(job: Job) -> dict:
    """As `features` writes it, with files that are no channel's."""
    parts = {**data_digests(channels(job)), "scoring/part-00000.jsonl": "0" * 64, "impressions/part-00000.parquet": "1" * 64}
    files = [{"key": f"features/20261122t035200-1a2b3c4d/{name}", "rows": 1, "sha256": own} for name, own in parts.items()]
    return {"runId": "20261122t035200-1a2b3c4d", "schemaVersion": 1, "files": files}


def give(job: Job, manifest: object) -> None:
    folder = job.channel("manifest")
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest))


def test_the_files_that_it_promises_pass_and_without_it_any(job: Job) -> None:
    found = data_digests(channels(job))
    check_snapshot(job.channel("manifest"), CHANNELS, found)
    give(job, manifest_of(job))
    check_snapshot(job.channel("manifest"), CHANNELS, found)
    with pytest.raises(SegueError, match="impressions/part-00000.parquet is in it and not in its channel"):
        check_snapshot(job.channel("manifest"), (*CHANNELS, "impressions"), found)


def without(count: int) -> Callable[[dict], dict]:
    return lambda manifest: {**manifest, "files": manifest["files"][count:]}


def another(manifest: dict) -> dict:
    return {**manifest, "files": [{**manifest["files"][0], "sha256": "0" * 64}, *manifest["files"][1:]]}


def longer(manifest: dict) -> dict:
    more = {**manifest["files"][0], "key": manifest["files"][0]["key"].replace("00000", "00001")}
    return {**manifest, "files": [*manifest["files"], more]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (another, "manifest: interactions/part-00000.parquet is not the file that the features wrote; build them again"),
        (longer, "manifest: interactions/part-00001.parquet is in it and not in its channel; build the features again"),
        (without(1), "manifest: interactions/part-00000.parquet is in its channel and not in it"),
        (lambda manifest: {**manifest, "schemaVersion": 2}, "manifest: schemaVersion is 2; this code reads 1"),
        (lambda manifest: {**manifest, "files": [{"key": "x"}]}, "manifest: files is not a list of key, rows and sha256"),
        (lambda _: [], "manifest: schemaVersion is None"),
        (lambda _: '{"schemaVersion": 1, ', "manifest: cannot read "),
    ],
)
def test_a_wrong_manifest_is_in_the_failure_file(
    job: Job, monkeypatch: pytest.MonkeyPatch, change: Callable[[dict], object], reason: str
) -> None:
    give(job, change(manifest_of(job)))
    for name, value in {**job.environment, "SM_CHANNEL_MANIFEST": str(job.channel("manifest"))}.items():
        monkeypatch.setenv(name, value)
    kept = signal.getsignal(signal.SIGTERM)
    try:
        assert training.main([]) == 1
    finally:
        signal.signal(signal.SIGTERM, kept)
    assert job.failure.read_text().startswith(reason) and "\n" not in job.failure.read_text()
    assert not job.model.exists()


def test_digests_are_told_apart_by_name_and_content(tmp_path) -> None:
    for name, text in (("a", "1"), ("b", "1"), ("c", "2")):
        (tmp_path / name).write_text(text)
    found = digests_of((name, tmp_path / name) for name in "abc")
    assert found["a"] == found["b"] != found["c"]
    assert together({"a": found["a"], "c": found["c"]}) == together({"c": found["c"], "a": found["a"]})
    assert len({together({name: found[name]}) for name in "abc"}) == 3
