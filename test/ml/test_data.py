"""Reading the channels, the temporal holdout, and the lists of segments."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import DAY, START, Job, planted
from hypothesis import given
from hypothesis import strategies as st
from segue_ml.blend import fit
from segue_ml.data import Dataset, adjacency_pairs, read_adjacency, read_dataset
from segue_ml.errors import SegueError
from segue_ml.evaluate import compare, iso, other_holdouts, random_holdout, split_at, temporal_holdout
from segue_ml.ials import Settings
from segue_ml.pairs import Pairs
from segue_ml.segments import fallback, parents, place_of, segment_lists, segment_of, widest_first

CPU = torch.device("cpu")


def read(job: Job) -> Dataset:
    return read_dataset(job.channel("interactions"), job.channel("listeners"), job.channel("artists"))


def dataset(rows: list, columns: list, days: list, weights: list | None = None) -> Dataset:
    height, width = max(rows) + 1, max(columns) + 1
    return Dataset(
        np.array([f"l{row}" for row in range(height)], object),
        np.arange(1, width + 1, dtype=np.int32),
        np.array(rows, np.int32),
        np.array(columns, np.int32),
        np.array(weights or [1.0] * len(rows), np.float32),
        START + np.array(days) * DAY + 1000,
        np.full(height, "", object),
        np.full(height, "", object),
    )


def test_reads_what_was_written(job: Job) -> None:
    data = read(job)
    table = planted()["interactions"]
    assert len(data.rows) == table.num_rows
    assert data.listeners[data.rows].tolist() == table["listener_id"].to_pylist()
    assert data.artist_numbers[data.columns].tolist() == table["artist_no"].to_pylist()
    assert data.listeners.tolist() == sorted(data.listeners)
    at = data.listeners.tolist().index("l17")
    assert (data.age_groups[at], data.places[at]) == ("18-24", "US-CA")
    at = data.listeners.tolist().index("l6")
    assert (data.age_groups[at], data.places[at]) == ("25-34", "SE")


def test_reads_parts_dictionaries_and_other_time_units(job: Job) -> None:
    table = planted()["interactions"]
    half = table.num_rows // 2
    ids = table["listener_id"].combine_chunks().dictionary_encode()
    other = table.set_column(0, "listener_id", ids).set_column(
        3, "time", table["time"].cast(pa.timestamp("us", tz="UTC"))
    )
    job.write("interactions", other)
    one = read(job)
    job.write("interactions", table.slice(0, half))
    (job.channel("interactions") / "part-00000.parquet").rename(job.channel("interactions") / "part-00001.parquet")
    job.write("interactions", table.slice(half))
    two = read(job)
    assert np.array_equal(one.pairs().keys, two.pairs().keys)
    np.testing.assert_allclose(one.pairs().values, two.pairs().values)


def test_a_listener_without_a_profile_is_in_no_segment(job: Job) -> None:
    job.write("listeners", pa.table({"listener_id": ["nobody"], "age_group": [None], "country": ["SE"]}))
    data = read(job)
    assert not any(data.age_groups) and not any(data.places)


@given(st.data())
def test_pairs_add_up_like_a_dictionary(data: st.DataObject) -> None:
    triples = data.draw(
        st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7), st.integers(0, 9)), min_size=0, max_size=60)
    )
    expected: dict[tuple[int, int], float] = {}
    for row, column, value in triples:
        expected[row, column] = expected.get((row, column), 0.0) + value
    rows, columns, values = (np.array([triple[part] for triple in triples], int) for part in range(3))
    pairs = Pairs.build(rows, columns, values, (6, 8))
    found = dict(zip(zip(pairs.rows.tolist(), pairs.columns.tolist(), strict=True), pairs.values, strict=True))
    assert found == expected
    back = pairs.transpose().transpose()
    assert np.array_equal(back.keys, pairs.keys) and np.array_equal(back.values, pairs.values)
    everything = np.indices((6, 8)).reshape(2, -1)
    assert pairs.has(*everything).tolist() == [(row, column) in expected for row, column in everything.T.tolist()]


def test_holdout_by_hand() -> None:
    # Cut before day 2. Listener 0 comes back to artist 0 (not new) and finds 1. Listener 1 has no history. Listener 2
    # finds artist 3, which nobody had played before. Listener 3 only skipped artist 0 before, then played it.
    data = dataset(
        [0, 0, 0, 1, 2, 2, 3, 3, 3],
        [0, 0, 1, 0, 1, 3, 0, 1, 0],
        [0, 2, 3, 2, 1, 3, 1, 1, 4],
        [1, 1, 1, 1, 1, 1, 0, 1, 1],
    )
    found = split_at(data, START + 2 * DAY)
    assert found.listeners.tolist() == [0]
    assert (found.relevant.rows.tolist(), found.relevant.columns.tolist()) == ([0], [1])
    assert found.candidates.tolist() == [True, True, False, False]
    said = found.protocol(20)
    assert (said["listeners"], said["relevant"], said["candidates"], said["k"]) == (1, 1, 2, [20])
    assert iso(START) == "2026-09-21T00:00:00Z" and said["cutoff"] == "2026-09-23T00:00:00Z"


@given(seed=st.integers(0, 500))
def test_nothing_of_the_future_leaks_into_the_past(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = 200
    data = dataset(
        rng.integers(20, size=count).tolist(),
        rng.integers(25, size=count).tolist(),
        rng.integers(15, size=count).tolist(),
    )
    found = temporal_holdout(data)
    before = data.times < found.cutoff
    # What the model may see does not change when the future does.
    other = split_at(
        Dataset(
            data.listeners,
            data.artist_numbers,
            data.rows,
            np.where(before, data.columns, 0).astype(np.int32),
            data.weights,
            data.times,
            data.age_groups,
            data.places,
        ),
        found.cutoff,
    )
    assert np.array_equal(other.history.keys, found.history.keys)
    assert np.array_equal(other.history.values, found.history.values)
    # And what is to be found lies after it, is new to its listener and known to somebody.
    relevant = set(found.relevant.keys.tolist())
    assert relevant.isdisjoint(found.masked.keys.tolist())
    later = set((data.rows[~before].astype(np.int64) * data.shape[1] + data.columns[~before]).tolist())
    assert relevant <= later
    assert found.candidates[found.relevant.columns].all()
    assert (found.history.lengths[found.listeners] > 0).all()
    assert found.cutoff % DAY == 0


def test_a_single_day_cannot_be_evaluated() -> None:
    data = dataset([0, 1, 0, 1], [0, 1, 1, 0], [0, 0, 0, 0])
    with pytest.raises(SegueError, match="nothing to evaluate on"):
        temporal_holdout(data)


def test_validation_pairs_are_hidden_from_training() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.nonzero(rng.random((60, 50)) < 0.2)
    pairs = Pairs.build(rows, columns, np.ones(len(rows)), (60, 50))
    part, hidden = random_holdout(pairs, 1)
    assert not set(part.keys) & set(hidden.keys)
    assert set(part.keys) | set(hidden.keys) <= set(pairs.keys)
    assert 0.1 < hidden.count / pairs.count < 0.25


def test_few_listeners_are_split_more_than_once() -> None:
    def parts(listeners: int) -> list[tuple[Pairs, Pairs]]:
        rows = np.repeat(np.arange(listeners), 5)
        return other_holdouts(Pairs.build(rows, (rows * 7 + np.arange(len(rows))) % 40, np.ones(len(rows)), (listeners, 40)), 1)

    assert [len(parts(listeners)) for listeners in (100, 2_000, 2_500, 4_999, 5_000)] == [2, 2, 1, 1, 0]
    first, second = parts(100)
    assert set(first[1].keys) != set(second[1].keys)
    assert other_holdouts(Pairs.build(np.zeros(4), np.arange(4), np.ones(4), (1, 40)), 1) == []


def test_planted_groups_are_found_far_above_popularity(job: Job) -> None:
    data = read(job)
    holdout = temporal_holdout(data)
    model = fit(holdout.history, Settings(rank=16, sweeps=8, ridge=3.0, a0=0.1), CPU)
    found = {name: ranking.means() for name, ranking in compare(model, holdout, CPU, 20, 0).items()}
    assert found["model"]["recall@20"] > 2 * found["popularity"]["recall@20"]
    assert found["model"]["auc"] > 0.75
    assert found["random"]["auc"] == pytest.approx(0.5, abs=0.05)
    assert found["random"]["recall@20"] == pytest.approx(20 / 110, abs=0.06)


def test_adjacency_lists(tmp_path) -> None:
    train_file, test_file = tmp_path / "train.txt", tmp_path / "test.txt"
    train_file.write_text("0 1 2\n2 0 0\n\n1\n")
    test_file.write_text("0 5\n")
    known, relevant = adjacency_pairs(read_adjacency(train_file, "train"), read_adjacency(test_file, "test"))
    assert (known.height, known.width, known.keys.tolist()) == (3, 6, [1, 2, 12])
    assert relevant.keys.tolist() == [5]
    for text, message in (
        *(("0 x\n", "line 1"), ("0 1\n1 -2\n", "line 2"), ("", "no pairs"), ("3\n", "no pairs")),
        *((f"0 {2**64}\n", "line 1 holds something"), (f"0 1\n{2**26} 1\n", "line 2 holds 67108864, above 67108863")),
    ):
        train_file.write_text(text)
        with pytest.raises(SegueError, match=message):
            read_adjacency(train_file, "train")
    with pytest.raises(SegueError, match="cannot read"):
        read_adjacency(tmp_path / "absent", "train")


def test_names_of_segments() -> None:
    assert place_of("US", "CA") == place_of("US", "US-CA") == "US-CA"
    assert place_of("US", "") == "US" and place_of("", "CA") == ""
    assert parents("@25-34/US-CA") == ["@25-34/US", "@/US-CA"]
    assert parents("@25-34/US") == ["@25-34/", "@/US"]
    assert parents("@/") == []
    assert widest_first("@25-34/US-CA") == ["@/", "@/US", "@25-34/", "@/US-CA", "@25-34/US", "@25-34/US-CA"]
    assert fallback("@65+/US-CA", {"@/": 0, "@65+/": 0, "@/US": 0}) == "@/US"
    assert fallback("@65+/NO-03", {"@/": 0, "@65+/": 0, "@/US": 0}) == "@65+/"


def test_a_small_segment_leans_on_the_wider_ones() -> None:
    # 200 Swedes play artist 0, 20 Norwegians artist 1; twelve Norwegians of 25-34 artist 2.
    places = np.array(["SE"] * 200 + ["NO"] * 32, object)
    ages = np.array([""] * 220 + ["25-34"] * 12, object)
    columns = np.array([0] * 200 + [1] * 20 + [2] * 12)
    pairs = Pairs.build(np.arange(232), columns, np.ones(232), (232, 4))
    lists = segment_lists(pairs, ages, places, prior=10.0)
    assert set(lists) == {"@/", "@/SE", "@/NO", "@25-34/", "@25-34/NO"}
    assert lists["@/"].artists.tolist() == [0, 1, 2]  # artist 3 has no listener
    assert lists["@/NO"].artists[0] == 1 and lists["@25-34/NO"].artists[0] == 2
    # (counts + prior × parent's share) / (listeners + prior), over that of the first
    everybody = np.array([200, 20, 12]) / 232
    norway = (np.array([0, 20, 12]) + 10 * everybody) / 42
    best = np.argsort(-norway)
    np.testing.assert_allclose(lists["@/NO"].scores, norway[best] / norway[best[0]], rtol=1e-5)
    assert lists["@/NO"].artists.tolist() == best.tolist()
    assert lists["@/NO"].scores.max() == 1.0 and lists["@/NO"].scores.min() > 0


def test_segments_below_ten_listeners_have_no_list() -> None:
    places = np.array(["SE"] * 30 + ["NO"] * 9, object)
    pairs = Pairs.build(np.arange(39), np.arange(39) % 3, np.ones(39), (39, 3))
    lists = segment_lists(pairs, np.full(39, "18-24", object), places)
    assert set(lists) == {"@/", "@/SE", "@18-24/", "@18-24/SE"}
    assert segment_of("18-24", "NO") not in lists
