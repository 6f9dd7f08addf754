"""What was recommended: accuracy by release, and what was passed over as evidence against."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from conftest import DAY, START, Job, planted
from segue_ml import feedback
from segue_ml.data import read_dataset
from segue_ml.errors import SegueError
from segue_ml.feedback import Feedback, learn
from segue_ml.shown import Impressions, accuracy, read_impressions
from segue_ml.training import main, parse, run
from test_feedback import dataset

CPU = torch.device("cpu")
KINDS = {
    "listener_id": pa.string(), "artist_no": pa.int32(), "time": pa.timestamp("ms", tz="UTC"), "release": pa.string(),
    "variant": pa.string(), "shown": pa.int32(), "clicked": pa.int32(),
}  # fmt: skip


def table(*rows: tuple) -> pa.Table:
    """Rows in the order of KINDS, the time in days."""
    columns = list(zip(*rows, strict=True)) or [()] * len(KINDS)
    columns[2] = tuple(START + int(day * DAY) for day in columns[2])
    return pa.table({name: pa.array(part, kind) for (name, kind), part in zip(KINDS.items(), columns, strict=True)})


def read(job: Job, *rows: tuple) -> Impressions | None:
    job.write("impressions", table(*rows))
    data = read_dataset(*(job.channel(name) for name in ("interactions", "listeners", "artists")))
    return read_impressions(job.channel("impressions"), data)


def test_clicks_over_shown_are_told_of_all_and_of_each_release_and_variant(job: Job) -> None:
    found = read(
        job,
        ("l0", 101, 1, "R1", "champion", 3, 0),
        ("l0", 101, 2, "R1", "champion", 0, 1),
        ("l1", 102, 2, "R2", "champion", 4, 1),
        ("l1", 102, 2, "R2", "challenger", 2, 2),
        ("nobody-else-has-seen", 9999, 2, "R2", "champion", 1, 0),
    )
    told = accuracy(found)
    assert (told["shown"], told["clicked"], told["accuracy"], told["listeners"]) == (10, 4, 0.4, 3)
    by = {(one["release"], one["variant"]): (one["shown"], one["clicked"], one["accuracy"]) for one in told["releases"]}
    assert by == {
        ("R1", "champion"): (3, 1, pytest.approx(1 / 3, abs=1e-6)),
        ("R2", "challenger"): (2, 2, 1.0),
        ("R2", "champion"): (5, 1, 0.2),
    }
    # A listener or an artist that the model does not know is evidence of nothing to it.
    passed = found.passed()
    assert (passed.count, passed.values.tolist()) == (2, [2.0, 3.0])
    assert found.passed(START + 2 * DAY).values.tolist() == [3.0]


def test_nothing_shown_has_no_accuracy(job: Job) -> None:
    data = read_dataset(*(job.channel(name) for name in ("interactions", "listeners", "artists")))
    assert read_impressions(job.channel("impressions"), data) is None
    assert read(job) is None and accuracy(None) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda made: made.drop_columns("shown"), "impressions: column 'shown' is missing"),
        (lambda made: made.set_column(6, "clicked", pa.array(["1"])), "impressions: column 'clicked' is string"),
        (lambda made: made.set_column(5, "shown", pa.array([None], pa.int32())), "impressions: column 'shown' holds 1 nulls"),
        (lambda made: made.set_column(5, "shown", pa.array([-1], pa.int32())), "impressions: column 'shown' holds -1"),
    ],
)
def test_what_is_wrong_with_the_channel_is_named(job: Job, change, words: str) -> None:
    job.write("impressions", change(table(("l0", 101, 1, "R1", "champion", 3, 0))))
    data = read_dataset(*(job.channel(name) for name in ("interactions", "listeners", "artists")))
    with pytest.raises(SegueError) as raised:
        read_impressions(job.channel("impressions"), data)
    assert str(raised.value).startswith(words)


def impressions(owners, shown, clicked) -> Impressions:
    owners, shown, clicked = (np.array(part) for part in (owners, shown, clicked))
    zeros = np.zeros(len(owners), np.int64)
    return Impressions(owners, zeros, owners, zeros, shown, clicked, np.full(len(owners), "R/champion"), (10_000, 1))


def test_the_interval_is_that_of_a_bootstrap_over_listeners() -> None:
    rng = np.random.default_rng(0)
    shown = rng.integers(1, 40, 400)
    clicked = rng.binomial(shown, rng.beta(2, 20, 400))
    found = accuracy(impressions(np.arange(400), shown, clicked))
    draws = [rng.integers(400, size=400) for _ in range(4000)]
    plain = np.quantile([clicked[at].sum() / shown[at].sum() for at in draws], (0.025, 0.975))
    np.testing.assert_allclose(found["interval"], plain, atol=0.0015)
    low, high = found["interval"]
    assert low < found["accuracy"] < high


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_accuracy_is_the_quotient_of_the_sums_however_rows_are_split(rows: list[tuple[int, int, int]]) -> None:
    found = accuracy(impressions(*zip(*rows, strict=True)))
    total = sum(shown for _, shown, _ in rows)
    if not total:
        assert found is None
        return
    assert found["accuracy"] == pytest.approx(sum(clicked for _, _, clicked in rows) / total, abs=1e-6)
    halves = [half for owner, shown, clicked in rows for half in ((owner, shown, 0), (owner, 0, clicked))]
    assert accuracy(impressions(*zip(*halves, strict=True))) == found


def test_what_was_passed_over_is_taken_off_what_the_listener_did_and_nothing_of_the_future_is() -> None:
    data = dataset([0, 0, 1], [0, 1, 0], [2.0, 0.4, 1.0], [0, 0, 8], likes=[0] * 3, clicks=[0] * 3, skips=[0] * 3)
    rows, columns = np.array([0, 0, 1, 1, -1]), np.array([0, 1, 0, 1, 0])
    times = START + np.array([1, 1, 9, 1, 1]) * DAY
    shown = Impressions(rows, columns, rows, times, np.array([3, 1, 1, 5, 9]), np.array([1, 0, 0, 0, 0]),
                        np.full(5, "R/champion"), data.shape)  # fmt: skip
    last = int(data.times.max())
    assert (Feedback().history(data, None, shown).values == Feedback().applied(data, last).pairs().values).all()
    found = Feedback(passed=0.5).history(data, None, shown)
    # 2 - 2 · 0.5; 0.4 - 0.5 is nothing; 1 - 0.5; and a pair that was only ever passed over is none.
    assert list(zip(found.rows, found.columns, found.values, strict=True)) == [(0, 0, 1.0), (1, 0, 0.5)]
    before = Feedback(passed=0.5).history(data, START + 9 * DAY, shown)
    assert before.values.tolist() == [1.0, 1.0]
    fading = Feedback(passed=0.5, half_life=7).history(data, None, shown)
    assert fading.values[0] == pytest.approx(2 / 2 ** (8 / 7) - 0.5 * 2 / 2**1, abs=1e-6)


def planted_in_vain() -> tuple:
    """Listeners of four groups. Half of what each starts is of the next group: shown again on the days after, it is never
    clicked, and from the last days on it is not played any more."""
    rng = np.random.default_rng(0)
    rows, columns, days, times_shown = [], [], [], []
    for listener in range(160):
        for day in range(40):
            own = rng.random() < 0.5 or day >= 28
            group = listener % 4 if own else (listener + 1) % 4
            rows.append(listener)
            columns.append(group * 25 + int(rng.integers(25)))
            days.append(day)
            times_shown.append(0 if own else 3)
    none = [0] * len(rows)
    data = dataset(rows, columns, [1.0] * len(rows), days, likes=none, clicks=none, skips=none)
    rows, columns, days, shown = (np.array(part) for part in (rows, columns, days, times_shown))
    served = np.full(len(rows), "R/champion")
    return data, Impressions(rows, columns, rows, START + (days * DAY) + 3600, shown, 0 * shown, served, data.shape)


def test_that_being_passed_over_counts_against_is_learned_where_it_says_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "TRIALS", (("passed", (0.1, 0.3)),))
    data, shown = planted_in_vain()
    cutoff = START + 36 * DAY
    chosen, trials = learn(data, cutoff, CPU, 0, shown)
    assert chosen.passed > 0 and len(trials) == 3
    # Clicked as often as it was shown says nothing against, and without the channel nothing is tried.
    assert learn(data, cutoff, CPU, 0, replace(shown, clicked=shown.shown))[0].passed == 0
    assert len(learn(data, cutoff, CPU, 0)[1]) == 1
    later = replace(shown, shown=np.where(shown.times >= cutoff, 99, shown.shown))
    assert learn(data, cutoff, CPU, 0, later) == (chosen, trials)


def test_the_job_tells_the_accuracy_in_evaluation_report_and_card(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in job.environment.items():
        monkeypatch.setenv(name, value)
    numbers = planted()["artists"]["artist_no"].to_pylist()
    rows = [(f"l{n}", numbers[n % 100], n % 30, "20261122t000000-00000000", "champion", 5, n % 2) for n in range(300)]
    job.write("impressions", table(*rows))
    options = ["--impressions", str(job.channel("impressions")), "--rank", "8", "--a0", "0.1", "--feedback", "given", "--threads", "1"]
    told = run(parse(options))["accuracy"]
    assert (told["shown"], told["clicked"], told["accuracy"]) == (1500, 150, 0.1)
    written = json.loads((job.output / "evaluation.json").read_text())
    assert written["accuracy"] == told
    page, card = ((job.output / name).read_text() for name in ("report.html", "model-card.md"))
    assert "Accuracy of what served" in page and "20261122t000000-00000000, champion" in page and "0.1000" in page
    assert "Of 1,500 recommendations that earlier releases showed, 150 were clicked: accuracy 0.1000" in card
    (job.channel("impressions") / "part-00000.parquet").write_bytes(b"not parquet")
    assert main(options) == 1 and job.failure.read_text().startswith("impressions: cannot read part-00000.parquet")
