"""Artists that few know yet: who they are, their vectors, and the places that lists keep for them."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from conftest import DAY, START, Job, listener, planted
from hypothesis import given
from hypothesis import strategies as st
from segue_ml import training
from segue_ml.data import Dataset
from segue_ml.errors import SegueError
from segue_ml.export import Exported, load
from segue_ml.ials import Model, Ridge, Settings
from segue_ml.newcomers import Catalogue, Newcomers, find_newcomers
from segue_ml.quota import Quota, Surfacing
from segue_ml.score import Scorer
from segue_ml.value import Value, decode, release_tag

CPU = torch.device("cpu")
GENRES = ("rock", "jazz", "pop")


def model_of(factors: np.ndarray) -> Model:
    rank = factors.shape[1]
    return Model(
        torch.from_numpy(factors.astype(np.float32)), torch.ones(rank), Ridge(1.0, 0.1, 1.0), Settings(rank=rank), len(factors)
    )


def world(seed: int = 0) -> tuple[Model, np.ndarray, np.ndarray, Catalogue]:
    """30 known artists in three genres, each with its own direction, and 6 new ones, the last two of an unknown genre."""
    rng = np.random.default_rng(seed)
    genre = np.arange(30) % 3
    directions = np.eye(4)[:3] * 2
    factors = directions[genre] + 0.1 * rng.normal(size=(30, 4))
    numbers = np.arange(1, 31)
    words = [GENRES[one] for one in genre] + ["rock", "jazz", "pop", "rock", "polka", ""]
    catalogue = Catalogue(np.arange(1, 37, dtype=np.int32), [np.array(words, object)])
    return model_of(factors), numbers, rng.integers(10, 50, 30), catalogue


def test_a_new_artist_begins_as_one_of_its_genre() -> None:
    model, numbers, listeners, catalogue = world()
    found = find_newcomers(model, numbers, listeners, np.zeros(30, bool), catalogue)
    assert found.numbers.tolist() == [31, 32, 33, 34]  # nothing is known of polka, and of no word at all
    assert found.at.tolist() == [-1] * 4
    assert found.vectors.argmax(1).tolist() == [0, 1, 2, 0]
    torch.testing.assert_close(found.vectors[0], found.vectors[3])


def test_its_few_listeners_are_added_and_do_not_teach_the_words() -> None:
    model, numbers, listeners, catalogue = world()
    young = numbers == 1
    model.artists[0] = torch.tensor([0.0, 0.0, 0.0, 7.0])  # a rock artist whose listeners are of another kind
    found = find_newcomers(model, numbers, listeners, young, catalogue)
    assert found.numbers.tolist() == [1, 31, 32, 33, 34] and found.at.tolist() == [0, -1, -1, -1, -1]
    torch.testing.assert_close(found.vectors[0], found.vectors[1] + model.artists[0])
    assert float(found.vectors[1][3].abs()) < 0.2


def test_factors_that_were_trained_towards_their_words_have_them_once() -> None:
    model, numbers, listeners, catalogue = world()
    drawn = replace(model, settings=model.settings.changed(word_ridge=3.0))
    found = find_newcomers(drawn, numbers, listeners, numbers == 1, catalogue)
    assert found.numbers.tolist() == [1, 31, 32, 33, 34]
    torch.testing.assert_close(found.vectors[0], model.artists[0])
    assert found.vectors[1:].argmax(1).tolist() == [0, 1, 2, 0]  # nobody has trained these


def test_without_words_those_with_listeners_stand_by_their_own_factors() -> None:
    model, numbers, listeners, catalogue = world()
    found = find_newcomers(model, numbers, listeners, numbers <= 2, replace(catalogue, words=[]))
    assert found.numbers.tolist() == [1, 2]
    torch.testing.assert_close(found.vectors, model.artists[:2])


def test_the_catalogue_is_read_with_its_words(job: Job) -> None:
    job.write("artists", pa.table({"artist_no": pa.array([9, 3, 5], pa.int32()), "genre": ["rock", None, "jazz"], "followers": [1000, 0, None]}))
    found = Catalogue.read(job.channel("artists"))
    assert found.numbers.tolist() == [3, 5, 9]
    assert [words.tolist() for words in found.words] == [["", "jazz", "rock"], ["", "", "6"]]


def dataset(rows: list[tuple[int, int, float, int]], listeners: int = 10, artists: int = 3) -> Dataset:
    row, column, weight, day = (np.array(part) for part in zip(*rows, strict=True))
    nothing = np.full(listeners, "", object)
    names = np.array([f"l{at}" for at in range(listeners)], object)
    return Dataset(
        names, np.arange(1, artists + 1), row, column.astype(np.int32), weight.astype(np.float32), START + day * DAY, nothing, nothing
    )


def test_few_listeners_and_none_of_long_ago_make_a_newcomer() -> None:
    played = [(listener, 0, 1.0, 9) for listener in range(5)]  # the first has five listeners
    played += [(0, 1, 1.0, 9), (1, 1, 1.0, 8), (2, 1, 0.0, 7)]  # the second two, as who skipped it is none
    played += [(0, 2, 1.0, 2)]  # the third one, who met it long ago
    data, quota = dataset(played), Quota(listeners=5, days=5)
    assert quota.young(data, START + 10 * DAY).tolist() == [False, True, False]
    assert quota.young(data, START + 9 * DAY).tolist() == [True, True, False]  # what is to come is not known
    assert quota.young(data, START + 10 * DAY, sample=0.2).tolist() == [False, False, False]


@given(share=st.floats(0, 0.5), after=st.integers(0, 99), size=st.integers(1, 100))
def test_places_are_at_least_the_share_and_lie_in_the_list(share: float, after: int, size: int) -> None:
    places = Quota(share, after).places(size)
    assert share * size - 1e-6 <= len(places) < share * size + 1
    assert places == sorted(set(places)) and all(0 <= place < size for place in places)
    if after + len(places) <= size and places:
        assert places[0] == after


@pytest.mark.parametrize(
    "quota, name",
    [(Quota(0.6), "share"), (Quota(-0.1), "share"), (Quota(after=-1), "after"), (Quota(listeners=0), "listeners"), (Quota(days=-1), "days")],
)
def test_a_wrong_quota_is_named(quota: Quota, name: str) -> None:
    with pytest.raises(SegueError, match=f"new-artists-{name}: .* is not between"):
        quota.check()


@given(
    seed=st.integers(0, 1000),
    share=st.floats(0.01, 0.5),
    newcomers=st.integers(1, 12),
    listed=st.integers(0, 10),
    trained=st.integers(0, 5),
)
def test_lists_keep_their_order_and_hold_the_quota(seed: int, share: float, newcomers: int, listed: int, trained: int) -> None:
    rng, size, width, rows = np.random.default_rng(seed), 10, 40, 6
    at = np.full(newcomers, -1)
    at[: min(trained, newcomers)] = rng.choice(width, min(trained, newcomers), replace=False)
    new = Newcomers(np.arange(100, 100 + newcomers, dtype=np.int32), torch.from_numpy(rng.normal(size=(newcomers, 3)).astype(np.float32)), at)
    top = torch.from_numpy(np.stack([rng.permutation(width)[:size] for _ in range(rows)]))
    scores = torch.from_numpy(-np.sort(-rng.normal(size=(rows, size)).astype(np.float32)))
    scores[:, listed:] = -torch.inf
    barred = rng.random((rows, newcomers)) < 0.3
    played = tuple(torch.from_numpy(part) for part in np.nonzero(barred))
    quota = Quota(share, after=3)
    surfacing = Surfacing(new, quota, size, width)
    vectors = torch.from_numpy(rng.normal(size=(rows, 3)).astype(np.float32))
    names = [f"l{row}" for row in range(rows)]
    artists, kept = surfacing.into(top, scores, vectors, names, played)
    for row in range(rows):
        there = torch.isfinite(kept[row])
        own, values = artists[row][there].tolist(), kept[row][there].tolist()
        old = [one for one in own if one < width]
        mine = [one - width for one in own if one >= width]
        assert values == sorted(values, reverse=True)
        assert len(set(own)) == len(own) <= size
        assert old == top[row].tolist()[: len(old)]
        assert not any(barred[row][one] for one in mine)
        assert not {int(at[one]) for one in mine} & set(top[row].tolist()[:listed])
        natural = len({int(one) for one in at if one >= 0} & set(top[row].tolist()[:listed]))
        able = sum(not barred[row][one] and int(at[one]) not in top[row].tolist()[:listed] for one in range(newcomers))
        assert len(mine) == min(able, max(0, len(quota.places(size)) - natural))
    for row in range(rows):  # alone as among others
        mask = played[0] == row
        alone = surfacing.into(
            top[row : row + 1], scores[row : row + 1], vectors[row : row + 1], names[row : row + 1], (played[0][mask] * 0, played[1][mask])
        )
        assert alone[0][torch.isfinite(alone[1])].tolist() == artists[row][torch.isfinite(kept[row])].tolist()


def test_listeners_take_turns_and_so_do_releases() -> None:
    same = torch.tensor([[1.0, 0.0]] * 50)
    new = Newcomers(np.arange(1, 51, dtype=np.int32), same, np.full(50, -1))
    top, scores = torch.zeros(200, 10, dtype=torch.int64), torch.linspace(1, 0, 10).expand(200, 10)
    vectors, names = torch.ones(200, 2), [f"l{row}" for row in range(200)]
    nobody = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    first, second = (Surfacing(new, Quota(0.1), 10, 5, tag).into(top, scores, vectors, names, nobody)[0][:, 5] for tag in (1, 2))
    assert len(set(first.tolist())) > 40
    assert (first != second).float().mean() > 0.9


def test_a_worse_newcomer_does_not_take_the_turn_of_better_ones() -> None:
    values = np.concatenate([np.full(5, 1.0), np.full(45, -1.0)]).astype(np.float32)[:, None]
    new = Newcomers(np.arange(1, 51, dtype=np.int32), torch.from_numpy(values), np.full(50, -1))
    top, scores = torch.zeros(100, 10, dtype=torch.int64), torch.linspace(1, 0, 10).expand(100, 10)
    nobody = torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64)
    found = Surfacing(new, Quota(0.1), 10, 5).into(top, scores, torch.ones(100, 1), [str(at) for at in range(100)], nobody)[0][:, 5]
    assert set(found.tolist()) == {5, 6, 7, 8, 9}


LIGHT = ("--rank", "8", "--sweeps", "3", "--item-weight", "0.2", "--filter-weight", "0.2", "--filter-rank", "8", "--feedback", "given")


def with_new_artists(job: Job) -> Job:
    """Genres are the planted taste groups; four artists of the catalogue have no event at all."""
    numbers = planted()["artists"]["artist_no"].to_pylist()
    genres = [f"g{at // 20}" for at in range(len(numbers))]
    job.write("artists", pa.table({"artist_no": pa.array([*numbers, 901, 902, 903, 904], pa.int32()), "genre": [*genres, "g0", "g0", "g1", "nothing"]}))
    return job


def run(job: Job, monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    for name, value in job.environment.items():
        monkeypatch.setenv(name, value)
    return training.main([*LIGHT, *options])


@pytest.fixture(scope="module")
def surfacing(tmp_path_factory: pytest.TempPathFactory) -> tuple[Job, Exported]:
    made = Job(tmp_path_factory.mktemp("new"))
    for name, table in planted().items():
        made.write(name, table)
    with pytest.MonkeyPatch.context() as patch:
        assert run(with_new_artists(made), patch, "--new-artists-share", "0.1") == 0
    return made, load(made.model, CPU)


def lists(exported: Exported, *records: dict, size: int = 20) -> dict[str, Value]:
    scorer = Scorer(exported, release_tag("20261122t035200-1a2b3c4d"), 1_795_319_520, size, CPU)
    lines = scorer.lines("".join(json.dumps(record) + "\n" for record in records).encode())
    return {line.split(" ")[0]: decode(base64.b64decode(line.split(" ")[1])) for line in lines}


def test_the_job_exports_new_artists_and_their_quota(surfacing: tuple[Job, Exported]) -> None:
    job, exported = surfacing
    assert exported.newcomers is not None and set(exported.newcomers.numbers) >= {901, 902, 903}
    assert 904 not in exported.newcomers.numbers
    assert exported.quota == Quota(share=0.1)
    found = json.loads((job.output / "evaluation.json").read_text())["newArtists"]
    assert found["artists"] >= 3 and found["slots"]["with"] >= 0.09 > found["slots"]["without"]
    assert found["ndcg@20"]["difference"] == pytest.approx(found["ndcg@20"]["with"] - found["ndcg@20"]["without"], abs=2e-6)
    model = json.loads((job.output / "evaluation.json").read_text())["metrics"]["model"]
    assert found["recall@20"]["without"] <= model["recall@20"] + 1e-6
    assert "New artists" in (job.output / "report.html").read_text()
    assert "of the places" in (job.output / "model-card.md").read_text()


def test_lists_hold_new_artists_of_the_listeners_taste_with_reasons(surfacing: tuple[Job, Exported]) -> None:
    _, exported = surfacing
    group = [101 + at * 3 // 2 for at in range(20)]
    plain = replace(exported, newcomers=None)
    asked = [listener(f"l{at}", group[:6]) for at in range(20)]
    found, before = lists(exported, *asked), lists(plain, *asked)
    seen = set()
    for name, value in found.items():
        new = [at for at, artist in enumerate(value.artists) if artist > 900]
        assert new == [5, 12]  # two places in twenty, the first after five
        assert value.scores == sorted(value.scores, reverse=True) and len(value.artists) == 20
        assert [artist for artist in value.artists if artist < 900] == before[name].artists[:18]
        seen |= {value.artists[at] for at in new}
        because = value.reasons[5]
        assert because and value.reason_artists[because - 1] in group
    assert seen >= {901, 902}


def test_who_played_a_new_artist_is_not_offered_it(surfacing: tuple[Job, Exported]) -> None:
    found = lists(surfacing[1], listener("l1", [101, 102, 901, 902, 903]), listener("l2", [901, 902, 903]))
    assert not {901, 902, 903} & {*found["l1"].artists, *found["l2"].artists}


def test_listeners_without_history_meet_new_artists_and_segments_do_not(surfacing: tuple[Job, Exported]) -> None:
    found = lists(
        surfacing[1], listener("l1", [], ageGroup="18-24", place="US-CA"), listener("l2", []), {"segment": "@18-24/US-CA"}, {"segment": "@/"}
    )
    for name, segment in (("l1", "@18-24/US-CA"), ("l2", "@/")):
        assert [at for at, artist in enumerate(found[name].artists) if artist > 900] == [5, 12]
        assert found[name].scores == sorted(found[name].scores, reverse=True)
        assert found[name].source == found[segment].source
        assert not any(artist > 900 for artist in found[segment].artists)
        assert [artist for artist in found[name].artists if artist < 900] == found[segment].artists[:18]


def test_without_a_share_lists_are_as_before(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(with_new_artists(job), monkeypatch, "--new-artists-share", "0") == 0
    exported = load(job.model, CPU)
    asked = [listener("l1", [101, 102]), listener("l2", [])]
    assert lists(exported, *asked) == lists(replace(exported, newcomers=None), *asked)


def test_a_wrong_share_is_in_the_failure_file(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(with_new_artists(job), monkeypatch, "--new-artists-share", "0.7") == 1
    assert job.failure.read_text() == "new-artists-share: 0.7 is not between 0 and 0.5"


def test_files_of_new_artists_that_do_not_belong_together_are_refused(surfacing: tuple[Job, Exported], tmp_path: Path) -> None:
    import shutil

    shutil.copytree(surfacing[0].model, tmp_path / "model")
    np.save(tmp_path / "model" / "new_artist_numbers.npy", np.array([1], np.int32))
    with pytest.raises(SegueError, match="do not belong together"):
        load(tmp_path / "model", CPU)
