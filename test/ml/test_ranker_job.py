"""The second stage with LightGBM: what a training learns and judges, what the model directory holds, and what scoring makes of
it. The libraries' own forms are compared with what they say themselves."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import lightgbm_beside
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from conftest import DAY, ML, START, Job, planted
from segue_ml import lambdarank
from segue_ml.blend import fit
from segue_ml.candidates import FEATURES, about_at
from segue_ml.champion import read_champion, scorer
from segue_ml.data import read_dataset
from segue_ml.errors import SegueError
from segue_ml.evaluate import temporal_holdout
from segue_ml.export import Exported, load
from segue_ml.forest import Forest
from segue_ml.ials import default_settings
from segue_ml.lines import parse
from segue_ml.metrics import rank_all
from segue_ml.ranker import Ranked
from segue_ml.score import Scorer
from segue_ml.second_stage import SecondStage, wins
from segue_ml.value import Value, decode
from test_champion import packed
from test_training import in_process

CPU = torch.device("cpu")
CHANNELS = ("interactions", "listeners", "artists")
OPTIONS = ("--rank", "8", "--sweeps", "3", "--a0", "0.1", "--feedback", "given", "--threads", "1", "--item-weight", "0.5", "--filter-weight", "0")


@pytest.fixture(scope="module")
def lightgbm() -> Path:
    folder = lightgbm_beside.installed()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return folder


def with_data(folder: Path) -> Job:
    made = Job(folder)
    for name, table in planted(listeners=500, days=40).items():
        made.write(name, table)
    return made


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory, lightgbm: Path) -> Job:
    """A job with a second stage, whatever the figures say."""
    made = with_data(tmp_path_factory.mktemp("ranked"))
    environment = {**made.environment, "PYTHONPATH": str(lightgbm)}
    command = [sys.executable, str(ML / "train.py"), *OPTIONS, "--ranker", "on"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    (made.folder / "stdout").write_text(done.stdout)
    return made


@pytest.fixture(scope="module")
def exported(ranked: Job) -> Exported:
    return load(ranked.model, CPU)


def told(job: Job) -> dict:
    return json.loads((job.output / "evaluation.json").read_text())["ranker"]


def test_the_forest_says_what_lightgbm_says(lightgbm: Path) -> None:
    library = lambdarank.library()
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(6000, 5)).astype(np.float32)
    rows[:, 1] = np.round(rows[:, 1])  # many equal, many 0
    found = (rows[:, 0] + rows[:, 1] * rows[:, 2] + rng.normal(size=6000) > 0).astype(int)
    data = library.Dataset(rows, found, group=[100] * 60)
    booster = library.train({**lambdarank.SETTINGS, "min_data_in_leaf": 20}, data, 40)
    own = Forest.read(booster.model_to_string())
    assert len(own.trees) == 40 and own.names == tuple(f"Column_{at}" for at in range(5))
    assert own.score(torch.from_numpy(rows)).numpy() == pytest.approx(booster.predict(rows), abs=1e-12)


def test_the_job_says_what_the_second_stage_is_worth(ranked: Job) -> None:
    found = told(ranked)
    assert found["setting"] == "on" and found["used"] and found["trees"] >= 1 and found["candidates"] == 120
    assert found["listeners"] > 3 * found["stoppedBy"] > 60
    assert sorted(one["feature"] for one in found["features"]) == sorted(FEATURES)
    gains = [one["gain"] for one in found["features"]]
    assert gains == sorted(gains, reverse=True) and gains[0] > 0
    for one in found["differences"].values():
        low, high = one["interval"]
        assert low <= one["difference"] <= high
    assert found["better"] == wins(found["differences"], 20)
    page, card = ((ranked.output / name).read_text() for name in ("report.html", "model-card.md"))
    assert "Second stage" in page and "with the second stage less without" in page and "orders the lists, here too" in card
    assert "ranker: recall@20" in (ranked.folder / "stdout").read_text()


def test_same_seed_same_forest_and_facts(ranked: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    again = with_data(tmp_path)
    assert in_process(again, monkeypatch, *OPTIONS, "--ranker", "on") == 0
    files = sorted(path.name for path in ranked.model.glob("ranker*"))
    assert files == ["ranker.txt", *(f"ranker_{name}.npy" for name in ("age", "genres", "known", "lifts", "trend"))]
    for name in files:
        assert (again.model / name).read_bytes() == (ranked.model / name).read_bytes(), name
    assert told(again) == told(ranked)


def lines(job: Job, listeners: int) -> tuple[bytes, list[str]]:
    """A scoring file of the first listeners, as the features write it."""
    rows = pq.read_table(job.channel("interactions") / "part-00000.parquet").to_pylist()
    who = {one["listener_id"]: one for one in pq.read_table(job.channel("listeners") / "part-00000.parquet").to_pylist()}
    names = sorted(who)[:listeners]
    made = []
    for name in names:
        own = [row for row in rows if row["listener_id"] == name]
        profile = who[name]
        place = "-".join(part for part in (profile["country"], profile["region"]) if part)
        made.append(
            {
                "listenerId": name,
                "ageGroup": profile["age_group"],
                "place": place,
                "artists": [row["artist_no"] for row in own],
                "days": [int(row["time"].timestamp() // 86_400) for row in own],
                "heard": [row["weight"] for row in own],
            }
        )
    return "".join(json.dumps(one) + "\n" for one in made).encode(), names


def lists(exported: Exported, body: bytes, size: int = 20) -> dict[str, Value]:
    found = Scorer(exported, 1, 1, size, CPU).lines(body)
    return {line.split(" ")[0]: decode(base64.b64decode(line.split(" ")[1])) for line in found}


def test_scoring_lists_what_the_evaluation_ranks(ranked: Job, exported: Exported) -> None:
    """Both ways to the same lists: from lines, and from the training's own tables."""
    data = read_dataset(*(ranked.channel(name) for name in CHANNELS))
    now = int(data.times.max()) + 1
    body, names = lines(ranked, 60)
    found = lists(exported, body)
    about = about_at(data, exported.ranker.facts, now)
    history = data.pairs()
    view = Ranked(exported.blend, exported.ranker, about, history, np.ones(history.width, bool))
    rows = np.searchsorted(data.listeners.astype(str), names)
    assert np.array_equal(data.artist_numbers, exported.artist_numbers)
    last = history.where(np.diff(history.rows, append=-1) != 0)  # something to be relevant, of each listener
    ranking = rank_all(view.scorer(history, CPU), last, history, 20, CPU, rows, with_auc=False)
    plain = lists(replace(exported, ranker=None), body)
    changed = 0
    for row, name in enumerate(names):
        value, own = found[name], ranking.lists[row]
        assert value.artists == data.artist_numbers[own[own >= 0]].tolist(), name
        assert value.scores == sorted(value.scores, reverse=True)
        assert not set(value.artists) & set(data.artist_numbers[history.slots(rows[row : row + 1])[1]].tolist())
        changed += value.artists != plain[name].artists
    assert changed > 30


def test_what_scoring_knows_of_listeners_is_what_training_knew(ranked: Job, exported: Exported) -> None:
    data = read_dataset(*(ranked.channel(name) for name in CHANNELS))
    body, names = lines(ranked, 40)
    requests = [parse(line, at) for at, line in enumerate(body.splitlines(), 1)]
    mine = Scorer(exported, 1, 1, 20, CPU)._about(requests)
    rows = np.searchsorted(data.listeners.astype(str), names)
    theirs = about_at(data, exported.ranker.facts, int(data.times.max()) + 1).among(rows)
    assert torch.equal(mine.groups, theirs.groups) and torch.equal(mine.idle, theirs.idle)
    assert np.array_equal(mine.recent.keys, theirs.recent.keys)
    assert len(set(mine.groups[:, 0].tolist())) > 2 and len(set(mine.groups[:, 1].tolist())) == 2


def test_a_model_without_its_forest_or_with_another_catalogue_is_refused(ranked: Job, tmp_path: Path) -> None:
    import shutil

    broken = tmp_path / "model"
    shutil.copytree(ranked.model, broken)
    known = np.load(broken / "ranker_known.npy")
    np.save(broken / "ranker_known.npy", known[1:])
    with pytest.raises(SegueError, match="do not belong together"):
        load(broken, CPU)
    np.save(broken / "ranker_known.npy", known)
    (broken / "ranker.txt").write_text("tree\n")
    with pytest.raises(SegueError, match="cut short"):
        load(broken, CPU)
    (broken / "ranker.txt").unlink()
    with pytest.raises(SegueError, match="is not a model directory"):
        load(broken, CPU)


def test_a_champion_with_a_second_stage_is_judged_with_it(ranked: Job, exported: Exported, tmp_path: Path) -> None:
    champion = read_champion(packed(ranked.model, tmp_path / "champion"), CPU)
    assert champion.exported.ranker.forest.text == exported.ranker.forest.text
    data = read_dataset(*(ranked.channel(name) for name in CHANNELS))
    now = int(data.times.max()) + 1
    history = data.pairs()
    rows = torch.arange(50)
    found = scorer(champion.exported, data, now, CPU)(rows)
    about = about_at(data, exported.ranker.facts, now)
    view = Ranked(exported.blend, exported.ranker, about, history, np.ones(history.width, bool))
    assert torch.allclose(found, view.scorer(history, CPU)(rows))
    assert not torch.equal(found, scorer(replace(exported, ranker=None), data, now, CPU)(rows))


def test_it_learns_from_before_the_holdout_alone(ranked: Job, lightgbm: Path) -> None:
    data = read_dataset(*(ranked.channel(name) for name in CHANNELS))
    cutoff = temporal_holdout(data).cutoff
    altered = replace(data, weights=np.where(data.times < cutoff, data.weights, np.float32(9)))
    altered = altered.where((data.times < cutoff) | (data.columns % 2 == 0))
    forests = []
    for one in (data, altered):
        earlier = lambdarank.holdout_before(one, cutoff, 0)
        assert earlier.cutoff < cutoff
        settings = default_settings(earlier.history).changed(rank=8, sweeps=2)
        learned = lambdarank.learn(fit(earlier.history, settings, CPU), one, earlier, CPU, 0)
        forests.append(learned.ranker.forest.text)
    assert forests[0] == forests[1]


def test_too_little_to_learn_from_leaves_the_first_stage(
    lightgbm: Path, job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of rows that go by disk a sample of listeners is judged by; here of about sixty."""
    assert in_process(job, monkeypatch, *OPTIONS, "--ranker", "on", "--rows-in-memory", "1500") == 0
    said = capsys.readouterr().out
    assert "interactions on disk" in said and "ranker: not used" in said
    found = told(job)
    assert not found["used"] and "at least 100 are needed" in found["reason"]
    assert not (job.model / "ranker.txt").exists() and load(job.model, CPU).ranker is None
    assert "Without a second stage" in (job.output / "model-card.md").read_text()
    assert "Second stage" in (job.output / "report.html").read_text()


@pytest.mark.parametrize(
    ("days", "reason"), [(0, "before the holdout nothing happened"), (1, "before the holdout there is none to learn from")]
)
def test_where_there_is_no_earlier_holdout_it_says_so(lightgbm: Path, job: Job, days: int, reason: str) -> None:
    data = read_dataset(*(job.channel(name) for name in CHANNELS))
    one_a_day = replace(data, times=data.times // DAY * DAY)
    second = SecondStage("when-better", one_a_day, CPU, 0)
    assert second.begin(START + days * DAY, lambda moment: data.pairs()) is None
    assert second.told["reason"].startswith(reason) and not second.told["used"]


def test_a_win_is_of_ndcg_and_not_at_the_cost_of_recall() -> None:
    def of(ndcg: tuple[float, float], recall: tuple[float, float]) -> dict:
        return {"ndcg@20": {"interval": list(ndcg)}, "recall@20": {"interval": list(recall)}}

    assert wins(of((0.001, 0.01), (-0.01, 0.01)), 20)
    assert not wins(of((-0.001, 0.01), (0.001, 0.01)), 20)
    assert not wins(of((0.001, 0.01), (-0.02, -0.001)), 20)


def test_when_better_keeps_it_only_where_it_wins(ranked: Job, lightgbm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = read_dataset(*(ranked.channel(name) for name in CHANNELS))
    holdout = temporal_holdout(data)
    settings = default_settings(holdout.history).changed(rank=8, sweeps=2)
    second = SecondStage("when-better", data, CPU, 0)
    assert second.begin(holdout.cutoff, lambda moment: data.pairs(data.times < moment)) is not None
    second.learn(fit(second.history, settings, CPU))
    past = fit(holdout.history, settings, CPU)
    first = rank_all(
        past.scorer(holdout.history, CPU), holdout.relevant, holdout.masked, 20, CPU, holdout.listeners, holdout.candidates
    )
    for better in (False, True):
        monkeypatch.setattr("segue_ml.second_stage.wins", lambda *_, better=better: better)
        served, figures = second.judge(past, holdout, first)
        assert second.told["used"] is better
        assert (served is past, figures is first) == (not better, not better)
        assert (second.serving(past, holdout) is not None) is better


def test_without_the_setting_nothing_is_paid_for_it(trained: Job) -> None:
    assert told(trained) is None
    assert json.loads((trained.model / "model.json").read_text())["ranker"] is None
    assert load(trained.model, CPU).ranker is None and not list(trained.model.glob("ranker*"))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ModuleNotFoundError(\"No module named 'lightgbm'\")", "pip install -r ml/ranker/requirements.txt"),
        ("raise OSError('libgomp.so.1: cannot open shared object file')", "libgomp.so.1 on Linux (package libgomp1)"),
    ],
)
def test_what_is_missing_is_named_in_the_failure_file(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, reason: str
) -> None:
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "lightgbm.py").write_text(body + "\n")
    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.syspath_prepend(packages)
    assert in_process(job, monkeypatch, *OPTIONS, "--ranker", "when-better") == 1
    failure = job.failure.read_text()
    assert failure.startswith("--ranker") and reason in failure and "\n" not in failure


@pytest.mark.skipif(sys.platform != "linux", reason="maps are Linux's")
def test_lightgbm_is_loaded_when_asked_for_and_takes_the_openmp_of_pytorch(lightgbm: Path) -> None:
    """A fresh machine has no libgomp.so.1 of its own; PyTorch's, which is loaded first, answers to that name."""
    code = (
        "import sys, segue_ml.training, segue_ml.serve; assert 'lightgbm' not in sys.modules; "
        "from segue_ml import lambdarank; lambdarank.library(); "
        "print({line.split()[-1] for line in open('/proc/self/maps') if 'libgomp' in line})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ML), str(lightgbm)])}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.count("libgomp") == 1 and "/torch" in found.stdout, found.stdout
