"""The model that serves beside a new one, on one holdout that neither has seen."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest
import torch

from conftest import DAY, START, Job, planted
from segue_ml.champion import against, contestant, difference, read_champion, scorer
from segue_ml.data import read_dataset
from segue_ml.evaluate import compare, split_at, temporal_holdout
from segue_ml.training import parse, run

CPU = torch.device("cpu")
CUT = START + 22 * DAY
OPTIONS = ("--rank", "8", "--a0", "0.1", "--feedback", "given", "--threads", "1", "--item-weight", "0", "--filter-weight", "0")


def train(job: Job, monkeypatch: pytest.MonkeyPatch, *options: str) -> dict:
    for name, value in job.environment.items():
        monkeypatch.setenv(name, value)
    return run(parse([*OPTIONS, *options]))


def packed(model: Path, folder: Path) -> Path:
    """The channel, as SageMaker makes it of a model directory."""
    folder.mkdir()
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(model, ".")
    return folder


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The channel with a model of what came before CUT."""
    job = Job(tmp_path_factory.mktemp("earlier"))
    tables = planted()
    moments = tables["interactions"]["time"].cast("int64")
    job.write("interactions", tables["interactions"].filter(pc.less(moments, CUT)))
    for name in ("listeners", "artists"):
        job.write(name, tables[name])
    with pytest.MonkeyPatch.context() as patch:
        train(job, patch)
    return packed(job.model, job.folder / "champion")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory):
    job = Job(tmp_path_factory.mktemp("data"))
    for name, table in planted().items():
        job.write(name, table)
    return read_dataset(*(job.channel(name) for name in ("interactions", "listeners", "artists")))


def test_the_job_judges_both_on_what_came_after_either_was_trained(
    job: Job, earlier: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    evaluation = train(job, monkeypatch, "--champion", str(earlier))
    assert evaluation["protocol"]["cutoff"] >= "2026-10-14" and list(evaluation["metrics"])[-1] == "champion"
    told = evaluation["champion"]
    assert told["compared"] and told["until"] < evaluation["protocol"]["cutoff"]
    for metric in ("recall@20", "ndcg@20"):
        one, (low, high) = told["differences"][metric]["difference"], told["differences"][metric]["interval"]
        model, champion = (evaluation["metrics"][name][metric] for name in ("model", "champion"))
        assert one == pytest.approx(model - champion, abs=2e-6) and low <= one <= high
        assert champion > evaluation["metrics"]["popularity"][metric]
        # Narrower than what the intervals of the two say apart.
        ends = [evaluation["intervals"][name][metric] for name in ("model", "champion")]
        assert high - low < max(top - bottom for bottom, top in ends)
    assert "baseline champion: recall@20" in capsys.readouterr().out
    page, card = ((job.output / name).read_text() for name in ("report.html", "model-card.md"))
    assert "Beside the champion" in page and "model less champion" in page and "Less the champion" in card


def test_the_same_model_is_no_different_from_itself(job: Job, data, monkeypatch: pytest.MonkeyPatch, earlier: Path) -> None:
    found = read_champion(earlier, CPU)
    holdout = split_at(data, CUT)
    score = scorer(found.exported, data, CUT, CPU)
    rankings = compare(found.exported.blend, holdout, CPU, 20, 0, score)
    # Every artist had somebody before the cutoff, so that the positions are the same.
    assert rankings["model"].means() == pytest.approx(rankings["champion"].means())
    for one in difference(rankings["model"], rankings["champion"]).values():
        assert one == {"difference": 0.0, "interval": [0.0, 0.0]}


def test_an_artist_that_the_champion_does_not_know_comes_last_and_an_unknown_listener_gets_the_popular_list(
    data, earlier: Path
) -> None:
    exported = read_champion(earlier, CPU).exported
    few = np.arange(0, len(exported.artist_numbers), 2)
    keep = np.zeros(len(exported.artist_numbers), bool)
    keep[few] = True
    model = type(exported.model)(exported.model.artists[keep], *(getattr(exported.model, name) for name in
                                 ("spectrum", "ridge", "settings", "catalogue")))  # fmt: skip
    halved = type(exported)(model, exported.artist_numbers[keep], exported.segments, exported.longest)
    scores = scorer(halved, data, CUT, CPU)(torch.arange(data.shape[0]))
    known = np.isin(data.artist_numbers, halved.artist_numbers)
    assert torch.isfinite(scores).all()
    assert (scores[:, ~known].max() < scores[:, known].min()).all()
    nobody = scorer(halved, data, int(data.times.min()), CPU)(torch.tensor([0]))[0]
    best = data.artist_numbers[int(nobody.argmax())]
    listed = [number for number in exported.segments["@/"][0] if number in halved.artist_numbers]
    assert best == listed[0]


def test_a_champion_that_has_seen_the_holdout_is_not_compared(data, earlier: Path, capsys: pytest.CaptureFixture) -> None:
    found = read_champion(earlier, CPU)
    champion, scores = contestant(found, data, found.until, CPU)
    assert scores is None and against(champion, {}, 0)["compared"] is False
    assert champion.reason.endswith("too little has come since to compare by")
    assert "champion: not compared: " in capsys.readouterr().out
    # As the holdout goes back where too few listeners came since.
    last = int(data.times.max())
    usual = temporal_holdout(data)
    assert temporal_holdout(data, 0, last - DAY // 2).cutoff == usual.cutoff
    assert temporal_holdout(data, 0, usual.cutoff - 9 * DAY).cutoff == usual.cutoff
    assert temporal_holdout(data, 0, usual.cutoff + 1).cutoff == usual.cutoff + DAY


def damaged(channel: Path, tmp_path: Path, change) -> Path:
    with tarfile.open(channel / "model.tar.gz") as archive:
        archive.extractall(tmp_path / "model", filter="data")
    change(tmp_path / "model")
    return packed(tmp_path / "model", tmp_path / "champion")


def other_version(model: Path) -> None:
    about = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps({**about, "schemaVersion": 99}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_version, "schema version 99"),
        (lambda model: (model / "spectrum.npy").unlink(), "is not a model directory"),
        (lambda model: (model / "model.json").write_text("{"), "its model cannot be read: "),
        (lambda model: (model / "model.json").unlink(), "model.json"),
    ],
)
def test_a_champion_of_another_form_is_refused_with_the_reason(earlier: Path, tmp_path: Path, change, words: str) -> None:
    found = read_champion(damaged(earlier, tmp_path, change), CPU)
    assert found.exported is None and words in found.reason and found.reason.startswith("its model cannot be read: ")
    assert against(found, {}, 0) == {"runId": None, "compared": False, "reason": found.reason}


def test_a_damaged_archive_does_not_fail_the_job_and_none_is_none(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"\x1f\x8b not an archive")
    evaluation = train(job, monkeypatch, "--champion", str(tmp_path))
    assert evaluation["champion"]["compared"] is False and "champion" not in evaluation["metrics"]
    assert "Not compared: its model cannot be read" in (job.output / "report.html").read_text()
    assert read_champion(tmp_path / "nowhere", CPU) is None and against(None, {}, 0) is None
    assert contestant(None, None, 0, CPU) == (None, None)


def test_code_beside_the_model_and_paths_out_of_the_folder_are_left_alone(earlier: Path, tmp_path: Path) -> None:
    def strange(model: Path) -> None:
        (model / "code" / "segue_ml" / "__init__.py").write_text("raise SystemExit('ran')")

    channel = damaged(earlier, tmp_path, strange)
    outside = tmp_path / "outside.json"
    outside.write_text("{}")
    with tarfile.open(channel / "more.tar", "w") as archive:
        archive.add(outside, "../outside.json")
        link = tarfile.TarInfo("model.json")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
    assert read_champion(channel, CPU).reason == ""
    (channel / "model.tar.gz").unlink()
    (channel / "more.tar").rename(channel / "model.tar.gz")
    found = read_champion(channel, CPU)
    assert found.exported is None and "model.json" in found.reason
